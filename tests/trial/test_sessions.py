"""An update session: the application is asked, two clients do not mix, a restart loses nothing."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx
import pytest
import rig

from pico_ota.devicefiles import compile_tree

scenario = rig.Scenarios()
CHANGED = {"/lib/x.py": b"x = 2\n"}


def started(make_board, *arguments, **options):
    board = make_board(*arguments, **options)
    board.start()
    board.wait_listening(30)
    return board


def begin(board, files, version="2.0.0"):
    head = rig.head_of(files, version=version)
    return board.request("POST", "/api/v1/update", content=head)


@scenario()
def the_application_is_asked_before_an_update_goes_live(make_board):
    board = started(make_board)
    nothing = board.commit()
    assert (nothing.status_code, nothing.json()["error"]) == (409, "wrong_state")
    assert board.order("answer(calls)") == []  # not asked for nothing
    board.stage({**CHANGED, "/main.py": rig.app(name="new")})
    for verdict, status, word, said in (
        ("False", 409, "refused_by_application", "it gave no reason"),
        ("'the oven is hot'", 409, "refused_by_application", "refused: the oven is hot."),
        ("7", 503, "delayed_by_application", "in 7 s"),
        ("0.2", 503, "delayed_by_application", "in 1 s"),
        ("0", 503, "delayed_by_application", "in 1 s"),
        ("-5", 503, "delayed_by_application", "in 1 s"),
        ("float('inf')", 409, "refused_by_application", "before_install raised"),
        ("float('nan')", 409, "refused_by_application", "before_install raised"),
        ("[]", 409, "refused_by_application", "before_install raised TypeError"),
    ):
        board.order(f"verdicts.append({verdict}); answer(0)")
        board.order(
            "service.before_install = lambda v: calls.append(v) or verdicts.pop(); answer(0)"
        )
        refused = board.commit()
        assert (refused.status_code, refused.json()["error"]) == (status, word), verdict
        assert said in refused.json()["message"], refused.text
        wait = refused.headers.get("retry-after")
        assert wait == ({"7": "7"}.get(verdict, "1") if status == 503 else None)
        assert board.status()["state"] == "staging"
    board.order("def ask(v): 1 / 0\nservice.before_install = ask\nanswer(0)")
    refused = board.commit()
    assert (refused.status_code, refused.json()["error"]) == (409, "refused_by_application")
    assert "before_install raised ZeroDivisionError" in refused.json()["message"]
    # As a coroutine, and the answer is yes.
    board.order(
        "verdicts[:] = [None, False]\n"
        "async def ask(v):\n await asyncio.sleep_ms(200)\n calls.append(('awaited', v))\n"
        " return verdicts.pop()\nservice.before_install = ask\nanswer(0)"
    )
    assert board.commit().json()["error"] == "refused_by_application"
    asked = board.order("answer([c for c in calls if c[0] != '/lib/x.py' and c[0] != '/main.py'])")
    assert asked == ["2.0.0"] * 9 + [["awaited", "2.0.0"]]
    assert board.commit().status_code == 202
    assert board.outcome()["last"]["outcome"] == "confirmed"
    assert board.order("answer(calls)") == [["after", "2.0.0"]]


@scenario()
def callbacks_that_raise_break_nothing(make_board):
    broken = rig.app().replace(b"calls.append((path", b"1 / 0, ((path")
    broken = broken.replace(b'calls.append(("after"', b'1 / 0, (("after"')
    board = started(make_board, broken)
    board.update({"/main.py": broken + b"# 2\n"})
    assert board.outcome()["last"]["outcome"] == "confirmed"
    board.wait_console("ota: on_progress raised ZeroDivisionError")
    board.wait_console("after_install raised ZeroDivisionError")
    late = rig.app().replace(b"def after_install", b"async def after_install")
    board.update({"/main.py": late}, version="3.0.0")
    board.wait_status(lambda s: s["version"] == "3.0.0" and s["state"] == "idle")
    assert board.order("answer(calls)") == [["after", "3.0.0"]]


@scenario()
def progress_is_told_file_by_file(make_board):
    board = started(make_board)
    files = {"/lib/big.bin": bytes(30000), "/lib/x.py": b"x = 2\n"}
    board.stage(files)
    calls = board.order("answer(calls)")
    for path, data in files.items():
        told = [c for c in calls if c[0] == path]
        assert told[-1] == [path, len(data), len(data)]
        assert [c[1] for c in told] == sorted({c[1] for c in told})
    assert len(calls) > 4


@scenario()
def a_second_client_waits_for_the_lease_and_then_takes_over(make_board):
    lease = rig.patched(
        {"/ota/changes.py": ("_LEASE_MS = const(120000)", "_LEASE_MS = const(3000)")}
    )
    board = started(make_board, files=lease)
    first = board.stage({**CHANGED, "/zeta.txt": b"first"})
    other = ({"/zeta.txt": b"second"}, "3.0.0")
    second = begin(board, *other)
    assert (second.status_code, second.json()["error"]) == (409, "busy")
    assert second.json()["id"] == first["id"]
    same = begin(board, {**CHANGED, "/zeta.txt": b"first"})
    assert (same.status_code, same.json()["id"], same.json()["need"]) == (201, first["id"], [])
    session = {"X-OTA-Session": first["id"]}
    for _ in range(2):  # each sign of life renews it
        rig.time.sleep(2)
        put = board.request(
            "PUT", "/api/v1/update/files/zeta.txt", content=b"first", headers=session
        )
        assert put.status_code == 201, put.text
        assert begin(board, *other).status_code == 409
        assert board.status()["update"]["id"] == first["id"]
    rig.time.sleep(3.5)
    taken = begin(board, *other)
    assert (taken.status_code, taken.json()["need"]) == (201, ["/zeta.txt"])
    for method, path in (
        ("PUT", "/api/v1/update/files/zeta.txt"),
        ("POST", "/api/v1/update/commit"),
        ("DELETE", "/api/v1/update"),
    ):
        stale = board.request(method, path, headers=session, content=b"{}")
        assert (stale.status_code, stale.json()["error"]) == (409, "stale_session"), path
    assert board.status()["update"]["id"] == taken.json()["id"]


@scenario()
def an_upload_survives_a_power_cut(make_board):
    board = started(make_board)
    big = bytes(n * 7 & 255 for n in range(150000))
    files = {"/lib/x.py": b"x = 2\n", "/big.bin": big, "/lib/last.py": b"last = 1\n"}
    begun = begin(board, files).json()
    assert board.request(
        "PUT", "/api/v1/update/files/lib/x.py", content=files["/lib/x.py"]
    ).is_success
    half = {"Content-Range": f"bytes 0-99999/{len(big)}"}
    put = board.request("PUT", "/api/v1/update/files/big.bin", content=big[:100000], headers=half)
    assert (put.status_code, put.json()["received"]) == (202, 100000)
    board.power_cut()
    board.start()
    board.wait_listening(20)
    shown = board.request("GET", "/api/v1/update").json()
    assert (shown["id"], shown["version"], shown["state"]) == (begun["id"], "2.0.0", "staging")
    rows = {row["path"]: row for row in shown["files"]}
    assert not rows["/lib/x.py"]["needed"]
    assert rows["/lib/last.py"]["received"] == 0
    here = rows["/big.bin"]["received"]
    assert 100000 - 65536 <= here <= 100000
    assert rows["/big.bin"]["needed"]
    assert board.status()["update"]["received"] == here + len(files["/lib/x.py"])
    again = begin(board, files)
    assert (again.status_code, again.json()["id"]) == (201, begun["id"])
    assert again.json()["need"] == ["/big.bin", "/lib/last.py"]
    assert again.json()["bytes"] == len(big) - here + len(files["/lib/last.py"])
    wrong = {"Content-Range": f"bytes {here + 5}-{len(big) - 1}/{len(big)}"}
    put = board.request(
        "PUT", "/api/v1/update/files/big.bin", content=big[here + 5 :], headers=wrong
    )
    assert (put.status_code, put.json()["received"]) == (409, here)
    early = board.commit()
    assert (early.status_code, early.json()["need"]) == (409, ["/big.bin", "/lib/last.py"])
    rest = {"Content-Range": f"bytes {here}-{len(big) - 1}/{len(big)}"}
    put = board.request("PUT", "/api/v1/update/files/big.bin", content=big[here:], headers=rest)
    assert put.status_code == 201
    put = board.request("PUT", "/api/v1/update/files/lib/last.py", content=files["/lib/last.py"])
    assert put.status_code == 201
    # Between any two calls: also before the commit, and between it and the restart.
    board.power_cut()
    board.start()
    board.wait_listening(20)
    committed = board.commit(restart=False)
    assert (committed.status_code, committed.json()["state"]) == (202, "committed")
    assert board.status()["state"] == "committed"
    board.power_cut()
    board.start()
    status = board.outcome()
    assert status["last"]["outcome"] == "confirmed"
    board.stop()
    assert board.changed() == set(files)
    assert board.tree()["/big.bin"] == big


@scenario()
def an_update_begun_during_a_trial_is_told_what_to_do(make_board):
    board = started(make_board, rig.app(trial_deadline_s=60))
    board.update({"/main.py": rig.app(auto_confirm=False)})
    board.wait_status(lambda s: s["state"] == "trial")
    busy = begin(board, CHANGED, "3.0.0")
    assert (busy.status_code, busy.json()["error"]) == (409, "busy")
    assert "confirm it, or roll it back" in busy.json()["message"]


@scenario()
def what_was_decided_is_not_changed_any_more(make_board):
    board = started(make_board)
    board.stage(CHANGED)
    assert board.commit(restart=False).status_code == 202
    for method, path, options in (
        ("DELETE", "/fs/lib/x.py", {}),
        ("PUT", "/fs/lib/x.py", {"content": b"x = 3\n"}),
        ("PUT", "/fs/folder/", {"content": b""}),
        ("MOVE", "/fs/lib/x.py", {"headers": {"X-Destination": "/fs/lib/y.py"}}),
    ):
        refused = board.request(method, path, **options)
        assert (refused.status_code, refused.json()["error"]) == (409, "busy"), method
    assert board.request("POST", "/api/v1/reboot", json={}).status_code == 202
    assert board.outcome()["last"]["outcome"] == "confirmed"
    assert board.request("POST", "/api/v1/rollback").status_code == 202
    refused = board.request("PUT", "/fs/lib/x.py", content=b"x = 3\n")
    assert (refused.status_code, refused.json()["error"]) == (409, "busy")
    board.wait_status(lambda s: s["state"] == "idle" and s["last"]["outcome"] == "reverted")
    board.stop()
    assert board.changed() == set()


@scenario()
def what_is_agreed_to_is_what_goes_live(make_board):
    board = started(make_board)
    first = board.stage(CHANGED, version="A")
    board.order(
        "async def ask(v):\n calls.append(v)\n await asyncio.sleep(3)\n return v == 'A'\n"
        "service.before_install = ask\nanswer(0)"
    )
    with ThreadPoolExecutor(1) as pool:
        committing = pool.submit(
            httpx.post,
            board.url + "/api/v1/update/commit",
            json={"restart": False},
            auth=rig.AUTH,
            headers={**rig.HEADERS, "X-OTA-Session": first["id"]},
            timeout=30,
        )
        time.sleep(1)
        dropped = board.request("DELETE", "/api/v1/update", timeout=30)
        assert committing.result().status_code == 202
    assert dropped.status_code == 409
    assert board.status()["state"] == "committed"


@scenario()
def a_cut_in_one_long_upload_costs_64_kb_at_most(make_board):
    board = started(make_board)
    data = bytes(range(256)) * 700
    assert begin(board, {"/a.bin": data}).is_success

    def pieces():
        for at in range(0, 160_000, 4000):
            yield data[at : at + 4000]
        end = time.monotonic() + 20
        while (board.status()["upload"] or {}).get("received", 0) < 135_000:
            assert time.monotonic() < end
            time.sleep(0.1)
        board.power_cut()
        yield data[160_000:]

    with suppress(httpx.HTTPError):
        board.request(
            "PUT",
            "/api/v1/update/files/a.bin",
            content=pieces(),
            headers={"Content-Length": str(len(data))},
        )
    board.start()
    board.wait_listening(30)
    (row,) = board.request("GET", "/api/v1/update").json()["files"]
    assert row["received"] >= 2 * 65536


@scenario()
def a_refused_piece_does_not_cost_what_is_here(make_board):
    board = started(make_board)
    board.stage(CHANGED)
    refused = board.request("PUT", "/api/v1/update/files/lib/x.py", content=b"12345678")
    assert (refused.status_code, refused.json()["error"]) == (400, "wrong_size")
    assert board.commit().status_code == 202


@scenario()
def a_source_that_came_meanwhile_is_retired(make_board):
    board = started(make_board)
    compiled = compile_tree({"/lib/mod.py": b"X = 2\n"})
    assert set(compiled) == {"/lib/mod.mpy"}
    board.stage(compiled)
    assert board.request("PUT", "/fs/lib/mod.py", content=b"X = 1\n").status_code == 201
    assert board.commit().status_code == 202
    assert board.outcome()["last"]["outcome"] == "confirmed"
    assert board.request("GET", "/fs/lib/mod.py").status_code == 404


@scenario()
def a_folder_in_place_of_a_file_is_not_lost(make_board):
    board = started(make_board)
    board.stage(CHANGED)
    assert board.request("DELETE", "/fs/lib/x.py").status_code == 204
    assert board.request("PUT", "/fs/lib/x.py/user.txt", content=b"mine").status_code == 201
    refused = board.commit()
    assert (refused.status_code, refused.json()["error"]) == (409, "is_directory")
    assert board.request("GET", "/fs/lib/x.py/user.txt").content == b"mine"


@pytest.mark.parametrize("half", [0, 1])
def test_sessions(make_board, half):
    scenario.run(make_board, half, 2)
