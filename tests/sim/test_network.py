"""The Wi-Fi stand-in answers as the CYW43 driver does, and the air around it can be changed."""

import httpx
import pytest
from simboard import events, lines

JOIN = """
import network, time
w = network.WLAN(network.WLAN.IF_STA)
w.active(True)
def settle(ms=400):
    end = time.ticks_add(time.ticks_ms(), ms)
    while w.status() == 1 and time.ticks_diff(end, time.ticks_ms()) > 0:
        time.sleep_ms(2)
    return w.status()
"""


def test_a_new_radio(run):
    out = run(
        """
        import network
        w = network.WLAN(network.STA_IF)
        print(w, w is network.WLAN(), w is network.WLAN(1), isinstance(w, network.WLAN))
        print(w.active(), w.status(), w.isconnected(), w.ifconfig(), w.ipconfig("addr4"))
        for attempt in (lambda: w.connect("x", "y"), w.scan):
            try:
                attempt()
            except OSError as e:
                print(e)
        print(w.active(True), w.active(), w.status(), network.hostname(), network.country())
        print(w.config("pm") == w.PM_PERFORMANCE, len(w.config("mac")), w.config("hostname"))
        """
    )
    assert out == [
        "<CYW43 STA down 0.0.0.0> True False True",
        "False 0 False ('0.0.0.0', '0.0.0.0', '0.0.0.0', '0.0.0.0') ('0.0.0.0', '0.0.0.0')",
        "[Errno 1] EPERM",
        "STA must be active",
        "None True 0 PicoW XX",
        "True 6 PicoW",
    ]


def test_any_network_is_joined_after_a_while(run):
    out = run(
        f"""{JOIN}
start = time.ticks_ms()
w.connect("any", "password")
print(w.status() == network.STAT_CONNECTING, w.isconnected())
print(settle() == network.STAT_GOT_IP, 40 < time.ticks_diff(time.ticks_ms(), start) < 200)
print(w.isconnected(), w.ipconfig("addr4")[0], w.status("rssi"), w.config("ssid"))
w.disconnect()
print(w.status(), w.isconnected(), w.ipconfig("addr4")[0])
"""
    )
    assert out == ["True False", "True True", "True 127.0.0.1 -50 any", "0 False 0.0.0.0"]


@pytest.mark.parametrize(
    ("air", "status"),
    [
        ({"networks": {"home": "right"}}, 3),
        ({"networks": {"home": "wrong"}}, -3),
        ({"networks": {"other": "right"}}, -2),
        ({"link": False}, -2),
        ({"address": None}, 2),
        ({"address": "192.168.4.77"}, 3),
        ({"outcome": -1}, -1),
        ({"delay_s": 30}, 1),
    ],
)
def test_how_a_join_ends(make_board, air, status):
    board = make_board(
        f"{JOIN}\nw.connect('home', 'right')\nprint(settle(), w.isconnected(), w.ifconfig()[0])"
    )
    board.set_wifi(**air)
    board.start()
    board.wait_event("prompt")
    address = air.get("address", "127.0.0.1") if status == 3 else "0.0.0.0"
    assert lines(board) == [f"{status} {status == 3} {address}"]


def test_a_link_that_drops_stays_down_until_the_program_joins_again(make_board):
    board = make_board(
        f"""{JOIN}
w.connect("any")
print(settle())
while w.isconnected(): time.sleep_ms(2)
print("down", w.status())
w.connect("any")
print(settle())
while w.status() != 3:
    if w.status() <= 0: w.connect("any")
    time.sleep_ms(2)
print("up")
"""
    )
    board.start()
    board.wait_console("3\n")
    board.set_wifi(link=False)
    board.wait_console("down 0\n-2\n")
    board.set_wifi(link=True)
    board.wait_event("prompt")
    assert lines(board) == ["3", "down 0", "-2", "up"]


def test_a_lying_radio_stays_connected(make_board):
    board = make_board(
        f"""{JOIN}
w.connect("any")
settle()
print("up")
while w.status("rssi") == -50: time.sleep_ms(2)
print(w.isconnected(), w.status())
"""
    )
    board.start()
    board.wait_console("up")
    board.set_wifi(lying=True, link=False)
    board.set_wifi(rssi=-90)
    board.wait_event("prompt")
    assert lines(board) == ["up", "True 3"]


