"""``pico-ota fleet VERB``: a file for each verb, as of ``pico-ota`` itself."""

from __future__ import annotations

from typing import ClassVar

from ..verbs import Verb, VerbGroup

_NETWORK = "Boards on this network"
_SERVER = "Boards that poll a server"


class FleetGroup(VerbGroup):
    """Update and watch many boards.

    On one network this computer talks to each board itself: name them, or list them in a file
    (--hosts fleet.toml).
    """

    verbs: ClassVar[dict[str, Verb]] = {
        "bridge": Verb(
            _NETWORK, "Show boards in Home Assistant, and update them from there.", "fleet.bridge"
        ),
        "discover": Verb(_NETWORK, "Find boards, and list them in a file.", "fleet.discover"),
        "push": Verb(
            _NETWORK, "Bring a release to many boards, a few of them first.", "fleet.push"
        ),
        "rollback": Verb(
            _NETWORK, "Bring the previous version back on many boards.", "fleet.rollback"
        ),
        "status": Verb(_NETWORK, "Show what runs on each board.", "fleet.status"),
        "serve": Verb(_SERVER, "Run an update server.", "fleet.serve"),
        "token": Verb(_SERVER, "Make a board known to the server.", "fleet.token"),
        "upload": Verb(_SERVER, "Put a release on the server.", "fleet.upload"),
        "rollout": Verb(_SERVER, "Update boards in stages.", "fleet.rollout"),
    }
    aliases: ClassVar[dict[str, str]] = {
        "deploy": "push",
        "info": "status",
        "list": "status",
        "ls": "status",
        "scan": "discover",
        "update": "push",
    }
