"""``pico-ota rollback``."""

from __future__ import annotations

from typing import Annotated

import typer

from ..errors import PicoOtaError
from .options import verb
from .session import Session


@verb(device=True)
def command(
    session: Session,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Wait until the old version runs.")
    ] = True,
) -> None:
    """Bring the previous version back. The device still has it: nothing is sent.

    \b
    Examples:
      pico-ota rollback
      pico-ota rollback --no-wait
    """
    from ..waiting import Watch, is_restored

    out = session.out
    with session.remote() as remote:
        boot_id = str(remote.info()["boot_id"])
        answer = remote.rollback()
        if not wait:
            out.say("The device restarts and puts the old files back.")
            out.result(answer)
            return
        out.say("The device puts the old files back and restarts.")
        watch = Watch(remote, out.say)
        with out.busy("waiting for the device", "the device goes on and puts the old files back."):
            watch.restart(boot_id, int(answer.get("restart_ms", 1000)))
            status = watch.idle()
    if not is_restored(status):
        raise PicoOtaError(f"the version before is not wholly back: {status['last']['reason']}.")
    out.say(f"{status.get('name')} runs {status.get('version') or 'what it did before'}.", "green")
    out.result(status)
