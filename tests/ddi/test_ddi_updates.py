"""A board and an update server: registration, an update, its outcome."""

import re


def test_a_board_registers_installs_and_reports(server, make_board, make_release):
    board = make_board(server)
    server.wait(lambda: server.config)
    assert server.config[0]["hw_boardname"] == "RPI_PICO_W"
    status = board.status()
    assert re.fullmatch("pico-[0-9a-f]{16}", status["fleet"]["id"])
    server.offer(make_release("2.0.0"))
    assert "2.0.0" in server.told("closed", "success")
    said = [(execution, finished) for _, execution, finished, _ in server.feedback]
    assert said[0] == ("proceeding", "none")
    status = board.status()
    assert (status["version"], status["state"]) == ("2.0.0", "idle")
