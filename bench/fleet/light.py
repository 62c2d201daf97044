"""A light stand-in for a board: it speaks DDI as the fleet client does, and installs nothing.

It sends the same requests in the same order (poll, registration, description, ranges of the
archive, six pieces of feedback), a connection for each as a board has, but what it downloads is
only checked for its size and dropped. What becomes of a release is decided by its owner.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

CONFIRM, FAIL, SILENT = "confirm", "fail", "silent"
HEAD_BYTES = 2048  # of an archive: its description and signature come first
RANGE_BYTES = 16384


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
        whole: download all of the archive, not only its head and a range.
        ran: every version that ever ran, in order.
    """

    url: str
    id: str
    token: str
    version: str = "1.0.0"
    behave: Callable[[str], str] = lambda version: CONFIRM
    trial_s: float = 0.2
    poll_s: float | None = None
    whole: bool = True
    gateway: str | None = None
    tally: Tally = field(default_factory=Tally)
    ran: list[str] = field(default_factory=list)
    bad: set[str] = field(default_factory=set)
    seen_cancel: list[str] = field(default_factory=list)

    async def run(self):
        """Poll until cancelled; what goes wrong is tried again at the next poll."""
        self.ran.append(self.version)
        while True:
            pause = 1.0
            try:
                pause = await self.poll()
            except StatusError:
                pause = 2.0
            except (OSError, EOFError, ValueError, TimeoutError):
                self.tally.broken += 1
            pause = self.poll_s if self.poll_s is not None else pause
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))

    async def poll(self):
        """One poll with all that it leads to; returns the interval that the server asks for."""
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
        await self.feedback(where, "proceeding", "none", f"{version} is for this board")
        links = artifact["_links"]
        await self._download((links.get("download") or links["download-http"])["href"], artifact)
        await self.feedback(where, "proceeding", "none", "Downloaded 50%")
        await self.feedback(where, "downloaded", "none", "Downloaded 100%")
        await self.feedback(where, "proceeding", "none", "on trial, attempt 1 of 3")
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
                where, "closed", "failure", f"{version} reverted: ImportError in /main.py"
            )
        else:
            await self.feedback(where, "closed", "success", f"{version} is confirmed")

    async def _cancel(self, link):
        job = await self.ask("GET", link)
        self.seen_cancel.append(job["id"])
        where = f"{link.partition('?')[0]}/feedback", job["id"]
        await self.feedback(where, "closed", "success", "canceled before it began")

    async def _download(self, link, artifact):
        size = artifact["size"]
        stop = size if self.whole else min(size, HEAD_BYTES + RANGE_BYTES)
        for start in range(0, stop, RANGE_BYTES):
            end = min(start + RANGE_BYTES, stop)
            body = await self.ask("GET", link, span=(start, end - 1))
            if len(body) != end - start:
                raise ValueError(f"{len(body)} bytes came of {end - start}")

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
        """One request over a connection of its own."""
        self.tally.requests += 1
        parts = urlsplit(link)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        body = b"" if document is None else json.dumps(document).encode()
        auth = f"GatewayToken {self.gateway}" if self.gateway else f"TargetToken {self.token}"
        lines = [
            f"{method} {target} HTTP/1.1",
            f"Host: {parts.netloc}",
            f"Authorization: {auth}",
            "Connection: close",
            f"Content-Length: {len(body)}",
        ]
        if document is not None:
            lines.append("Content-Type: application/json")
        if span is None:
            lines.append("Accept: application/json")
        else:
            lines.append(f"Range: bytes={span[0]}-{span[1]}")
        async with asyncio.timeout(60):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
            try:
                writer.write("\r\n".join([*lines, "", ""]).encode() + body)
                answer = await reader.read(-1)
            finally:
                writer.close()
        head, gap, rest = answer.partition(b"\r\n\r\n")
        if not gap:
            raise EOFError("the connection was cut")
        status = int(head.split(None, 2)[1])
        self.tally.bytes += len(rest)
        if status not in (200, 206):
            self.tally.refused[status] = self.tally.refused.get(status, 0) + 1
            raise StatusError(status)
        if b"transfer-encoding: chunked" in head.lower():
            rest = unchunked(rest)
        return rest if span is not None else json.loads(rest or b"null")


def unchunked(data):
    """The body that travelled in chunks."""
    body = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        length = int(size, 16)
        body += data[:length]
        data = data[length + 2 :]
        if not length:
            break
    return body
