"""What happens to a board on Wi-Fi, told to WiFiManager on MicroPython.

test_manager_wifi.py runs each in its own process:

    micropython scenarios.py NAME

Time runs two hundred times faster: a second of the manager lasts 5 ms.
"""

# MicroPython has no zip(strict=), no [*a, b] and an asyncio.TimeoutError of its own.
# ruff: noqa: B905, PT018, RUF005, UP031, UP041

import asyncio
import gc
import machine
import network
import sys
import time

# The firmware's own modules are no files, and only such are used.
for stand_in in (machine, network):
    del stand_in.__file__

import manager_wifi  # noqa: E402
import ota  # noqa: E402
from manager_wifi import WiFiManager  # noqa: E402

MS = 5  # a second
WiFiManager._second_ms = MS
radio = network.station


def manager(*args, **kwargs):
    """A manager that keeps its lines for the test."""
    wifi = WiFiManager(*(args or ("home", "secret-password")), **kwargs)
    wifi.lines = []
    wifi.log = wifi.lines.append
    return wifi


def names():
    return [call[0] for call in network.calls]


async def until(condition, seconds=100):
    for _ in range(seconds * MS * 2):
        if condition():
            return
        await asyncio.sleep_ms(1)
    raise AssertionError("did not happen: %s" % network.calls)


async def error_of(wifi, timeout_s):
    began = time.ticks_ms()
    try:
        await wifi.connect(timeout_s)
    except manager_wifi.WiFiError as error:
        took = time.ticks_diff(time.ticks_ms(), began)
        assert took < timeout_s * MS + 200, took
        return error
    raise AssertionError("connected")


def refused(*args, **kwargs):
    try:
        WiFiManager(*args, **kwargs)
    except ValueError as error:
        return str(error)
    raise AssertionError("accepted: %r %r" % (args, kwargs))


# -- settings


async def name_and_country_are_set_before_the_radio_and_power_saving_is_off_after():
    wifi = manager("home", "secret-password", "device-name", "DE")
    assert not network.calls  # constructing touches no radio
    assert await wifi.connect() == "192.168.1.7"
    assert network.calls == [
        ("hostname", "device-name"),
        ("country", "DE"),
        ("active", True),
        ("config", {"pm": 16}),
        ("connect", "home", "secret-password"),
    ], network.calls


async def without_a_name_the_board_gets_its_own():
    wifi = manager()
    assert wifi.hostname == "pico-a1b2c3"
    await wifi.connect()
    assert network.hostname() == "pico-a1b2c3"
    assert "country" not in names()


async def a_name_becomes_what_dns_allows():
    for given, used in (
        ("device-name", "device-name"),
        ("Living room_2", "living-room-2"),
        ("PICO.local", "pico"),
        (" x ", "x"),
        ("a" * 32, "a" * 32),
    ):
        assert manager("home", "", given).hostname == used, given


async def a_name_that_dns_forbids_is_refused_with_the_reason():
    assert "only letters, digits and hyphens, not '.'" in refused("home", "", "my.pico")
    assert "'ü'" in refused("home", "", "küche") or "\\xfc" in refused("home", "", "küche")
    assert "got 33" in refused("home", "", "a" * 33)
    assert "got 0" in refused("home", "", "")
    assert "no hyphen at the start" in refused("home", "", "-pico")
    assert "no hyphen at the start" in refused("home", "", "pico-")


async def settings_that_no_network_can_have_are_refused():
    assert "ssid: expected 1 to 32 bytes, got 0" in refused("", "secret-password")
    assert "got 34" in refused("ü" * 17)
    assert "password: expected 8 to 64" in refused("home", "short")
    assert "got 65" in refused("home", "x" * 65)
    assert "country" in refused("home", "", None, "Germany")
    assert "country" in refused("home", "", None, "de")


STATIC = ("192.168.1.7", "255.255.255.0", "192.168.1.1", "192.168.1.1")


async def an_address_is_set_before_each_join_and_again_after_the_radio_was_off():
    wifi = manager("home", "secret-password", address=STATIC)
    await wifi.connect()
    found = names()
    assert ("ifconfig", STATIC) in network.calls
    assert found.index("active") < found.index("ifconfig") < found.index("connect"), found
    network.calls.clear()
    wifi._failures = 5
    await wifi.connect()
    found = names()
    assert ("active", False) in network.calls
    assert found.index("active") < found.index("ifconfig") < found.index("connect"), found


