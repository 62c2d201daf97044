# An application with a web server of its own, Microdot: the updater becomes a part of it, at
# http://pico-lamp.local/ota/ (the slash at the end is needed), and opens no port of its own.
#
# Microdot does not come with the updater. Install it once, over USB:
#
#     mpremote mip install github:miguelgrinberg/microdot/src/microdot/microdot.py@v2.7.0
#
# The board compiles that file at each start, which takes 110 KB of heap for a moment. Compiled
# before, it takes 23 KB: `pico-ota push --mpy` does that to a lib/microdot.py beside this file.

import asyncio

from microdot import Microdot

from manager_wifi import WiFiManager
from service_ota import OTAUpdateService

app = Microdot()
lamp = {"on": False}


@app.get("/")
async def index(request):
    return lamp


@app.post("/toggle")
async def toggle(request):
    lamp["on"] = not lamp["on"]
    return lamp


async def main():
    wifi = WiFiManager("your_ssid", "your_password", "pico-lamp")
    ota = OTAUpdateService(wifi, auth_password="choose-your-own")
    ota.mount(app, "/ota")  # before start()
    await ota.start()
    await app.start_server(port=80)


asyncio.run(main())
