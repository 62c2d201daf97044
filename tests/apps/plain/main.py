# The smallest application with the update service, as the tests run it.
import asyncio

from manager_wifi import WiFiManager
from service_ota import OTAUpdateService


async def main():
    ota_service = OTAUpdateService(WiFiManager("test-net", "test-password", "pico-test"))
    await ota_service.start()
    while True:
        await asyncio.sleep(1)


asyncio.run(main())