async def without_an_address_dhcp_is_left_to_the_firmware():
    await manager().connect()
    assert "ifconfig" not in names()


async def an_address_that_no_board_can_have_is_refused():
    def said(*address):
        return refused("home", "", address=address)

    assert "expected (address, netmask, gateway, name server)" in said("192.168.1.7")
    assert "expected (address, netmask" in refused("home", "", address="192.168.1.7")
    for wrong in ("192.168.1", "192.168.1.256", "192.168.1.x", "192.168.1.-1", "", 7, None):
        for place in range(4):
            given = STATIC[:place] + (wrong,) + STATIC[place + 1 :]
            assert "expected four numbers like 192.168.1.7" in said(*given), given
    mask = "expected a netmask like 255.255.255.0"
    assert mask in said("192.168.1.7", "0.0.0.0", *STATIC[2:])
    assert mask in said("192.168.1.7", "255.0.255.0", *STATIC[2:])
    for whole in ("192.168.1.0", "192.168.1.255", "0.0.0.0"):
        assert "names a whole network" in said(whole, *STATIC[1:])
    for gateway in ("192.168.2.1", "192.168.1.7"):
        assert "expected a gateway beside" in said(*STATIC[:2], gateway, STATIC[3])
    assert manager("home", "", address=list(STATIC)).address == list(STATIC)
    manager("home", "", address=STATIC[:2] + ("0.0.0.0", "0.0.0.0"))
    manager("home", "", address=("10.0.0.0", "255.255.255.254", "10.0.0.1", "10.0.0.1"))


async def an_empty_password_is_an_open_network():
    await manager("cafe").connect()
    assert network.calls[-1] == ("connect", "cafe", None)


async def old_firmware_without_the_constants_in_the_class_works():
    del network.WLAN.IF_STA
    assert await manager().connect() == "192.168.1.7"


# -- connect()


async def connect_while_connected_does_not_join_again():
    wifi = manager()
    await wifi.connect()
    await wifi.connect()
    assert names().count("connect") == 1 and "disconnect" not in names()


async def a_soft_reset_leaves_the_radio_joined_and_so_does_the_manager():
    radio.active(True)
    radio.connect("home", "secret-password")
    network.hostname("device-name")
    await until(radio.isconnected)
    network.calls.clear()
    await manager("home", "secret-password", "device-name").connect()
    assert names() == ["active", "config"], network.calls


async def another_network_is_left_first():
    radio.active(True)
    radio.connect("neighbour")
    await until(radio.isconnected)
    network.hostname("device-name")
    network.calls.clear()
    await manager("home", "secret-password", "device-name").connect()
    assert names() == ["active", "config", "disconnect", "connect"], network.calls


async def a_radio_that_is_on_under_another_name_is_switched_off_for_the_name():
    radio.active(True)
    network.calls.clear()
    await manager("home", "secret-password", "device-name").connect()
    assert network.calls[:3] == [("active", False), ("hostname", "device-name"), ("active", True)]


async def a_wrong_password_is_said_after_three_refusals():
    network.joins = [-3]
    wifi = manager("home", "secret-password")
    error = await error_of(wifi, 60)
    assert isinstance(error, manager_wifi.WrongPasswordError)
    assert names().count("connect") == 3
    assert "'home'" in str(error) and "15 characters" in str(error) and "check" in str(error)
    assert "secret" not in str(error)  # it may end in a log


async def a_refusal_that_was_a_lost_handshake_is_forgotten():
    network.joins = [-3, -3, 3]
    assert await manager().connect(60) == "192.168.1.7"


async def no_network_is_said_when_the_time_is_over():
    network.joins = [-2]
    error = await error_of(manager(), 15)
    assert isinstance(error, manager_wifi.NoNetworkError)
    assert "'home'" in str(error) and "2.4 GHz" in str(error)
    assert names().count("connect") > 2


async def a_router_that_comes_up_late_is_found():
    network.joins = [-2, -2, -2, 3]
    assert await manager().connect(30) == "192.168.1.7"


