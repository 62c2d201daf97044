"""What can go wrong on the way, and what the page makes of it."""

import hashlib
import json
import random
import re
from base64 import b64encode
from pathlib import Path
from urllib.parse import quote

import pytest
from page_steps import (
    Proxy,
    choose_files,
    choose_folder,
    device_files_of,
    files_below,
    headline,
    name_in,
    start,
)

from pico_ota.release import archive
from pico_ota.release.builder import describe
from pico_ota.release.reading import DESCRIPTION
from pico_ota.sim.image import read_tree
from pico_ota.sync import local_file
from tests.conftest import client_for

BIG = {f"big_{i}.bin": bytes([i]) * 40000 for i in range(4)}


def wait_half_way(page):
    page.wait_for_function("() => document.getElementById('total').value > 60000")


def refuse(page, address, status, **reason):
    """Answer requests to *address* in the device's place."""
    body = json.dumps(reason)
    page.route(address, lambda route: route.fulfill(status=status, body=body))


def hold_polls(page, http):
    """Answer the page's regular questions in the device's place, from what it says now.

    A poll that meets another password would ask for it before the test does what it is about. The
    polls follow one another, so once one is answered here no earlier one is on its way.
    """
    answers = {name: http.get(f"/api/v1/{name}").text for name in ("status", "log")}
    page.route("**/api/v1/status", lambda route: route.fulfill(body=answers["status"]))
    page.route("**/api/v1/log?*", lambda route: route.fulfill(body=answers["log"]))
    with page.expect_request("**/api/v1/status"):
        pass


def test_own_login_when_the_browser_sends_no_good_password(pico, http, open_page, make_folder):
    page = open_page(pico.url)
    assert page.is_visible("#secret")
    hold_polls(page, http)
    http.put("/api/v1/password", json={"password": "another one"}).raise_for_status()
    page.click("text=Make folder")  # refused by the browser: no name yet
    page.fill("#folder", "new")
    page.click("text=Make folder")
    page.wait_for_selector("#login:not([hidden])")
    assert page.is_hidden("#main")
    page.fill("#password", "wrong")
    page.press("#password", "Enter")
    page.wait_for_selector("#refusal:not([hidden])")
    page.fill("#password", "another one")
    page.check("#keep")
    page.press("#password", "Enter")
    page.wait_for_selector("#entries >> text=new/")
    assert page.evaluate("sessionStorage.length") == 1
    page.unroute_all()
    choose_files(page, make_folder({"app.py": b"1"}) / "app.py")
    page.check("[value=save]")
    start(page)
    headline(page, "1 file saved")
    page.wait_for_selector("#secret", state="hidden")
    assert device_files_of(pico)["/app.py"] == b"1"


def test_a_password_changed_elsewhere_is_asked_for_and_sending_goes_on(
    slow_pico, open_page, make_folder
):
    folder = make_folder(BIG)
    page = open_page(slow_pico.url)
    choose_folder(page, folder)
    start(page)
    wait_half_way(page)
    with client_for(slow_pico) as http:
        http.put("/api/v1/password", json={"password": "another one"}).raise_for_status()
    page.wait_for_selector("#login:not([hidden])")
    page.fill("#password", "another one")
    page.press("#password", "Enter")
    headline(page, "Confirmed")
    assert page.is_visible("#main")
    live = device_files_of(slow_pico)
    assert {path: live[path] for path in files_below(folder)} == files_below(folder)


def test_default_password_is_changed_on_the_page(pico, http, open_page):
    page = open_page(pico.url)
    page.fill("#fresh", "long and secret")
    page.click("text=Set password")
    page.wait_for_selector("#notes >> text=The new password is set.")
    assert page.is_hidden("#secret")
    page.click("#here")
    assert http.get("/api/v1/status").status_code == 401
    http.auth = ("admin", "long and secret")
    assert http.get("/api/v1/status").json()["default_password"] is False


@pytest.mark.parametrize("mode", ["update", "save"])
def test_device_that_loses_power_midway_is_waited_for(slow_pico, open_page, make_folder, mode):
    folder = make_folder(BIG)
    page = open_page(slow_pico.url)
    choose_folder(page, folder)
    page.check(f"[value={mode}]")
    start(page)
    wait_half_way(page)
    slow_pico.power_cut()
    page.wait_for_selector("#link >> text=Not answering")
    slow_pico.start()
    headline(page, "Confirmed" if mode == "update" else "4 files saved")
    live = device_files_of(slow_pico)
    assert {path: live[path] for path in files_below(folder)} == files_below(folder)


