"""A light stand-in for a board: it speaks DDI as the fleet client does, and installs nothing.

It sends the same requests in the same order (poll, registration, description, ranges of the
archive, feedback), over one connection for a poll and one for a download as a board does, gives
up after the same time and backs off in the same way. What it downloads is only checked for its
size and dropped. What becomes of a release is decided by its owner.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

CONFIRM, FAIL, SILENT = "confirm", "fail", "silent"
HEAD_BYTES = 4096  # of an archive: its description and signature come first
RANGE_BYTES = 65536  # most that is asked for at once
ANSWER_S = 30


class StatusError(Exception):
    """The server answered with something else than 200 or 206."""

    def __init__(self, status):
        super().__init__(f"status {status}")
        self.status = status


@dataclass
class Tally:
    """What the boards have counted together."""

    polls: int = 0
    requests: int = 0
    bytes: int = 0
    refused: dict[int, int] = field(default_factory=dict)  # by status
    broken: int = 0  # connections


@dataclass
class LightBoard:
    """One board.

    Attributes:
        url: of the server.
        id: of the board.
        token: of the board.
        version: what it runs.
        behave: what it does with a version: CONFIRM, FAIL or SILENT.
        trial_s: how long it tries a release.
        poll_s: overrides the server's interval.
        ran: every version that ever ran, in order.
    """

    url: str
    id: str
    token: str
    version: str = "1.0.0"
    behave: Callable[[str], str] = lambda version: CONFIRM
    trial_s: float = 0.2
    poll_s: float | None = None
    gateway: str | None = None
    tally: Tally = field(default_factory=Tally)
    ran: list[str] = field(default_factory=list)
    bad: set[str] = field(default_factory=set)
    seen_cancel: list[str] = field(default_factory=list)
    _wire: Wire | None = field(default=None, repr=False)

    async def run(self):
        """Poll until cancelled; what goes wrong is tried again at the next poll."""
        self.ran.append(self.version)
        pause, errors = 1.0, 0
        while True:
            try:
                pause = await self.poll()
                errors = 0
            except StatusError:
                errors += 1
            except (OSError, EOFError, ValueError, TimeoutError):
                self.tally.broken += 1
                errors += 1
            every = self.poll_s if self.poll_s is not None else pause
            await asyncio.sleep(every * (1 << min(errors, 5)) * random.uniform(0.875, 1.125))

    async def poll(self):
        """One poll with all that it leads to; returns the interval that the server asks for."""
        self._wire = Wire()
        try:
            return await self._poll()
        finally:
            self._wire.close()
            self._wire = None

    async def _poll(self):
        self.tally.polls += 1
        answer = await self.ask("GET", f"{self.url}/DEFAULT/controller/v1/{self.id}")
        links = answer.get("_links", {})
        if "configData" in links:
            data = {
                "hw_boardname": "RPI_PICO_W",
                "hw_revision": "1.0",
                "sw_version": self.version,
            }
            await self.ask("PUT", links["configData"]["href"], {"mode": "merge", "data": data})
        if "cancelAction" in links:
            await self._cancel(links["cancelAction"]["href"])
        if "deploymentBase" in links:
            await self._deploy(links["deploymentBase"]["href"])
        hours, minutes, seconds = answer["config"]["polling"]["sleep"].split(":")
        return int(hours) * 3600 + int(minutes) * 60 + int(seconds)

    async def _deploy(self, link):
        job = await self.ask("GET", link)
        if not job:
            return  # it was paused meanwhile
        chunk = job["deployment"]["chunks"][0]
        version, artifact = chunk["version"], chunk["artifacts"][0]
        if version in self.bad:
            return
        behave = self.behave(version)
        where = f"{link.partition('?')[0]}/feedback", job["id"]
        if version == self.version:  # the last report did not arrive
            await self.feedback(where, "closed", "success", f"{version} is what runs.")
            return
        await self.feedback(where, "proceeding", "none", f"{version} is accepted.")
        self._wire.close()  # a download has a connection of its own
        links = artifact["_links"]
        await self._download((links.get("download") or links["download-http"])["href"], artifact)
        await self.feedback(where, "downloaded", "none", f"{version} is here.")
        await self.ask("GET", f"{self.url}/DEFAULT/controller/v1/{self.id}")  # still offered?
        await self.feedback(where, "proceeding", "none", f"{version} is being installed.")
        self._wire.close()  # it restarts
        before, self.version = self.version, version
        self.ran.append(version)
        if behave == SILENT:
            await asyncio.sleep(86400)
        await asyncio.sleep(self.trial_s)
        if behave == FAIL:
            self.bad.add(version)
            self.version = before
            self.ran.append(before)
            await self.feedback(
                where, "closed", "failure", f"{version} was undone: ImportError in /main.py"
            )
        else:
            await self.feedback(where, "closed", "success", f"{version} is confirmed.")

    async def _cancel(self, link):
        job = await self.ask("GET", link)
        self.seen_cancel.append(job["id"])
        where = f"{link.partition('?')[0]}/feedback", job["id"]
        await self.feedback(where, "closed", "success", "canceled before it began")

    async def _download(self, link, artifact):
        size = artifact["size"]
        start, end = 0, min(HEAD_BYTES, size)
        while start < size:
            body = await self.ask("GET", link, span=(start, end - 1))
            if len(body) != end - start:
                raise ValueError(f"{len(body)} bytes came of {end - start}")
            start, end = end, min(end + RANGE_BYTES, size)

    async def feedback(self, where, execution, finished, text):
        """One report to the server."""
        link, number = where
        status = {
            "execution": execution,
            "result": {"finished": finished, "progress": {"cnt": 1, "of": 1}},
            "details": [text],
        }
        await self.ask("POST", link, {"id": number, "status": status})

    async def ask(self, method, link, document=None, span=None):
        """One request, over the connection of the poll that it belongs to."""
        self.tally.requests += 1
        parts = urlsplit(link)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        body = b"" if document is None else json.dumps(document).encode()
        auth = f"GatewayToken {self.gateway}" if self.gateway else f"TargetToken {self.token}"
        lines = [
            f"{method} {target} HTTP/1.1",
            f"Host: {parts.netloc}",
            f"Authorization: {auth}",
            f"Content-Length: {len(body)}",
        ]
        if document is not None:
            lines.append("Content-Type: application/json")
        if span is None:
            lines.append("Accept: application/json")
        else:
            lines.append(f"Range: bytes={span[0]}-{span[1]}")
        data = "\r\n".join([*lines, "", ""]).encode() + body
        wire = self._wire or Wire()
        try:
            async with asyncio.timeout(ANSWER_S):
                status, rest = await wire.ask(parts.hostname, parts.port or 80, data)
        finally:
            if wire is not self._wire:
                wire.close()
        self.tally.bytes += len(rest)
        if status not in (200, 206):
            self.tally.refused[status] = self.tally.refused.get(status, 0) + 1
            raise StatusError(status)
        return rest if span is not None else json.loads(rest or b"null")


class Wire:
    """A connection, which is opened when it is needed, and kept."""

    def __init__(self):
        self._pair = None

    def close(self):
        """Close it; the next request opens another one."""
        if self._pair is not None:
            self._pair[1].close()
            self._pair = None

    async def ask(self, host, port, data):
        """Send *data*, a request, and return the status and the body of its answer."""
        kept = self._pair is not None
        try:
            return await self._ask(host, port, data)
        except (OSError, EOFError):
            self.close()
            if not kept:
                raise
        return await self._ask(host, port, data)  # the server had closed what was kept

    async def _ask(self, host, port, data):
        if self._pair is None:
            self._pair = await asyncio.open_connection(host, port)
        reader, writer = self._pair
        writer.write(data)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if b"transfer-encoding: chunked" in head:
            body = b""
            while size := int((await reader.readline()).split(b";")[0], 16):
                body += await reader.readexactly(size)
                await reader.readline()
            await reader.readline()
        elif length := re.search(rb"content-length: *(\d+)", head):
            body = await reader.readexactly(int(length[1]))
        else:
            body = await reader.read(-1)
            self.close()
        if b"connection: close" in head:
            self.close()
        return int(head.split(None, 2)[1]), body