async def no_address_is_said_when_the_time_is_over():
    network.joins = [2]
    error = await error_of(manager(), 10)
    assert isinstance(error, manager_wifi.NoAddressError) and "DHCP" in str(error)


async def any_other_failure_is_the_base_error_with_the_number():
    for outcome, number in ((-1, "-1"), ("silent", "1"), ("error", "-1")):
        network.reset()
        network.joins = [outcome]
        error = await error_of(manager(), 5)
        assert type(error) is manager_wifi.WiFiError, error
        assert "status %s)" % number in str(error), error


async def a_driver_that_fails_every_call_is_an_error_too():
    radio.broken = True
    error = await error_of(manager(), 5)
    assert type(error) is manager_wifi.WiFiError


async def the_exceptions_are_attributes_of_the_module():
    from manager_wifi import NoAddressError, NoNetworkError, WiFiError, WrongPasswordError

    for kind in (NoAddressError, NoNetworkError, WrongPasswordError):
        assert issubclass(kind, WiFiError)
    # The same class each time, also when the service has unloaded everything of its package.
    ota.unload()
    network.joins = [-3]
    assert type(await error_of(manager(), 60)) is WrongPasswordError
    for missing in ("SomeOtherName", "SomeOtherError"):
        assert not hasattr(manager_wifi, missing)
    assert manager_wifi.WiFiError is WiFiError


# -- start() and stop()


async def start_joins_in_the_background_and_once():
    wifi = manager()
    wifi.start()
    task = wifi._task
    wifi.start()
    assert wifi._task is task
    assert not network.calls  # start() itself touches nothing
    await until(wifi.is_connected)
    assert names().count("connect") == 1


def start_works_before_the_loop_runs():
    wifi = manager()
    wifi.start()

    async def watch():
        await until(wifi.isconnected)

    asyncio.get_event_loop().run_until_complete(watch())


async def a_drop_is_noticed_and_the_board_comes_back():
    wifi = manager()
    wifi.start()
    await until(wifi.is_connected)
    for lines in (1, 5, 9):
        await until(lambda lines=lines: len(wifi.lines) == lines)
        assert wifi.ip == "192.168.1.7" and wifi.rssi == -52
        network.joins = [-2, -1, 3]
        radio.drop()
        assert not wifi.is_connected() and wifi.ip is None and wifi.rssi is None
    await until(lambda: len(wifi.lines) == 13)
    assert wifi._failures == 0  # the next pause is a short one again
    assert wifi.lines[0] == "Wi-Fi: connected, 192.168.1.7, pico-a1b2c3.local"
    assert wifi.lines[1] == "Wi-Fi: connection lost"
    assert wifi.lines[2].startswith("Wi-Fi: no network 'home' in reach")


async def a_failure_that_repeats_is_said_once():
    network.joins = [-2]
    wifi = manager()
    wifi.start()
    await until(lambda: names().count("connect") > 4)
    assert len(wifi.lines) == 1, wifi.lines


async def it_never_gives_up_and_its_pauses_grow_to_a_minute():
    network.joins = [-2]
    wifi = manager()
    wifi.start()
    await until(lambda: len(network.times) == 9, 1000)
    gaps = [b - a for a, b in zip(network.times, network.times[1:])]
    for number, gap in enumerate(gaps):
        top = min(2 << number, 60) * MS
        # Around the pause: the join itself, and 1 s each for disconnecting and for switching off.
        assert top // 2 <= gap <= top + network.JOIN_MS + 3 * MS + 60, (number, gap, gaps)


