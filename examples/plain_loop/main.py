# A program without asyncio, updated over the air: one loop that measures, acts and waits.

from machine import ADC, Pin

from manager_wifi import WiFiManager
from service_ota import OTAUpdateService

led = Pin("LED", Pin.OUT)
thermometer = ADC(4)  # the one inside the chip

wifi = WiFiManager("your_ssid", "your_password", "pico-cellar")
ota = OTAUpdateService(wifi, auth_password="choose-your-own")
ota.start()  # nothing runs by itself here: that takes the two calls below

while True:
    led.on()
    # In the place of time.sleep(): Wi-Fi, page and updates go on meanwhile.
    ota.sleep(0.5)
    led.off()

    total = 0
    for _ in range(20):
        total += thermometer.read_u16()
        # Long work gives them a turn in between. The more of them it gives, the faster a page or
        # an update gets there; with none at all nobody answers, and a new version is undone.
        ota.poll(10)
    print("thermometer at %d" % (total // 20))
