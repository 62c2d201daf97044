"""What stands between a complete update and the restart that makes it live."""

import asyncio

from ota import current, states
from ota.commit import commit_steps
from ota.errors import Refused


async def ask_application(service):
    """Raise Refused when the application does not want what is staged, or not now."""
    record = current.load()
    states.after(record["state"], "commit")
    ask = service.before_install
    if ask is None:
        return
    try:
        verdict = ask(record["next"])
        if hasattr(verdict, "send"):
            verdict = await verdict
        if verdict is None or verdict is True:
            return
        if verdict is not False and not isinstance(verdict, str):
            verdict = max(1, int(verdict))
    except MemoryError:
        raise
    except Exception as error:
        verdict = "before_install raised %r; rescue mode does not ask it" % error
    if verdict is False or isinstance(verdict, str):
        reason = verdict or "it gave no reason"
        raise Refused(409, "refused_by_application/why", reason)
    raise Refused(503, "delayed_by_application", verdict, retry_after=verdict)


async def go_live(device, restart):
    """Commit what is staged, restart if *restart*, and return what the answer says."""
    version = current.load()["next"]
    steps = commit_steps()
    try:
        for _ in steps:
            await asyncio.sleep_ms(0)
    finally:
        steps.close()  # what it has open must not be left to the collector
    device.service.decided = True
    device.service.log("Version %s goes live at the restart." % version)
    answer = device.restart() if restart else {"boot_id": device.service.boot_id}
    answer["state"] = "committed"
    return answer
