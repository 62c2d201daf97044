"""A board and an update server: registration, an update, its outcome, and what may stop it."""

import re
import time
from pathlib import Path

MAIN = (Path(__file__).parents[1] / "apps/fleet/main.py").read_text()
BROKEN = "import no_such_module\n"


def said(server):
    return [(execution, finished) for _, execution, finished, _ in server.feedback]


def test_a_board_registers_installs_and_reports(server, make_board, make_release):
    board = make_board(server)
    server.wait(lambda: server.config)
    assert server.config[0]["hw_boardname"] == "RPI_PICO_W"
    assert server.config[0]["hw_revision"] == "1.0"
    assert server.config[0]["sw_version"] == "unknown"
    assert re.fullmatch(r"\d+\.\d+\.\d+", server.config[0]["micropython"])
    status = board.status()["fleet"]
    assert re.fullmatch("pico-[0-9a-f]{16}", status["id"])
    assert status["server"] == server.url
    server.offer(make_release("2.0.0"))
    assert "2.0.0" in server.told("closed", "success")
    assert said(server) == [
        ("proceeding", "none"),
        ("downloaded", "none"),
        ("proceeding", "none"),
        ("closed", "success"),
    ]
    server.withdraw()
    server.more_polls(2)
    status = board.status()
    assert (status["version"], status["state"]) == ("2.0.0", "idle")
    assert (status["fleet"]["state"], status["fleet"]["error"]) == ("idle", None)
    assert status["fleet"]["polled_s"] <= 10
    assert server.config[-1]["sw_version"] == "2.0.0"


def test_what_is_reverted_is_reported_with_its_reason(server, make_board, make_release):
    board = make_board(server)
    server.offer(make_release("2.1.0", {"main.py": BROKEN}), "2.1.0")
    reason = server.told("closed", "failure")
    assert "2.1.0" in reason
    assert "no_such_module" in reason
    status = board.status()
    assert (status["version"], status["state"]) == (None, "idle")


def test_the_outcome_survives_a_server_that_is_away(server, make_board, make_release):
    board = make_board(server)
    server.offer(make_release("2.0.0"))
    server.wait(lambda: len(server.feedback) == 3)  # it is being installed
    server.answers["."] = lambda handler: server.say(handler, {}, 503)
    board.pico.wait_console("Version 2.0.0 is confirmed", 60)
    board.pico.power_cut()
    board.pico.start()
    board.pico.wait_listening(30)
    time.sleep(3)
    assert ("closed", "success") not in said(server)
    server.answers.clear()
    assert "2.0.0" in server.told("closed", "success")


def test_the_application_is_asked_first(server, make_board, make_release):
    board = make_board(server, before_install=[1, False, "the pump runs", True])
    server.offer(make_release("2.0.0"))
    server.told("closed", "success")
    texts = [" ".join(details) for _, e, _, details in server.feedback if e == "proceeding"]
    assert any("1 s" in text for text in texts), texts
    assert any("the pump runs" in text for text in texts), texts
    assert board.status()["version"] == "2.0.0"
    assert len(server.served) <= 2  # what had been downloaded stayed


def test_a_cancelled_offer_is_dropped(server, make_board, make_release):
    board = make_board(server, before_install=["never"] * 1000)
    server.offer(make_release("2.0.0"), action="7")
    server.told("downloaded")
    assert board.status()["state"] == "staging"
    server.withdraw()
    server.answers["/cancelAction/7$"] = lambda handler: server.say(
        handler, {"id": "9", "cancelAction": {"stopId": "7"}}
    )
    server.links = {"cancelAction": "{base}/cancelAction/7"}
    server.told("closed", "success")
    server.links = {}
    server.more_polls()
    assert server.feedback[-1][:3] == ("7", "closed", "success")
    assert board.status()["state"] == "idle"


def test_a_release_that_is_only_downloaded_is_installed_later(server, make_board, make_release):
    release = make_release("2.0.0")
    server.offer(release, update="skip")
    board = make_board(server)
    server.told("downloaded")
    server.more_polls(2)
    assert board.status()["update"]["version"] == "2.0.0"
    # Under another number, as from a roll-out that takes the place of the first one.
    before = len(server.downloads)
    server.offer(release, action="2")
    server.told("closed", "success")
    assert server.feedback[-1][0] == "2"
    assert len(server.downloads) == before
    assert board.status()["version"] == "2.0.0"


def test_consent_is_given(server, make_board):
    make_board(server)
    server.links = {"confirmationBase": "{base}/confirmationBase/10?c=5"}
    assert server.told("confirmation", "confirmed")


