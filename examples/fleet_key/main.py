# A device of a fleet: it takes releases that were signed with the owner's key, and nothing else.
# public.json comes from `pico-ota keygen`; it lies beside this file and is no secret.

import asyncio

from manager_wifi import WiFiManager
from service_ota import OTAUpdateService


async def main():
    wifi = WiFiManager("your_ssid", "your_password")  # each device is named pico-xxxxxx
    ota = OTAUpdateService(
        wifi,
        auth_password="choose-your-own",
        public_key="/public.json",
        min_version="1.0.0",  # nothing older, whoever signed it
    )
    await ota.start()

    while True:  # your application
        await asyncio.sleep(1)


asyncio.run(main())
