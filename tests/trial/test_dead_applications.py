"""Applications that do not live: each update is undone exactly, in time, and says why."""

import time
from concurrent.futures import ThreadPoolExecutor
from traceback import format_exc

import pytest
import rig

from pico_ota.mpy import compile_source

NOT_CONFIRMED = "not confirmed in time"
SILENT = "the program ran, but never let the updater run: use asyncio, or call poll()"
RAISED = "the application ended in an exception"
ANY = RAISED + "*"
HUNG = "the application hung: the watchdog restarted the board"
ENDED = "the application came to its end"
THREE_STARTS = "not confirmed in 3 starts"

BROKEN_WATCH = (rig.DEVICE / "ota" / "console.py").read_text() + "\n\n1 / 0\n"

# Who is undone at once is not to be mistaken for who had no time left.
DEADLINE_S = {NOT_CONFIRMED: 5, SILENT: 5}

# What happens to the application: (the new main.py, or the new files; the reason in `status`).
CASES = {
    "raises at import": (b"raise ValueError('boom')\n", RAISED + ": ValueError: boom"),
    "raises after a while": (
        rig.app(auto_confirm=False).replace(
            b"await asyncio.sleep_ms(50)", b"await asyncio.sleep(5); 1 / 0"
        ),
        RAISED + ": ZeroDivisionError: divide by zero",
    ),
    "loops for ever": (b"while True: pass\n", SILENT),
    "sleeps": (b"import time\nwhile True: time.sleep(1000)\n", SILENT),
    "starts the service and gives it no turn": (
        rig.app().replace(b"    while True:", b"    time.sleep(1000)\n    while True:"),
        SILENT,
    ),
    "has no loop and gives the service no turn": (
        rig.app().replace(b"asyncio.run(main())", b"service.start()\nwhile True: time.sleep(1)"),
        SILENT,
    ),
    "has no loop and gives the service turns, but no confirmation": (
        rig.app(auto_confirm=False).replace(
            b"asyncio.run(main())", b"service.start()\nwhile True: service.poll()"
        ),
        NOT_CONFIRMED,
    ),
    # With a full heap nobody can say which exception it was.
    "eats the heap in pieces": (b"x = []\nwhile True: x.append(bytearray(1000))\n", ANY),
    "eats the heap to the last byte": (b"x = None\nwhile True: x = [x]\n", ANY),
    "eats the heap and goes on": (
        b"from time import sleep\nx = None\nwhile True:\n try:\n  x = [x]\n"
        b" except MemoryError:\n  sleep(1)\n",
        SILENT,
    ),
    "never gets Wi-Fi": (rig.app().replace(b"test-net", b"no-such-net"), NOT_CONFIRMED),
    "has a wrong Wi-Fi password": (rig.app().replace(b"test-pass", b"best-pass"), NOT_CONFIRMED),
    "disables interrupts": (
        b"import machine, time\nmachine.disable_irq()\ntime.sleep(1000)\n",
        HUNG,
    ),
    "leaves": (b"import sys\nsys.exit()\n", THREE_STARTS),
    "resets the board": (b"import machine\nmachine.reset()\n", THREE_STARTS),
    "starts MicroPython anew": (b"import machine\nmachine.soft_reset()\n", THREE_STARTS),
    "does not confirm": (rig.app(auto_confirm=False), NOT_CONFIRMED),
    "comes to its end": (b"print('done')\n", ENDED),
    "has a syntax error": (b"def main(:\n", RAISED + ": SyntaxError: invalid syntax"),
    "raises what no record holds": (
        b"raise ValueError('\\x00\\n\\\\\"' * 200 + '\xc3\xa4' * 900)\n",
        RAISED + ": ValueError: ?",
    ),
    "is empty": (b"", ENDED),
    "interrupts itself": (b"raise KeyboardInterrupt\n", SILENT),
    "has a watchdog of its own": (
        b"import machine, time\nmachine.WDT(timeout=300)\ntime.sleep(1000)\n",
        HUNG,
    ),
    "loops in a callback": (
        b"import machine, time\nmachine.Timer(period=50, callback=lambda t: time.sleep(1000))\n"
        b"time.sleep(1000)\n",
        HUNG,
    ),
    "stops all it can reach": (
        b"import gc, os, sys, network, machine, ota_boot\n"
        b"os.dupterm(None)\nnetwork.WLAN(0).active(False)\nboss = ota_boot.chip\n"
        b"for name in dir(boss):\n"
        b"    if hasattr(getattr(boss, name), 'deinit'):\n"
        b"        getattr(boss, name).deinit()\n"
        b"sys.modules.clear()\ndel ota_boot\ngc.collect()\nmachine.lightsleep()\n",
        SILENT,  # asleep it is looked after all the same
    ),
    "unloads the updater": (
        b"import gc, os, sys\nos.dupterm(None)\nsys.modules.clear()\ndel ota_boot\ngc.collect()\n"
        b"1 / 0\n",
        SILENT,
    ),
    "brings a broken service": (
        {"/service_ota.py": b"import nothing_like_this\n"},
        RAISED + ": ImportError: no module named 'nothing_like_this'",
    ),
    "brings a broken Wi-Fi manager": (
        {
            "/manager_wifi.py": b"class WiFiManager:\n def __init__(self, *a, **k): pass\n"
            b" def is_connected(self): return False\n"
        },
        NOT_CONFIRMED,
    ),
    "brings a broken console watch": (
        {**rig.repacked({"/ota/console.py": BROKEN_WATCH}), "/main.py": b"1 / 0\n"},
        SILENT,
    ),
    "hides a module of its own by a folder": ({"/lib/time/__init__.py": b"X = 1\n"}, ANY),
    "brings an empty library": (
        # Nobody watches the console either.
        {"/ota/__init__.mpy": compile_source(b"", "/ota/__init__.py")},
        SILENT,
    ),
    "has a boot.py that raises": (
        {"/boot.py": b"import ota_boot\n\nota_boot.run()\n1 / 0\n"},
        RAISED + ": ZeroDivisionError: divide by zero",
    ),
    "has a boot.py that loops": (
        {"/boot.py": b"import ota_boot\n\nota_boot.run()\nimport time\ntime.sleep(1000)\n"},
        SILENT,
    ),
}


