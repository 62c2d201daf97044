"""Many boards at once: on one network without a server, and over a server that they poll."""