def test_update_that_was_cancelled_without_the_device_is_taken_up_again(
    slow_pico, open_page, make_folder
):
    folder = make_folder(BIG)
    page = open_page(slow_pico.url)
    choose_folder(page, folder)
    start(page)
    wait_half_way(page)
    slow_pico.power_cut()
    page.wait_for_selector("#link >> text=Not answering")
    page.click("text=Cancel")
    headline(page, "Cancelled")
    slow_pico.start()
    slow_pico.wait_listening(10)
    page.click("text=/^Retry failed/")
    headline(page, "Confirmed")
    live = device_files_of(slow_pico)
    assert {path: live[path] for path in files_below(folder)} == files_below(folder)


def test_cancel_drops_the_update_and_changes_nothing(slow_pico, open_page, make_folder, app_image):
    page = open_page(slow_pico.url)
    choose_folder(page, make_folder(BIG))
    start(page)
    wait_half_way(page)
    page.click("text=Cancel")
    headline(page, "Cancelled")
    assert "Nothing on the device has changed" in page.inner_text("#detail")
    assert page.inner_text("#state") == "running"
    with client_for(slow_pico) as http:
        status = http.get("/api/v1/status").json()
        assert status["state"] == "idle"
        assert status["update"] is None
        assert http.get("/api/v1/update").status_code == 404
    live = device_files_of(slow_pico)
    assert {path for path in live if not path.startswith("/.ota/")} == set(read_tree(app_image))


def test_cancel_while_it_is_committed_is_too_late(pico, http, open_page, make_folder):
    page = open_page(pico.url)
    choose_folder(page, make_folder({"a.py": b"a", "b.py": b"b"}))
    held = []
    page.route("**/api/v1/update/commit?*", lambda route: held.append(route))
    with page.expect_request("**/api/v1/update/commit?*"):
        start(page)
    page.click("text=Cancel")
    held[0].continue_()
    headline(page, "Confirmed")
    assert device_files_of(pico)["/a.py"] == b"a"


def test_cancel_while_the_application_delays_it_drops_the_update(
    pico, http, open_page, make_folder
):
    page = open_page(pico.url)
    page.route(
        "**/api/v1/update/commit?*",
        lambda route: route.fulfill(
            status=503,
            headers={"Retry-After": "30"},
            body='{"error": "delayed_by_application", "message": "Later."}',
        ),
    )
    choose_folder(page, make_folder({"a.py": b"a", "b.py": b"b"}))
    start(page)
    page.wait_for_selector("#link >> text=Busy: again in 30 s")
    page.click("text=Cancel")
    headline(page, "Cancelled")
    assert http.get("/api/v1/status").json()["state"] == "idle"


def test_cancel_leaves_the_update_of_somebody_else_alone(pico, http, open_page, make_folder):
    page = open_page(pico.url)
    choose_folder(page, make_folder({"a.py": b"a", "b.py": b"b"}))
    begin_elsewhere(http)
    # Cancelled before the device was reached: the page cannot know whether it has begun.
    page.route(
        "**/api/v1/update?*",
        lambda route: None if route.request.method == "POST" else route.continue_(),
    )
    with page.expect_request("**/api/v1/update?*"):
        start(page)
    with page.expect_response("**/api/v1/update") as answer:
        page.click("text=Cancel")
    assert (answer.value.request.method, answer.value.status) == ("DELETE", 409)
    headline(page, "Cancelled")
    assert http.get("/api/v1/update").json()["version"] == "elsewhere"


def begin_elsewhere(http, files=(("/other.py", b"x"),)):
    """Begin an update as another client would, and send nothing."""
    local = [local_file(path, data, Path(path)) for path, data in files]
    head = archive.pack([(DESCRIPTION, describe(local, "elsewhere").render())])
    http.post("/api/v1/update", content=head).raise_for_status()


