"""Programs without asyncio: poll() and sleep() let the service run."""

import rig

scenario = rig.Scenarios()

#: The application of the rig as a blocking loop.
LOOP = b"""
service.start()
while True:
    %s
    if "order" in os.listdir("/"):
        with open("/order") as file:
            order = file.read()
        os.remove("/order")
        exec(order)
"""


def app(turn=b"service.poll()", **options):
    return rig.app(**options).replace(b"asyncio.run(main())\n", LOOP % turn)


@scenario("polls", b"service.poll()")
@scenario("polls seldom", b"time.sleep(0.2); service.poll(50)")
@scenario("sleeps", b"service.sleep(0.3)")
def an_update_is_taken_confirmed_and_rolled_back(make_board, what, turn):
    board = make_board(app(turn))
    board.start()
    board.wait_saved()
    board.update({**rig.CHANGES, "/main.py": app(turn, confirm_after_s=2)}, rig.DELETED)
    status = board.outcome()
    assert (status["version"], status["last"]["outcome"]) == ("2.0.0", "confirmed")
    assert board.order("answer(calls)") == [["after", "2.0.0"]]
    assert board.request("POST", "/api/v1/rollback").status_code == 202
    status = board.wait_status(lambda s: s["last"]["outcome"] == "reverted")
    board.stop()
    assert board.changed() == set()


@scenario("before it was reachable", 5, 6, 400, 6)
@scenario("for long at a time", 12, 0, 2000, 15)
def a_program_that_blocks_is_not_proven_by_that(make_board, what, confirm_s, first_s, ms, then_s):
    board = make_board(app(trial_deadline_s=60))
    board.start()
    board.wait_saved()
    blocks = b"\nservice.start()\ntime.sleep(%d)\nservice.poll(%d)\ntime.sleep(%d)\n"
    blocks %= first_s, ms, then_s
    new = app(confirm_after_s=confirm_s).replace(b"\nservice.start()\n", blocks)
    board.update({"/main.py": new})
    status = board.wait_status(lambda s: s["uptime_s"] > then_s and s["version"] == "2.0.0")
    assert status["state"] == "trial"
    assert board.outcome()["last"]["outcome"] == "confirmed"


@scenario()
def it_comes_to_rescue_mode_and_back(make_board):
    board = make_board(app())
    board.start()
    board.wait_saved()
    asked = board.request("POST", "/api/v1/reboot", json={"mode": "rescue"})
    assert asked.status_code == 202
    board.wait_status(lambda s: s["mode"] == "rescue")
    assert board.request("POST", "/api/v1/reboot", json={}).status_code == 202
    board.wait_status(lambda s: s["mode"] == "normal")


@scenario()
def inside_of_a_loop_it_says_what_to_do(make_board):
    board = make_board()
    board.start()
    board.wait_listening(30)
    said = board.order("try:\n  service.poll()\nexcept RuntimeError as e: answer(str(e))")
    assert said == "asyncio runs already: await asyncio.sleep_ms() instead of poll()"
    assert board.status()["state"] == "idle"


@scenario()
def a_task_that_fails_or_is_interrupted_does_not_keep_it_from_running(make_board):
    board = make_board(app())
    board.start()
    board.wait_listening(30)
    board.order(
        "async def dies(): 1 / 0\n"
        "async def stops(): raise KeyboardInterrupt\n"
        "asyncio.create_task(dies())\nservice.poll()\nasyncio.create_task(stops())\n"
        "try: service.poll()\nexcept KeyboardInterrupt: answer('interrupted')"
    )
    assert board.status()["state"] == "idle"


@scenario()
def it_is_stopped_and_started_again(make_board):
    board = make_board(app())
    board.start()
    board.wait_listening(30)
    board.order(
        "service.stop()\nservice.poll()\ncalls.append(service.port)\nservice.start()\n"
        "service.sleep(1)\ncalls.append(service.port)",
        answered=False,
    )
    board.wait_console("default password is in use. Choose another one.\nota: Listening", 30)
    first, second = board.order("answer(calls[-2:])")
    assert first is None
    assert second


@scenario()
def start_may_be_awaited_or_not_and_waits_for_the_wifi_of_the_application(make_board):
    main = rig.app().replace(
        b"service = Quiet(wifi",
        b"class Slow:\n"
        b"    ssid, password, done = wifi.ssid, wifi.password, False\n"
        b"    is_connected = wifi.is_connected\n"
        b"    async def start(self):\n"
        b"        wifi.start()\n"
        b"        await wifi.connect()\n"
        b"        self.done = True\n"
        b"slow = Slow()\n"
        b"service = Quiet(slow",
    )
    main = main.replace(b"await service.start()", b"await service.start(); print(slow.done)")
    board = make_board(main)
    board.start()
    board.wait_console("True\n", 30)
    board.wait_listening(30)
    plain = main.replace(b"asyncio.run(main())\n", LOOP % b"service.poll()")
    board = make_board(plain)
    board.start()
    board.wait_listening(30)
    assert board.order("answer(slow.done)") is True


def test_plain_loops(make_board):
    scenario.run(make_board, 0, 1)
