"""`/api/v1/confirm` and `/api/v1/rollback`: what becomes of a set that went live."""

from ota import current, health, transaction


async def confirm(device, head):
    """Keep the set on trial."""
    health.confirm(device.service)
    record = current.load()
    return 200, {"state": record["state"], "version": record["version"]}


async def rollback(device, head):
    """Bring the kept set back at once."""
    transaction.rollback()
    device.service.decided = True
    device.service.log("Rolling back.")
    answer = device.restart()
    answer["state"] = "reverting"
    return 202, answer
