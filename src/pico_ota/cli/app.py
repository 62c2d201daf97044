"""The verbs, where each one lives, and the one place where errors turn into an exit status."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from ..errors import PicoOtaError, StoppedError, UsageError
from .elsewhere import SAID, stand_in
from .options import HostOption, JsonOption, QuietOption, VerboseOption
from .output import Out, escape_what_cannot_be_shown, open_what_is_closed
from .session import Settings
from .verbs import Verb, VerbGroup

PROGRAM = "pico-ota"


_SETUP, _UPDATE, _FILES, _RELEASE = "Set up", "Update and watch", "Files", "Releases"
_FLEET = "Fleets"

# The help of each verb is in its own file; what is here is enough for `pico-ota --help`, which
# imports none of them.
VERBS: dict[str, Verb] = {
    "install": Verb(_SETUP, "Put the updater on a board over USB.", "install"),
    "discover": Verb(_SETUP, "Find devices on this network.", "discover"),
    "reset-password": Verb(_SETUP, "Set a new password on a device.", "reset_password"),
    "sim": Verb(_SETUP, "Run a simulated Pico.", "sim"),
    "push": Verb(_UPDATE, "Send a folder, files or a release as one update.", "push"),
    "mip": Verb(_UPDATE, "Install packages by their names, as 'mpremote mip' does.", "mip"),
    "diff": Verb(_UPDATE, "Show what a push would change, line by line.", "diff"),
    "status": Verb(_UPDATE, "Show version, state, flash and memory.", "status"),
    "log": Verb(_UPDATE, "Show the last lines of the device, or follow them.", "log"),
    "confirm": Verb(_UPDATE, "Keep the update that is on trial.", "confirm"),
    "abort": Verb(_UPDATE, "Drop an update that has not gone live.", "abort"),
    "rollback": Verb(_UPDATE, "Bring the previous version back, without a download.", "rollback"),
    "reboot": Verb(_UPDATE, "Restart the device, also into rescue mode.", "reboot"),
    "ls": Verb(_FILES, "List a folder.", "ls"),
    "tree": Verb(_FILES, "Show all below a folder.", "tree"),
    "cat": Verb(_FILES, "Print a file.", "cat"),
    "edit": Verb(_FILES, "Change a text file with your editor.", "edit"),
    "cp": Verb(_FILES, "Copy files to, from or on the device.", "cp"),
    "rm": Verb(_FILES, "Delete files or folders.", "rm"),
    "mv": Verb(_FILES, "Rename or move on the device.", "mv"),
    "mkdir": Verb(_FILES, "Make folders.", "mkdir"),
    "df": Verb(_FILES, "Show how full the flash is.", "df"),
    "sha256sum": Verb(_FILES, "Print SHA-256 checksums.", "sha256sum"),
    "keygen": Verb(_RELEASE, "Make a key pair to sign releases with.", "keygen"),
    "build": Verb(_RELEASE, "Build a release archive (.swu).", "build"),
    "inspect": Verb(_RELEASE, "Show what is in a release.", "inspect"),
    "verify": Verb(_RELEASE, "Check a release against a key.", "verify"),
    "fleet": Verb(_FLEET, "Update many boards, with or without a server.", "fleet", "FleetGroup"),
}

# Names that people type from habit with other tools; they are not listed.
ALIASES: dict[str, str] = {
    "list": "ls",
    "dir": "ls",
    "copy": "cp",
    "move": "mv",
    "rename": "mv",
    "delete": "rm",
    "del": "rm",
    "remove": "rm",
    "pull": "get",
    "fetch": "get",
    "update": "push",
    "upgrade": "push",
    "undo": "rollback",
    "revert": "rollback",
    "console": "log",
    "devices": "discover",
    "passwd": "reset-password",
    "password": "reset-password",
    "info": "status",
    "devs": "discover",
    "scan": "discover",
    "sync": "push",
    "logs": "log",
    "reset": "reboot",
    "restart": "reboot",
    "soft-reset": "reboot",
    "deploy": "push",
    "upload": "put",
    "download": "get",
    "run-sim": "sim",
}

_HIDDEN: dict[str, Verb] = {
    "put": Verb(_FILES, "Copy files to the device.", "cp", "put"),
    "get": Verb(_FILES, "Copy files from the device.", "cp", "get"),
    "rmdir": Verb(_FILES, "Delete empty folders.", "rmdir"),
    "touch": Verb(_FILES, "Make empty files.", "touch"),
    "monitor": Verb(_UPDATE, "Follow the lines of the device.", "log", "monitor"),
    "version": Verb(_SETUP, "Show the version of this command.", "version"),
    "help": Verb(_SETUP, "Show the help of a verb.", "help"),
}

_EPILOG = """\b
Examples:
  pico-ota install                       put the updater on the board at USB
  pico-ota discover                      which devices are here?
  pico-ota -H pico-kitchen push app/     send what changed, restart, wait
  pico-ota push release.swu              send a signed release
  pico-ota cp main.py :                  replace one file
  pico-ota VERB --help                   options and examples of a verb