def test_unknown_settings_are_refused_as_on_the_board(run):
    out = run(
        f"""{JOIN}
ap = network.WLAN(network.AP_IF)
def tried(what):
    try:
        print(what())
    except (ValueError, TypeError, OSError) as e:
        print(type(e).__name__, e)
tried(lambda: w.config("reconnects"))
tried(lambda: w.config(reconnects=3))
tried(lambda: w.config("pm", "mac"))
tried(lambda: w.status("stations"))
tried(lambda: w.status("nothing"))
tried(lambda: ap.status("rssi"))
tried(lambda: ap.status("stations"))
tried(lambda: network.country("DEU"))
tried(lambda: network.hostname("x" * 33))
tried(lambda: w.connect("x" * 33))
w.config(pm=network.WLAN.PM_NONE)
print(w.config("pm"))
network.hostname("pico-a"); network.country("DE")
print(network.hostname(), network.country(), w.config("hostname"))
"""
    )
    assert out == [
        "ValueError unknown config param",
        "ValueError unknown config param",
        "TypeError must query one param",
        "ValueError AP required",
        "ValueError unknown status param",
        "ValueError STA required",
        "[]",
        "ValueError ",
        "ValueError ",
        "OSError [Errno 22] EINVAL",
        "16",
        "pico-a DE pico-a",
    ]


def test_an_access_point_of_its_own(run):
    out = run(
        """
        import network
        ap = network.WLAN(network.WLAN.IF_AP)
        ap.config(ssid="setup", key="12345678")
        ap.active(True)
        print(ap.active(), ap.isconnected(), ap.ifconfig()[0], ap.config("ssid"))
        ap.active(False)
        print(ap.active(), ap.status())
        """
    )
    assert out == ["True True 192.168.4.1 setup", "False 0"]


@pytest.mark.parametrize(
    ("settings", "seen"),
    [
        ("", ("PICOEEFF", "picoW123")),
        ("ap.config(ssid='setup', key='12345678')", ("setup", "12345678")),
        ("ap.config(ssid='setup', password='12345678', security=0x400004)", ("setup", "12345678")),
        ("ap.config(ssid='setup', security=ap.SEC_OPEN)", ("setup", "")),
    ],
)
def test_what_others_see_of_it(make_board, settings, seen):
    board = make_board(
        "import network, time\nap = network.WLAN(network.WLAN.IF_AP)\n"
        f"{settings}\nap.active(True)\nprint('on')\ntime.sleep(1)\n"
        "ap.active(False)\nprint('off')\n",
        unique_id=bytes.fromhex("e66038b713ddeeff"),
    )
    assert board.access_point is None
    board.start()
    board.wait_console("on\n")
    assert board.access_point == seen
    board.wait_console("off\n")
    assert board.access_point is None


def test_a_scan_finds_the_networks(make_board):
    board = make_board(f"{JOIN}\nfor n in w.scan(): print(n[0], len(n[1]), n[3], len(n))")
    board.set_wifi(networks={"one": "", "zwei äö": "x"}, rssi=-77)
    board.start()
    board.wait_event("prompt")
    assert lines(board) == ["b'one' 6 -77 6", f"{'zwei äö'.encode()} 6 -77 6"]


def test_a_setting_that_does_not_exist_is_refused(make_board):
    with pytest.raises(TypeError, match="signal"):
        make_board("").set_wifi(signal=3)


SERVER = """
import asyncio, machine, socket, sys
async def serve(reader, writer):
    line = await reader.readline()
    while (await reader.readline()).strip(): pass
    port = socket.sockaddr(socket.getaddrinfo("0.0.0.0", 8080)[0][-1])[2]
    writer.write(b"HTTP/1.0 200 OK\\r\\n\\r\\n" + line + b"%d" % port)
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    if b"reset" in line: machine.reset()
    if b"soft" in line: sys.exit()
async def main():
    await asyncio.start_server(serve, "0.0.0.0", 8080)
    await asyncio.sleep(100)
asyncio.run(main())
"""


