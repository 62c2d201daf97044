"""ota/errors.py"""

import os
import sys

from harness import read, write

from ota import errors
from ota.connection import answer_for
from ota.errors import Gone, Refused

SENTENCE = "Content-Range x does not fit a body of 5 bytes."


class Counted:
    """In place of open(): hands out the files and keeps them."""

    def __init__(self):
        self.files = []

    def __call__(self, path):
        self.files.append(open(path))
        return self.files[-1]


def test_the_sentence_is_that_of_the_catalogue_with_its_arguments():
    error = Refused(400, "bad_range/length", "x", 5)
    assert error.message == str(error) == "%s" % error == SENTENCE
    assert (error.status, error.word, error.extra) == (400, "bad_range", {})
    assert Refused(401, "unauthorized/wrong").message == "Wrong user name or password."
    assert (
        Refused(400, "bad_path/start", "a'b").message
        == "A path has to start with '/', got \"a'b\"."
    )


def test_the_last_and_the_longest_line_are_found_too():
    key, sentence = read("/device/ota/reasons.txt").decode().split("\n")[-2].split(" ", 1)
    assert Refused(409, key, "commit").message == sentence % "commit"
    assert Refused(403, "protected/updater", "/x").message.endswith("which can be undone.")


def test_the_body_has_the_word_the_sentence_and_what_else_is_known():
    error = Refused(400, "bad_range/length", "x", 5, retry_after=3)
    assert error.body() == {"error": "bad_range", "message": SENTENCE, "retry_after": 3}


def test_only_the_whole_key_counts():
    for key in ("bad_range", "bad_range/len", "bad_range/length/x", "bad", "", "#"):
        assert Refused(400, key, "x", 5).message == "x 5", key


def test_without_a_sentence_the_arguments_or_the_key_speak():
    assert Refused(409, "unheard/of", "/a", 3, b"x").message == "/a 3 b'x'"
    assert Refused(409, "unheard/of").message == "unheard/of"
    assert Refused(409, "busy", "Some sentence.").message == "Some sentence."


def test_arguments_that_do_not_fit_are_told_as_they_are():
    for args in (("x",), ("x", 5, 6), ("x", "y")):
        error = Refused(400, "bad_range/length", *args)
        assert error.message == " ".join([str(arg) for arg in args]), args
    assert Refused(400, "bad_range/length").message == "bad_range/length"


def test_it_speaks_without_the_catalogue_too():
    errors._PLACES = ("/nowhere/reasons.txt", "/reasons.txt")
    assert Refused(400, "bad_range/length", "x", 5).message == "x 5"
    os.mkdir("/reasons.txt")
    assert Refused(400, "bad_range/length", "x", 5).message == "x 5"
    assert Refused(400, "empty").body() == {"error": "empty", "message": "empty"}


def test_it_speaks_when_memory_is_short():
    def nothing_left(path):
        raise MemoryError

    errors.open = nothing_left
    assert Refused(400, "bad_range/length", "x", 5).message == "x 5"


def test_it_speaks_when_nothing_can_be_shown():
    class Mute:
        def __str__(self):
            raise MemoryError

        __repr__ = __str__

    assert Refused(409, "unheard/of", Mute()).message == "unheard/of"
    assert Refused(400, "bad_path/start", Mute()).message == "bad_path/start"


def test_nothing_is_read_before_the_sentence_is_wanted():
    counted = errors.open = Counted()
    for key in ("bad_range/length", "unheard/of"):
        try:
            raise Refused(400, key, "x", 5)
        except Refused as error:
            assert (error.status, error.args) == (400, (key, "x", 5))
    assert not counted.files
    assert Refused(400, "bad_range/length", "x", 5).message == SENTENCE
    assert len(counted.files) == 1


def test_the_catalogue_is_closed_again():
    counted = errors.open = Counted()
    for key in ("bad_range/length", "bad_range/form"):
        assert Refused(400, key, "x", 5).message
    assert counted.files
    for file in counted.files:
        try:
            file.read(1)
        except (OSError, ValueError):
            continue
        raise AssertionError("it is open")


def test_an_application_may_have_changed_the_directory():
    # As on a board, where the folder of the package is found by a relative name.
    for name in ("__init__.py", "errors.py", "reasons.txt"):
        write("/ota/" + name, read("/device/ota/" + name))
    write("/data/ota/x", b"")
    for name in ("ota", "ota.errors"):
        del sys.modules[name]
    sys.path[:] = [""]
    from ota import errors as here

    assert here.__file__ == "/ota/errors.py"
    for folder in ("/", "/data", "/data/ota"):
        os.chdir(folder)
        assert here.Refused(400, "bad_range/length", "x", 5).message == SENTENCE, folder


def test_what_the_client_is_told():
    status, body, headers = answer_for(Refused(409, "empty", retry_after=3))
    assert (status, body["error"], body["retry_after"]) == (409, "empty", 3)
    assert headers == (("Retry-After", "3"),)
    refused = Refused(405, "bad_method/here", "GET", "PUT", allow="GET")
    refused.headers = (("A", "b"),)
    assert answer_for(refused)[2] == (("A", "b"), ("Allow", "GET"))
    for error, status, word in (
        (MemoryError(), 503, "low_memory"),
        (OSError(28), 507, "no_space"),
        (OSError(5), 500, "internal"),
        (Gone(104), 500, "internal"),
        (ValueError("x"), 500, "internal"),
    ):
        found = answer_for(error)
        assert (found[0], found[1]["error"]) == (status, word), error
        assert len(found[1]["message"]) > 15
    assert answer_for(MemoryError())[1]["retry_after"] == 5
    assert "x" in answer_for(ValueError("x"))[1]["message"]
