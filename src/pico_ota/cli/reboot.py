"""``pico-ota reboot``."""

from __future__ import annotations

from typing import Annotated

import typer

from ..errors import PicoOtaError, RefusedError
from .options import verb
from .session import Session


@verb(device=True)
def command(
    session: Session,
    rescue: Annotated[
        bool, typer.Option("--rescue", help="Start Wi-Fi and the updater only, no application.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Wait until the device is back.")
    ] = True,
) -> None:
    """Restart the device.

    Rescue mode leaves the application out, so the whole memory is there for an update; the device
    leaves it by itself when nobody uses it.

    \b
    Examples:
      pico-ota reboot
      pico-ota reboot --rescue
    """
    from ..waiting import TRIAL_S, Watch, deadline_s

    out = session.out
    with session.remote() as remote:
        try:
            trial_s = deadline_s(remote.status())
        except RefusedError:  # it may lack the memory for this, and a restart helps
            trial_s = TRIAL_S
        answer = remote.reboot("rescue" if rescue else "normal")
        if wait:
            out.say("Restarting…")
            watch = Watch(remote, out.say, trial_s=trial_s)
            with out.busy("waiting for the device", "the device restarts all the same."):
                watch.restart(str(answer["boot_id"]), int(answer.get("restart_ms", 1000)))
            status = remote.status()
            mode = status.get("mode")
            if (mode == "rescue") != rescue:
                raise PicoOtaError(
                    f"expected the device in {'rescue' if rescue else 'normal'} mode, it is back "
                    f"in {mode} mode. 'pico-ota log' may say why."
                )
            out.say(f"{status.get('name')} is back, in {mode} mode.", "green")
            out.result(status)
        else:
            out.say("The device restarts.")
            out.result(answer)