def test_tokens_go_with_every_request(server, make_board, make_release):
    server.token = "TargetToken abc123"
    server.offer(make_release("2.0.0"))
    make_board(server, {"token": "abc123", "id": "kitchen"})
    server.told("closed", "success")
    assert all("/v1/kitchen" in path for _, path, _ in server.requests)
    server.token = "GatewayToken for-all"
    board = make_board(server, {"gateway_token": "for-all"})
    server.wait(lambda: any("/v1/pico-" in path for _, path, _ in server.requests))
    server.more_polls()
    assert board.status()["fleet"]["error"] is None
    server.token = "TargetToken other"
    server.more_polls(2)
    assert "token" in board.status()["fleet"]["error"]


def test_a_busy_server_is_asked_later(server, make_board):
    server.answers["/v1/[^/]+$"] = lambda handler: server.say(handler, {}, 429, Retry_After="6")
    make_board(server)
    server.more_polls(1)
    began = server.polls()
    time.sleep(3)
    assert server.polls() == began
    server.more_polls(1)


def test_an_answer_in_chunks_and_a_server_that_closes_are_fine(server, make_board, make_release):
    def chunked(handler):
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for piece in (b'{"config":{"polling"', b':{"sleep":"00:00:02"}', b"}}", b""):
            handler.wfile.write(b"%x;a=b\r\n%s\r\n" % (len(piece), piece))

    def until_closed(handler):
        handler.close_connection = True
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(b'{"_links":{}}')

    board = make_board(server)
    for answer in (chunked, until_closed):
        server.answers["/v1/[^/]+$"] = answer
        server.more_polls(3)
        assert board.status()["fleet"]["error"] is None
    server.answers.clear()
    server.offer(make_release("2.0.0"))
    server.told("closed", "success")


def test_a_person_who_pushes_comes_first(server, make_board, make_release):
    board = make_board(server)
    with board.web() as web:
        archive = make_release("1.5.0")
        web.post("/api/v1/update", content=archive).raise_for_status()  # not committed yet
        server.offer(make_release("2.0.0"))
        server.more_polls(3)
        status = board.status()
        assert status["update"]["version"] == "1.5.0"
        assert status["fleet"]["state"] == "waiting"
        assert not any(end == "failure" for _, _, end, _ in server.feedback)
        web.delete("/api/v1/update").raise_for_status()
    server.told("closed", "success")


def test_an_idle_board_writes_nothing(server, make_board):
    board = make_board(server)
    server.more_polls(2)
    time.sleep(3)  # the start has been found good by then, which is noted
    before = board.pico.flash_operations
    server.more_polls(5)
    assert board.pico.flash_operations == before


def test_the_loop_of_the_application_goes_on(server, make_board):
    def slow(handler):
        time.sleep(4)
        server.say(handler, {"_links": {}})

    server.answers["/v1/[^/]+$"] = slow
    board = make_board(server)
    server.more_polls(1)
    turns = board.pico.console().count("turns")
    time.sleep(3.5)
    assert board.pico.console().count("turns") > turns


def test_a_board_whose_program_has_died_takes_what_mends_it(server, make_board, make_release):
    server.token = "TargetToken abc123"
    board = make_board(server, {"token": "abc123", "id": "cellar"}, {"require_signed": False})
    with board.web() as web:
        web.put("/fs/main.py", content=b"1 / 0\n").raise_for_status()
        web.post("/api/v1/reboot", json={"mode": "rescue"}).raise_for_status()
    server.wait(lambda: server.config and server.config[-1]["mode"] == "rescue")
    status = board.status()
    assert (status["mode"], status["fleet"]["id"]) == ("rescue", "cellar")
    server.offer(make_release("2.0.0"))
    server.told("closed", "success")
    status = board.status()
    assert (status["mode"], status["version"]) == ("normal", "2.0.0")
    # A program that asks no server any more: nor does rescue mode.
    alone = MAIN.replace("fleet=fleet,", "")
    board.push("files-1a2b", {"/main.py": alone.encode()})
    time.sleep(1)
    board.pico.power_cut()
    assert "/.ota/server" not in board.tree()


def test_only_what_is_proven_asks(server, make_board, make_release):
    # While a release is on trial nothing is asked: the trial needs the memory.
    silent = MAIN.replace("confirm_after_s=1", "confirm_after_s=4")
    server.offer(make_release("2.0.0", {"main.py": silent}))
    make_board(server)
    server.told("downloaded")
    server.wait(lambda: server.feedback[-1][1] == "closed")
    assert server.feedback[-1][2] == "success"
