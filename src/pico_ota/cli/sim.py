"""``pico-ota sim``."""

from __future__ import annotations

import json as jsonlib
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

Event = dict[str, Any]


def command(
    ctx: typer.Context,
    flash: Annotated[
        Path,
        typer.Option("--flash", metavar="IMAGE", help="Flash image; made if there is none."),
    ],
    board: Annotated[
        str, typer.Option("--board", metavar="BOARD", help="pico_w or pico2_w.")
    ] = "pico_w",
    app: Annotated[
        Path | None,
        typer.Option("--app", metavar="DIR", help="Application to put on a new image."),
    ] = None,
    port: Annotated[
        int,
        typer.Option(
            "--port", metavar="N", help="Port of this computer to listen at; 0: a free one."
        ),
    ] = 0,
    heap: Annotated[
        str | None,
        typer.Option(
            "--heap",
            metavar="SIZE",
            help="MicroPython's heap, such as 200K, about what 100K are on a board. Default: the "
            "memory of the board.",
        ),
    ] = None,
    cut_after: Annotated[
        int | None,
        typer.Option(
            "--cut-after",
            metavar="N",
            help="Cut the power in flash operation N (erase or program call) since power-on.",
        ),
    ] = None,
    tear: Annotated[
        str,
        typer.Option(
            "--tear", metavar="HOW", help="What becomes of that operation: none or half done."
        ),
    ] = "none",
    flash_timing: Annotated[
        bool,
        typer.Option(
            "--flash-timing", help="Take the time of a real chip: 45 ms per erase, 0.4 per page."
        ),
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print events as JSON lines, the console on stderr.")
    ] = False,
) -> None:
    """Run a simulated Pico W: real MicroPython on a flash image.

    A new image gets the updater and the files of --app. It has as much memory as the board, in
    objects of 64 bits: 400K for pico_w, 900K for pico2_w. The board boots, follows machine.reset()
    and stops on Ctrl-C. Exit status: 0 stopped, 1 MicroPython crashed, 2 usage, 70 power cut.

    \b
    Examples:
      pico-ota sim --flash pico.img --app examples/existing_app
      pico-ota sim --flash pico.img --cut-after 120 --tear half --json
    """
    from ..sim import SimulatedPico
    from ..sim.boards import heap_of

    json = json or getattr(ctx.obj, "json", False)
    show = _show_json if json else _show_line
    console = _writer(sys.stderr if json else sys.stdout)
    pico = SimulatedPico(
        flash,
        board,
        app,
        port,
        heap or heap_of(board),
        cut_after,
        tear,
        flash_timing,
        on_event=show,
        on_console=console,
    )
    with pico:
        raise typer.Exit(_run(pico.start, pico.request_stop, pico.wait))


def _run(start: Callable[[], None], stop: Callable[[], None], wait: Callable[[], int]) -> int:
    asked = False

    def ask(*_: object) -> None:
        nonlocal asked
        asked = True
        stop()

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        start()
        if asked:  # before there was anything to stop
            stop()
        return wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _show_json(event: Event) -> None:
    _say(jsonlib.dumps(event, separators=(",", ":")))


def _show_line(event: Event) -> None:
    details = " ".join(f"{name}={value}" for name, value in event.items() if name != "event")
    _say(f"[sim] {event['event']} {details}".rstrip())
    if event["event"] == "listening":
        _say(
            "[sim] user admin, password otapico, unless the application gives OTAUpdateService "
            "others"
        )


def _say(line: str) -> None:
    with suppress(OSError):  # nobody reads any more: no reason to stop
        print(line, flush=True)


def _writer(stream: Any) -> Callable[[bytes], None]:
    descriptor = stream.fileno()

    def write(data: bytes) -> None:
        with suppress(OSError):
            while data:
                data = data[os.write(descriptor, data) :]

    return write
