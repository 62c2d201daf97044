"""Take docs/page.png, the picture of the page in the README: an update under way.

Everything in it is real: a simulated Pico with a past of three updates, one of which was undone,
and a flash that takes the time of a real one. Needs chromium.
"""

import argparse
import random
import shutil
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from pico_ota.sim import SimulatedPico

ROOT = Path(__file__).resolve().parent.parent
CREDENTIALS = {"username": "admin", "password": "correct horse"}
FLAGS = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"

MAIN = """\
import asyncio

from manager_wifi import WiFiManager
from service_ota import OTAUpdateService


async def main():
    ota_service = OTAUpdateService(
        WiFiManager("garden", "password", "garden-pico"),
        auth_password="correct horse",
        confirm_after_s=2,
    )
    await ota_service.start()
    while True:
        await asyncio.sleep(1)


asyncio.run(main())
"""
# What the application consists of, with sizes as such files have.
FILES = {
    "lib/bme280.py": 9400,
    "lib/display/driver.py": 14200,
    "lib/display/font.bin": 38600,
    "lib/mqtt.py": 11800,
    "lib/soil.py": 5100,
    "pictures/leaf.bin": 61440,
    "settings.json": 640,
}


def write_project(folder: Path, seed: int, main: str = MAIN) -> None:
    """Write a state of the application; another *seed* changes the pictures and the drivers."""
    rng = random.Random(seed)
    for path, size in FILES.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(rng.randbytes(size))
    (folder / "settings.json").write_text("{}\n")
    (folder / "main.py").write_text(main)


def send(page: Page, folder: Path, version: str) -> None:
    """Choose *folder* and start to send it."""
    page.set_input_files("#pickFolder", str(folder))
    page.wait_for_selector("#buttons >> text=Start update")
    page.uncheck("#inside")
    page.fill("#version", version)
    page.click("text=Start update")


def take(page: Page, image: Path, dark: bool) -> None:
    """Wait until more than half is sent and take the picture."""
    page.emulate_media(color_scheme="dark" if dark else "light")
    page.wait_for_function(
        "() => { const bar = document.querySelector('#total');"
        " return bar.value / bar.max > 0.7 && bar.max > 1000 }"
    )
    page.locator("body").screenshot(path=image)
    print(image)


def main() -> None:
    """Make the past, then the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image", type=Path, nargs="?", default=ROOT / "docs" / "page.png")
    parser.add_argument("--dark", action="store_true", help="as it looks on a dark desktop")
    parser.add_argument("--width", type=int, default=1120)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        project = Path(scratch) / "garden"
        write_project(project, 1)
        flash = Path(scratch) / "flash.img"
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=FLAGS.split()
        )
        page = browser.new_page(
            http_credentials=CREDENTIALS,
            viewport={"width": arguments.width, "height": 900},
            device_scale_factor=1.5,
        )
        with SimulatedPico(flash, app=project, heap="400K") as pico:
            pico.start()
            page.goto(pico.wait_listening(20))
            page.wait_for_selector("#main:not([hidden])")
            past = [
                ("1.3.0", 2, MAIN),
                ("1.4.0", 3, "import sesnors\n" + MAIN),
                ("1.4.1", 4, MAIN),
            ]
            for version, seed, program in past:
                write_project(project, seed, program)
                send(page, project, version)
                page.click("#buttons >> text=/Done|Close/", timeout=60000)
        # Now with the time that a real flash takes.
        with SimulatedPico(flash, heap="400K", flash_timing=True) as pico:
            pico.start()
            address = pico.wait_listening(20)
            time.sleep(5)  # so that it has been up for a while
            page.goto(address)
            page.wait_for_selector("#history li")
            write_project(project, 5)
            send(page, project, "1.5.0")
            take(page, arguments.image, arguments.dark)
        browser.close()


if __name__ == "__main__":
    main()