def test_update_of_somebody_else_is_dropped_when_asked_to(pico, http, open_page, make_folder):
    folder = make_folder({"a.py": b"a", "b.py": b"b"})
    page = open_page(pico.url)
    choose_folder(page, folder)
    begin_elsewhere(http)
    start(page)
    headline(page, "Somebody is sending “elsewhere” just now")
    page.click("text=Drop theirs and send mine")
    assert http.get("/api/v1/update").json()["version"] == "elsewhere"
    page.click("#buttons >> text=Really drop it?")
    headline(page, "Confirmed")
    live = device_files_of(pico)
    assert "/other.py" not in live
    assert {path: live[path] for path in files_below(folder)} == files_below(folder)


def test_update_that_is_here_in_part_goes_on_in_another_window(slow_pico, open_page, make_folder):
    folder = make_folder(BIG)
    page = open_page(slow_pico.url)
    choose_folder(page, folder)
    page.fill("#version", "2.0.0")
    start(page)
    page.wait_for_selector("#rows .chip:text('sent')")
    page.close()
    page = open_page(slow_pico.url)
    banner = page.locator("#banners", has_text="2.0.0 is here in part")
    banner.wait_for()
    puts = puts_of(page)
    choose_folder(page, folder)
    assert page.input_value("#version") == "2.0.0"
    start(page)
    headline(page, "Confirmed: 2.0.0 is running")
    assert 0 < len(puts) < 4
    live = device_files_of(slow_pico)
    assert {path: live[path] for path in files_below(folder)} == files_below(folder)


def test_update_that_is_here_in_part_is_dropped(pico, http, open_page):
    begin_elsewhere(http)
    page = open_page(pico.url)
    page.click("#banners >> text=Drop it")
    page.wait_for_selector("#banners >> text=elsewhere", state="detached")
    assert http.get("/api/v1/status").json()["state"] == "idle"


def puts_of(page):
    """Return a list that takes (last part of the address, Content-Range) of each PUT."""
    seen = []

    def note(request):
        if request.method == "PUT":
            seen.append((name_in(request.url), request.headers.get("content-range")))

    page.on("request", note)
    return seen


def test_a_file_goes_on_after_a_break_where_the_device_is(slow_pico, open_page, make_folder):
    data = random.Random(4).randbytes(150_000)
    folder = make_folder({"big.bin": data, "small.py": b"1"})
    port = int(slow_pico.url.rsplit(":", 1)[1])
    with Proxy(port) as proxy:
        page = open_page(f"http://pico-test.local:{port}")
        choose_folder(page, folder)
        puts = puts_of(page)
        proxy.break_after = 80_000
        start(page)
        headline(page, "Confirmed")
        assert proxy.break_after is None
    ranges = [content_range for name, content_range in puts if name == "big.bin"]
    assert ranges[0] is None
    first, last, size = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", ranges[1]).groups()
    assert (int(last), int(size)) == (149_999, 150_000)
    assert 0 < int(first) <= 80_000
    assert device_files_of(slow_pico)["/big.bin"] == data


def test_leaving_while_sending_is_asked_about(slow_pico, open_page, make_folder):
    page = open_page(slow_pico.url)
    choose_folder(page, make_folder(BIG))
    start(page)
    wait_half_way(page)
    with page.expect_event("dialog") as asked:
        page.close(run_before_unload=True)
    assert asked.value.type == "beforeunload"


def test_full_flash_is_said_before_and_while_sending(pico, http, open_page, make_folder):
    free = http.get("/api/v1/status").json()["flash"]["free"]
    folder = make_folder({"a.bin": bytes(100), "big.bin": bytes(200000)})
    page = open_page(pico.url)
    choose_folder(page, folder)
    page.check("[value=save]")
    assert page.is_hidden("#error")
    # The room goes away before it is used.
    http.put("/fs/filler.bin", content=bytes(free - 120000)).raise_for_status()
    start(page)
    headline(page, "Not finished")
    row = page.locator("#rows li", has_text="/big.bin")
    assert row.locator(".chip").inner_text() == "failed"
    assert "free" in row.locator("small").inner_text()
    assert page.locator("#rows li", has_text="/a.bin").locator(".chip").inner_text() == "saved"
    page.click("#buttons >> text=Close")
    choose_folder(page, folder)
    page.check("[value=update]")
    assert "are free" in page.inner_text("#error")
    assert page.is_disabled("text=Start update")
    assert "/big.bin" not in device_files_of(pico)


