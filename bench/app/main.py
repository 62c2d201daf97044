# The application of the measurements: the service, and orders where control.py is there.
import asyncio
import os

from manager_wifi import WiFiManager
from service_ota import OTAUpdateService


async def main():
    settings = {}
    if "public.json" in os.listdir("/"):
        settings["public_key"] = "/public.json"
    ota_service = OTAUpdateService(
        WiFiManager("bench-net", "bench-password", "pico-bench"),
        trial_deadline_s=60,
        confirm_after_s=1,
        **settings,
    )
    if "control.py" in os.listdir("/"):
        import control

        await control.start()
    await ota_service.start()
    while True:
        await asyncio.sleep(1)


asyncio.run(main())
