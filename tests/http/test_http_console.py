"""`GET /api/v1/console`: what the program prints, and its last traceback."""

import json

import pytest
from wire import Wire, ask, request, until

from pico_ota.sim.image import write_files

APP = """
import asyncio, os, sys
from manager_wifi import WiFiManager
from service_ota import OTAUpdateService

print("begin")

async def main():
    service = OTAUpdateService(WiFiManager("n", "password", "pico-test"))
    await service.start()
    while True:
        await asyncio.sleep_ms(20)
        if "order" in os.listdir("/"):
            with open("/order") as file:
                order = file.read()
            os.remove("/order")
            exec(order)
asyncio.run(main())
"""


@pytest.fixture
def pico(make_pico):
    pico = make_pico(start=False)
    write_files(pico.image, {"/main.py": APP.encode()})
    pico.start()
    pico.wait_listening()
    return pico


def order(pico, code):
    assert ask(pico, "PUT", "/fs/order", code.encode()).status == 201
    until(lambda: ask(pico, "GET", "/fs/order").status == 404)


def console(pico, since=0, expect=200):
    answer = ask(pico, "GET", f"/api/v1/console?since={since}")
    assert answer.status == expect, answer
    return answer.json


def test_what_the_program_prints_is_told_from_any_place_on(pico):
    first = console(pico)
    assert first == {
        "boot_id": ask(pico, "GET", "/api/v1/info").json["boot_id"],
        "next": 7,
        "missed": 0,
        "text": "begin\n",
        "traceback": None,
    }
    order(pico, "print('one', 2, sep=', '); print('\\u00e4\\u20ac\\U0001f600', end='')")
    second = console(pico, first["next"])
    assert second["text"] == "one, 2\nä€😀"
    assert (second["missed"], second["next"]) == (0, 7 + 8 + 2 + 3 + 4)
    assert console(pico, second["next"])["text"] == ""
    # A number of a start before this one.
    assert console(pico, 100_000)["text"] == "begin\none, 2\nä€😀"
    text = ask(pico, "GET", "/api/v1/console", accept="text/plain")
    assert text.body == "begin\none, 2\nä€😀".encode()
    assert text.headers["content-type"].startswith("text/plain")
    assert ask(pico, "GET", "/api/v1/console?since=15&format=text").body == "ä€😀".encode()


def test_the_lines_of_the_updater_are_in_the_log_alone(pico):
    assert any("Listening" in line for line in ask(pico, "GET", "/api/v1/log").json["lines"])
    assert "ota: Listening" in pico.console()
    assert "Listening" not in console(pico)["text"]


def test_a_wrong_number_is_refused(pico):
    for since in ("x", "-1", "1" * 16, "1.5"):
        assert console(pico, since, 400)["error"] == "bad_request"
    assert ask(pico, "GET", "/api/v1/console", authorization=None).status == 401


def test_what_did_not_fit_is_counted(pico):
    order(pico, "for n in range(1000): print('line %04d of a thousand' % n)")
    told = console(pico, 7)
    assert told["next"] == 7 + 1000 * len("line 0000 of a thousand\r\n")
    kept = told["next"] - 7 - told["missed"]
    assert 1400 <= kept <= 2048
    assert told["text"].endswith("line 0999 of a thousand\n")
    assert len(told["text"].replace("\n", "\r\n")) == kept
    order(pico, "print('x' * 5000)")
    told = console(pico, told["next"])
    assert (set(told["text"]), told["missed"]) == ({"x", "\n"}, 5002 - kept)


def test_what_is_no_text_becomes_text(pico):
    for raw in (
        b"\xff\xfe",
        b"\xc0\x80 overlong",
        b"\xe0\x80\x80 overlong",
        b"\xed\xa0\x80 surrogate",
        b"\xf4\x90\x80\x80 beyond",
        b"\xf8\x88\x80\x80\x80 five",
        b"cut \xe2\x82",
        b'quote " backslash \\ \x00\x1b[31m\x7f',
        bytes(range(256)) * 5,
    ):
        before = console(pico)["next"]
        order(pico, f"sys.stdout.buffer.write({raw!r}); print()")
        answer = ask(pico, "GET", f"/api/v1/console?since={before}")
        text = json.loads(answer.body.decode())["text"]
        expected = raw.decode(errors="replace").replace("\r\n", "\n")
        # How many marks stand for one broken sequence is not laid down.
        assert _single(text) == _single(expected + "\n"), raw
        plain = ask(pico, "GET", f"/api/v1/console?since={before}", accept="text/plain")
        assert plain.body.decode() == text


def _single(text):
    while "\ufffd\ufffd" in text:
        text = text.replace("\ufffd\ufffd", "\ufffd")
    return text


def test_an_exception_of_a_task_is_told(pico):
    order(pico, "async def bad():\n    raise ValueError('of a task')\nasyncio.create_task(bad())")
    until(lambda: console(pico)["traceback"])
    told = console(pico)
    assert told["traceback"].splitlines()[0] == "Traceback (most recent call last):"
    assert told["traceback"].splitlines()[-1] == "ValueError: of a task"
    assert 'File "<string>", line 2, in bad' in told["traceback"]
    assert told["traceback"] in told["text"]
    assert ask(pico, "GET", "/api/v1/status").json["traceback"] == told["traceback"]


def test_one_write_at_a_death_and_none_otherwise(pico):
    before = pico.flash_operations
    with Wire(pico) as wire:
        for _ in range(5):
            wire.send(request(pico, "GET", "/api/v1/console"))
            assert wire.answer().status == 200
    assert pico.flash_operations == before
