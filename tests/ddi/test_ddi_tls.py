"""An update server behind TLS."""

from pathlib import Path

import pytest

from bench import certificate as certificates
from bench.ddi import Ddi

MAIN = (Path(__file__).parents[1] / "apps/fleet/main.py").read_text()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return certificates.make(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def secure(certificate):
    server = Ddi(tls=certificate[:2])
    yield server
    server.close()


def test_a_release_comes_over_tls(secure, certificate, make_board, make_release):
    secure.offer(make_release("2.0.0"))
    make_board(secure, {"cafile": "/server.der"}, files={"server.der": certificate.der})
    secure.told("closed", "success")


def test_another_certificate_gets_no_request(secure, make_board, tmp_path):
    other = certificates.make(tmp_path / "other").der
    board = make_board(secure, {"cafile": "/server.der"}, files={"server.der": other})
    board.pico.wait_console("Fleet: ", 60)
    assert not secure.requests


def test_a_board_without_the_memory_for_it_says_so(secure, make_board):
    # As the firmware's ssl says it. The simulated board has another heap for TLS.
    full = "async def full(*_):\n    raise OSError(12)\n\n\nasyncio.open_connection = full\n"
    main = MAIN.replace("import json\n", f"import json\n\n{full}")
    board = make_board(secure, files={"main.py": main.encode()})
    board.pico.wait_console("too little memory", 60)
    assert "too little memory" in board.status()["fleet"]["error"]
    assert not secure.requests


@pytest.mark.parametrize(
    ("years", "reason"), [((2001, 2002), "expired"), ((2090, 2091), "in the future")]
)
def test_a_clock_that_is_far_off_is_told(years, reason, make_board, make_release, tmp_path):
    """To the board it is the same whether its clock is wrong, or the server's certificate."""
    anchor = certificates.make(tmp_path / "anchor", name="tests")
    wrong = certificates.make(tmp_path / "wrong", by=anchor, years=years)
    right = certificates.make(tmp_path / "right", by=anchor)
    server = Ddi(tls=wrong[:2])
    try:
        board = make_board(server, {"cafile": "/anchor.der"}, files={"anchor.der": anchor.der})
        board.pico.wait_console(reason, 60)
        assert not server.requests
        status = board.status()
        assert (status["fleet"]["state"], status["version"]) == ("error", None)
        assert reason in status["fleet"]["error"]
        server.tls.load_cert_chain(*right[:2])
        server.offer(make_release("2.0.0"))
        server.told("closed", "success", 90)
    finally:
        server.close()