def test_a_server_of_the_board_is_reached_at_the_port_of_the_host(make_board):
    board = make_board(SERVER)
    board.start()
    url = board.wait_listening()
    assert url == board.url == events(board, "listening")[0]["url"]
    number = int(url.rsplit(":", 1)[1])
    assert httpx.get(url).text.endswith(f"\r\n{number}")
    for word in ("reset", "soft"):
        seen = len(board.events)
        httpx.get(f"{url}/{word}")
        assert board.wait_event("listening", since=seen)["url"] == url
        assert httpx.get(url).status_code == 200
    board.power_cut()
    board.start()
    assert board.wait_listening() == url


def test_further_ports_and_udp_get_ports_of_their_own(make_board):
    board = make_board(
        """
        import socket
        def bound(kind, port):
            s = socket.socket(socket.AF_INET, kind)
            a = socket.getaddrinfo("0.0.0.0", port)[0][-1]
            s.bind(a)
            return s, socket.sockaddr(a)[2]
        udp, a = bound(socket.SOCK_DGRAM, 53)
        web, b = bound(socket.SOCK_STREAM, 80)
        more, c = bound(socket.SOCK_STREAM, 443)
        again = socket.sockaddr(socket.getaddrinfo("0.0.0.0", 53, 0, socket.SOCK_DGRAM)[0][-1])[2]
        web.listen(1)
        print(a, b, c, again == a, len({a, b, c}))
        data, peer = udp.recvfrom(100)
        udp.sendto(data + b" back", peer)
        print(socket.sockaddr(socket.getaddrinfo("127.0.0.1", 5000)[0][-1])[2])
        """
    )
    board.start()
    port = board.wait_event("udp")["port"]
    more = board.wait_event("tcp")
    url = board.wait_listening()
    import socket

    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.sendto(b"there and", ("127.0.0.1", port))
        assert client.recv(100) == b"there and back"
    board.wait_event("prompt")
    assert more["for"] == 443
    numbers = f"{port} {url.rsplit(':', 1)[1]} {more['port']}"
    assert lines(board) == [f"{numbers} True 3", "5000"]


def test_constants_of_the_board_that_the_unix_port_lacks(run):
    out = run(
        """
        import socket
        s = socket.socket()
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        from socket import AF_INET, SOCK_STREAM
        print(AF_INET, SOCK_STREAM)
        """
    )
    assert out == ["2 1"]


def test_an_address_that_the_program_sets(make_board):
    board = make_board(
        f"""{JOIN}
import machine
if w.ifconfig()[0] != "0.0.0.0":
    raise Exception("kept: " + w.ifconfig()[0])
print(w.ipconfig("dhcp4"), w.ipconfig("has_dhcp4"), w.ifconfig()[0])
static = ("192.168.1.7", "255.255.255.0", "192.168.1.1", "192.168.1.2")
w.ifconfig(static)
print(w.ifconfig() == static, w.isconnected(), w.ipconfig("dhcp4"), network.ipconfig("dns"))
w.connect("any", "password")
print(settle(), w.ipconfig("addr4"), w.ipconfig("gw4"), w.ipconfig("has_dhcp4"))
w.ipconfig(addr4=("192.168.1.8", "255.255.0.0"))
network.ipconfig(dns="192.168.1.9")
print(w.ifconfig())
w.ipconfig(dhcp4=True)
print(w.status(), w.ifconfig()[0])
w.ifconfig(static)
w.active(False)
print(w.ifconfig()[0], w.active(True), w.ipconfig("dhcp4"), w.ifconfig()[0])
for wrong in (static[:3], ("192.168.1.256",) + static[1:], ("host",) + static[1:]):
    try:
        w.ifconfig(wrong)
    except ValueError:
        print("ValueError")
w.ifconfig(static)
machine.soft_reset()
"""
    )
    board.set_wifi(address=None)  # no DHCP there
    board.start()
    board.wait_event("prompt")
    assert lines(board)[:9] == [
        "True False 0.0.0.0",
        "True False False 192.168.1.2",
        "3 ('192.168.1.7', '255.255.255.0') 192.168.1.1 False",
        "('192.168.1.8', '255.255.0.0', '192.168.1.1', '192.168.1.9')",
        "2 0.0.0.0",
        "0.0.0.0 None True 0.0.0.0",
        "ValueError",
        "ValueError",
        "ValueError",
    ]
    assert lines(board)[-1] == "Exception: kept: 192.168.1.7"
