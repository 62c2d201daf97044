"""The messages that make a board an `update` entity of Home Assistant, over MQTT discovery.

Home Assistant drops a state message whole when it has one key more than those that its schema
knows; what else there is to say goes to the topic of the attributes.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

from .. import __version__
from .hosts import Board

#: homeassistant/components/mqtt/update.py, MQTT_JSON_UPDATE_SCHEMA.
STATE_KEYS = (
    "installed_version",
    "latest_version",
    "title",
    "release_summary",
    "release_url",
    "entity_picture",
    "in_progress",
    "update_percentage",
)
INSTALL = "install"
ONLINE, OFFLINE = "online", "offline"
_BASE = "pico-ota"
_TITLE = "MicroPython application"
_MAX_SUMMARY = 255
_NONE = "none"  # the version of a board that nothing has been sent to yet


class Topics:
    """Where the messages of one board go.

    Args:
        name: of the board.
        prefix: where Home Assistant looks for new entities.
    """

    #: Whether the bridge itself is there; its last will says that it is not.
    BRIDGE = f"{_BASE}/bridge"
    #: The commands of all boards.
    INSTALLS = f"{_BASE}/+/install"

    def __init__(self, name: str, prefix: str) -> None:
        self.id = object_id(name)
        self.config = f"{prefix}/update/{self.id}/config"
        self.state = f"{_BASE}/{self.id}/state"
        self.attributes = f"{_BASE}/{self.id}/attributes"
        self.online = f"{_BASE}/{self.id}/online"
        self.install = f"{_BASE}/{self.id}/install"


def object_id(name: str) -> str:
    """An id of letters, digits, ``_`` and ``-``; another one for each name."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", name)
    if plain != name:
        plain += "_" + hashlib.sha256(name.encode()).hexdigest()[:6]
    return f"pico_ota_{plain}"


def config(board: Board, topics: Topics, status: dict[str, Any] | None) -> dict[str, Any]:
    """The discovery message of *board*, of which *status* is the last that is known."""
    device = {
        "identifiers": [topics.id],
        "name": board.name,
        "manufacturer": "Raspberry Pi",
        "configuration_url": board.target.url,
    }
    if status is not None:
        device["model"] = str(status.get("board"))
        device["sw_version"] = str(status.get("version") or _NONE)
    available = {"payload_available": ONLINE, "payload_not_available": OFFLINE}
    return {
        "name": None,
        "unique_id": topics.id,
        "device_class": "firmware",
        "entity_category": "config",
        "title": _TITLE,
        "state_topic": topics.state,
        "command_topic": topics.install,
        "payload_install": INSTALL,
        "json_attributes_topic": topics.attributes,
        "availability": [
            {"topic": Topics.BRIDGE} | available,
            {"topic": topics.online} | available,
        ],
        "availability_mode": "all",
        "device": device,
        "origin": {"name": "pico-ota", "sw_version": __version__},
    }


def state(
    installed: str | None,
    latest: str | None,
    *,
    notes: str = "",
    url: str | None = None,
    busy: bool = False,
    percent: int | None = None,
) -> dict[str, Any]:
    """The state message of a board.

    Args:
        installed: the version that runs.
        latest: the one that is offered; None: there is nothing newer.
        notes: what changed in it.
        url: where more is said about it.
        busy: an update is under way.
        percent: how far its transfer is.
    """
    runs = installed or _NONE
    message = {
        "installed_version": runs,
        "latest_version": latest or runs,
        "title": _TITLE,
        "release_summary": _short(notes) if latest else "",
        "in_progress": busy,
        "update_percentage": percent if busy else None,
    }
    if url and latest:
        message["release_url"] = url
    return message


def _short(notes: str) -> str:
    text = " ".join(notes.split())
    return text if len(text) <= _MAX_SUMMARY else text[: _MAX_SUMMARY - 1] + "…"
