"""The service as an application uses it: its usages, Wi-Fi, memory, other servers."""

import os
import socket
import time
from pathlib import Path

import httpx
import microdot.microdot as microdot
import pytest
from wire import (
    PASSWORD,
    USER,
    Answer,
    Wire,
    address_of,
    ask,
    digest,
    put,
    read,
    refused,
    request,
    until,
)

from pico_ota.sim.image import write_files

ROOT = Path(__file__).parents[2]


def board_with(make_pico, main, **options):
    """Start a board with this main.py."""
    pico = make_pico(start=False, **options)
    write_files(pico.image, {"/main.py": main if isinstance(main, bytes) else main.encode()})
    pico.start()
    return pico


# --- the usages of the specification ----------------------------------------------------------


def test_the_sample_of_the_specification_works_as_it_is(make_pico):
    pico = board_with(make_pico, (ROOT / "examples" / "ota_sample.py").read_bytes())
    pico.wait_listening()
    assert ask(pico, "GET", "/api/v1/info").json["name"] == "device-name"
    put(pico, "/lib/new.py", b"print('new')")
    assert read(pico, "/lib/new.py") == b"print('new')"


def test_the_sample_does_what_the_specification_prints():
    spec_lines = (
        "wifi_service = WiFiManager(",
        "ota_service = OTAUpdateService(wifi_service)",
        "await ota_service.start()",
        "asyncio.run(main())",
    )
    sample = (ROOT / "examples" / "ota_sample.py").read_text()
    assert [line for line in spec_lines if line not in sample] == []


def test_the_service_runs_beside_other_tasks_with_run_forever(make_pico):
    pico = make_pico("forever")
    assert ask(pico, "GET", "/api/v1/info").json["name"] == "pico-test"
    # It does not wait for Wi-Fi, nor for anybody.
    assert "start() returned, listening: False" in pico.console()


def test_the_boards_own_wlan_object_is_a_wifi_service(make_pico):
    pico = make_pico("wlan")
    status = ask(pico, "GET", "/api/v1/status").json
    assert (status["name"], status["ip"], status["wifi"]) == (
        "pico-wlan",
        "127.0.0.1",
        {"rssi": -50},
    )
    host, port = address_of(pico)
    assert ask(pico, "GET", "/fs/", host=f"pico-wlan.local:{port}").status == 200
    assert host == "127.0.0.1"


OWN_MANAGER = """
import asyncio, network
from service_ota import OTAUpdateService
network.WLAN = type("WLAN", (), {"ifconfig": lambda self: ("192.168.7.9", "", "", "")})
network.WLAN.__init__ = lambda self, kind: None
class Wifi:
    def is_connected(self):
        return True
    {}
async def main():
    service = OTAUpdateService(Wifi())
    await service.start()
    while True:
        await asyncio.sleep_ms(100)
asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("more", "address"),
    [
        ("", "192.168.7.9"),
        ("ip = None", "192.168.7.9"),
        ("def ip(self): return '10.0.0.3'", "10.0.0.3"),
        ("def ip(self, which): return '10.0.0.3'", "192.168.7.9"),
        ("def ifconfig(self): return ('10.0.0.4',)", "10.0.0.4"),
    ],
)
def test_a_wifi_manager_of_ones_own_is_reached_by_its_address(make_pico, more, address):
    pico = board_with(make_pico, OWN_MANAGER.replace("{}", more))
    pico.wait_listening()
    pico.wait_console(f"Listening at http://{address}:")
    _, port = address_of(pico)
    for host in (address, "pico-"):
        answer = ask(pico, "GET", "/api/v1/info", host=f"{host}:{port}")
        assert answer.status == (200 if host == address else 421)


REFUSED = """
from service_ota import OTAUpdateService
class Wifi:
    def is_connected(self):
        return True
for options in ({}):
    try:
        OTAUpdateService(Wifi(), **options)
        print("accepted", options)
    except ValueError as error:
        print("refused:", error)
