"""Several clients at once."""

import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from wire import Wire, ask, digest, put, read, refused, request, until

DATA = os.urandom(30_000)


def status(board):
    return ask(board, "GET", "/api/v1/status").json


def begin(board, path, data=DATA, sent=5000):
    """Start an upload and return its connection and the bytes that are still to be sent."""
    whole = request(board, "PUT", "/fs" + path, data)
    wire = Wire(board).send(whole[:sent])
    until(lambda: (status(board)["upload"] or {}).get("path") == path)
    return wire, whole[sent:]


def test_the_same_path_twice_at_once_is_refused(board, folder):
    first, rest = begin(board, folder + "/a")
    with first:
        reason = refused(ask(board, "PUT", f"/fs{folder}/a", b"second"), 409, "busy")
        assert reason["retry_after"] >= 1
        refused(ask(board, "DELETE", f"/fs{folder}/a"), 409, "busy")
        assert first.send(rest).answer().status == 201
    assert read(board, folder + "/a") == DATA


def test_another_path_waits_for_its_turn(board, folder):
    first, rest = begin(board, folder + "/a")
    with first, Wire(board) as second:
        second.send(request(board, "PUT", f"/fs{folder}/b", b"second"))
        assert second.quiet(0.5)
        assert first.send(rest).answer().status == 201
        assert second.answer().status == 201
    assert (read(board, folder + "/a"), read(board, folder + "/b")) == (DATA, b"second")


def test_a_turn_that_takes_too_long_is_told(impatient_board):
    pico = impatient_board
    pico.start()
    pico.wait_listening()
    first, rest = begin(pico, "/a")
    with first, Wire(pico) as second:
        second.send(request(pico, "PUT", "/fs/b", b"second"))
        for n in range(5):
            time.sleep(0.5)
            first.send(rest[n : n + 1])
        answer = second.answer()
        refused(answer, 503, "busy")
        assert int(answer.headers["retry-after"]) >= 1
        assert first.send(rest[5:]).answer().status == 201
    assert read(pico, "/a") == DATA
    assert read(pico, "/b") is None


def test_reading_and_asking_do_not_wait_for_an_upload(board, folder):
    put(board, folder + "/other", b"other")
    first, rest = begin(board, folder + "/a", sent=9000)
    with first:
        upload = until(lambda: status(board)["upload"])
        assert upload["path"] == folder + "/a"
        assert upload["size"] == len(DATA)
        assert 0 < upload["received"] <= 9000
        assert read(board, folder + "/other") == b"other"
        assert read(board, folder + "/a") is None
        assert first.send(rest).answer().status == 201
    assert status(board)["upload"] is None


def test_progress_never_goes_back_and_ends_at_the_size(board, folder):
    first, rest = begin(board, folder + "/a")
    seen = []
    with first:
        for at in range(0, len(rest), 1000):
            first.send(rest[at : at + 1000])
            upload = status(board)["upload"]
            if upload:
                seen.append(upload["received"])
        assert first.answer().status == 201
    assert seen == sorted(seen)
    assert len(set(seen)) >= 5


def test_an_idle_connection_gives_way_to_a_fourth_client(board):
    wires = [Wire(board) for _ in range(3)]
    try:
        for wire in wires:
            wire.send(request(board, "GET", "/api/v1/info"))
            assert wire.answer().status == 200
            assert wire.quiet(0)
        began = time.monotonic()
        assert ask(board, "GET", "/api/v1/info").status == 200
        assert time.monotonic() - began < 1.5
        open_now = [wire for wire in wires if wire.quiet(0.05)]
        assert len(open_now) == 2  # one gave way, two were left alone
    finally:
        for wire in wires:
            wire.socket.close()


def test_a_fourth_client_gets_a_slot_however_busy_the_three_keep_themselves(board):
    stop = time.monotonic() + 6
    given_way = [0] * 3

    def chat(n):
        # Asks again before it is idle for long, on one connection as long as it is kept.
        while time.monotonic() < stop:
            try:
                with Wire(board, timeout=5) as wire:
                    while time.monotonic() < stop:
                        wire.send(request(board, "GET", "/api/v1/info"))
                        if wire.answer().headers["connection"] == "close":
                            given_way[n] += 1
                            break
                        time.sleep(0.15)
            except ConnectionError:
                pass

    with ThreadPoolExecutor(3) as pool:
        chats = [pool.submit(chat, n) for n in range(3)]
        time.sleep(1)
        for _ in range(3):
            began = time.monotonic()
            assert ask(board, "GET", "/api/v1/info", connection="close").status == 200
            assert time.monotonic() - began < 1.5
        for one in chats:
            one.result()
    assert sum(given_way) >= 3


def test_clients_that_do_not_take_their_answers_give_way(board, folder):
    put(board, folder + "/big", os.urandom(100_000))
    deaf = [Wire(board, receive_buffer=4096) for _ in range(3)]
    try:
        for wire in deaf:
            wire.send(request(board, "GET", f"/fs{folder}/big") * 90)
        time.sleep(1)
        began = time.monotonic()
        assert ask(board, "GET", "/api/v1/info").status == 200
        assert time.monotonic() - began < 6
    finally:
        for wire in deaf:
            wire.hang_up()


