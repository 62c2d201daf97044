"""Verbs that people try from habit and that are not here: each says in one line what to do."""

from __future__ import annotations

from typing import Any, NoReturn

from typer.core import TyperCommand

from ..errors import UsageError

_OVER_USB = (
    "is mpremote's, over USB: 'mpremote {name}'. Over Wi-Fi 'pico-ota push' installs a program, "
    "and 'pico-ota log -f' shows its output."
)
SAID: dict[str, str] = {
    "run": _OVER_USB,
    "exec": _OVER_USB,
    "eval": _OVER_USB,
    "repl": _OVER_USB,
    "mount": _OVER_USB,
    "bootloader": "is mpremote's, over USB: 'mpremote bootloader'; pico-ota updates programs.",
    "backup": "is a copy of all that is on the device: 'pico-ota cp -r : backup/'.",
    "rescue": "is a way to restart: 'pico-ota reboot --rescue'.",
    "sign": "is an option of a build: 'pico-ota build app/ --sign keys/private.pem'.",
    "watch": "is an option of a push: 'pico-ota push app/ --watch'.",
    "wifi": "is in settings.py on the board: 'pico-ota install --new-settings' over USB.",
    "connect": "is not needed: 'pico-ota -H NAME VERB' says which device, each time.",
}


def stand_in(name: str) -> Any:
    """A command called *name* that takes any arguments and says what to do instead."""

    def say() -> NoReturn:
        raise UsageError(f"'{name}' {SAID[name].format(name=name)}")

    anything = {"ignore_unknown_options": True, "allow_extra_args": True}
    return TyperCommand(
        name, callback=say, context_settings=anything, add_help_option=False, hidden=True
    )
