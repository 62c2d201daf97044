import json

import pytest

from pico_ota.cli.output import Out, amount, clean, count
from pico_ota.errors import RefusedError


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ü", "plain ü"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\nb\rc", "a\\nb\\rc"),
        ("tab\there", "tab\there"),
        ("\x9b2J", "\\x9b2J"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
    ],
)
def test_words_of_a_device_cannot_steer_the_terminal(text, shown, capsys):
    assert clean(text) == shown
    out = Out()
    out.say(text)
    out.show(text)
    out.warn(text)
    out.table(["x"], [[text]])
    captured = capsys.readouterr()
    assert "\x1b" not in captured.out + captured.err
    assert captured.out.count(shown) == 3


def test_with_json_there_is_one_document_and_errors_are_in_it(capsys):
    out = Out(json=True)
    out.say("a")
    out.show("b")
    out.table(["c"], [["d"]])
    status = out.error(RefusedError(507, "no_space", "Full.", {"need": 1}))
    captured = capsys.readouterr()
    assert status == 1
    assert json.loads(captured.out) == {
        "need": 1,
        "error": "no_space",
        "message": "Full.",
        "exit_status": 1,
    }
    assert captured.err == "pico-ota: Full.\n"


def test_without_json_errors_are_on_stderr_alone(capsys):
    Out().error(RefusedError(507, "no_space", "Full.", {}))
    assert capsys.readouterr() == ("", "pico-ota: Full.\n")


def test_columns_are_as_wide_as_they_need_to_be(capsys):
    Out().table(["name", "size"], [["a", "1"], ["longer", "22"]])
    assert capsys.readouterr().out == "name    size\na       1\nlonger  22\n"


def test_numbers_for_people():
    assert amount(1234567) == "1 234 567"
    assert (count(1, "file"), count(2, "file")) == ("1 file", "2 files")
