"""Finding devices: the host half here, the device half on MicroPython, and both together."""

import json
import os
import socket
import time
from pathlib import Path

import httpx
import pytest

from pico_ota import discovery
from pico_ota.discovery import PROBE, parse_answer

DEVICE = Path(__file__).parents[2] / "device"


@pytest.fixture
def port(shared_pico):
    """The UDP port that stands for 8081 of the shared simulated Pico."""
    return next(event["port"] for event in shared_pico.events if event["event"] == "udp")


@pytest.fixture
def ask(port):
    """Send datagrams, return the answers until there is silence."""

    def send(*datagrams, wait=0.6, until=1000):
        answers = []
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(wait)
            for datagram in datagrams:
                sock.sendto(datagram, ("127.0.0.1", port))
            try:
                while len(answers) < until:
                    answers.append(sock.recv(2048))
            except TimeoutError:
                pass
        return answers

    return send


def test_a_device_says_who_it_is(ask, shared_pico):
    nonce = os.urandom(8)
    [answer] = ask(PROBE + nonce)
    assert len(answer) <= discovery.MAX_ANSWER
    said = json.loads(answer)
    info = httpx.get(shared_pico.url + "/api/v1/info").json()
    assert said.pop("board") == "Raspberry Pi Pico W with RP2040"
    assert said.pop("nonce") == nonce.hex()
    # Nothing that is not open anyway.
    assert said.pop("port") == httpx.URL(shared_pico.url).port
    assert said == {key: info[key] for key in ("service", "name", "release", "boot_id")}
    device = parse_answer(answer, nonce, "127.0.0.1")
    assert (device.name, device.url) == ("pico-test", shared_pico.url)


def test_bad_probes_are_not_answered(ask):
    bad = [
        b"",
        b"\0",
        PROBE,
        PROBE + b"abc",
        PROBE + b"x" * 33,
        PROBE + b"x" * 1400,
        b"pico-ota?2" + b"x" * 8,
        b"x" * 18,
        b"GET / HTTP/1.1\r\n\r\n",
    ]
    # They are taken in turn: the answer to the good one comes when all have been looked at.
    [answer] = ask(*bad, PROBE + NONCE, wait=4, until=1)
    assert json.loads(answer)["nonce"] == NONCE.hex()


def test_a_flood_gets_few_answers_and_the_device_goes_on(ask, shared_pico):
    began = time.monotonic()
    answers = ask(*[PROBE + os.urandom(8) for _ in range(6)])
    seconds = time.monotonic() - began
    assert 1 <= len(answers) <= 4 * seconds + 1
    assert sum(map(len, answers)) <= 2048 * seconds + 512
    assert httpx.get(shared_pico.url + "/api/v1/info").status_code == 200
    assert len(ask(PROBE + os.urandom(8))) == 1


def test_the_verb_finds_it(port, cli, shared_pico):
    found = cli("discover", "127.0.0.1", "--port", port)
    assert found.status == 0
    head, row = found.out.splitlines()
    assert head.split() == ["name", "address", "board", "release"]
    assert row.startswith(f"pico-test  {shared_pico.url.removeprefix('http://')}  Raspberry Pi")
    [device] = json.loads(cli("discover", "127.0.0.1", "--port", port, "--json").out)
    assert device["url"] == shared_pico.url


def test_a_device_behind_a_firewall_is_asked_over_http(device, cli):
    host = device.url.removeprefix("http://").replace("127.0.0.1", "localhost")
    found = cli("discover", host, "--port", 1, "--wait", 1, "--json")
    assert found.status == 0
    [row] = json.loads(found.out)
    assert row["name"] == "pico-test"


def test_nobody_is_status_3_and_an_empty_list(cli):
    result = cli("discover", "--wait", 0.1, "--port", 9, "--json")
    assert (result.status, result.out) == (3, "[]\n")
    assert "nobody answered" in result.err


NONCE = b"12345678"
GOOD = {
    "service": "pico-ota",
    "name": "pico-a",
    "port": 8080,
    "board": "b",
    "release": "r",
    "boot_id": "i",
    "nonce": NONCE.hex(),
}


def test_a_good_answer_is_taken():
    assert parse_answer(json.dumps(GOOD).encode(), NONCE, "192.0.2.1").name == "pico-a"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b"[" * 400,
        json.dumps(GOOD | {"nonce": "00"}).encode(),
        json.dumps(GOOD | {"service": "other"}).encode(),
        json.dumps(GOOD | {"port": 0}).encode(),
        json.dumps(GOOD | {"port": "8080"}).encode(),
        json.dumps(GOOD | {"name": "x" * 512}).encode(),
    ],
)
def test_answers_to_another_question_or_none_at_all_are_dropped(answer):
    assert parse_answer(answer, NONCE, "192.0.2.1") is None


def test_missing_texts_are_empty_and_a_nameless_device_is_called_by_its_address():
    answer = {key: GOOD[key] for key in ("service", "port", "nonce")} | {"board": 7}
    device = parse_answer(json.dumps(answer).encode(), NONCE, "192.0.2.1")
    assert (device.name, device.board) == ("192.0.2.1", "")


def test_both_halves_agree_on_port_and_probe():
    listener = (DEVICE / "ota/listener.py").read_text()
    assert f"_PROBE_PORT = const({discovery.PORT})\n" in listener
    assert f'_PROBE = b"{PROBE.decode()}"\n' in (DEVICE / "ota/api.py").read_text()
