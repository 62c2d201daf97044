"""The manifest reader: any pieces, any order, bounded memory, and only JSON."""

import gc
import json

from common import refused

from ota import manifest, manifest_reader

SHA = "ab" * 32


def read(text, piece=7):
    if isinstance(text, str):
        text = text.encode()
    reader = manifest_reader.Reader()
    events = []
    for at in range(0, len(text), piece):
        events.extend(reader.feed(memoryview(text)[at : at + piece]))
    reader.close()
    return events


FILE = {"path": "/lib/x.py", "size": 123, "sha256": SHA}


def test_a_usual_manifest():
    text = json.dumps(
        {"version": "2.0.0", "trial": True, "files": [FILE, FILE], "delete": ["/old.py"]}
    )
    wanted = [
        ("version", "2.0.0"),
        ("trial", True),
        ("file", "/lib/x.py", 123, SHA),
        ("file", "/lib/x.py", 123, SHA),
        ("delete", "/old.py"),
    ]
    for piece in (1, 2, 3, 5, 64, 1000):
        assert sorted(map(repr, read(text, piece))) == sorted(map(repr, wanted)), piece


def test_members_come_in_any_order_and_unknown_ones_are_ignored():
    text = (
        ' {\n"x":[1,{"y":[null,-1.5e3,[[]]]}],"delete" : [ "/a" , "/b" ] ,"files":[{"mode":7,'
        '"size":1,"z":{"path":"/no"},"sha256":"%s","path":"/c"}],"trial":false,"n":"\\u00e4",'
        '"version":"3"}\r\n' % SHA
    )
    assert read(text) == [
        ("delete", "/a"),
        ("delete", "/b"),
        ("file", "/c", 1, SHA),
        ("trial", False),
        ("version", "3"),
    ]


def test_escapes():
    text = '{"delete":["/\\u00e4\\"\\\\\\/\\b\\f\\n\\r\\t", "/\\ud83d\\ude00", "/\u20ac"]}'
    assert read(text, 1) == [
        ("delete", '/\u00e4"\\/\x08\x0c\n\r\t'),
        ("delete", "/\U0001f600"),
        ("delete", "/\u20ac"),
    ]


def test_what_is_no_manifest():
    for text in (
        "",
        "[]",
        "7",
        '"x"',
        "{",
        '{"a"}',
        '{"a":}',
        '{"a":1,}',
        "{,}",
        '{"a":1}}',
        '{"a":1} x',
        '{"a":[1,]}',
        '{"a":[1 2]}',
        '{"a" 1}',
        '{"a":tru}',
        '{"a":nul}',
        '{"a":"\x01"}',
        '{"a":"\\x"}',
        '{"a":"\\u12g4"}',
        '{"a":"\\ud800"}',
        '{"a":"\\ud800\\u0041"}',
        '{"a":"\\udc00"}',
        "{'a':1}",
        '{"a":1]',
        '{"a":' + "[" * 9 + "]" * 9 + "}",
        '{"a":' + "1" * 25 + "}",
        '{"files":{}}',
        '{"files":[1]}',
        '{"files":["/x"]}',
        '{"files":[[]]}',
        '{"files":null}',
        '{"delete":[1]}',
        '{"delete":[{}]}',
        '{"delete":"/x"}',
        '{"version":1}',
        '{"version":null}',
        '{"version":["1"]}',
        '{"trial":1}',
        '{"trial":"yes"}',
        '{"files":[{"path":"/x","size":"1","sha256":"a"}]}',
        '{"files":[{"path":1,"size":1,"sha256":"a"}]}',
        '{"files":[{"path":"/x","size":[1],"sha256":"a"}]}',
        '{"files":[{"path":"/x","size":1}]}',
        '{"files":[{}]}',
        '{"files":[{"path":"/x","path":"/y","size":1,"sha256":"a"}]}',
        '{"version":"1","version":"2"}',
        '{"files":[],"files":[]}',
        b'{"delete":["/\xff"]}',
        b'{"delete":["/\xc0\x80"]}',
        b'\xef\xbb\xbf{"version":"1"}',
    ):
        error = refused(400, "bad_manifest", read, text)
        assert "byte" in error.message, text


def test_every_cut_is_noticed():
    text = json.dumps({"version": "2", "files": [FILE], "delete": ["/a"], "trial": True})
    for length in range(len(text)):
        refused(400, "bad_manifest", read, text[:length])


def test_sizes_that_are_no_whole_number_reach_the_rules_as_wrong():
    for number in ("1.0", "1e3", "-5", "01", "0.1", "-0"):
        text = '{"files":[{"path":"/x","size":%s,"sha256":"%s"}]}' % (number, SHA)
        assert read(text) == [("file", "/x", -1, SHA)], number


def test_long_texts_are_refused_where_they_matter_and_skipped_elsewhere():
    long = "x" * 100000
    assert read('{"%s":"%s","note":"%s","version":"1"}' % (long, long, long)) == [("version", "1")]
    refused(400, "bad_path", read, '{"delete":["/%s"]}' % long)
    refused(400, "bad_path", read, '{"files":[{"path":"/%s","size":1,"sha256":"a"}]}' % long)
    (event,) = read('{"version":"%s"}' % long)
    refused(400, "bad_version", manifest.check_version, event[1])


def test_an_endless_manifest_is_refused():
    reader = manifest_reader.Reader()
    piece = b" " * 4096

    def feed_for_ever():
        while True:
            for _ in reader.feed(piece):
                pass

    refused(413, "too_large", feed_for_ever)


def test_memory_does_not_grow_with_the_number_of_entries():
    def peak(count):
        reader = manifest_reader.Reader()
        most = 0
        entry = json.dumps(FILE).encode()
        for _ in reader.feed(b'{"version":"1","files":['):
            pass
        gc.collect()
        before = gc.mem_alloc()
        for number in range(count):
            for _ in reader.feed(b"," + entry if number else entry):
                pass
            gc.collect()
            most = max(most, gc.mem_alloc() - before)
        return most

    peak(2)
    assert abs(peak(300) - peak(3)) < 512


def test_random_bytes_never_raise_anything_but_a_refusal():
    from ota.errors import Refused

    text = json.dumps({"version": "2", "files": [FILE, FILE], "delete": ["/a\u00e4"]}).encode()
    value = 12345
    for round in range(1500):
        raw = bytearray(text)
        for _ in range(1 + round % 4):
            value = (value * 1103515245 + 12345) & 0x7FFFFFFF
            raw[(value >> 8) % len(raw)] = value & 0xFF
        try:
            read(bytes(raw), 16)
        except Refused:
            pass
