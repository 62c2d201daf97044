"""The page: its size on the wire, and the connections that it opens for an upload."""

import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from bench import board, figures
from bench.figures import Data, Row, at_most
from bench.terminal import counted
from pico_ota.devicefiles import device_files

TITLE = "The page"
_FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
_FAR_MS = 120_000


def upload(count: int) -> int:
    """Return the TCP connections that the page opens to show itself and to save *count* files."""
    with (
        tempfile.TemporaryDirectory() as name,
        board.started() as pico,
        counted(pico) as wire,
        sync_playwright() as playwright,
    ):
        board.make_files(Path(name), count, count * 1000)
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=list(_FLAGS)
        )
        credentials = {"username": "admin", "password": board.PASSWORD}
        page = chromium.new_context(http_credentials=credentials).new_page()
        page.set_default_timeout(_FAR_MS)
        page.goto(f"http://127.0.0.1:{wire.port}")
        page.wait_for_selector("#main:not([hidden])")
        page.set_input_files("#pickFolder", name)
        page.wait_for_selector("#buttons button.main")
        page.check("[value=save]")
        page.click("#buttons button.main")
        page.wait_for_function(
            "text => document.getElementById('headline').textContent.includes(text)",
            arg=f"{count} files saved",
        )
        connections = wire.connections
        chromium.close()
        return connections


def measure(quick: bool = False) -> Data:
    """Measure both."""
    count = 8 if quick else 60
    return {
        "files": count,
        "connections": upload(count),
        "gzip": len(device_files()["/ota/page.html.gz"]),
    }


def rows(data: Data) -> list[Row]:
    """Compare with the limits."""
    what = f"TCP connections of the page for an upload of {data['files']} files"
    return [
        at_most(what, data["connections"], 4),
        at_most("the page, gzip", data["gzip"], 20 * 1024, lambda size: f"{size} bytes"),
    ]


if __name__ == "__main__":
    sys.exit(figures.run(__name__))
