"""An update that breaks the updater itself: what cannot serve is never confirmed."""

import json

import pytest
from wire import ask, digest, until

from pico_ota.mpy import compile_source
from pico_ota.rooms import packed, unpacked

MODULES = ["reception", "request", "web", "routes_system", "direct_release", "staging"]
PATH = "/ota/rooms.pack"


@pytest.mark.parametrize("module", MODULES)
def test_an_update_that_breaks_the_updater_is_undone(make_pico, board_files, module):
    pico = make_pico("trial")
    old = ask(pico, "GET", "/fs" + PATH).body
    modules = unpacked(board_files)
    name = f"/ota/{module}.mpy"
    assert name in modules
    modules[name] = compile_source(b"raise ValueError('broken by the update')\n", name)
    broken = packed(modules)[PATH]
    manifest = {
        "version": "2.0.0",
        "trial": True,
        "files": [{"path": PATH, "size": len(broken), "sha256": digest(broken)}],
        "delete": [],
    }
    begun = ask(pico, "POST", "/api/v1/update", json.dumps(manifest).encode())
    assert begun.status == 201, begun
    assert ask(pico, "PUT", "/api/v1/update/files" + PATH, broken).status == 201
    assert ask(pico, "POST", "/api/v1/update/commit", b"{}").status == 202

    def undone():
        try:
            status = ask(pico, "GET", "/api/v1/status")
        except OSError:
            return None
        return status.status == 200 and status.json["state"] == "idle" and status.json

    last = until(undone, 40, 0.5)["last"]
    assert (last["version"], last["outcome"]) == ("2.0.0", "reverted")
    assert ask(pico, "GET", "/fs" + PATH).body == old
