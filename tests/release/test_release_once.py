"""Files that come once: installed where they are missing, never overwritten, never taken away."""

import pytest
from release_attacks import Signer, entries_of
from release_samples import APP, write_app
from stock_swupdate import swupdate
from test_release_device import digests
from test_release_foreign import needs
from test_release_tampering import host_word

from pico_ota.errors import UsageError
from pico_ota.release import Options, archive, build, inspect
from pico_ota.release.builder import describe
from pico_ota.sync import scan

KEEP = ("config.json", "lib/same.py", "lib/set/")
FILES = {**APP, "config.json": b'{"from": "release"}\n', "lib/set/deep/x.py": b"X = 1\n"}


@pytest.fixture
def release(make_release, tmp_path):
    def make(version="2.0.0", files=FILES, keep=KEEP, **options):
        folder = write_app(tmp_path / version, files)
        return make_release(version, folder=folder, keep=keep, **options).read_bytes()

    return make


def put(device, path, data):
    device.ask("write", path=path, data=data.hex())


def read_once(data):
    text = entries_of(data)[0][1].decode()
    return [line.split('"')[3] for line in text.splitlines() if "once = true; }" in line]


@pytest.mark.parametrize("sign", [True, False])
def test_it_is_installed_where_it_is_missing_and_left_alone_where_it_is(
    device, release, trusted, sign
):
    data = release(sign=sign)
    assert read_once(data) == ["/config.json", "/lib/same.py", "/lib/set/deep/x.py"]
    mine = b'{"mine": true}\n'
    put(device, "/config.json", mine)
    keys = {"keys": trusted} if sign else {}
    answer = device.take(data, fresh=False, commit=True, **keys)
    assert answer["status"] == 201
    live = device.look()["live"]
    assert live["/config.json"] == digests({"": mine})[""]
    assert live["/lib/set/deep/x.py"] == digests(FILES)["lib/set/deep/x.py"]
    assert live["/main.py"] == digests(APP)["main.py"]
    device.ask("confirm")
    # The next one finds all of it there, however it is by then.
    put(device, "/lib/set/deep/x.py", b"X = 2\n")
    newer = {**FILES, "main.py": b"print(3)\n", "lib/set/deep/x.py": b"X = 3\n"}
    device.take(release("3.0.0", newer, sign=sign), fresh=False, commit=True, **keys)
    live = device.look()["live"]
    assert live["/main.py"] == digests(newer)["main.py"]
    assert live["/lib/set/deep/x.py"] == digests({"": b"X = 2\n"})[""]


def test_a_head_does_not_ask_for_what_is_there(device, release, trusted):
    put(device, "/config.json", b"mine")
    head = archive.pack(entries_of(release())[:2])
    answer = device.ask("take", head, keys=trusted, keep=True)
    assert "/config.json" not in answer["need"]
    assert "/lib/set/deep/x.py" in answer["need"]
    # Whoever sends it all the same is heard, and changes nothing.
    sent = device.ask(
        "ask",
        FILES["config.json"],
        method="PUT",
        target="/api/v1/update/files/config.json",
        keys=trusted,
    )
    assert sent["status"] in (200, 201)


def test_an_undone_trial_takes_it_along_and_a_roll_back_leaves_it(device, release, trusted):
    device.take(release(), keys=trusted, commit=True)
    assert "/config.json" in device.look()["live"]
    device.ask("rollback")
    assert device.look()["live"] == device.live
    # Once confirmed it is whose who fills it in.
    device.take(release("2.0.1"), fresh=False, keys=trusted, commit=True)
    device.ask("confirm")
    put(device, "/config.json", b"filled in")
    device.ask("rollback")
    live = device.look()["live"]
    assert live.pop("/config.json") == digests({"": b"filled in"})[""]
    assert live.pop("/lib/set/deep/x.py") == digests(FILES)["lib/set/deep/x.py"]
    assert live == device.live
    assert device.look()["left"] == []


def test_what_is_deleted_by_hand_does_not_come_back_by_a_roll_back(device, release, trusted):
    device.take(release(), keys=trusted, commit=True)
    device.ask("confirm")
    device.ask("remove", path="/config.json")
    device.ask("rollback")
    assert "/config.json" not in device.look()["live"]


