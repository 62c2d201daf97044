"""Every figure that the README quotes, one script each; `python -m bench` measures them all."""
