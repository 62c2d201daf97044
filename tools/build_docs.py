"""Write what is made from the code: most of ``docs/cli.md``, and ``package.json``.

The first says what ``pico-ota VERB --help`` says, for reading; its head is written by hand. The
second tells ``mip`` which files go on a board.
"""

import json
from collections.abc import Container
from pathlib import Path
from typing import Any

from pico_ota import __version__
from pico_ota.cli.app import ALIASES, VERBS
from pico_ota.cli.verbs import VerbGroup, load

ROOT = Path(__file__).resolve().parent.parent

_MARK = "<!-- What follows is written by tools/build_docs.py: change it in the command. -->\n"
_SHARED_HEAD = """\
## Options of every verb that talks to a device

`--json`, `-q` and `-v` are options of the other verbs too (`cat` and `sim` differ a little).

| | |
|---|---|
"""


def package() -> str:
    """Return the text of ``package.json``."""
    device = ROOT / "device"
    shipped = [
        path.relative_to(device).as_posix()
        for path in device.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    # boot.py last: until all it needs is there, a restart must not run the guard.
    shipped.sort(key=lambda path: (path == "boot.py", path))
    urls = [[path, f"device/{path}"] for path in shipped]
    rows = ",\n".join("    " + json.dumps(row) for row in urls)
    return f'{{\n  "version": "{__version__}",\n  "urls": [\n{rows}\n  ]\n}}\n'


def reference() -> str:
    """Return the text of ``docs/cli.md``: its head as it is, and every verb."""
    head, _, _ = (ROOT / "docs/cli.md").read_text(encoding="utf-8").partition(_MARK)
    parts = [head, _MARK, "\n"]
    # A verb that adds no option of its own.
    common = load("status", VERBS["status"])
    parts += [_SHARED_HEAD, _options(common), "\n"]
    shared = {option.help for option in common.params}
    group = None
    for name, verb in VERBS.items():
        if verb.group != group:
            group = verb.group
            parts.append(f"## {group}\n\n")
        command = load(name, verb)
        if isinstance(command, VerbGroup):
            parts.append(f"### {name}\n\n{_paragraphs(command.help or '')}\n\n")
            for inner, row in command.verbs.items():
                below = load(inner, row)
                parts.append(_verb(f"{name} {inner}", below, shared, command.aliases))
        else:
            parts.append(_verb(name, command, shared, ALIASES))
    return "".join(parts).rstrip() + "\n"


def _verb(name: str, command: Any, shared: set[str], others: dict[str, str]) -> str:
    text, _, examples = (command.help or "").partition("\b\nExamples:\n")
    words = " ".join(a.metavar or a.name for a in command.params if _is_argument(a))
    aliases = [alias for alias, verb in others.items() if verb == name.rpartition(" ")[2]]
    lines = [f"### {name}", "", f"`pico-ota {name} [OPTIONS] {words}`".replace(" `", "`"), ""]
    lines += [_paragraphs(text), ""]
    if aliases:
        lines += ["Also called " + ", ".join(f"`{alias}`" for alias in aliases) + ".", ""]
    rows = _arguments(command) + _options(command, shared)
    if rows:
        lines += ["| | |\n|---|---|\n" + rows]
    if any("--host" in p.opts for p in command.params):
        lines += ["Takes the options of every verb that talks to a device.", ""]
    lines += ["```text", *(line.strip() for line in examples.strip().splitlines()), "```", "", ""]
    return "\n".join(lines)


def _paragraphs(text: str) -> str:
    return "\n\n".join(" ".join(part.split()) for part in text.strip().split("\n\n"))


def _arguments(command: Any) -> str:
    return "".join(
        _row(p.metavar or p.name, p.help or "") for p in command.params if _is_argument(p)
    )


def _options(command: Any, shared: Container[str] = ()) -> str:
    own = (p for p in command.params if not _is_argument(p) and p.help not in shared)
    return "".join(_option(option) for option in own)


def _option(option: Any) -> str:
    names = ", ".join(sorted(option.opts, key=len))
    if option.secondary_opts:
        names += " / " + ", ".join(option.secondary_opts)
    if not option.is_flag and not option.count:
        names += f" {option.metavar}"
    text = option.help or ""
    if option.required:
        text += " Required."
    elif isinstance(option.default, bool):
        text += f" Default: `{option.opts[0]}`." if option.default else ""
    elif option.default not in (None, 0) and "Default" not in text:
        text += f" Default: {option.default}."
    return _row(names, text)


def _row(name: str, text: str) -> str:
    cells = (cell.replace("|", "\\|") for cell in (f"`{name}`", text))  # a bar would end the cell
    return f"| {' | '.join(cells)} |\n"


def _is_argument(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "argument")


def main() -> None:
    """Write both files."""
    (ROOT / "docs/cli.md").write_text(reference(), encoding="utf-8")
    (ROOT / "package.json").write_text(package(), encoding="utf-8")


if __name__ == "__main__":
    main()
