# As plain, but what the service writes after 30 s of good health it writes at once.
import asyncio

from manager_wifi import WiFiManager
from service_ota import OTAUpdateService


async def main():
    wifi = WiFiManager("test-net", "test-password", "pico-test")
    ota_service = OTAUpdateService(wifi, confirm_after_s=0.1)
    await ota_service.start()
    while True:
        await asyncio.sleep(1)


asyncio.run(main())
