"""How deep the C stack gets while the board answers: it has 7,936 bytes, the simulated one 80 KB.

An import inside of an import takes most of it, and a coroutine that awaits another a good part.
What a frame takes is twice as much here as on the board, and a module that is looked up more than
that, since a path may have 4096 bytes: 14.5 KB stand for some 6.2 KB there.
"""

import ast
import re
import time
from pathlib import Path

import httpx
import pytest

from pico_ota.devicefiles import compile_tree, device_files
from pico_ota.pack import packed
from pico_ota.release import build, keygen
from pico_ota.sim import SimulatedPico

_MOST = 14_500
_MAIN = b"""
import asyncio
from manager_wifi import WiFiManager
from service_ota import OTAUpdateService
async def main():
    wifi = WiFiManager("test-net", "test-password", "pico-test")
    await OTAUpdateService(wifi, public_key="/public.json").start()
    while True:
        await asyncio.sleep(1)
asyncio.run(main())
"""
_NOTE = """
if micropython.stack_use() > _depths.get({key!r}, 0):
    _depths[{key!r}] = micropython.stack_use()
"""
# What is printed passes the console, so it is printed where the stack is nearly empty.
_TELL = """
for _key in list(_depths):
    print("DEPTH", _key, _depths.pop(_key))
"""
_BODY = b"print(1)\n" * 500


def _telling(path, source):
    """Return the *source* of a module that says how deep each of its functions was called."""
    tree = ast.parse(source)
    name = Path(path).stem
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            at = 1 if ast.get_docstring(node) else 0
            while isinstance(node.body[at], ast.Global | ast.Nonlocal):
                at += 1
            told = _TELL if (name, node.name) == ("service_ota", "_count_time") else ""
            told += _NOTE.format(key=f"{name} {node.name}")
            node.body[at:at] = ast.parse(told).body
    first = 1 if ast.get_docstring(tree) else 0
    head = "import micropython, sys\n_depths = sys.modules.setdefault('depths', {})"
    tree.body[first:first] = ast.parse(head).body
    tree.body += ast.parse(_NOTE.format(key=f"{name} import")).body
    return ast.unparse(tree).encode()


@pytest.fixture(scope="module")
def telling_files():
    """The device files, with modules that say how deep they get."""
    files = device_files(mpy=False)
    ours = [path for path in files if path.endswith(".py") and path != "/boot.py"]
    files |= {path: _telling(path, files[path]) for path in ours}
    return packed(compile_tree(files), files)


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """A signed release of some files, and the key that it is signed with."""
    folder = tmp_path_factory.mktemp("release")
    for number in range(12):
        path = folder / "app" / "lib" / "deep" / f"module{number}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_BODY + b"#%d" % number)
    (folder / "app" / "public.json").write_bytes(b"{}")
    keygen(folder / "keys", bits=2048)
    public = (folder / "keys" / "public.json").read_bytes()
    (folder / "app" / "public.json").write_bytes(public)
    build(folder / "app", folder / "x.swu", "3.0.0", sign_key=folder / "keys" / "private.pem")
    return (folder / "x.swu").read_bytes(), public


def _use(http, archive):
    for target in ("/", "/fs/", "/fs/main.py", "/api/v1/status", "/api/v1/log", "/api/v1/info"):
        assert http.get(target).status_code == 200
    assert http.get("/nothing").status_code == 404
    assert http.put("/fs/x.txt", content=_BODY).status_code == 403
    assert http.put("/api/v1/password", json={"password": "otapico"}).status_code == 204
    done = http.put("/api/v1/update?commit=yes&restart=no", content=archive)
    assert done.status_code == 202, done.text


def _change(http):
    for target in ("/fs/a/b/c/d.txt", "/fs/x.txt"):
        for _ in range(2):
            assert http.put(target, content=_BODY).status_code in (201, 204)
    moved = http.request("MOVE", "/fs/x.txt", headers={"X-Destination": "/fs/a/y.txt"})
    assert moved.status_code == 201
    gone = http.request("DELETE", "/fs/a", headers={"X-OTA-Recursive": "yes"})
    assert gone.status_code == 204


def _depths(pico):
    found = re.findall(r"DEPTH (\S+) (\S+) (\d+)", pico.console())
    assert len({module for module, _, _ in found}) > 15
    depths: dict[tuple[str, str], int] = {}
    for module, function, depth in found:
        depths[module, function] = max(int(depth), depths.get((module, function), 0))
    return depths


@pytest.mark.parametrize("mode", ["normal", "rescue"])
@pytest.mark.parametrize("signed", [True, False])
def test_requests_stay_within_the_stack_of_a_board(tmp_path, telling_files, release, mode, signed):
    archive, public = release
    folder = tmp_path / "app"
    folder.mkdir()
    main = _MAIN if signed else _MAIN.replace(b', public_key="/public.json"', b"")
    (folder / "main.py").write_bytes(main)
    (folder / "public.json").write_bytes(public)
    headers = {"X-Requested-With": "tests"}
    with SimulatedPico(tmp_path / "flash.img", app=folder, device_files=telling_files) as pico:
        pico.start()
        url = pico.wait_listening(30)
        with httpx.Client(
            base_url=url, auth=("admin", "otapico"), headers=headers, timeout=30
        ) as http:
            if mode == "rescue":
                seen = len(pico.events)
                assert http.post("/api/v1/reboot", json={"mode": "rescue"}).status_code == 202
                pico.wait_event("listening", 30, since=seen)
            if not signed:
                _change(http)
                http.put("/fs/x.txt", content=b"x")
                http.delete("/fs/x.txt")
                done = http.put("/api/v1/update?commit=yes&restart=no", content=archive)
                assert done.status_code == 202, done.text
            else:
                _use(http, archive)
        time.sleep(1)  # for the next look at the Wi-Fi, which tells the last ones
        depths = _depths(pico)
    assert ("staging", "import") in depths
    too_deep = sorted((depth, *where) for where, depth in depths.items() if depth > _MOST)
    assert not too_deep
