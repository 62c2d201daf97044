"""`pico-ota mip install`, against an index of one's own in the format of micropython.org/pi."""

import hashlib
import http.server
import json
import threading
from functools import partial

import pytest

FILES = {"umqtt/simple.py": b"X = 1\n", "umqtt/__init__.py": b""}
MORE = b"Y = 2\n"


def put(folder, path, data):
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_bytes(data if isinstance(data, bytes) else json.dumps(data).encode())


def listed(folder, path, data):
    short = hashlib.sha256(data).hexdigest()[:8]
    put(folder, f"file/{short[:2]}/{short}", data)
    return [path, short]


@pytest.fixture
def index(tmp_path):
    """The address of an index with two packages, one of which needs the other."""
    folder = tmp_path / "index"
    hashes = [listed(folder, path, data) for path, data in FILES.items()]
    package = {"v": 1, "version": "1.3", "hashes": hashes, "deps": [["more", "latest"]]}
    for form in ("py", "6"):
        put(folder, f"package/{form}/umqtt.simple/latest.json", package)
        hashes = [listed(folder, "more.py", MORE)]
        put(folder, f"package/{form}/more/latest.json", {"version": "2", "hashes": hashes})
    for name in ("../../boot.py", "/etc/x", "a/../../b", "a\\b"):
        put(
            folder,
            "bad/" + hashlib.sha256(name.encode()).hexdigest() + "/package.json",
            {"urls": [[name, "x.py"]]},
        )
        put(folder, "bad/" + hashlib.sha256(name.encode()).hexdigest() + "/x.py", b"X = 3\n")
    put(folder, "odd/package.json", b"no json")
    put(folder, "list/package.json", b"[1]")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=str(folder))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_package_and_what_it_needs_go_as_one_update(trial_device, cli, index):
    plan = json.loads(
        cli("mip", "install", "umqtt.simple", "--index", index, "--dry-run", "--json").out
    )
    assert plan["new"] == ["/lib/more.py", "/lib/umqtt/__init__.py", "/lib/umqtt/simple.py"]
    result = cli("mip", "install", "umqtt.simple", "--index", index, "--no-mpy", "--confirm")
    assert (result.status, result.err) == (0, "")
    assert cli("cat", ":lib/umqtt/simple.py").out == "X = 1\n"
    assert cli("cat", ":lib/more.py").out == "Y = 2\n"
    again = json.loads(cli("mip", "install", "more", "--index", index, "--json").out)
    assert again["outcome"] == "up to date"
    assert cli("rollback").status == 0
    assert cli("ls", ":lib/umqtt").status == 1


def test_a_package_of_ones_own_goes_where_it_is_told(trial_device, cli, here):
    put(here, "package.json", {"urls": [["mine.py", "mine.py"]], "version": "1"})
    put(here, "mine.py", b"Z = 3\n")
    assert cli("mip", "install", "./package.json", "--target", "/", "--confirm").status == 0
    assert cli("cat", ":mine.py").out == "Z = 3\n"


def test_what_is_not_there_is_said_and_nothing_is_sent(device, cli, index, here):
    before = device.flash_operations
    missing = cli("mip", "install", "nothing", "--index", index)
    assert missing.status == 1
    assert "cannot fetch 'nothing': Package not found" in missing.err
    dead = cli("mip", "install", "more", "--index", "http://127.0.0.1:1")
    assert dead.status == 1
    assert "'--index'" in dead.err
    for name, advice in (("http://127.0.0.1:1/x", "Is the address"), ("no.json", "Is it a file")):
        assert advice in cli("mip", "install", name).err
    for name in ("odd", "list"):
        odd = cli("mip", "install", f"{index}/{name}")
        assert odd.status == 1
        assert "no package as mip knows them" in odd.err
    wrong = cli("mip", "list", "more")
    assert wrong.status == 2
    assert "only 'pico-ota mip install NAME' is" in wrong.err
    assert device.flash_operations == before


@pytest.mark.parametrize("name", ["../../boot.py", "a/../../b", "a\\b"])
def test_no_package_writes_outside_of_its_folder(device, cli, index, name):
    before = device.flash_operations
    place = hashlib.sha256(name.encode()).hexdigest()
    result = cli("mip", "install", f"{index}/bad/{place}")
    assert result.status == 1
    assert "it would write to" in result.err
    assert device.flash_operations == before
