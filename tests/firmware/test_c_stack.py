"""How deep the C stack gets while the board answers: it has 8 KB of it, the simulated one 80.

An import inside of an import is what takes most: about 700 bytes on the board (rp2 port: a path
of 128 bytes, the loader, the module's own code), 5 KB here, where a path may have 4096.
"""

import hashlib
import re
from pathlib import Path

import httpx

from pico_ota.devicefiles import compile_tree, device_files
from pico_ota.release import Options, build
from pico_ota.rooms import packed
from pico_ota.sim import SimulatedPico

PLAIN = Path(__file__).parents[1] / "apps" / "plain"
# The application imports the service, that the listener, and that one more: at the most that deep.
# A request starts a dozen calls deeper, so that it has two levels less.
_MOST = 20000
_TELL = b"\nimport micropython as _m\nprint('DEPTH', __name__, _m.stack_use())\n"
# Where a module is looked up in the pack: two calls deeper than where it runs.
_LOOKS_UP = b'    wanted = b"%s " % path[1:]\n'
_BODY = b"print(1)\n" * 500


def _telling_files():
    """Return the device files, with modules that say how deep they were imported."""
    files = {}
    for path, data in device_files(mpy=False).items():
        ours = path.endswith(".py") and path != "/boot.py"
        files[path] = data + _TELL if ours else data
    door = files["/ota/__init__.py"]
    assert door.count(_LOOKS_UP) == 1
    tell = _TELL.decode().replace("\n", "\n    ").rstrip(" ").replace("__name__", "path")
    files["/ota/__init__.py"] = door.replace(_LOOKS_UP, tell.encode() + _LOOKS_UP)
    return packed(compile_tree(files))


def _manifest(path):
    sha = hashlib.sha256(_BODY).hexdigest()
    return {"version": "2.0.0", "files": [{"path": path, "size": len(_BODY), "sha256": sha}]}


def _use(http, release):
    assert http.get("/fs/").status_code == 200
    assert http.put("/fs/a/b.txt", content=_BODY).status_code == 201
    assert http.get("/api/v1/status").status_code == 200
    assert http.post("/api/v1/update", json=_manifest("/lib/x.py")).status_code == 201
    assert http.put("/api/v1/update/files/lib/x.py", content=_BODY).status_code == 201
    assert http.delete("/api/v1/update").status_code == 204
    done = http.put("/api/v1/update/release?restart=no", content=release)
    assert done.status_code == 202, done.text


def test_requests_stay_within_the_stack_of_a_board(tmp_path):
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "main.py").write_bytes(_BODY)
    build(folder, tmp_path / "app.swu", "3.0.0", Options())
    headers = {"X-Requested-With": "tests"}
    with SimulatedPico(tmp_path / "flash.img", app=PLAIN, device_files=_telling_files()) as pico:
        pico.start()
        url = pico.wait_listening(30)
        with httpx.Client(
            base_url=url, auth=("admin", "otapico"), headers=headers, timeout=30
        ) as http:
            _use(http, (tmp_path / "app.swu").read_bytes())
        depths = re.findall(r"DEPTH (\S+) (\d+)", pico.console())
    assert len(depths) > 40
    assert any(name == "/staging.mpy" for name, _ in depths)
    assert not [(name, int(depth)) for name, depth in depths if int(depth) > _MOST]
