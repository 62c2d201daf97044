# The service inside of an application's own Microdot server.
import asyncio

from microdot import Microdot

from manager_wifi import WiFiManager
from service_ota import OTAUpdateService

app = Microdot()


@app.get("/")
async def index(request):
    return "the application"


async def main():
    wifi = WiFiManager("test-net", "test-password", "pico-test")
    await wifi.connect(timeout_s=5)
    ota_service = OTAUpdateService(wifi)
    ota_service.mount(app, "/ota")
    await ota_service.start()
    await app.start_server(port=5000)


asyncio.run(main())
