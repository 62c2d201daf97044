"""What servers do that would leave a board behind, or take it back: each ends well."""

BROKEN = "import no_such_module\n"


def install(server, release, version, action):
    server.feedback.clear()
    server.offer(release, version, action)
    server.told("closed", "success")
    server.withdraw()
    server.feedback.clear()


def failures(server):
    return [row for row in server.feedback if row[2] == "failure"]


def test_after_a_failure_the_board_asks_to_be_offered_something_again(
    server, make_board, make_release
):
    # gooseBit offers nothing to a board in its state of error, whatever comes.
    broken = make_release("2.1.0", {"main.py": BROKEN})

    board = make_board(server)
    server.offer(broken, "2.1.0", "3")
    server.wait(lambda: len(server.feedback) == 3)  # it is being installed
    server.withdraw()
    server.told("closed", "failure")
    server.more_polls()
    board.pico.power_cut()  # what was reported is known over a restart
    board.pico.start()
    board.pico.wait_listening(30)
    before = len(server.feedback)
    server.wait(lambda: server.feedback[before:], 90)
    assert server.feedback[before][:3] == ("3", "proceeding", "none")
    # The same again is refused, without a second failure; what is new is taken.
    server.offer(broken, "2.1.0", "3")
    assert "2.1.0" in server.told("rejected")
    server.more_polls(3)
    assert len(failures(server)) == 1
    assert len([row for row in server.feedback if row[1] == "rejected"]) == 1
    server.offer(make_release("2.2.0"), "2.2.0", "4")
    server.told("closed", "success")
    assert board.status()["version"] == "2.2.0"
    assert len(failures(server)) == 1


def test_an_older_release_that_is_offered_again_is_left_alone(server, make_board, make_release):
    board = make_board(server)
    install(server, make_release("2.0.0"), "2.0.0", "2")
    server.offer(make_release("1.0.0"), "1.0.0", "1")
    assert "older than 2.0.0" in server.told("rejected")
    server.more_polls(2)
    assert not failures(server)
    assert not [row for row in server.feedback if row[1] == "closed"]
    assert board.status()["version"] == "2.0.0"
    install(server, make_release("2.3.0"), "2.3.0", "5")


def test_the_release_that_runs_is_reported_as_success(server, make_board, make_release):
    board = make_board(server)
    install(server, make_release("2.0.0"), "2.0.0", "2")
    boot = board.status()["boot_id"]
    server.offer(make_release("2.0.0"), "2.0.0", "2")
    assert "is what runs" in server.told("closed", "success")
    assert not [row for row in server.feedback if row[1] == "downloaded"]
    assert board.status()["boot_id"] == boot


def test_boards_have_names_of_their_own(server, make_board):
    boards = [make_board(server), make_board(server)]
    names = {board.status()["fleet"]["id"] for board in boards}
    assert len(names) == 2
    server.wait(lambda: len({path.split("/")[4] for _, path, _ in server.requests}) == 2)


def test_what_a_developer_pushes_is_not_undone_by_the_same_release(
    server, make_board, make_release
):
    # The server compares texts: to it, `files-...` is not 2.0.0, so it offers 2.0.0 again.
    board = make_board(server, service={"require_signed": False})
    install(server, make_release("2.0.0"), "2.0.0", "2")
    board.push("files-1a2b3c4d", {"/lib/mine.py": b"MINE = 1\n"})
    server.offer(make_release("2.0.0"), "2.0.0", "2")
    assert "brought by hand" in server.told("rejected")
    server.more_polls(2)
    assert not failures(server)
    assert board.status()["version"] == "files-1a2b3c4d"
    # What is newer was meant for all boards.
    install(server, make_release("2.4.0"), "2.4.0", "6")
    assert board.status()["version"] == "2.4.0"


def test_a_version_that_was_rolled_back_by_hand_stays_away(server, make_board, make_release):
    board = make_board(server)
    install(server, make_release("2.0.0"), "2.0.0", "2")
    with board.web() as web:
        web.post("/api/v1/rollback").raise_for_status()
    server.offer(make_release("2.0.0"), "2.0.0", "2")
    assert "undone here before" in server.told("rejected")
    server.more_polls(2)
    assert not failures(server)
    assert board.status()["version"] is None
