"""Fixtures: a server that lives as long as a test, and small releases."""

import pytest
from update_server import Server

from pico_ota.release import Options, build


@pytest.fixture
def serve(tmp_path):
    """Start update servers that end with the test: serve(folder=None, *options)."""
    running = []

    def start(folder=None, *options, **more):
        server = Server(folder or tmp_path / f"fleet{len(running)}", *options, **more)
        running.append(server)
        return server

    yield start
    for server in running:
        server.stop()


@pytest.fixture
def server(serve):
    """An update server that listens."""
    return serve()


@pytest.fixture
def make_swu(tmp_path):
    """Build an unsigned release: make_swu("1.1.0", main=b"…", boards=…)."""

    def make(version, main=b"print('hello')\n", **options):
        app = tmp_path / f"app-{version}"
        app.mkdir(exist_ok=True)
        (app / "main.py").write_bytes(main)
        path = tmp_path / f"app-{version}.swu"
        build(app, path, version, Options(**options))
        return path

    return make