\b
The device: --host, PICO_OTA_HOST, or 'host' in pico-ota.toml (looked for here and above).
The password: PICO_OTA_PASSWORD, --password-file, the keyring, or a question.
\b
Exit status: 0 done, 1 failed, 2 usage, 3 unreachable, 4 credentials, 5 reverted,
130 interrupted."""


class Overview(VerbGroup):
    """`pico-ota` itself."""

    verbs = VERBS
    aliases = ALIASES
    hidden_verbs = _HIDDEN

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name; for some that belong to other tools, a word on what to do."""
        return super().get_command(ctx, cmd_name) or (
            stand_in(cmd_name) if cmd_name in SAID else None
        )


app = typer.Typer(
    cls=Overview,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=_EPILOG,
)


def _version(wanted: bool) -> None:
    if wanted:
        from .. import __version__

        typer.echo(f"{PROGRAM} {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    ctx: typer.Context,
    host: HostOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = 0,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Over-the-air updates for MicroPython on the Pico W that never lose a board."""
    ctx.obj = Settings(hosts=tuple(host or ()), json=json, quiet=quiet, verbose=verbose)
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help(), err=True)
        raise typer.Exit(2)


def call(argv: Sequence[str]) -> int:
    """Run one command line and return its exit status."""
    command = typer.main.get_command(app)
    out = Out(json="--json" in argv)
    open_what_is_closed()
    escape_what_cannot_be_shown()
    with _quiet_pipes():
        try:
            _one_command(argv)
            status = command.main(list(argv), prog_name=PROGRAM, standalone_mode=False)
        except PicoOtaError as error:
            return out.error(error)
        except (KeyboardInterrupt, typer.Abort):
            return out.error(StoppedError("interrupted."))
        except BrokenPipeError:
            raise
        except OSError as error:
            # Of this computer: a folder that cannot be made, a disk that is full.
            where = f": {error.filename}" if error.filename else ""
            return out.error(PicoOtaError(f"{error.strerror or error}{where}"))
        except Exception as error:
            # typer's own errors: wrong options, missing arguments. What else has no exit_code is
            # a defect of ours and keeps its traceback.
            if not hasattr(error, "format_message"):
                raise
            return _usage(error, out)
        return status if isinstance(status, int) else 0
    return 1


def _one_command(argv: Sequence[str]) -> None:
    """Refuse mpremote's way of giving several commands, before the first of them does anything."""
    if "+" in argv:
        raise UsageError(
            "'+' joins commands for mpremote only, and nothing was done: give one 'pico-ota' for "
            "each, with && between. A file of that name is './+' or ':+'."
        )


def _usage(error: Any, out: Out) -> int:
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else PROGRAM
    print(f"{PROGRAM}: {error.format_message()}", file=sys.stderr)
    print(f"See '{path} --help'.", file=sys.stderr)
    status = int(error.exit_code)
    out.result({"error": "usage", "message": error.format_message(), "exit_status": status})
    return status


@contextmanager
def _quiet_pipes() -> Iterator[None]:
    """A reader that has seen enough (``pico-ota tree | head``) is no reason for a traceback."""
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        import os

        if not isinstance(error, BrokenPipeError):
            print(f"{PROGRAM}: the output cannot be written: {error.strerror}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
