# The smallest program with updates over the air. Save it on the board as main.py.

import uasyncio as asyncio  # the old name of asyncio; both work

from manager_wifi import WiFiManager
from service_ota import OTAUpdateService


async def main():
    # Initialize WiFi: the name and password of your network (2.4 GHz; this board has no 5 GHz).
    # The third value is the board's own name in that network: http://device-name.local:8080.
    # Leave it out and every board gets a name of its own, such as pico-a1b2c3.
    wifi_service = WiFiManager("your_ssid", "your_password", "device-name")

    # Initialize OTA service. Log in as "admin" with the password "otapico", until you change them:
    # OTAUpdateService(wifi_service, auth_username="...", auth_password="...")
    ota_service = OTAUpdateService(wifi_service)

    # Start OTA service. This also starts WiFi, and returns at once: both work in the background
    # and come back by themselves when the network was gone. The console shows the address.
    await ota_service.start()

    # Run your application. Everything it waits for has to be `await`ed: during time.sleep() or a
    # long loop without `await`, nobody answers the browser.
    while True:
        await asyncio.sleep(1)


asyncio.run(main())
