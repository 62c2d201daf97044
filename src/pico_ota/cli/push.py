"""``pico-ota push``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import UsageError
from .options import verb
from .paths import local_path
from .session import Session

ToOption = Annotated[
    str | None,
    typer.Option("--to", metavar="FOLDER", help="Folder of the device. Default: the top, /."),
]
DeleteOption = Annotated[
    bool, typer.Option("--delete", help="Delete what is in the target folder but not here.")
]
IgnoreOption = Annotated[
    list[str] | None,
    typer.Option("--ignore", metavar="PATTERN", help="Leave out, as .gitignore does. Repeatable."),
]
MpyOption = Annotated[
    bool | None,
    typer.Option("--mpy/--no-mpy", help="Compile .py to .mpy (not boot.py and main.py)."),
]


@verb(device=True)
def command(
    session: Session,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            parser=local_path,
            metavar="[PATH... | RELEASE.swu]",
            help="Folders and files, or one release. Default: 'source' of pico-ota.toml.",
        ),
    ] = None,
    to: ToOption = None,
    version: Annotated[
        str | None,
        typer.Option(
            "--version",
            metavar="WORD",
            help="What the set is called. Default: 'version' of pico-ota.toml, else what "
            "'git describe' says, else a digest of the content.",
        ),
    ] = None,
    delete: DeleteOption = False,
    ignore: IgnoreOption = None,
    mpy: MpyOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Show the plan, change nothing.")
    ] = False,
    trial: Annotated[
        bool, typer.Option("--trial/--no-trial", help="Undo it if it does not prove healthy.")
    ] = True,
    restart: Annotated[
        bool,
        typer.Option("--restart/--no-restart", help="Restart now, or leave that to you."),
    ] = True,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Wait until it is kept or undone.")
    ] = True,
    wait_limit: Annotated[
        float | None,
        typer.Option(
            "--wait-limit",
            metavar="SECONDS",
            min=1,
            help="Wait no longer than this. Default: as long as the device's own deadline.",
        ),
    ] = None,
    confirm: Annotated[
        bool,
        typer.Option("--confirm", help="Keep it as soon as it answers: it is not tried for long."),
    ] = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="Send a release also to a device that runs it already."),
    ] = False,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch",
            help="Push at every save, as with --confirm, and show the log, until Ctrl-C.",
        ),
    ] = False,
) -> int:
    """Send an application as one update: all of it goes live, or nothing does.

    A folder stands for its content: 'push app/' makes app/main.py the /main.py of the device.
    Only what differs travels. The device restarts into the new set on trial, and keeps it when it
    proves healthy; else it puts the old set back, and this command ends with status 5 and the
    reason. Ctrl-C before the files are all there leaves the device as it was. After a broken
    connection it goes on where it was; so does the same command given again. Of a release, too,
    only what the device lacks is sent.

    --confirm keeps what answers over Wi-Fi, and does not wait for the half minute in which the
    device sees that it stays healthy: for trying things out.

    --delete never takes the updater, /settings.py, and what 'protected' and 'keep' in
    pico-ota.toml name. What 'keep' names is sent where it is missing, and never overwritten.

    \b
    Examples:
      pico-ota push app/
      pico-ota push app/ --watch
      pico-ota push app/ --delete --dry-run
      pico-ota push lib/ --to /lib --mpy
      pico-ota push main.py config.json --version 1.4.1
      pico-ota push release-1.4.0.swu
    """
    from .delivery import Ending

    if (confirm or watch) and not (trial and restart and wait and not dry_run):
        raise UsageError(
            f"{'--watch' if watch else '--confirm'} waits for the new set on trial: leave out "
            "--no-trial, --no-restart, --no-wait and --dry-run."
        )
    if watch and session.out.json:
        raise UsageError("--watch has no end, and no one document to print: leave out --json.")
    if version == "":
        raise UsageError("--version is empty: leave it out, or give a word such as 1.4.0.")
    ending = Ending(restart, wait, wait_limit, confirm or watch)
    chosen = list(paths or [])
    if any(path.suffix == ".swu" for path in chosen):
        if len(chosen) > 1:
            raise UsageError("a release (.swu) is sent alone: it holds all there is to send.")
        if to is not None or version is not None or delete or ignore or mpy:
            raise UsageError(
                "--to, --version, --delete, --ignore and --mpy are decided when a release is "
                "built: 'pico-ota build --help'."
            )
        if watch:
            raise UsageError("--watch looks at folders and files, not at a release.")
        if not trial:
            raise UsageError("whether a release has a trial is decided when it is built.")
        from .push_release import run

        return run(session, chosen[0], dry_run, ending, force)
    if force:
        raise UsageError(
            "--force is for a release: of folders and files, what differs is sent each time."
        )
    from .push_files import Push, Request

    request = Request(
        sources=chosen,
        to=to,
        version=version,
        delete=delete,
        ignore=tuple(ignore or ()),
        mpy=mpy,
        dry_run=dry_run,
        trial=trial,
        ending=ending,
    )
    push = Push(session, request)
    if not watch:
        return push.run()
    from .watching import Watching

    return Watching(session, push).run()
