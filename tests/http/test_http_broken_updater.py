"""An update that breaks the updater itself: what cannot serve is never confirmed."""

import json

import pytest
from wire import ask, digest, until

from pico_ota.mpy import compile_source

MODULES = ["reception", "connection", "web", "routes_system", "routes_release"]


@pytest.mark.parametrize("module", MODULES)
def test_an_update_that_breaks_the_web_stack_is_undone(make_pico, module):
    pico = make_pico("trial")
    path = f"/ota/{module}.mpy"
    old = ask(pico, "GET", "/fs" + path).body
    broken = compile_source(b"raise ValueError('broken by the update')\n", path)
    manifest = {
        "version": "2.0.0",
        "trial": True,
        "files": [{"path": path, "size": len(broken), "sha256": digest(broken)}],
        "delete": [],
    }
    begun = ask(pico, "POST", "/api/v1/update", json.dumps(manifest).encode())
    assert begun.status == 201, begun
    assert ask(pico, "PUT", "/api/v1/update/files" + path, broken).status == 201
    assert ask(pico, "POST", "/api/v1/update/commit", b"{}").status == 202

    def undone():
        try:
            status = ask(pico, "GET", "/api/v1/status")
        except OSError:
            return None
        return status.status == 200 and status.json["state"] == "idle" and status.json

    last = until(undone, 40, 0.5)["last"]
    assert (last["version"], last["outcome"]) == ("2.0.0", "reverted")
    assert ask(pico, "GET", "/fs" + path).body == old
