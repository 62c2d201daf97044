"""``pico-ota keygen``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import verb
from .session import Session


@verb()
def command(
    session: Session,
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder for the key; made when missing.")
    ],
    bits: Annotated[int, typer.Option("--bits", metavar="N", help="2048, 3072 or 4096.")] = 3072,
    name: Annotated[
        str, typer.Option("--name", metavar="TEXT", help="Whose key it is: in the certificate.")
    ] = "pico-ota release",
) -> None:
    """Make a key pair to sign releases with: private.pem, cert.pem and public.json.

    private.pem signs: keep it secret and safe, since anybody who has it can update your devices,
    and without it nobody can. cert.pem is what swupdate verifies with, public.json what devices
    take. What exists is never overwritten.

    \b
    Examples:
      pico-ota keygen keys/
      pico-ota keygen keys/ --bits 4096 --name "Example GmbH"
    """
    from ..release import keygen

    made = keygen(directory, bits=bits, name=name)
    out = session.out
    out.say(f"{made.private}: signs; keep it secret, and keep a copy in a safe place.")
    out.say(f"{made.certificate}: the certificate, for swupdate and openssl.")
    out.say(f"{made.public}: for the devices: OTAUpdateService(..., public_key=...).")
    out.say(f"Key {made.key.id}, {made.key.size} bits.")
    out.result(
        {
            "private": str(made.private),
            "certificate": str(made.certificate),
            "public": str(made.public),
            "id": made.key.id,
            "bits": made.key.size,
        }
    )
