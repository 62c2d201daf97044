"""An update that breaks the updater itself: what cannot serve is never confirmed."""

import pytest
from wire import ask, until

from pico_ota.mpy import compile_source
from pico_ota.pack import PACK, packed, unpacked
from pico_ota.release import build

# What serves, what answers, what only an update needs, and what only comes with a word of trouble.
MODULES = ["server", "request", "page", "status", "updates", "staging", "wifi_help"]


@pytest.mark.parametrize("module", MODULES)
def test_an_update_that_breaks_the_updater_is_undone(make_pico, board_files, tmp_path, module):
    pico = make_pico("trial")
    old = ask(pico, "GET", "/fs" + PACK).body
    modules = unpacked(board_files)
    name = f"/ota/{module}.mpy"
    assert name in modules
    modules[name] = compile_source(b"raise ValueError('broken by the update')\n", name)
    folder = tmp_path / "app"
    (folder / "ota").mkdir(parents=True)
    (folder / PACK[1:]).write_bytes(packed(modules)[PACK])
    build(folder, tmp_path / "x.swu", "2.0.0")
    archive = (tmp_path / "x.swu").read_bytes()
    assert ask(pico, "POST", "/api/v1/update?commit=yes", archive).status == 202

    def undone():
        try:
            status = ask(pico, "GET", "/api/v1/status")
        except OSError:
            return None
        return status.status == 200 and status.json["state"] == "idle" and status.json

    last = until(undone, 40, 0.5)["last"]
    assert (last["version"], last["outcome"]) == ("2.0.0", "reverted")
    assert ask(pico, "GET", "/fs" + PACK).body == old
