"""Clients that people have, unchanged: curl, wget, httpie, circup."""

import logging
import subprocess
import sys

import pytest
from circup.backends import WebBackend
from wire import PASSWORD, USER, address_of, ask, read, refused

AUTH = f"{USER}:{PASSWORD}"


def run(*command, folder, stdin=None):
    """Run a client; return what it printed. It has to end well."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        capture_output=True,
        timeout=60,
        input=stdin,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def address(board, path, login=AUTH):
    host, port = address_of(board)
    return f"http://{login}@{host}:{port}{path}" if login else f"http://{host}:{port}{path}"


@pytest.fixture
def own(tmp_path):
    (tmp_path / "f.py").write_bytes(b"print('hello')\n" * 500)
    return tmp_path


# --- curl -------------------------------------------------------------------------------------


def test_curl_sends_a_file_into_a_folder(board, folder, own):
    run("curl", "-sSf", "-T", "f.py", address(board, f"/fs{folder}/"), folder=own)
    assert read(board, folder + "/f.py") == (own / "f.py").read_bytes()
    got = run("curl", "-sSf", address(board, f"/fs{folder}/f.py"), folder=own)
    assert got == (own / "f.py").read_bytes()
    run("curl", "-sSf", "-X", "DELETE", address(board, f"/fs{folder}/f.py"), folder=own)
    assert read(board, folder + "/f.py") is None


def test_curl_finds_the_scheme_itself(board, folder, own):
    there = address(board, f"/fs{folder}/f.py", None)
    run("curl", "-sSf", "--anyauth", "-u", AUTH, "-T", "f.py", there, folder=own)
    got = run("curl", "-sSf", "--anyauth", "-u", AUTH, there, folder=own)
    assert got == (own / "f.py").read_bytes()


def test_curl_reads_the_console(board, own):
    place = address(board, "/api/v1/console?format=text")
    run("curl", "-sSf", place, folder=own)


# --- wget -------------------------------------------------------------------------------------


def test_wget(board, folder, own):
    login = ["--user", USER, "--password", PASSWORD]
    there = address(board, f"/fs{folder}/f.py", None)
    run("wget", "-q", "-O-", *login, "--method=PUT", "--body-file=f.py", there, folder=own)
    assert run("wget", "-q", "-O-", *login, there, folder=own) == (own / "f.py").read_bytes()
    listing = run("wget", "-q", "-O-", *login, address(board, f"/fs{folder}/", None), folder=own)
    assert b'"f.py"' in listing
    run("wget", "-q", "-O-", address(board, f"/fs{folder}/f.py"), folder=own)


# --- httpie -----------------------------------------------------------------------------------


def test_httpie(board, folder, own):
    http = [sys.executable, "-m", "httpie", "--check-status", "--ignore-stdin", "-b", "-a", AUTH]
    there = address(board, f"/fs{folder}/f.py", None)
    with_input = [part for part in http if part != "--ignore-stdin"]
    run(*with_input, "PUT", there, folder=own, stdin=(own / "f.py").read_bytes())
    assert read(board, folder + "/f.py") == (own / "f.py").read_bytes()
    assert run(*http, "GET", there, folder=own) == (own / "f.py").read_bytes()
    assert b"block_size" in run(*http, "GET", address(board, f"/fs{folder}/", None), folder=own)
    moved = f"X-Destination:/fs{folder}/g.py"
    run(*http, "MOVE", there, moved, folder=own)
    assert read(board, folder + "/g.py") == (own / "f.py").read_bytes()
    run(*http, "DELETE", address(board, f"/fs{folder}/g.py", None), folder=own)


# --- circup -----------------------------------------------------------------------------------


@pytest.fixture
def circup(board):
    host, port = address_of(board)
    return WebBackend(host, port, PASSWORD, logging.getLogger("circup"))


def module(folder, name, version):
    """A file or, with a "/" at its end, a package, as circup installs them."""
    text = f'__version__ = "{version}"\n__repo__ = "https://example.org/{name}.git"\n'
    if name.endswith("/"):
        (folder / name / "deep").mkdir(parents=True)
        (folder / name / "__init__.py").write_text(text)
        (folder / name / "deep" / "more.py").write_text("X = 1\n")
    else:
        (folder / name).write_text(text)
    return {"path": str(folder / name)}


def test_circup_does_all_that_its_backend_can(board, circup, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    host, port = address_of(board)
    base = f"http://:{PASSWORD}@{host}:{port}"
    ask(board, "PUT", "/fs/lib/", b"")
    # 1, 2: is it there, and what is it
    assert circup.is_device_present()
    version, board_id = circup.get_circuitpython_version()
    assert version.count(".") == 2
    assert "Pico W" in board_id
    # 3: room
    assert circup.get_free_space() == ask(board, "GET", "/api/v1/status").json["flash"]["free"]
    # 4, 5: install a file and a folder
    circup.install_module_py(module(tmp_path, "single.py", "1.2.3"))
    circup.install_module_py(module(tmp_path, "package/", "0.4.0"))
    assert read(board, "/lib/package/deep/more.py") == b"X = 1\n"
    # 6: what is installed
    found = circup.get_device_versions()
    assert found["single"]["__version__"] == "1.2.3"
    assert found["package"]["__version__"] == "0.4.0"
    # 7: list
    names = {entry["name"] for entry in circup.list_dir("lib/")}
    assert {"single.py", "package"} <= names
    # 8: look
    assert circup.file_exists("lib/single.py")
    assert not circup.file_exists("lib/nothing.py")
    assert circup.get_file_content("lib/single.py").startswith(b"__version__")
    assert circup.get_file_content("lib/nothing.py") is None
    # 9: download
    circup.download_file("lib/package/deep/more.py", str(tmp_path))
    assert (tmp_path / "more.py").read_text() == "X = 1\n"
    # 10: upload
    (tmp_path / "up.txt").write_text("up")
    circup.upload_file("up.txt", "lib/")
    assert read(board, "/lib/up.txt") == b"up"
    # 11: make a folder
    circup.create_directory(base, f"{base}/fs/lib/made/")
    assert "made" in {entry["name"] for entry in circup.list_dir("lib/")}
    # 12: move
    circup.move_file("lib/up.txt", "lib/moved.txt")
    assert read(board, "/lib/moved.txt") == b"up"

    # 13: update, and uninstall
    class Module:
        file = None
        path = found["package"]["path"]
        bundle_path = str(tmp_path / "package") + "/"

    circup.update(Module)
    assert read(board, "/lib/package/deep/more.py") == b"X = 1\n"
    circup.uninstall(base, found["single"]["path"])
    circup.uninstall(base, found["package"]["path"])
    for name in ("moved.txt", "made/"):
        circup.uninstall(base, f"{base}/fs/lib/{name}")
    assert circup.list_dir("lib/") == []
    ask(board, "DELETE", "/fs/lib/")


def test_circup_with_a_wrong_password_is_not_let_in(board):
    login = f":{PASSWORD}x"
    done = subprocess.run(
        ["curl", "-s", "-w", "%{http_code}", address(board, "/cp/version.json", login)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.endswith("401")


# --- names ------------------------------------------------------------------------------------


def test_a_name_that_is_not_known_is_told_what_to_write(board):
    port = address_of(board)[1]
    for name in ("pico.fritz.box", "pico.lan", "pico.home.arpa"):
        answer = refused(ask(board, "GET", "/", host=f"{name}:{port}"), 421, "wrong_host")
        assert f"allowed_hosts=('{name}:{port}',)" in answer["message"]
