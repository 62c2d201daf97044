"""The requests of the measurements: what the page and the command line ask of a board."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from pico_ota.release import archive
from pico_ota.release.description import Description, ListedFile, archive_name
from pico_ota.release.reading import DESCRIPTION

PAGE = "/"
STATUS = "/api/v1/status"
LISTING = "/fs/"
LOG = "/api/v1/log?since=0"
CONSOLE = "/api/v1/console?since=0"
UPDATE = "/api/v1/update"

#: Where a whole release is sent, to be installed at once.
RELEASE = UPDATE + "?commit=yes"

Files = Mapping[str, bytes]  # absolute path on the board -> content


def read(web: httpx.Client, address: str) -> bytes:
    """Return the body of a `GET` of *address*."""
    return web.get(address, headers={"Accept": "application/json"}).raise_for_status().content


def head(version: str, files: Files) -> bytes:
    """Return the archive that begins an update to *version*, without the contents of *files*."""
    listed = tuple(
        ListedFile(
            archive_name(number, path),
            path,
            hashlib.sha256(files[path]).hexdigest(),
            len(files[path]),
            archive.checksum(files[path]),
        )
        for number, path in enumerate(sorted(files, key=str.encode), 1)
    )
    text = Description(version, listed).render()
    return archive.pack_head([(DESCRIPTION, text)])


def push(web: httpx.Client, version: str, files: Files, **options: Any) -> None:
    """Stage *files* as the update *version* and commit it; *options* go into the commit."""
    for _ in pushing(web, version, files, **options):
        pass


def pushing(web: httpx.Client, version: str, files: Files, **options: Any) -> Iterator[str]:
    """As push(), and yield the name of each step when it is done."""
    begun = web.post(UPDATE, content=head(version, files)).raise_for_status()
    yield "begin"
    for path in begun.json()["need"]:
        web.put(f"{UPDATE}/files{path}", content=files[path]).raise_for_status()
    yield "files"
    web.post(f"{UPDATE}/commit", json=options).raise_for_status()
    yield "commit"


def release(web: httpx.Client, data: bytes, restart: bool = True) -> None:
    """Send the whole archive *data* and have it committed."""
    address = RELEASE if restart else RELEASE + "&restart=no"
    web.put(address, content=data).raise_for_status()