def test_only_the_failed_are_sent_again(pico, open_page, make_folder):
    page = open_page(pico.url)
    refuse(page, "**/fs/two.py*", 422, error="mpy_incompatible", message="Made for another board.")
    choose_folder(page, make_folder({"one.py": b"1", "two.py": b"2", "six.py": b"6"}))
    page.check("[value=save]")
    start(page)
    headline(page, "Not finished")
    assert page.locator("#rows small:text('Made for another board.')").count() == 1
    page.unroute("**/fs/two.py*")
    puts = []
    page.on("request", lambda r: puts.append(r.url) if r.method == "PUT" else None)
    page.click("text=Retry failed (1)")
    headline(page, "3 files saved")
    assert [name_in(url) for url in puts] == ["two.py"]


def test_update_that_does_not_prove_itself_is_reverted(pico, open_page, make_folder, app_image):
    page = open_page(pico.url)
    choose_folder(page, make_folder({"main.py": b"raise ValueError('broken')\n", "x.py": b"1"}))
    start(page)
    page.wait_for_selector("#error:has-text('Reverted because')")
    assert "The old files are back" in page.inner_text("#error")
    assert page.inner_text("#headline") == "Not installed"
    page.wait_for_selector("#history >> text=reverted")
    live = device_files_of(pico)
    assert live["/main.py"] == read_tree(app_image)["/main.py"]
    assert "/x.py" not in live


def test_roll_back_needs_two_clicks_and_no_files(pico, http, open_page, make_folder):
    page = open_page(pico.url)
    http.put("/fs/app.py", content=b"old").raise_for_status()
    choose_folder(page, make_folder({"app.py": b"new", "more.py": b"new"}))
    start(page)
    headline(page, "Confirmed")
    page.click("text=Done")
    page.click("#actions >> text=/^Roll back/")
    page.click("#actions >> text=Really roll back?")
    page.wait_for_selector("#notes >> text=/Rolled back.*Back after/")
    page.wait_for_selector("#entries >> text=more.py", state="detached")
    live = device_files_of(pico)
    assert live["/app.py"] == b"old"
    assert "/more.py" not in live


def test_trial_is_kept_by_hand(page_pico, open_page, make_folder, app_image):
    pico = page_pico()
    main = read_tree(app_image)["/main.py"].replace(b"=1,", b"=60,").replace(b"=8,", b"=90,")
    page = open_page(pico.url)
    choose_folder(page, make_folder({"main.py": main, "x.py": b"1"}))
    start(page)
    page.click("#banners >> text=Keep it now")
    headline(page, "Confirmed")


def test_short_memory_offers_rescue_mode(pico, open_page, make_folder):
    page = open_page(pico.url)
    refuse(page, "**/fs/a.py*", 503, error="low_memory", message="Too little memory is free.")
    choose_files(page, make_folder({"a.py": b"1"}) / "a.py")
    page.check("[value=save]")
    start(page)
    page.wait_for_selector("#buttons >> text=Restart into rescue mode")
    assert page.inner_text("#error") == "Too little memory is free."


def test_hostile_names_are_text(pico, http, open_page, make_folder):
    name = "<img src=x onerror=alert(1)>&quot;.py"
    odd = "a\"b'c;d#e?f%41.py"
    http.put("/fs/" + quote(name), content=b"").raise_for_status()
    page = open_page(pico.url)
    page.wait_for_selector("#entries >> text=onerror")
    choose_folder(page, make_folder({name: b"1", odd: b"2"}))
    assert set(page.locator("#rows .name").all_inner_texts()) == {"/" + name, "/" + odd}
    assert "double quote: /" + odd in page.inner_text("#error")
    assert page.is_disabled("text=Start update")
    page.check("[value=save]")
    assert page.is_hidden("#error")
    start(page)
    headline(page, "2 files saved")
    page.wait_for_selector("#entries >> text=f%41")
    assert page.locator("img").count() == 0
    live = device_files_of(pico)
    assert live["/" + name] == b"1"
    assert live["/" + odd] == b"2"


def test_rescue_mode_is_red_and_left_again(pico, open_page):
    page = open_page(pico.url)
    page.click("#actions >> text=Rescue mode")
    page.click("#actions >> text=Really restart?")
    banner = page.locator("#banners .alarm")
    banner.wait_for()
    assert "the application" in banner.inner_text()
    assert page.inner_text("#link") == "Rescue mode"
    banner.get_by_role("button").click()
    banner.wait_for(state="detached")
    page.wait_for_selector("#link >> text=Connected")


