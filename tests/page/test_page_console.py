"""The console card follows what the program prints."""

import json
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from page_steps import choose_files, choose_folder, headline, start

TRACE = (
    'Traceback (most recent call last):\n  File "main.py", line 3, in <module>\nValueError: no\n'
)


def test_what_a_real_program_prints_and_its_traceback(pico, http, open_page, make_folder):
    main = http.get("/fs/main.py").text
    loop = "    while True:"
    loud = main.replace(loop, "    print('temperature', 21.5, 'ä')\n" + loop)
    page = open_page(pico.url)
    page.click("#console summary")
    folder = make_folder({"main.py": loud.encode()})
    choose_files(page, folder / "main.py")
    start(page)
    headline(page, "Confirmed")
    wait_shown(page, "temperature 21.5 ä")
    page.click("#buttons >> text=Done")
    broken = loud.replace(loop, "    raise ValueError('no sensor')\n" + loop)
    (folder / "main.py").write_bytes(broken.encode())
    choose_files(page, folder / "main.py")
    start(page)
    page.wait_for_selector("#error:has-text('Reverted because')")
    for place in ("#trace", "#lastTrace"):
        page.wait_for_selector(f"{place} >> text=ValueError: no sensor")
        assert "line 1" in page.inner_text(place)


class Printed:
    """Answers for `/api/v1/console` in the device's place."""

    def __init__(self, page):
        self.boot_id, self.text, self.first = "aaaa1111", "", 0
        self.traceback = None
        self.asked = []
        page.route("**/api/v1/console*", self._answer)

    def _answer(self, route):
        since = int(parse_qs(urlsplit(route.request.url).query)["since"][0])
        self.asked.append(since)
        end = self.first + len(self.text)
        known = max(since, self.first)
        answer = {
            "boot_id": self.boot_id,
            "next": end,
            "missed": known - since,
            "text": self.text[known - self.first :] if since <= end else "",
            "traceback": self.traceback,
        }
        route.fulfill(body=json.dumps(answer))


def shown(page):
    return page.inner_text("#printed")


def wait_shown(page, text):
    page.wait_for_function(
        "text => document.getElementById('printed').textContent.includes(text)", arg=text
    )


def test_only_an_open_console_is_asked_for(pico, open_page):
    page = open_page(pico.url)
    printed = Printed(page)
    printed.text = "temperature 21.5\n"
    page.wait_for_timeout(2500)
    assert printed.asked == []
    page.click("#console summary")
    wait_shown(page, "temperature 21.5")
    printed.text += "temperature 21.6\n"
    wait_shown(page, "21.6")
    assert shown(page) == "temperature 21.5\ntemperature 21.6\n"
    assert printed.asked[:2] == [0, 17]
    page.click("#console summary")
    page.wait_for_timeout(300)
    before = len(printed.asked)
    page.wait_for_timeout(2500)
    assert len(printed.asked) <= before + 1


def test_pause_clear_and_copy(pico, open_page):
    page = open_page(pico.url)
    printed = Printed(page)
    printed.text = "one\n"
    page.click("#console summary")
    wait_shown(page, "one")
    page.click("#consoleButtons >> text=Copy")
    assert page.evaluate("() => getSelection().toString().trim()") == "one"
    page.click("#consoleButtons >> text=Pause")
    asked = len(printed.asked)
    printed.text += "two\n"
    page.wait_for_timeout(2500)
    assert len(printed.asked) <= asked + 1
    assert "two" not in shown(page)
    page.click("#consoleButtons >> text=Clear")
    page.click("#consoleButtons >> text=Go on")
    wait_shown(page, "two")
    assert "one" not in shown(page)


def test_a_restart_is_marked_and_what_was_lost_is_said(pico, open_page):
    page = open_page(pico.url)
    printed = Printed(page)
    printed.text = "before\n"
    page.click("#console summary")
    wait_shown(page, "before")
    printed.first, printed.text = 1000, "later\n"
    wait_shown(page, "later")
    assert "--- 993 bytes were not kept ---\nlater" in shown(page)
    printed.boot_id, printed.first, printed.text, printed.traceback = "b", 0, "again\n", TRACE
    wait_shown(page, "again")
    assert shown(page).endswith("--- restarted ---\nagain\n")
    assert page.inner_text("#lastTrace") == TRACE


def test_scrolling_stays_where_it_is_unless_at_the_end_and_old_lines_go(pico, open_page):
    page = open_page(pico.url)
    printed = Printed(page)
    printed.text = "".join(f"line {i}\n" for i in range(100))
    page.click("#console summary")
    wait_shown(page, "line 99")
    place = """() => {
        const box = document.getElementById("printed");
        return [box.scrollTop, box.scrollHeight - box.clientHeight];
    }"""
    top, most = page.evaluate(place)
    assert abs(top - most) < 2
    assert most > 0
    page.evaluate("() => { document.getElementById('printed').scrollTop = 40 }")
    printed.text += "more\n"
    wait_shown(page, "more")
    assert page.evaluate(place)[0] == 40
    printed.text += "x" * 150_000 + "\nlast\n"
    wait_shown(page, "last")
    assert len(shown(page)) <= 100_000


def test_nothing_is_asked_while_files_are_on_their_way(slow_pico, open_page, make_folder):
    page = open_page(slow_pico.url)
    Printed(page)
    page.click("#console summary")
    seen = []
    page.on("request", lambda request: seen.append(request.url.split("/", 3)[3]))
    # Several, since between two of them there would be a place for it.
    choose_folder(page, make_folder({f"f{i:02}.bin": bytes([i]) * 16_000 for i in range(30)}))
    start(page)
    page.wait_for_selector("#rows .chip:text('uploading')")
    del seen[:]
    page.wait_for_timeout(2500)
    assert not [path for path in seen if "console" in path]
    page.click("#buttons >> text=Cancel")


@pytest.mark.parametrize("where", ["reverted", "rescue"])
def test_the_last_traceback_is_shown_where_it_is_wanted(pico, http, open_page, make_folder, where):
    page = open_page(pico.url)

    def add(route):
        try:
            status = http.get("/api/v1/status").json()
        except httpx.HTTPError:
            return route.abort()
        route.fulfill(json=status | {"traceback": TRACE})

    page.route("**/api/v1/status", add)
    if where == "rescue":
        http.post("/api/v1/reboot", json={"mode": "rescue"}).raise_for_status()
        page.wait_for_selector("#banners .alarm", timeout=60000)
        assert page.inner_text("#banners pre") == TRACE
        return
    choose_files(page, make_folder({"main.py": b"raise ValueError('no')\n"}) / "main.py")
    start(page)
    page.wait_for_selector("#error:has-text('Reverted because')")
    assert page.inner_text("#trace") == TRACE
