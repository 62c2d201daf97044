"""The options that many verbs share, and the wrapper that adds them to a verb.

    @verb(device=True)
    def command(session: Session, path: Annotated[str, typer.Argument(help="…")] = ":") -> None:
        with session.remote() as remote:
            ...

The wrapper reads the options into a `Session`, runs the verb, and turns errors into an exit
status.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Concatenate

import typer

from ..advice import with_advice
from ..errors import PicoOtaError, RefusedError, StoppedError, UsageError
from .output import Out
from .session import Session, Settings

# A list, although there is one host: so a second one is noticed, not silently preferred.
HostOption = Annotated[
    list[str] | None,
    typer.Option(
        "--host",
        "-H",
        metavar="HOST",
        help="Name, NAME.local or address of the device, with :PORT if it is not 8080. "
        "Without it: PICO_OTA_HOST, then pico-ota.toml.",
    ),
]
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="Say nothing but results and errors.")
]
VerboseOption = Annotated[
    int,
    typer.Option(
        "--verbose",
        "-v",
        count=True,
        show_default=False,
        help="Say more; -vv shows each request.",
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON document instead of lines.")
]
ProtectedOption = Annotated[bool, typer.Option("--protected", help="Even boot.py, or the page.")]
_DEVICE_OPTIONS: dict[str, tuple[Any, Any]] = {
    "host": (HostOption, None),
    "user": (
        Annotated[
            str | None,
            typer.Option(
                "--user",
                "-u",
                metavar="NAME",
                help="User name on the device. Without it: PICO_OTA_USER, pico-ota.toml, admin.",
            ),
        ],
        None,
    ),
    "password_file": (
        Annotated[
            Path | None,
            typer.Option(
                "--password-file",
                metavar="FILE",
                help="Take the password from the first line of FILE; - is standard input. "
                "Without it: PICO_OTA_PASSWORD, the keyring, or a question.",
            ),
        ],
        None,
    ),
    "password": (
        Annotated[
            str | None,
            typer.Option(
                "--password",
                metavar="PASSWORD",
                help="Discouraged: others on this machine can read it in the process list.",
            ),
        ],
        None,
    ),
    "basic": (
        Annotated[
            bool,
            typer.Option(
                "--basic",
                help="Send the password in clear, to a device that does not offer Digest.",
            ),
        ],
        False,
    ),
    "timeout": (
        Annotated[
            float,
            typer.Option(
                "--timeout",
                metavar="SECONDS",
                min=0.1,
                help="How long the device may be silent within one request.",
            ),
        ],
        30.0,
    ),
    "wait_for": (
        Annotated[
            str | None,
            typer.Option(
                "--wait-for",
                "-W",
                metavar="TIME",
                help="Wait so long (90s, 10m, 1h) until the device answers: one that sleeps.",
            ),
        ],
        None,
    ),
    "retries": (
        Annotated[
            int,
            typer.Option(
                "--retries",
                metavar="N",
                min=0,
                max=100,
                help="How often a broken connection is tried again.",
            ),
        ],
        8,
    ),
}


Function = Callable[Concatenate[Any, ...], int | None]


def verb(
    *, device: bool = False, json: bool = True, many: bool = False
) -> Callable[[Function], Callable[..., int]]:
    """Turn a function whose first parameter is the `Session` into a command.

    Args:
        device: add the options that say which device and how to log in.
        json: add ``--json``.
        many: it talks to as many devices as ``--host`` names, not to one.
    """

    def decorate(function: Function) -> Callable[..., int]:
        shared = dict(_DEVICE_OPTIONS) if device else {}
        if json:
            shared["json"] = (JsonOption, False)
        shared["quiet"] = (QuietOption, False)
        shared["verbose"] = (VerboseOption, 0)

        def command(ctx: typer.Context, **values: Any) -> int:
            settings = _merged(ctx, {name: values.pop(name) for name in shared}, many)
            return _run(function, settings, values)

        _describe(command, function, shared)
        return command

    return decorate


def _describe(
    command: Callable[..., int], function: Function, shared: dict[str, tuple[Any, Any]]
) -> None:
    """Give *command* the signature that typer reads: *function*'s plus the shared options."""
    keyword = inspect.Parameter.KEYWORD_ONLY
    own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
    parameters = [
        inspect.Parameter("ctx", keyword, annotation=typer.Context),
        *(parameter.replace(kind=keyword) for parameter in own),
        *(
            inspect.Parameter(name, keyword, default=default, annotation=annotation)
            for name, (annotation, default) in shared.items()
        ),
    ]
    command.__doc__ = function.__doc__
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]


def _merged(ctx: typer.Context, behind: dict[str, Any], many: bool) -> Settings:
    before = ctx.obj if isinstance(ctx.obj, Settings) else Settings()
    hosts = (*before.hosts, *(behind.pop("host", None) or ()))
    if len(hosts) > 1 and not many:
        raise UsageError(
            f"--host was given twice, '{hosts[0]}' and '{hosts[1]}': one command talks to one "
            "device. Leave one of them out."
        )
    settings = Settings(hosts=hosts, **behind)
    settings.json = settings.json or before.json
    settings.quiet = settings.quiet or before.quiet
    settings.verbose = max(settings.verbose, before.verbose)
    return settings


def _run(function: Function, settings: Settings, values: dict[str, Any]) -> int:
    out = Out(settings.quiet, settings.verbose, settings.json)
    try:
        return function(Session(settings, out), **values) or 0
    except RefusedError as error:
        return out.error(with_advice(error, {name for name, value in values.items() if value}))
    except PicoOtaError as error:
        return out.error(error)
    except KeyboardInterrupt:
        return out.error(StoppedError("interrupted."))