def test_short_memory_at_the_start_offers_rescue_mode_too(pico, open_page):
    page = open_page(pico.url)
    reason = {"error": "low_memory", "message": "Too little memory is free."}
    refuse(page, "**/fs/", 503, **reason)
    page.click("#crumbs >> text=Flash")
    page.wait_for_selector("#notes >> text=Restart into rescue mode")
    page.click("#notes >> text=Close")
    assert page.locator("#notes > *").count() == 0


# --- what is heard and changed on the way -------------------------------------------------------


def secret(word, user="admin"):
    return hashlib.sha256(f"{user}:pico-ota:{word}".encode()).hexdigest().encode()


def tells(heard, word):
    """What of *word* is in *heard*: itself, as Basic sends it, or what the device keeps of it."""
    pair = b64encode(f"admin:{word}".encode()).rstrip(b"=")[:-1]
    return [one for one in (word.encode(), pair, secret(word)) if one in heard]


@pytest.fixture
def wire(slow_pico):
    port = int(slow_pico.url.rpartition(":")[2])
    with Proxy(port) as proxy:
        yield proxy, f"http://pico-test.local:{port}"


def test_neither_the_browser_nor_the_page_says_a_password(wire, slow_pico, open_page, make_folder):
    proxy, url = wire
    page = open_page(url)  # logs in by the browser's own dialog
    page.fill("#fresh", "long-and-secret")
    page.click("text=Set password")
    page.wait_for_selector("#notes >> text=The new password is set.")
    # From here on the page signs itself.
    choose_folder(page, make_folder({"app.py": b"A = 1\n", "lib/b.py": b"B = 2\n" * 900}))
    start(page)
    headline(page, "Confirmed")
    assert proxy.heard.count(b"Authorization: Digest ") > 2
    assert proxy.heard.count(b"Authorization: xDigest ") > 5
    assert b"Authorization: Basic" not in proxy.heard
    # The page names the default one in its own code.
    heard = bytes(proxy.heard)
    assert not tells(heard, "long-and-secret")
    assert not [one for one in tells(heard, "otapico") if one != b"otapico"]
    with client_for(slow_pico, auth=("admin", "long-and-secret")) as http:
        assert http.get("/fs/app.py").content == b"A = 1\n"
    # The page says that a program has logged in by Basic meanwhile.
    page.wait_for_selector("#banners >> text=The last login was by Basic")


@pytest.mark.parametrize("who", ["browser", "page"])
def test_what_is_changed_on_its_way_does_not_go_live(wire, slow_pico, open_page, make_folder, who):
    proxy, url = wire
    page = open_page(url)
    if who == "page":
        page.fill("#fresh", "otapico2")
        page.click("text=Set password")
        page.wait_for_selector("#notes >> text=The new password is set.")
    proxy.change = lambda data: data.replace(b"GOOD = 1", b"EVIL = 1")
    choose_files(page, make_folder({"app.py": b"GOOD = 1\n"}) / "app.py")
    page.check("[value=save]")
    start(page)
    page.wait_for_selector("#rows >> text=SHA-256")
    # Orders are bound, too, by their SHA-256 in the address, which a browser signs as well.
    normal, rescue = b'{"mode":"normal"}', b'{"mode":"rescue"}'
    named = [hashlib.sha256(order).hexdigest().encode() for order in (normal, rescue)]
    proxy.change = lambda data: data.replace(normal, rescue).replace(*named)
    events = len(slow_pico.events)
    page.click("#actions >> text=/^Restart$/")
    page.click("#actions >> text=Really restart?")
    page.wait_for_selector("#login:not([hidden])")  # wrong credentials, for that address
    proxy.change = lambda data: data
    assert "boot" not in [event["event"] for event in slow_pico.events[events:]]
    assert "/app.py" not in device_files_of(slow_pico)


def test_a_nonce_that_is_used_up_is_renewed_without_a_question(pico, open_page):
    page = open_page(pico.url)
    pico.power_cut()
    pico.start()
    pico.wait_listening(20)
    page.click("#crumbs button")
    page.wait_for_selector("#link >> text=Connected")
    assert page.is_hidden("#login")