try:
    OTAUpdateService(None)
    print("accepted None")
except ValueError as error:
    print("refused:", error)
print("done")
"""


def test_what_would_leave_the_board_open_is_refused_at_construction(make_pico):
    options = (
        '{"auth_password": ""}, {"auth_password": None}, {"auth_username": ""},'
        ' {"auth_username": "a:b"}, {"port": 0}, {"port": 70000}, {"port": "80"}'
    )
    pico = board_with(make_pico, REFUSED.replace("{}", options))
    console = pico.wait_console("done")
    assert "accepted" not in console
    assert console.count("refused: ") == 8
    assert "auth_password is empty: anybody could replace the program" in console


STOP_AND_GO = """
import asyncio, socket
from manager_wifi import WiFiManager
from service_ota import OTAUpdateService
async def main():
    service = OTAUpdateService(WiFiManager("n", "password", "pico-test"))
    for _ in range(3):
        await service.start()
        await service.start()
        while service.port is None:
            await asyncio.sleep_ms(20)
        print("up")
        await asyncio.sleep_ms(1500)
        await service.stop()
        print("down", service.port)
        await asyncio.sleep_ms(300)
    await service.start()
    while True:
        await asyncio.sleep(1)
asyncio.run(main())
"""


def test_it_stops_and_starts_again(make_pico):
    pico = board_with(make_pico, STOP_AND_GO)
    pico.wait_console("up")
    with Wire(pico) as wire:
        wire.send(request(pico, "GET", "/api/v1/info"))
        boot_id = wire.answer().json["boot_id"]
        pico.wait_console("down None")
        assert wire.closed(1)
    until(lambda: pico.console().count("up") == 2)
    until(lambda: pico.console().count("down None") == 3, 20)
    assert until(lambda: answers(pico)).json["boot_id"] == boot_id
    assert "Traceback" not in pico.console()


# --- Wi-Fi ------------------------------------------------------------------------------------


def answers(pico) -> Answer | None:
    """Return the answer to a short question, None when there is none."""
    try:
        with Wire(pico, timeout=1) as wire:
            return wire.send(request(pico, "GET", "/api/v1/info")).answer()
    except OSError:
        return None


def refuses_connections(pico):
    try:
        socket.create_connection(address_of(pico), 0.5).close()
    except OSError:
        return True
    return False


@pytest.mark.parametrize("app", ["plain", "wlan"])
def test_it_listens_only_while_wifi_is_there_and_comes_back(make_pico, app):
    pico = make_pico(app)
    boot_id = ask(pico, "GET", "/api/v1/info").json["boot_id"]
    for _ in range(2):
        with Wire(pico) as wire:
            wire.send(request(pico, "PUT", "/fs/x.txt", b"x" * 9000)[:4000])
            time.sleep(0.1)
            pico.set_wifi(link=False)
            assert until(lambda: refuses_connections(pico), 5)
            wire.rest()  # perhaps a 408 before the end
        pico.set_wifi(link=True)
        if app == "wlan":
            # Nobody joins again for this application: on a board its access point is back.
            pico.stop()
            pico.start()
            assert until(lambda: answers(pico), 30)
            return
        answer = until(lambda: answers(pico), 30)
        assert answer.json["boot_id"] == boot_id
    assert read(pico, "/x.txt") is None
    put(pico, "/x.txt", b"whole")
    assert read(pico, "/x.txt") == b"whole"


def test_without_wifi_it_does_not_listen_at_all(make_pico):
    pico = make_pico(start=False)
    pico.set_wifi(link=False)
    pico.start()
    time.sleep(2)
    assert refuses_connections(pico)
    assert not [e for e in pico.events if e["event"] == "listening"]
    pico.set_wifi(link=True)
    assert until(lambda: answers(pico), 30)


def test_a_changed_address_is_answered_to(make_pico):
    pico = make_pico("wlan")
    port = address_of(pico)[1]
    pico.set_wifi(link=False)
    until(lambda: refuses_connections(pico), 5)
    pico.set_wifi(link=True, address="10.1.2.3")
    pico.stop()
    pico.start()
    until(lambda: answers(pico), 20)
    assert ask(pico, "GET", "/fs/", host=f"10.1.2.3:{port}").status == 200
    assert ask(pico, "GET", "/fs/", host=f"10.1.2.4:{port}").status == 421


# --- in an application's own server -----------------------------------------------------------


LOGGING = """
@app.after_request
async def log(request, response):
    print(request.method, response.status_code)


