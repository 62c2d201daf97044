"""``pico-ota inspect``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import verb
from .output import amount
from .session import Session


@verb()
def command(
    session: Session,
    path: Annotated[Path, typer.Argument(metavar="X.swu", help="The release.")],
) -> None:
    """Show what is in a release. It says nothing about trust: see 'pico-ota verify'.

    \b
    Examples:
      pico-ota inspect app-1.4.0.swu
      pico-ota inspect app-1.4.0.swu --json | jq -r .version
    """
    from ..release import inspect

    found = inspect(path)
    out, content = session.out, found.as_json()
    out.result(content)
    signer = found.signer
    if not content["signed"]:
        signed = "no"
    elif signer is None:
        signed = "yes, by a bare RSA value: 'pico-ota verify' with the key tells"
    else:
        fits = "" if signer.matches else ", but the signature does NOT fit that key"
        signed = f"says to be '{signer.name}', key {signer.key}{fits}"
    boards = (f"{name} {', '.join(r)}" for name, r in content["boards"].items())
    rows = [
        ("version", content["version"]),
        ("boards", "; ".join(boards) or "any"),
        ("MicroPython", f"{content['micropython']} and newer"),
        ("floor", content["floor"] or "none"),
        ("trial", "yes" if content["trial"] else "no"),
        ("signed", signed),
        ("archive", f"{amount(content['archive']['size'])} bytes"),
        ("SHA-256", content["archive"]["sha256"]),
    ]
    if content["mpy"]:
        rows.append((".mpy", " ".join(filter(None, (content["mpy"], content["arch"])))))
    for name, text in rows:
        out.show(f"{name:<12}{text}")
    for file in content["files"]:
        once = "  (where it is missing)" if file.get("once") else ""
        out.show(f"{amount(file['size']):>12}  {file['path']}{once}")
    for gone in content["delete"]:
        out.show(f"{'deletes':>12}  {gone}")