def fate(make_board, name):
    """What becomes of the update: (reason, restarts, what is different, restarts after that)."""
    files, reason = CASES[name]
    deadline_s = DEADLINE_S.get(reason, 30)
    board = make_board(rig.app(trial_deadline_s=deadline_s))
    board.set_wifi(networks={"test-net": "test-password"})
    board.start()
    board.wait_listening(60)
    if isinstance(files, bytes):
        files = {"/main.py": files}
    events = len(board.events)
    board.update({**rig.CHANGES, **files}, rig.DELETED)
    begun = time.monotonic()
    status = board.outcome(90)
    took = time.monotonic() - begun
    assert status["last"]["outcome"] == "reverted"
    assert (status["mode"], status["version"], status["trial"]) == ("normal", None, None)
    assert took < deadline_s + 30, took
    restarts = board.boots(events)
    # A watchdog that is still armed would bite by now.
    events = len(board.events)
    time.sleep(9)
    assert board.status()["boot_id"] == status["boot_id"], board.events
    later = board.boots(events)
    board.stop()
    said = status["last"]["reason"]
    return (
        ANY if reason == ANY and said.startswith(RAISED) else said,
        restarts,
        board.changed(),
        later,
    )


def wanted(name):
    files, reason = CASES[name]
    restarts = ["machine.reset", "machine.reset"]
    if reason == HUNG:
        restarts.insert(1, "watchdog")  # the other one makes the reason register forget that
    if reason == THREE_STARTS:
        restarts += 2 * restarts[1:] if name == "resets the board" else ["soft reset"] * 2
        restarts[1] = restarts[2]
    if not isinstance(files, bytes) and "/boot.py" in files:
        restarts[1:] = ["machine.reset"] * 3  # what runs from boot.py is of the other set
    return reason, restarts, set(), []


@pytest.mark.parametrize("half", [0, 1])
def test_dead_applications_are_undone(make_board, half):
    names = list(CASES)[half::2]

    def run(name):
        try:
            return fate(make_board, name)
        except Exception:
            return format_exc()

    with ThreadPoolExecutor(len(names)) as pool:
        fates = dict(zip(names, pool.map(run, names), strict=True))
    wrong = {name: fate for name, fate in fates.items() if fate != wanted(name)}
    assert not wrong, "\n\n".join(
        f"{name}: {what} is not {wanted(name)}" for name, what in wrong.items()
    )