async def main("""


@pytest.fixture
def mounted(make_pico):
    pico = make_pico("mounted", start=False)
    main = (Path(__file__).parents[1] / "apps" / "mounted" / "main.py").read_text()
    main = main.replace("async def main(", LOGGING).encode()
    # The application's own: nothing of the updater needs it.
    micro = Path(microdot.__file__).read_bytes()
    write_files(pico.image, {"/main.py": main, "/lib/microdot.py": micro})
    pico.start()
    pico.wait_listening(20)
    assert ask(pico, "GET", "/", authorization=None).body == b"the application"
    return pico


def test_mounted_it_serves_everything_below_its_prefix(mounted):
    assert ask(mounted, "GET", "/ota/api/v1/info", authorization=None).json["api"] == 1
    page = ask(mounted, "GET", "/ota/")
    assert page.headers["content-type"].startswith("text/html")
    data = os.urandom(100_000)
    for size in (0, 10, 5000, 20_000, 100_000):
        answer = ask(
            mounted, "PUT", f"/ota/fs/dir/f{size}", data[:size],
            x_content_sha256=digest(data[:size]),
        )  # fmt: skip
        assert answer.status == 201, (size, answer)
        got = ask(mounted, "GET", f"/ota/fs/dir/f{size}")
        assert got.body == data[:size]
        assert got.headers["etag"] == f'"{digest(data[:size])}"'
    names = {f["name"] for f in ask(mounted, "GET", "/ota/fs/dir/").json["files"]}
    assert names == {"f0", "f10", "f5000", "f20000", "f100000"}
    moved = ask(mounted, "MOVE", "/ota/fs/dir/f0", x_destination="/fs/dir/g")
    assert moved.status == 201, moved
    assert ask(mounted, "DELETE", "/ota/fs/dir", x_ota_recursive="yes").status == 204
    assert ask(mounted, "GET", "/ota/api/v1/status").json["state"] == "idle"


def test_mounted_a_connection_that_is_lost_is_no_defect(mounted):
    whole = request(mounted, "PUT", "/ota/fs/x.bin", bytes(50_000))
    for leave in (Wire.hang_up, lambda wire: wire.socket.close()):
        events = mounted.console().count("PUT 408")
        wire = Wire(mounted).send(whole[:30_000])
        until(lambda: ask(mounted, "GET", "/ota/api/v1/status").json["upload"])
        leave(wire)
        assert until(lambda n=events: mounted.console().count("PUT 408") > n, 10)
    assert "Traceback" not in mounted.console()
    assert "500" not in mounted.console()
    assert ask(mounted, "GET", "/ota/fs/x.bin").status == 404


def test_mounted_the_same_people_are_let_in(mounted):
    for changes, status, word in (
        ({"authorization": None}, 401, "unauthorized"),
        ({"authorization": "Basic "}, 401, "unauthorized"),
        ({"origin": "null"}, 403, "wrong_origin"),
        ({"origin": "http://evil.example"}, 403, "wrong_origin"),
        ({"host": "evil.example"}, 421, "wrong_host"),
    ):
        before = mounted.flash_operations
        answer = ask(mounted, "PUT", "/ota/fs/x.txt", b"x", **changes)
        refused(answer, status, word)
        if status == 401:
            offered = answer.headers["www-authenticate"]
            assert offered.startswith("Digest ")
            assert offered.endswith(', Basic realm="pico-ota"')
        assert mounted.flash_operations == before
    answer = ask(mounted, "GET", "/ota/", authorization=None, x_requested_with=None)
    assert answer.headers["www-authenticate"].endswith(', Basic realm="pico-ota"')
    with httpx.Client(base_url=mounted.url, auth=httpx.DigestAuth(USER, PASSWORD)) as web:
        assert web.put("/ota/fs/x.txt", content=b"x").status_code == 201
        assert web.delete("/ota/fs/x.txt").status_code == 204
    refused(ask(mounted, "PUT", "/ota/fs/boot.py", b"x"), 403, "protected")
    refused(ask(mounted, "GET", "/ota/fs/%2e%2e/x"), 400, "bad_path")
    refused(ask(mounted, "GET", "/ota/nothing"), 404, "not_found")


def test_mounted_an_uploaded_page_is_not_rendered_either(mounted):
    ask(mounted, "PUT", "/ota/fs/x.html", b"<script>")
    answer = ask(mounted, "GET", "/ota/fs/x.html")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"


# --- memory -----------------------------------------------------------------------------------


WATCHING = """
import asyncio, gc, sys
from manager_wifi import WiFiManager
from service_ota import OTAUpdateService
async def main():
    await OTAUpdateService(WiFiManager("n", "password", "pico-test")).start()
    while True:
        await asyncio.sleep_ms(200)
        gc.collect()
        names = [n[4:] for n in sys.modules if n.startswith("ota.")]
        names.sort()
        print("held", gc.mem_alloc(), " ".join(names))
asyncio.run(main())
"""
RESIDENT = {"listener", "log", "chip", "console"}


def test_what_serves_is_unloaded_when_nobody_has_asked_for_a_while(impatient_board):
    pico = impatient_board
    write_files(pico.image, {"/main.py": WATCHING.encode()})
    pico.start()
    pico.wait_listening()

    def held():
        lines = [line for line in pico.console().splitlines() if line.startswith("held ")]
        size, *modules = lines[-1].split()[1:]
        return int(size), set(modules)

    time.sleep(1)
    before, modules = held()
    assert modules <= RESIDENT
    sizes = []
    for n in range(3):
        # Two in a row: the second used to be remembered by the task that waits for a third.
        put(pico, f"/x{n}.bin", bytes(20_000))
        put(pico, f"/y{n}.bin", bytes(20_000))
        until(lambda: {"server", "files"} <= held()[1])
        assert "transaction" not in held()[1]  # of another phase
        assert ask(pico, "GET", "/api/v1/status").status == 200
        until(lambda: {"server", "status", "transaction"} <= held()[1])
        assert "files" not in held()[1]
        assert held()[0] > before + 20_000
        until(lambda: held()[1] <= RESIDENT, 10)
        time.sleep(0.5)
        sizes.append(held()[0])
    # What stays are the names in the modules, once, and a few lines of log.
    assert sizes[0] < before + 12_000
    assert sizes[-1] <= sizes[0] + 1500


HUNGRY = """
import asyncio, gc
from manager_wifi import WiFiManager
from service_ota import OTAUpdateService
eaten = []
async def main():
    wifi = WiFiManager("n", "password", "pico-test")
    await OTAUpdateService(wifi, confirm_after_s=0.5).start()
    await asyncio.sleep_ms(2000)  # the network is noted for rescue mode
    gc.collect()
    while gc.mem_free() > {leave}:
        try:
            eaten.append(bytearray(min(512, gc.mem_free() - {leave} + 64)))
        except MemoryError:
            break
        await asyncio.sleep_ms(0)
    print("eaten, free:", gc.mem_free())
    while True:
        await asyncio.sleep_ms(100)
asyncio.run(main())
"""


def hungry_board(make_pico, leave):
    """Return a board whose application has left *leave* bytes of the heap."""
    pico = board_with(make_pico, HUNGRY.format(leave=leave), heap="400K")
    pico.wait_listening()
    pico.wait_console("eaten")
    return pico


@pytest.mark.parametrize("leave", [47_000, 45_000])
@pytest.mark.parametrize("mode", ["normal", "rescue"])
def test_short_of_memory_it_answers_503_and_restarts_when_asked(make_pico, leave, mode):
    pico = hungry_board(make_pico, leave)
    for _ in range(4):
        answer = ask(pico, "GET", "/fs/")
        assert "rescue" in refused(answer, 503, "low_memory")["message"]
        assert int(answer.headers["retry-after"]) > 0
    refused(ask(pico, "PUT", "/fs/x.txt", bytes(50_000)), 503, "low_memory")
    seen = len(pico.events)
    answer = ask(pico, "POST", "/api/v1/reboot", b'{"mode": "%s"}' % mode.encode())
    assert answer.status == 202
    assert pico.wait_event("boot", since=seen)["cause"] == "machine.reset"
    if mode == "rescue":
        pico.wait_event("listening", 20, since=seen)
        assert ask(pico, "GET", "/api/v1/status").json["mode"] == "rescue"
        put(pico, "/main.py", b"print('cured')")


@pytest.mark.parametrize("leave", [55_000, 52_000, 50_000, 48_000, 46_000])
def test_a_listing_is_whole_or_refused_and_does_not_stand_in_the_way_out(make_pico, leave):
    # Enough to load a part of what a listing needs, up to the middle of sending it.
    pico = hungry_board(make_pico, leave)
    names = {"boot.py", "main.py", "ota", "ota_boot.mpy", "service_ota.mpy", "manager_wifi.mpy"}
    for target in ("/fs/", "/api/v1/status", "/", "/fs/", "/fs/main.py", "/fs/"):
        answer = ask(pico, "GET", target)
        if answer.status != 200:
            refused(answer, 503, "low_memory")
        elif target == "/fs/":
            assert {row["name"] for row in answer.json["files"]} == names
    answer = ask(pico, "POST", "/api/v1/reboot", b'{"mode": "rescue"}')
    assert answer.status == 202


@pytest.mark.parametrize("leave", [30_000, 20_000, 5_000])
def test_with_next_to_no_memory_it_still_says_so(make_pico, leave):
    pico = hungry_board(make_pico, leave)
    for _ in range(5):
        answer = ask(pico, "GET", "/fs/")
        refused(answer, 503, "low_memory")
        assert int(answer.headers["retry-after"]) > 0


def test_an_upload_of_500_kb_needs_a_heap_of_200_kb(make_pico):
    pico = make_pico(heap="200K")
    data = os.urandom(500_000)
    put(pico, "/big.bin", data, x_content_sha256=digest(data))
    assert read(pico, "/big.bin") == data


HOLDS_UP = """
import asyncio, os, time
from manager_wifi import WiFiManager
from service_ota import OTAUpdateService
async def main():
    await OTAUpdateService(WiFiManager("n", "password", "pico-test"), confirm_after_s=0.5).start()
    while "go" not in os.listdir("/"):
        await asyncio.sleep_ms(20)
    await asyncio.sleep_ms(300)
    print("held up")
    time.sleep(12)  # longer than a client may be silent between two requests or within a body
    while True:
        await asyncio.sleep_ms(100)
asyncio.run(main())
"""


def test_an_application_that_holds_up_everything_costs_no_client_its_connection(make_pico):
    pico = board_with(make_pico, HOLDS_UP)
    pico.wait_listening()
    whole = request(pico, "PUT", "/fs/slow.txt", b"x" * 9000)
    with Wire(pico, timeout=30) as kept, Wire(pico, timeout=30) as uploading:
        kept.send(request(pico, "PUT", "/fs/go", b""))
        assert kept.answer().status == 201
        uploading.send(whole[:4000])
        pico.wait_console("held up")
        time.sleep(1)
        kept.send(request(pico, "GET", "/api/v1/info"))
        uploading.send(whole[4000:])
        assert uploading.answer().status == 201
        assert kept.answer().status == 200
    assert ask(pico, "GET", "/fs/slow.txt").body == b"x" * 9000