@pytest.mark.parametrize("gone_or_come", ["it comes", "it goes", "its other form comes"])
def test_what_changes_between_description_and_commit_counts(
    device, release, trusted, gone_or_come
):
    path, mine = "/lib/set/deep/x.py", b"mine\n"

    def commit():
        return device.ask("ask", method="POST", target="/api/v1/update/commit", keys=trusted)

    if gone_or_come == "it goes":
        put(device, path, mine)
    device.ask("take", release(), keys=trusted, keep=True)
    if gone_or_come == "it comes":
        put(device, path, mine)
    elif gone_or_come == "it goes":
        device.ask("remove", path=path)
        assert commit()["extra"]["need"] == [path]
        sent = device.ask(
            "ask",
            FILES[path[1:]],
            method="PUT",
            target="/api/v1/update/files" + path,
            keys=trusted,
        )
        assert sent["status"] == 201
    else:
        put(device, path.replace(".py", ".mpy"), b"M\6\3\x1f")
    assert commit()["status"] == 202
    device.ask("boot")
    live = device.look()["live"]
    if gone_or_come == "it comes":
        assert live[path] == digests({"": mine})[""]
    elif gone_or_come == "its other form comes":
        assert path not in live
        assert path.replace(".py", ".mpy") in live
    assert live["/main.py"] == digests(APP)["main.py"]


def test_the_other_form_of_a_module_counts_as_there(device, release, trusted):
    put(device, "/lib/set/deep/x.mpy", b"M\6\3\x1f")
    device.take(release(), fresh=False, keys=trusted, commit=True)
    live = device.look()["live"]
    assert "/lib/set/deep/x.mpy" in live
    assert "/lib/set/deep/x.py" not in live


def test_one_that_is_deleted_by_the_same_update_does_not_count(device, release, trusted):
    put(device, "/lib/set/deep/x.mpy", b"M\6\3\x1f")
    data = release(keep=["/lib/set/deep/x.py"], delete=("/lib/set/deep/x.mpy",))
    device.take(data, fresh=False, keys=trusted, commit=True)
    live = device.look()["live"]
    assert "/lib/set/deep/x.mpy" not in live
    assert "/lib/set/deep/x.py" in live


def test_what_is_kept_is_not_compiled(tmp_path):
    folder = write_app(tmp_path / "app", {"main.py": b"1\n", "conf.py": b"A = 1\n", "b.py": b""})
    made = build(folder, tmp_path / "x.swu", "1.0.0", Options(mpy=True, keep=["conf.py"]))
    assert [file.path for file in made.description.files] == ["/b.mpy", "/conf.py", "/main.py"]
    assert [file.once for file in made.description.files] == [False, True, False]
    told = inspect(tmp_path / "x.swu").as_json()["files"]
    assert [file.get("once", False) for file in told] == [False, True, False]


def test_keeping_and_deleting_the_same_is_refused(tmp_path):
    folder = write_app(tmp_path / "app", {"main.py": b"1\n"})
    with pytest.raises(UsageError, match="'keep' says that it stays"):
        build(
            folder,
            tmp_path / "x.swu",
            "1.0.0",
            Options(keep=["/data/*.json"], delete=["/data/a.json"]),
        )


def test_a_push_marks_the_same(tmp_path):
    folder = write_app(tmp_path / "app", {"main.py": b"1\n", "config.json": b"{}"})
    listed = describe(scan([folder]), "word", keep=["/config.json"])
    assert [(file.path, file.once) for file in listed.files] == [
        ("/config.json", True),
        ("/main.py", False),
    ]


WRONG = [
    "once = false;",
    "once = 1;",
    "once = true; once = true;",
    "once  = true;",
    "once = true",
    "once=true;",
    "Once = true;",
    "once = true; x = 1;",
    'once = "true";',
    "x = true;",
]


@pytest.mark.parametrize("wrong", WRONG)
def test_only_one_spelling_is_accepted(device, release, trusted, keys, wrong):
    signer = Signer(release(), keys[0].private)
    data = signer.edited((r"once = true;", wrong))
    assert host_word(data, [keys[0].key]) == "bad_description"
    assert device.take(data, keys=trusted)["word"] == "bad_description"
    push = archive.pack(
        [("sw-description", entries_of(release(sign=False))[0][1].replace(
            b"once = true;", wrong.encode(), 1))]
    )  # fmt: skip
    assert device.take(push)["word"] == "bad_description"


def test_the_mark_is_signed(device, release, trusted, keys):
    data = release()
    head = entries_of(data)
    for old, new in ((b" once = true; }", b" }"), (b'"; }', b'"; once = true; }')):
        text = head[0][1].replace(old, new, 1)
        assert text != head[0][1]
        changed = archive.pack([("sw-description", text), *head[1:]])
        assert host_word(changed, [keys[0].key]) == "bad_signature"
        assert device.take(changed, keys=trusted)["word"] == "bad_signature"


@needs("swupdate")
def test_stock_swupdate_takes_it(release, keys):
    accepted, log = swupdate(release(), keys[0].certificate)
    assert accepted, log[-2000:]
