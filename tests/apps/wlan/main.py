# The board's own WLAN object as the Wi-Fi service, joined by the application.
import asyncio
import network
import time

from service_ota import OTAUpdateService

network.hostname("pico-wlan")
wlan = network.WLAN(network.STA_IF)
wlan.active(True)
wlan.connect("test-net", "test-password")
while not wlan.isconnected():
    time.sleep_ms(20)


async def main():
    await OTAUpdateService(wlan).start()
    while True:
        await asyncio.sleep(1)


asyncio.run(main())
