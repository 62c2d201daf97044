"""``pico-ota fleet push``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ... import durations
from ..options import verb
from ..session import Session
from .boards import HostsOption, JobsOption, Logins, NamesArgument, chosen

ReleaseArgument = Annotated[Path, typer.Argument(metavar="RELEASE.swu", help="What to bring.")]


@verb(device=True, many=True)
def command(
    session: Session,
    release: ReleaseArgument,
    names: NamesArgument = None,
    hosts: HostsOption = None,
    jobs: JobsOption = 8,
    canary: Annotated[
        int,
        typer.Option(
            "--canary",
            metavar="N",
            min=0,
            help="So many have to confirm before the others start.",
        ),
    ] = 2,
    max_failures: Annotated[
        int,
        typer.Option(
            "--max-failures",
            metavar="N",
            min=0,
            help="Stop when more than this have failed.",
        ),
    ] = 1,
    deadline: Annotated[
        str,
        typer.Option(
            "--deadline", metavar="TIME", help="How long one board may take: 90s, 10m, 1h."
        ),
    ] = "10m",
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Also where it runs already, or was tried before and taken back."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Ask the boards only, change nothing.")
    ] = False,
) -> int:
    """Bring one release to many boards: a few first, then the others, and stop when boards fail.

    The canaries are the first boards of the list that answer; one failure among them stops. A
    board that runs the release already counts as confirmed, and is left alone. A board fails when
    it takes the release back, refuses it, or is not settled in time. No board is started after
    that went too far; those under way are finished. Boards that do not answer are passed over and
    named at the end.

    What has been done is asked from the boards: the same command goes on where the last one ended.

    Status 0: all confirmed; 5: stopped, or a board took the release back; 1: a board failed in
    another way; 3: some did not answer; 4: some did not take the password. With --json, one
    document per line for each thing that happens.

    \b
    Examples:
      pico-ota fleet push app-1.4.0.swu --hosts fleet.toml
      pico-ota fleet push app-1.4.0.swu --hosts fleet.toml kitchen cellar
      pico-ota fleet push app-1.4.0.swu --hosts fleet.toml --canary 1 --max-failures 0 --jobs 4
      pico-ota fleet push app-1.4.0.swu 192.168.1.7 192.168.1.9 --deadline 5m
    """
    from .bringing import Limits, parcel
    from .pushing import Pushing, Rules

    session.out.lines = True
    rules = Rules(canary, jobs, max_failures)
    limits = Limits(durations.parse(deadline, "--deadline"), force)
    boards = chosen(session, hosts, names)
    what = parcel(release)
    pushing = Pushing(session, boards, Logins(session, boards), what, rules, limits)
    return pushing.run(dry_run)
