# An application that fills the flash while an upload to /at-<n> is under way, after n bytes.
import asyncio
import os

from manager_wifi import WiFiManager
from service_ota import OTAUpdateService


def on_progress(path, received, size):
    if path.startswith("/at-") and received >= int(path[4:]) and "eaten" not in os.listdir("/"):
        with open("/eaten", "wb") as file:
            try:
                while True:
                    file.write(b"x" * 512)
                    file.flush()
            except OSError:
                pass


async def main():
    wifi = WiFiManager("test-net", "test-password", "pico-test")
    await OTAUpdateService(wifi, on_progress=on_progress).start()
    while True:
        await asyncio.sleep(1)


asyncio.run(main())
