"""One update server and many boards that poll it."""
