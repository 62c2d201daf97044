"""Flash images: MicroPython and littlefs-python read each other's."""

import httpx
import pytest
from littlefs import LittleFS
from simboard import lines

from pico_ota.sim import SimError, image


def test_micropython_reads_what_the_host_writes(run):
    files = {
        "/empty": b"",
        "/small": b"x" * 100,
        "/inline": b"y" * 512,
        "/deep/er/big": bytes(range(256)) * 100,
        "/ümläut": b"z",
    }
    out = run(
        """
        import os, hashlib
        def walk(top):
            for name, kind, _, size in os.ilistdir(top):
                if kind == 0x4000: walk(top + name + "/")
                else:
                    with open(top + name, "rb") as f:
                        print(top + name, size, hashlib.sha256(f.read()).digest().hex()[:8])
        walk("/")
        """,
        files=files,
    )
    import hashlib

    wanted = [f"{p} {len(d)} {hashlib.sha256(d).hexdigest()[:8]}" for p, d in files.items()]
    assert sorted(line for line in out if "main.py" not in line) == sorted(wanted)


@pytest.mark.parametrize("board", ["pico_w", "pico2_w"])
def test_the_host_reads_what_micropython_writes(make_board, board):
    pico = make_board(
        """
        import os
        os.mkdir("/new")
        for n in range(60):
            with open("/new/file%d" % n, "wb") as f:
                f.write(bytes([n]) * (n * 97))
        os.remove("/old")
        os.rename("/new/file3", "/moved")
        """,
        files={"/old": b"old"},
        board=board,
    )
    pico.start()
    pico.wait_event("prompt", 20)
    pico.stop()
    tree = image.read_tree(pico.image)
    wanted = {f"/new/file{n}": bytes([n]) * (n * 97) for n in range(60) if n != 3}
    wanted["/moved"] = bytes([3]) * 291
    tree.pop("/main.py")
    assert tree == wanted


def test_any_littlefs_tool_reads_it(make_board):
    board = make_board("with open('/new', 'w') as f: f.write('text')", files={"/other": b"1"})
    board.start()
    board.wait_event("prompt")
    board.stop()
    # As somebody outside would do it, knowing the block size only.
    fs = LittleFS(block_size=4096, block_count=212, mount=False)
    fs.context.buffer = bytearray(board.image.read_bytes())
    fs.mount()
    assert sorted(fs.listdir("/")) == ["main.py", "new", "other"]
    assert fs.open("/new", "r").read() == "text"


def test_files_can_be_put_on_a_board_that_is_off(make_board):
    board = make_board("print('one')")
    board.start()
    board.wait_event("prompt")
    board.stop()
    image.write_files(board.image, {"/main.py": b"import lib.two", "/lib/two.py": b"print('two')"})
    board.start()
    board.wait_event("prompt")
    assert lines(board) == ["two"]


def test_an_image_is_made_once(make_board, tmp_path):
    app = tmp_path / "app"
    (app / "sub").mkdir(parents=True)
    (app / "__pycache__").mkdir()
    (app / "__pycache__" / "x.pyc").write_bytes(b"x")
    (app / "main.py").write_text("print(open('/sub/word').read())")
    (app / "sub" / "word").write_text("first")
    board = make_board(files={"/boot.py": b"print('boot')", "/main.py": b"never"}, app=app)
    board.start()
    board.wait_event("prompt")
    assert lines(board) == ["boot", "first"]
    board.stop()
    assert set(image.read_tree(board.image)) == {"/boot.py", "/main.py", "/sub/word"}
    (app / "sub" / "word").write_text("second")
    board.start()
    board.wait_event("prompt")
    assert lines(board) == ["boot", "first"]


def test_an_application_that_does_not_fit_leaves_no_image(make_board, tmp_path):
    app = tmp_path / "app"
    app.mkdir()
    (app / "big").write_bytes(bytes(900_000))
    board = make_board(app=app)
    with pytest.raises(SimError, match=r"/big does not fit: 900000 bytes in 1 files"):
        board.start()
    assert not board.image.exists()
    assert list(tmp_path.iterdir()) == [app]


@pytest.mark.parametrize(
    ("size", "board", "words"),
    [
        (1000, "pico_w", "has 1000 bytes, .* has 868352"),
        (868352, "pico2_w", "is an image of a pico_w"),
        (2621440, "pico_w", "is an image of a pico2_w"),
        (0, "pico_w", "has 0 bytes"),
    ],
)
def test_an_image_of_another_size_is_refused_and_kept(make_board, size, board, words):
    pico = make_board(board=board)
    pico.image.write_bytes(b"x" * size)
    with pytest.raises(SimError, match=words):
        pico.start()
    assert pico.image.read_bytes() == b"x" * size


def test_reading_what_is_no_file_system_is_refused(tmp_path):
    path = tmp_path / "flash.img"
    path.write_bytes(bytes(868352))
    with pytest.raises(SimError, match="no file system"):
        image.read_tree(path)
    with pytest.raises(SimError, match="no file system"):
        image.write_files(path, {"/x": b""})
    assert path.read_bytes() == bytes(868352)
    with pytest.raises(SimError, match="cannot read"):
        image.read_tree(tmp_path / "missing")


def test_the_device_files_make_a_board_that_answers(tmp_path, board_files):
    from pico_ota.sim import SimulatedPico

    app = tmp_path / "app"
    app.mkdir()
    (app / "main.py").write_text(
        "import asyncio, network\n"
        "from service_ota import OTAUpdateService\n"
        "async def main():\n"
        "    wlan = network.WLAN(0)\n"
        "    wlan.active(True)\n"
        "    wlan.connect('any')\n"
        "    await OTAUpdateService(wlan).start()\n"
        "    await asyncio.sleep(1000)\n"
        "asyncio.run(main())\n"
    )
    with SimulatedPico(tmp_path / "f.img", app=app, device_files=board_files) as pico:
        pico.start()
        info = httpx.get(pico.wait_listening(20) + "/api/v1/info").json()
        assert info["api"] == 1
        tree = image.read_tree(pico.image)
    assert {"/boot.py", "/ota_boot.mpy", "/ota/modules.pack", "/main.py"} <= set(tree)
    assert "/ota_boot.py" not in tree
