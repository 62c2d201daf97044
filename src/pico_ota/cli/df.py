"""``pico-ota df``."""

from __future__ import annotations

from .options import verb
from .output import amount
from .session import Session


@verb(device=True)
def command(session: Session) -> None:
    """Show how full the flash of the device is, in bytes.

    \b
    Examples:
      pico-ota df
      pico-ota df --json | jq .free
    """
    with session.remote() as remote:
        _, space = remote.listing("/")
    used = space.total - space.free
    session.out.table(
        ["total", "used", "free", "full"],
        [
            [
                amount(space.total),
                amount(used),
                amount(space.free),
                f"{100 * used / max(space.total, 1):.0f} %",
            ]
        ],
    )
    session.out.result(
        {"total": space.total, "used": used, "free": space.free, "block": space.block}
    )
