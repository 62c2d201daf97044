# The application of the measurements: the service, and orders where control.py is there.
import asyncio
import os

from manager_wifi import WiFiManager
from service_ota import OTAUpdateService


async def main():
    settings = {}
    if "public.json" in os.listdir("/"):
        settings["public_key"] = "/public.json"
    if "fleet.json" in os.listdir("/"):
        import json

        with open("/fleet.json") as file:
            settings["fleet"] = json.load(file)
    ota_service = OTAUpdateService(
        WiFiManager("bench-net", "bench-password", "pico-bench"),
        trial_deadline_s=60,
        confirm_after_s=1,
        **settings,
    )
    await ota_service.start()
    if "control.py" in os.listdir("/"):
        import control

        while ota_service.port is None:  # the first port to listen is the one the host knows
            await asyncio.sleep_ms(10)
        await control.start()
    if "others.py" in os.listdir("/"):
        import others

        await others.start_webrepl()
    while True:
        await asyncio.sleep(1)


asyncio.run(main())
