"""A version that could never be updated again does not prove itself."""

import time
from pathlib import Path

import httpx
import rig

from tests.conftest import client_for

MAIN = (Path(__file__).parents[1] / "apps/trial/main.py").read_bytes()


def test_a_version_that_names_a_missing_key_file_is_undone(make_pico):
    new = MAIN.replace(b"trial_deadline_s=6", b'public_key="/public.json", trial_deadline_s=6')
    assert new != MAIN
    pico = make_pico("trial")
    with client_for(pico) as client:
        begun = client.post("/api/v1/update", content=rig.head_of({"/main.py": new}))
        assert begun.status_code == 201, begun.text
        assert client.put("/api/v1/update/files/main.py", content=new).status_code == 201
        assert client.post("/api/v1/update/commit", json={}).status_code == 202
    last = outcome(pico)
    assert last["outcome"] == "reverted"
    assert last["reason"] == "not confirmed in time"


def outcome(pico):
    end = time.monotonic() + 40
    while time.monotonic() < end:
        try:
            with client_for(pico, timeout=2) as client:
                status = client.get("/api/v1/status").json()
        except httpx.HTTPError:  # the board is restarting
            status = {}
        if status.get("last") and status["state"] == "idle":
            return status["last"]
        time.sleep(0.3)
    raise AssertionError("no outcome in 40 s")
