"""ota/credentials.py"""

import hashlib
import os

from harness import disk, fill, mount, raises, read, write

from ota import credentials

A, B, C = (hashlib.sha256(text).digest() for text in (b"a", b"b", b"c"))


def test_without_a_file_the_constructed_ones_hold():
    assert credentials.load(A) == A


def test_what_was_saved_holds_after_a_restart():
    credentials.save(A, B)
    mount()
    assert credentials.load(A) == B
    credentials.save(A, C)
    assert credentials.load(A) == C


def test_new_code_with_other_credentials_wins():
    credentials.save(A, B)
    assert credentials.load(C) == C
    assert credentials.load(A) == B


def test_a_damaged_file_reads_as_none():
    credentials.save(A, B)
    good = read("/.ota/password")
    for damaged in (
        b"",
        b" ",
        good[:-1],
        good + b"0",
        good.replace(b" ", b"x"),
        good[:70] + b"zz" + good[72:],
        b"\xff" * 129,
        good[:64] + b" " + b" " * 64,
        good.upper()[:65] + b"\0" * 64,
        good * 100,
    ):
        write("/.ota/password", damaged)
        assert credentials.load(A) == A, damaged


def test_a_power_cut_leaves_the_old_or_the_new_password():
    credentials.save(A, B)
    mount()
    before = disk.operations
    credentials.save(A, C)
    count = disk.operations - before
    assert count >= 1
    seen = []
    for cut in range(1, count + 2):
        credentials.save(A, B)
        disk.cut_at = disk.operations + cut
        try:
            credentials.save(A, C)
        except OSError:
            pass
        disk.cut_at = -1
        mount()
        seen.append(credentials.load(A))
        assert seen[-1] in (B, C), (cut, seen[-1])
    assert seen[0] == B
    assert seen[-1] == C


def test_on_a_full_flash_it_works_or_says_so():
    credentials.save(A, B)
    fill()
    try:
        credentials.save(A, C)
    except OSError:
        assert credentials.load(A) == B
    else:
        assert credentials.load(A) == C


def test_a_password_that_could_not_be_saved_is_not_asked_for():
    from ota.device import Device

    class Service:
        auth = ("admin", "otapico")
        on_progress = None

    device = Device(Service())
    before = device.digest

    write("/.ota/password/is a folder", b"")
    raises(OSError, device.change_credentials, B)
    assert device.digest == before
    os.remove("/.ota/password/is a folder")
    os.rmdir("/.ota/password")
    device.change_credentials(B)
    assert device.digest == B
