"""``pico-ota fleet discover``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ...errors import UnreachableError, UsageError
from ...fleet import hosts as lists
from ..discover import HostsArgument, PortOption, WaitOption, found, show
from ..options import verb
from ..output import count
from ..session import Session


@verb()
def command(
    session: Session,
    hosts: HostsArgument = None,
    save: Annotated[
        Path | None,
        typer.Option(
            "--save", metavar="FILE", help="Write them to this list, or add them to what it has."
        ),
    ] = None,
    wait: WaitOption = 2.0,
    port: PortOption = 8081,
) -> int:
    """Find boards on this network, and list them in a file for the other verbs.

    A board that the list has stays in it as it is, but for an address that has changed.

    \b
    Examples:
      pico-ota fleet discover
      pico-ota fleet discover --save fleet.toml
      pico-ota fleet discover 192.168.1.7 192.168.1.9 --save fleet.toml
    """
    text = ""
    if save is not None and save.exists():
        lists.load(save)  # a list that cannot be read is not written over
        text = save.read_text(encoding="utf-8-sig")
    devices = found(hosts, wait, port)
    if save is not None and devices:
        text, added, moved = lists.listing(devices, text)
        try:
            save.write_text(text, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"cannot write {save}: {error.strerror}.") from error
        news = f"{count(len(added), 'board')} added"
        session.out.say(f"{save}: {news}" + (f", moved: {', '.join(moved)}." if moved else "."))
    session.out.result([asdict(device) | {"url": device.url} for device in devices])
    show(session.out, hosts, devices)
    return 0 if devices else UnreachableError.exit_status
