"""Every figure of docs/measured.md, one script each; `python -m bench` measures them all."""