async def the_pause_is_jittered_and_capped():
    wifi = manager()
    for failures in list(range(12)) + [1000, 1 << 29]:
        wifi._failures = failures
        top = min(1 << min(failures, 10), 60) * MS
        seen = {wifi._delay_ms() for _ in range(200)}
        assert min(seen) >= top // 2 and max(seen) <= top, (failures, seen)
        assert len(seen) >= min(top // 4, 50), (failures, seen)


async def after_five_failures_the_radio_is_switched_off_and_on():
    network.joins = [-1, -1, -1, -1, -1, 3]
    wifi = manager("home", "secret-password", "device-name", "DE")
    wifi.start()
    await until(wifi.is_connected, 300)
    last = network.calls[-6:]
    assert [call[0] for call in last[-5:]] == ["active", "country", "active", "config", "connect"]
    assert last[1] == ("active", False) and last[3] == ("active", True)
    assert names().count("active") == 7  # six tries, and only one switching off


async def a_radio_that_fails_every_call_for_a_while_is_taken_up_again():
    radio.broken = True
    wifi = manager()
    wifi.start()
    await until(lambda: len(wifi.lines) > 0)
    radio.broken = False
    await until(wifi.is_connected, 300)


async def the_event_loop_keeps_running_all_the_time():
    network.joins = [-2, -3, 2, "silent", -1, -1, 3]
    wifi = manager()
    wifi.start()
    turns = 0  # of this task, while the radio was joining
    while not wifi.is_connected():
        await asyncio.sleep_ms(1)
        turns += wifi._joining and 0 < radio.status() < 3
    assert len(network.times) == 7
    assert turns > 50, turns


async def connect_beside_the_background_task_joins_once():
    wifi = manager()
    wifi.start()
    assert await wifi.connect() == "192.168.1.7"
    assert names().count("connect") == 1, network.calls


async def connect_beside_the_background_task_names_the_reason_too():
    network.joins = [2]
    wifi = manager()
    wifi.start()
    await until(lambda: "connect" in names())
    assert isinstance(await error_of(wifi, 5), manager_wifi.NoAddressError)
    network.joins = [3]
    await until(wifi.is_connected)  # the task went on


async def stop_ends_the_task_but_not_the_connection():
    wifi = manager()
    wifi.stop()  # before start: nothing to do
    wifi.start()
    await until(wifi.is_connected)
    wifi.stop()
    wifi.stop()
    assert wifi.is_connected()
    radio.drop()
    await asyncio.sleep_ms(20 * MS)
    assert names().count("connect") == 1
    wifi.start()
    await until(wifi.is_connected)


async def stop_in_the_middle_of_a_join_leaves_the_way_free():
    network.joins = ["silent", 3]
    wifi = manager()
    wifi.start()
    await until(lambda: "connect" in names())
    wifi.stop()
    await asyncio.sleep_ms(5)
    assert await wifi.connect() == "192.168.1.7"


async def stop_can_switch_the_radio_off():
    wifi = manager()
    wifi.start()
    await until(wifi.is_connected)
    wifi.stop(radio_off=True)
    assert network.calls[-2:] == [("disconnect",), ("active", False)]
    assert not wifi.is_connected()


async def a_cancelled_connect_leaves_the_way_free():
    network.joins = ["silent", 3]
    wifi = manager()
    try:
        await asyncio.wait_for_ms(wifi.connect(), 8 * MS)
        raise AssertionError("connected")
    except asyncio.TimeoutError:
        pass
    assert await wifi.connect() == "192.168.1.7"


async def the_background_task_outlives_a_lack_of_memory():
    wifi = manager()
    said = []

    def log(line):
        said.append(line)
        if len(said) == 1:
            raise MemoryError()

    wifi.log = log
    wifi.start()
    await until(lambda: len(said) == 2)
    assert said[0] == said[1] and wifi.is_connected()


async def the_texts_are_unloaded():
    network.joins = [-2]
    wifi = manager()
    await error_of(wifi, 3)
    assert "ota.wifi_help" not in sys.modules and not hasattr(ota, "wifi_help")


async def reconnecting_for_ever_keeps_no_memory():
    network.joins = [-2, -1, 3]
    wifi = manager()
    wifi.log = len  # keeps nothing
    wifi.start()
    held = []
    for _ in range(12):
        await until(wifi.is_connected)
        await asyncio.sleep_ms(3 * MS)
        network.calls.clear()
        network.times.clear()
        gc.collect()
        held.append(gc.mem_alloc())
        network.joins = [-2, -1, 3]
        radio.drop()
    assert max(held[4:]) - min(held[4:]) < 1000, held


def main(name):
    assert machine.unique_id and network.station is radio
    network.reset()
    what = globals()[name]
    if name == "start_works_before_the_loop_runs":
        what()
    else:
        asyncio.run(what())
    print("passed")


if __name__ == "__main__":
    main(sys.argv[1])
