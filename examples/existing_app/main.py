# An application that was there before updates were: it reads a sensor and acts on it. What updates
# over the air add to it bears the word "OTA".

import asyncio
import time
from machine import ADC

from manager_wifi import WiFiManager  # OTA
from service_ota import OTAUpdateService  # OTA

thermometer = ADC(4)  # the one inside the chip
watering = False


def temperature():
    # RP2040 data sheet, 4.9.5: 0.706 V at 27 degrees, 1.721 mV less for each degree more.
    return 27 - (thermometer.read_u16() * 3.3 / 65535 - 0.706) / 0.001721


async def measure(ota):
    while True:
        value = temperature()
        print("%.1f degrees" % value)
        if -40 < value < 85:
            # OTA: this version has done its real work once, so it may stay. Outside a trial the
            # call does nothing. Without it, the version before comes back after three minutes.
            ota.confirm()
        await asyncio.sleep(10)


def before_install(version):
    # OTA: asked before a new version goes live. A number means "ask again in so many seconds".
    return 30 if watering else True


async def main():
    wifi = WiFiManager("your_ssid", "your_password", "pico-garden")  # OTA
    ota = OTAUpdateService(  # OTA
        wifi,
        auth_password="choose-your-own",
        auto_confirm=False,  # being reachable is not enough: measure() decides
        before_install=before_install,
    )
    await ota.start()  # OTA: returns at once; works in the background

    started = time.ticks_ms()
    measuring = asyncio.create_task(measure(ota))
    while not measuring.done():
        await asyncio.sleep(60)
        print("up for %d s" % (time.ticks_diff(time.ticks_ms(), started) // 1000))


asyncio.run(main())
