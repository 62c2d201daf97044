"""Uploads that break off: by the client, by the network, by a loss of power."""

import os
import socket

import pytest
from wire import Wire, ask, put, read, request, until

from pico_ota.sim.image import read_tree

OLD = bytes(range(256)) * 40
NEW = os.urandom(12_000)


def hang_up(wire):
    wire.hang_up()


def say_goodbye(wire):
    wire.socket.shutdown(socket.SHUT_WR)
    assert wire.rest() == b""
    wire.socket.close()


@pytest.mark.parametrize("leave", [hang_up, say_goodbye])
def test_a_client_that_leaves_at_any_byte_changes_nothing(make_pico, leave):
    pico = make_pico()
    put(pico, "/dir/file.bin", OLD)
    put(pico, "/other.txt", b"other")
    pico.stop()
    before = read_tree(pico.image)
    pico.start()
    pico.wait_listening()

    whole = request(pico, "PUT", "/fs/dir/file.bin", NEW)
    new = request(pico, "PUT", "/fs/new/folder/file.bin", NEW)
    head = len(whole) - len(NEW)
    edges = [1, 4, 30, head - 2, head, head + 1, head + 100, head + 4095, head + 4096]
    edges += [head + 4097, head + 8192, head + 10_000, len(whole) - 1]
    for data in (whole, new):
        for at in edges:
            wire = Wire(pico)
            wire.send(data[:at])
            # Bytes that come late, in a packet of their own, are not the same as bytes at once.
            if at == head + 8192 and leave is hang_up:
                until(lambda: ask(pico, "GET", "/api/v1/status").json["upload"], 2)
            leave(wire)
            assert read(pico, "/dir/file.bin") == OLD, at
    assert read(pico, "/new/folder/file.bin") is None
    assert until(lambda: ask(pico, "GET", "/api/v1/status").json["upload"] is None)

    # Now with an upload in the middle, the plug.
    wire = Wire(pico).send(whole[: head + 9000])
    until(lambda: (ask(pico, "GET", "/api/v1/status").json["upload"] or {}).get("received"))
    pico.power_cut()
    wire.socket.close()
    pico.start()
    pico.wait_listening()
    assert read(pico, "/dir/file.bin") == OLD
    pico.stop()
    assert read_tree(pico.image) == before


def cut_once(make_pico, image, number, tear):
    """Upload with the power failing in flash operation *number*; return the tree afterwards."""
    pico = make_pico(image=image, start=False, cut_after=number, tear=tear)
    pico.start()
    try:
        pico.wait_listening()
        put(pico, "/dir/file.bin", NEW)
        pico.stop()
    except (OSError, TimeoutError, AssertionError):
        assert pico.wait(10) == 70
    after = make_pico(image=image, start=False)
    after.start()
    after.wait_listening()
    assert read(after, "/dir/file.bin") in (OLD, NEW)
    after.stop()
    return read_tree(image)


@pytest.fixture
def cuts(make_pico, tmp_path):
    """Return (cut, numbers): a function of (number, tear), and the operations of the upload."""
    pico = make_pico()
    put(pico, "/dir/file.bin", OLD)
    # The upload before leaves the folder of the updater; the guard may write at the next start.
    pico.stop()
    pico.start()
    pico.wait_listening()
    pico.stop()
    image = pico.image.read_bytes()
    before = read_tree(pico.image)
    pico.start()
    pico.wait_listening()
    first = pico.flash_operations + 1
    put(pico, "/dir/file.bin", NEW)
    last = pico.flash_operations
    pico.stop()
    after = read_tree(pico.image)
    assert {path for path in after if after[path] != before.get(path)} == {"/dir/file.bin"}
    assert last - first > 5
    copy = tmp_path / "cut.img"

    def cut(number, tear):
        copy.write_bytes(image)
        tree = cut_once(make_pico, copy, number, tear)
        assert tree in (before, after), (number, tear, set(tree) ^ set(before))
        return "old" if tree == before else "new"

    return cut, range(first, last + 1)


def test_a_power_cut_leaves_the_old_or_the_new_file_and_nothing_else(cuts):
    cut, numbers = cuts
    # The last operations, where the new file goes live, and some of those before.
    sample = sorted({*numbers[:: max(1, len(numbers) // 3)], *numbers[-3:]})
    seen = [cut(number, ("none", "half")[n % 2]) for n, number in enumerate(sample)]
    assert seen[0] == "old"
    assert seen == sorted(seen, reverse=True), "once new, always new"
    assert cut(numbers[-1] + 1, "none") == "new"


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.parametrize("tear", ["none", "half"])
def test_a_power_cut_in_any_operation_leaves_the_old_or_the_new_file(cuts, tear):
    cut, numbers = cuts
    seen = [cut(number, tear) for number in numbers]
    assert seen == sorted(seen, reverse=True)
