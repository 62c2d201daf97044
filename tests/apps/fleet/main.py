# A board of a fleet, with time limits that a test can wait for.
import asyncio
import json

from manager_wifi import WiFiManager
from service_ota import Fleet, OTAUpdateService


def options():
    # Of the test: beside the address, what the service or the Fleet is constructed with.
    with open("/fleet.json") as file:
        return json.load(file)


async def main():
    given = options()
    fleet = Fleet(**given["fleet"])
    answers = given.get("before_install")
    service = given.get("service", {})
    if answers:
        service["before_install"] = lambda version: answers.pop(0) if answers else True
    ota_service = OTAUpdateService(
        WiFiManager("test-net", "test-password", "pico-test"),
        trial_deadline_s=12,
        confirm_after_s=1,
        fleet=fleet,
        **service,
    )
    await ota_service.start()
    turns = 0
    while True:
        await asyncio.sleep_ms(20)
        turns += 1
        if turns % 50 == 0:
            print("turns", turns)


asyncio.run(main())
