# The application of the page's tests: a release is confirmed after a second.
import asyncio

from manager_wifi import WiFiManager
from service_ota import OTAUpdateService


async def main():
    ota_service = OTAUpdateService(
        WiFiManager("test-net", "test-password", "pico-test"),
        trial_deadline_s=8,
        confirm_after_s=1,
    )
    await ota_service.start()
    while True:
        await asyncio.sleep(1)


asyncio.run(main())
