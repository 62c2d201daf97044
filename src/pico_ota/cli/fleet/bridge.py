"""``pico-ota fleet bridge``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from ... import durations
from ...errors import UsageError
from ...fleet import broker
from ..options import verb
from ..session import Session
from .boards import HostsOption, JobsOption, Logins, NamesArgument, chosen

VARIABLE = "PICO_OTA_MQTT"


@verb(device=True, many=True)
def command(
    session: Session,
    releases: Annotated[
        Path,
        typer.Option("--releases", metavar="DIR", help="The folder of the releases."),
    ],
    names: NamesArgument = None,
    hosts: HostsOption = None,
    mqtt: Annotated[
        str | None,
        typer.Option(
            "--mqtt",
            metavar="URL",
            help="The broker: mqtt://[USER:PASSWORD@]HOST[:PORT], or mqtts://. Others on this "
            "machine can read it: without it, PICO_OTA_MQTT.",
        ),
    ] = None,
    interval: Annotated[
        str, typer.Option("--interval", metavar="TIME", help="How often each board is looked at.")
    ] = "1m",
    deadline: Annotated[
        str, typer.Option("--deadline", metavar="TIME", help="How long one update may take.")
    ] = "10m",
    jobs: JobsOption = 4,
    prefix: Annotated[
        str,
        typer.Option(
            "--prefix", metavar="TOPIC", help="Where Home Assistant looks for new entities."
        ),
    ] = "homeassistant",
    release_url: Annotated[
        str | None,
        typer.Option(
            "--release-url", metavar="URL", help="What to read about a release; {version} in it."
        ),
    ] = None,
) -> int:
    """Show each board in Home Assistant as an update, over MQTT, and install it on command.

    A board is offered the newest release of the folder that fits it and is newer than what it
    runs; one that it has taken back is not offered again. What stands in a file of the same name
    with .md or .txt is shown as the notes. Runs until Ctrl-C.

    \b
    Examples:
      pico-ota fleet bridge --mqtt mqtt://192.168.1.2 --releases releases/ --hosts fleet.toml
      pico-ota fleet bridge --releases releases/ --hosts fleet.toml kitchen --interval 5m
    """
    from .bridging import Bridge, Plan

    session.out.lines = True
    url = mqtt or os.environ.get(VARIABLE)
    if not url:
        raise UsageError(f"which broker? Give --mqtt mqtt://HOST, or set {VARIABLE}.")
    if release_url is not None and not release_url.startswith(("http://", "https://")):
        raise UsageError(f"--release-url: expected http:// or https://, got '{release_url}'.")
    if not prefix.strip("/") or any(c in prefix for c in "+#\0"):
        raise UsageError(f"--prefix: expected a topic without + and #, got '{prefix}'.")
    plan = Plan(
        broker=broker.parse(url),
        folder=releases,
        interval_s=durations.parse(interval, "--interval"),
        deadline_s=durations.parse(deadline, "--deadline"),
        jobs=jobs,
        prefix=prefix.strip("/"),
        release_url=release_url,
    )
    boards = chosen(session, hosts, names)
    return Bridge(session, boards, Logins(session, boards), plan).run()
