"""``pico-ota discover``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from ..discovery import Device
from ..errors import PicoOtaError, UnreachableError
from .options import verb
from .output import Out
from .session import Session

HostsArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[HOST...]", help="Ask these only. Default: everyone here."),
]
WaitOption = Annotated[
    float, typer.Option("--wait", "-w", metavar="SECONDS", min=0.1, max=60, help="Listen for.")
]
PortOption = Annotated[
    int, typer.Option("--port", metavar="N", min=1, max=65535, help="UDP port of the probe.")
]


@verb()
def command(
    session: Session,
    hosts: HostsArgument = None,
    wait: WaitOption = 2.0,
    port: PortOption = 8081,
) -> int:
    """Find devices: a question to everyone on this network, answered by the updater on each.

    Routers and guest networks may keep broadcasts back; then name the hosts. Status 3 when nobody
    answers.

    \b
    Examples:
      pico-ota discover
      pico-ota discover --wait 5 --json
      pico-ota discover pico-kitchen.local 192.168.1.7
    """
    devices = found(hosts, wait, port)
    session.out.result([asdict(device) | {"url": device.url} for device in devices])
    show(session.out, hosts, devices)
    return 0 if devices else UnreachableError.exit_status


def found(hosts: list[str] | None, wait: float, port: int) -> list[Device]:
    """Those of *hosts*, or of everyone here, that answer."""
    from .. import discovery

    devices = discovery.discover(hosts or (), wait, port)
    if hosts and not devices:
        devices = [device for host in hosts if (device := _over_http(host, wait)) is not None]
    return devices


def show(out: Out, hosts: list[str] | None, devices: list[Device]) -> None:
    """Say who answered; *hosts* are those that were asked."""
    if not devices:
        other = "" if hosts else "'pico-ota discover ADDRESS' asks one directly. "
        out.warn(
            "nobody answered. Is the device on, on this network, and its updater running? "
            f"{other}Its console shows the address."
        )
        return
    out.table(
        ["name", "address", "board", "release"],
        [
            [device.name, f"{device.address}:{device.port}", device.board, device.release]
            for device in devices
        ],
    )


def _over_http(host: str, timeout_s: float) -> Device | None:
    """Ask the web server of *host*: a firewall may let that through and the probe not."""
    from .. import target
    from ..remote import Remote

    where = target.parse(host)
    try:
        with Remote(where, timeout_s=timeout_s, retries=0) as remote:
            info = remote.info()
            address = target.resolve(where)
    except PicoOtaError:
        return None
    texts = (str(info.get(key, "")) for key in ("name", "release", "boot_id"))
    name, release, boot_id = texts
    return Device(name, address, where.port, "", release, boot_id)