def test_connections_at_work_do_not_give_way(board, folder):
    put(board, folder + "/big", os.urandom(100_000))
    uploads = []
    for name in ("a", "b", "c"):
        whole = request(board, "PUT", f"/fs{folder}/{name}", DATA)
        wire = Wire(board).send(whole[:6000])
        uploads.append((wire, whole[6000:]))
        time.sleep(0.2)  # each has come as far as it can: one writes, two wait for their turn
    with ThreadPoolExecutor(1) as pool:
        fourth = pool.submit(ask, board, "GET", "/api/v1/info")
        time.sleep(1)
        assert not fourth.done()
        for wire, rest in uploads:
            wire.send(rest)
        for wire, _ in uploads:
            with wire:
                assert wire.answer().status == 201
        assert fourth.result(5).status == 200


def test_what_is_read_while_it_is_replaced_is_never_a_mixture(board, folder):
    # littlefs gives the blocks of a replaced file to others, also while somebody reads it.
    put(board, folder + "/a", os.urandom(100_000))
    asked = 90  # more than the host's socket buffers hold
    whole = 0
    with Wire(board, receive_buffer=4096) as slow:
        slow.send(request(board, "GET", f"/fs{folder}/a") * asked)
        time.sleep(1)  # now it is stuck in one of them
        for name in "abababab":
            put(board, f"{folder}/{name}", os.urandom(100_000))
        try:
            for _ in range(asked):
                answer = slow.answer()
                assert answer.headers["etag"] == f'"{digest(answer.body)}"'
                whole += 1
        except ConnectionError:
            pass  # cut in the middle: the client knows that it has nothing
    assert 0 < whole < asked


CHANGES = {
    "PUT": ("PUT", "/d/a", b"new", {}),
    "DELETE": ("DELETE", "/d/a", None, {}),
    "DELETE of its folder": ("DELETE", "/d", None, {"x_ota_recursive": "yes"}),
    "MOVE": ("MOVE", "/d/a", None, {"x_destination": "/fs{folder}/d/b"}),
    "MOVE of its folder": ("MOVE", "/d", None, {"x_destination": "/fs{folder}/e"}),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_changed_while_it_is_read_is_sent_no_further(board, folder, name):
    method, target, body, headers = CHANGES[name]
    headers = {key: value.format(folder=folder) for key, value in headers.items()}
    data = os.urandom(100_000)
    put(board, folder + "/d/a", data)
    asked = 90  # more than the host's socket buffers hold
    with Wire(board, receive_buffer=4096) as slow:
        slow.send(request(board, "GET", f"/fs{folder}/d/a") * asked)
        time.sleep(1)  # now it is stuck in one of them
        changed = ask(board, method, f"/fs{folder}{target}", body, **headers)
        assert changed.status in (201, 204), changed
        cut = False
        try:
            for _ in range(asked):
                assert slow.answer().body == data
        except ConnectionError:
            cut = True
        assert cut


def test_a_listing_while_its_folder_changes_is_whole_json(board, folder):
    for n in range(60):
        put(board, f"{folder}/file-{n:02d}", b"x")
    with Wire(board, receive_buffer=2048) as slow:
        slow.send(request(board, "GET", f"/fs{folder}/"))
        for n in range(0, 60, 7):
            assert ask(board, "DELETE", f"/fs{folder}/file-{n:02d}").status == 204
        names = [f["name"] for f in slow.answer().json["files"]]
    stay = {f"file-{n:02d}" for n in range(60) if n % 7}
    assert stay <= set(names)
    assert len(names) == len(set(names))


def test_64_slow_clients_do_not_keep_a_good_one_out(make_pico):
    pico = make_pico()
    put(pico, "/good.txt", b"bad")
    assert ask(pico, "GET", "/nothing").status == 404  # loads what sending snails away takes
    assert ask(pico, "GET", "/fs/").status == 200
    used = status(pico)["memory"]["used"]
    request_of_a_snail = request(pico, "GET", "/fs/")
    stop = time.monotonic() + 8

    def snail(n):
        # Comes back whenever it is sent away.
        while time.monotonic() < stop:
            try:
                with Wire(pico, timeout=2) as wire:
                    for byte in request_of_a_snail:
                        wire.send(bytes([byte]))
                        time.sleep(1)
                        if time.monotonic() > stop:
                            return
            except OSError:
                time.sleep(0.05)

    with ThreadPoolExecutor(64) as pool:
        snails = [pool.submit(snail, n) for n in range(64)]
        time.sleep(1)
        began = time.monotonic()
        answer = ask(pico, "GET", "/fs/")
        took = time.monotonic() - began
        put(pico, "/good.txt", b"good")
        assert read(pico, "/good.txt") == b"good"
        for one in snails:
            one.result()
    assert answer.status == 200
    assert took < 10
    assert until(lambda: status(pico)["memory"]["used"] < used + 6000)
