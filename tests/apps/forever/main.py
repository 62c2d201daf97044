# The first usage of the specification: the service beside other tasks, with loop.run_forever().
import asyncio

from manager_wifi import WiFiManager
from service_ota import OTAUpdateService


async def blink():
    while True:
        await asyncio.sleep_ms(20)


async def setup():
    loop = asyncio.get_event_loop()
    wifi_service = WiFiManager("test-net", "test-password", "pico-test")
    loop.create_task(blink())  # noqa: RUF006
    ota_service = OTAUpdateService(
        wifi_service=wifi_service,
        auth_username="admin",
        auth_password="otapico",
        port=8080,
    )
    await ota_service.start()
    print("start() returned, listening:", ota_service.port is not None)


loop = asyncio.get_event_loop()
loop.create_task(setup())  # noqa: RUF006
loop.run_forever()
