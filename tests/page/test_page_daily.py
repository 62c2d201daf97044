"""What a person meets every day: what is said, when, and what can be done about it."""

import io
import os
import re
import tarfile
import time
from urllib.parse import quote

import httpx
import pytest
from page_steps import (
    choose_files,
    choose_folder,
    device_files_of,
    files_below,
    headline,
    start,
)

from pico_ota.release import archive
from pico_ota.release.builder import describe
from pico_ota.release.reading import DESCRIPTION
from pico_ota.sync import local_file
from tests.conftest import client_for

NARROW = {"viewport": {"width": 360, "height": 740}, "has_touch": True}
HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def begin_elsewhere(http, folder, version="other"):
    """Begin an update as another client would, and send nothing."""
    local = [local_file(path, data, folder) for path, data in (("/other.py", b"x"),)]
    head = archive.pack([(DESCRIPTION, describe(local, version).render())])
    http.post("/api/v1/update", content=head).raise_for_status()


def chips(page):
    return page.locator("#rows .chip").all_inner_texts()


# --- numbers ------------------------------------------------------------------------------------


def test_a_number_and_its_unit_stay_together(pico, open_page, make_folder):
    page = open_page(pico.url, **NARROW)
    choose_folder(page, make_folder({"a.bin": bytes(5000), "b.bin": bytes(120_000)}))
    for place in ("#detail", "#facts", "#rows"):
        text = page.locator(place).inner_text()
        assert re.search(r"\d\s(B|KB|MB|s|min|h)\b", text), place
        assert not re.search(r"\d (B|KB|MB|s|min|h)\b", text), place


def test_the_time_said_is_the_time_of_sending(page_pico, open_page, make_folder, app_image):
    page = open_page(page_pico().url)
    choose_files(page, make_folder({"a.py": b"a = 1\n"}) / "a.py")
    page.clock.install()
    start(page)
    headline(page, "On trial")
    page.clock.fast_forward(100_000)
    headline(page, "Confirmed")
    assert re.search(r"6\sB in \d\ss\.$", page.inner_text("#detail"))


# --- while it is sent ---------------------------------------------------------------------------


def test_headline_and_steps_stay_in_sight_while_sending(slow_pico, open_page, make_folder):
    page = open_page(slow_pico.url, **NARROW)
    choose_folder(page, make_folder({f"f{i:02}.bin": bytes(20_000) for i in range(12)}))
    page.locator("#rows").scroll_into_view_if_needed()
    start(page)
    page.wait_for_selector("#rows .chip:text('uploading')")
    page.evaluate("() => document.getElementById('rows').scrollIntoView()")
    place = """() => ["headline", "steps", "total"].map(id => {
        const box = document.getElementById(id).getBoundingClientRect();
        const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
        const seen = document.elementFromPoint(x, y);
        return !!seen && !!seen.closest("#head") && y > 0 && y < innerHeight;
    })"""
    assert page.evaluate(place) == [True, True, True]
    page.click("#buttons >> text=Cancel")


def test_sent_then_live(slow_pico, open_page, make_folder):
    with client_for(slow_pico) as http:
        http.put("/fs/old.py", content=b"old").raise_for_status()
        main = http.get("/fs/main.py").content
    page = open_page(slow_pico.url)
    files = {"main.py": main, "a.bin": bytes(60_000), "b.bin": bytes(60_001)}
    choose_folder(page, make_folder(files))
    page.check("#mirror")
    start(page)
    page.wait_for_selector("#rows li:has-text('/a.bin') .chip:text-is('sent')")
    assert "written" not in page.inner_text("#rows")
    headline(page, "Confirmed")
    assert sorted(chips(page)) == ["deleted", "live", "live", "unchanged"]


def test_taken_back_after_a_revert(pico, open_page, make_folder):
    page = open_page(pico.url)
    choose_folder(page, make_folder({"main.py": b"raise ValueError('x')\n", "x.py": b"1"}))
    start(page)
    page.wait_for_selector("#error:has-text('Reverted because')")
    assert chips(page) == ["taken back", "taken back"]


def test_saved_when_it_is_only_saved(pico, open_page, make_folder):
    page = open_page(pico.url)
    choose_folder(page, make_folder({"a.py": b"1", "b.py": b"2"}))
    page.check("[value=save]")
    start(page)
    headline(page, "2 files saved")
    assert chips(page) == ["saved", "saved"]


# --- what is left out ---------------------------------------------------------------------------


def test_what_is_left_out_is_named_with_the_reason(pico, open_page, make_folder):
    files = {
        "main.py": b"1",
        "lib/__pycache__/x.pyc": b"",
        ".git/config": b"",
        ".git/HEAD": b"",
        "key.pem": b"",
        "boot.py": b"x = 1\n",
    }
    page = open_page(pico.url)
    choose_folder(page, make_folder(files))
    assert "5 left out" in page.inner_text("#headline")
    left = page.inner_text("#left")
    for named in (
        "__pycache__ (compiled leftovers)",
        ".git (version control)",
        "key.pem (a key)",
        "/boot.py (the updater's own)",
    ):
        assert left.count(named) == 1, named


def test_many_that_are_left_out_are_counted(pico, open_page, make_folder):
    files = {f"m{i:02}.pyc": b"" for i in range(30)} | {"a.py": b"1"}
    page = open_page(pico.url)
    choose_folder(page, make_folder(files))
    assert page.inner_text("#left").endswith("and 21 more.")


def test_only_the_updaters_own_is_not_called_there_already(pico, open_page, make_folder):
    page = open_page(pico.url)
    choose_files(page, make_folder({"boot.py": b"import ota_boot\n"}) / "boot.py")
    assert page.inner_text("#detail") == "Nothing to send."
    assert "/boot.py (the updater's own)" in page.inner_text("#left")
    assert page.locator("#buttons button.main").is_disabled()
    page.check("#guarded")
    assert page.inner_text("#detail").endswith("to send")


def test_what_is_there_already_is_called_so(pico, http, open_page, make_folder):
    http.put("/fs/a.txt", content=b"a").raise_for_status()
    page = open_page(pico.url)
    choose_files(page, make_folder({"a.txt": b"a"}) / "a.txt")
    assert page.inner_text("#detail") == "Nothing to send: the device has it all."


# --- room ---------------------------------------------------------------------------------------


def test_only_save_looks_at_room_first(pico, http, open_page, make_folder):
    free = http.get("/api/v1/status").json()["flash"]["free"]
    http.put("/fs/data/old.bin", content=bytes(free - 160_000)).raise_for_status()
    page = open_page(pico.url)
    page.fill("#target", "/data/")
    files = make_folder({"a.bin": bytes(60_000), "b.bin": bytes(60_000), "c.bin": bytes(60_000)})
    choose_files(page, *sorted(files.iterdir()))
    page.check("[value=save]")
    # The first two fit, the third does not: nothing is sent, rather than two of three.
    assert "/data/c.bin needs" in page.inner_text("#error")
    assert page.locator("#buttons button.main").is_disabled()
    page.click("#buttons >> text=Cancel")
    choose_files(page, files / "a.bin", files / "b.bin")
    page.check("[value=save]")
    assert page.is_hidden("#error")
    start(page)
    headline(page, "2 files saved")


# --- the name of the version --------------------------------------------------------------------


def test_what_is_typed_as_version_is_not_lost(pico, open_page, make_folder):
    folder = make_folder({"a.py": b"1", "b.py": b"2"})
    page = open_page(pico.url)
    choose_folder(page, folder)
    # Looking at another folder goes on while the name is typed.
    held = []
    page.route("**/fs/apps/", lambda route: held.append(route))
    page.fill("#target", "/apps/")
    page.click("#version")
    page.keyboard.press("Control+A")
    page.keyboard.type("1.2")
    page.wait_for_timeout(300)
    assert held
    held[0].continue_()
    page.unroute("**/fs/apps/")
    headline(page, "2 new")
    page.keyboard.type(".3")
    assert page.input_value("#version") == "1.2.3"
    # Nor does a poll take it, nor choosing once more.
    with page.expect_response("**/api/v1/status", timeout=20000):
        pass
    page.keyboard.type("-x")
    assert page.input_value("#version") == "1.2.3-x"
    page.click("#buttons >> text=Cancel")
    choose_folder(page, folder)
    assert page.input_value("#version") == "1.2.3-x"
    start(page)
    headline(page, "Confirmed: 1.2.3-x is running")
    page.click("#buttons >> text=Done")
    choose_folder(page, make_folder({"c.py": b"3"}, name="next"))
    assert page.input_value("#version") != "1.2.3-x"


# --- changed since it was chosen ----------------------------------------------------------------


def edit_on_disk(path, data):
    path.write_bytes(data)
    # A browser goes by the time, in whole seconds on some systems.
    later = time.time() + 5
    os.utime(path, (later, later))


@pytest.mark.parametrize("mode", ["update", "save"])
def test_a_file_edited_after_it_was_chosen_is_chosen_again_from_its_row(
    pico, open_page, make_folder, mode
):
    folder = make_folder({"a.py": b"a = 1\n", "b.py": b"b = 1\n"})
    page = open_page(pico.url)
    choose_folder(page, folder)
    page.check(f"[value={mode}]")
    edit_on_disk(folder / "b.py", b"b = 22\n")
    start(page)
    headline(page, "Not finished")
    row = page.locator("#rows li", has_text="/b.py")
    assert "changed on this computer" in row.inner_text()
    row.locator("input[type=file]").set_input_files(str(folder / "b.py"))
    headline(page, "2 new" if mode == "update" else "1 unchanged, 1 new")
    page.check(f"[value={mode}]")
    start(page)
    headline(page, "Confirmed" if mode == "update" else "saved")
    live = device_files_of(pico)
    assert {path: live[path] for path in files_below(folder)} == files_below(folder)


def test_a_file_edited_before_it_was_compared_is_chosen_again(pico, open_page, make_folder):
    folder = make_folder({"a.py": b"a = 1\n"})
    page = open_page(pico.url)
    held = []
    page.route("**/fs/", lambda route: held.append(route))
    page.set_input_files("#pickFiles", str(folder / "a.py"))
    headline(page, "Comparing")
    edit_on_disk(folder / "a.py", b"a = 22\n")
    while not held:  # what it asks first may still be on its way
        page.wait_for_timeout(50)
    held[0].continue_()
    page.unroute("**/fs/")
    headline(page, "1 failed")
    row = page.locator("#rows li", has_text="/a.py")
    assert "changed on this computer" in row.inner_text()
    row.locator("input[type=file]").set_input_files(str(folder / "a.py"))
    headline(page, "1 new")


# --- somebody else ------------------------------------------------------------------------------


def test_somebody_elses_update_is_waited_for(pico, http, open_page, make_folder, tmp_path):
    page = open_page(pico.url)
    choose_folder(page, make_folder({"a.py": b"a", "b.py": b"b"}))
    begin_elsewhere(http, tmp_path)
    start(page)
    headline(page, "Somebody is sending “other” just now")
    buttons = page.locator("#buttons button").all_inner_texts()
    assert buttons == ["Wait", "Drop theirs and send mine", "Close"]
    page.click("#buttons >> text=Wait")
    headline(page, "Waiting until “other” is done")
    with page.expect_response("**/api/v1/update?*") as asked:
        pass
    assert asked.value.status == 409
    http.delete("/api/v1/update").raise_for_status()
    headline(page, "Confirmed")
    assert device_files_of(pico)["/a.py"] == b"a"


def test_waiting_for_somebody_else_is_cancelled(pico, http, open_page, make_folder, tmp_path):
    page = open_page(pico.url)
    choose_folder(page, make_folder({"a.py": b"a", "b.py": b"b"}))
    begin_elsewhere(http, tmp_path)
    start(page)
    page.click("#buttons >> text=Wait")
    page.click("#buttons >> text=Cancel")
    page.wait_for_selector("#drop:visible")
    assert http.get("/api/v1/update").json()["version"] == "other"


# --- the password -------------------------------------------------------------------------------


@pytest.mark.parametrize("auth", [None, ("admin", "wrong")])
def test_a_refused_password_is_told_to_a_person_as_a_page(pico, auth):
    answer = httpx.get(pico.url + "/", headers=HTML, auth=auth)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["www-authenticate"].endswith('Basic realm="pico-ota"')
    for words in ("Reload this page", "<b>admin</b>", "pico-ota install --new-settings"):
        assert words in answer.text
    answer = httpx.get(pico.url + "/", auth=auth)
    assert answer.json()["error"] == "unauthorized"


def test_the_eleventh_wrong_password_says_how_long_to_wait(pico):
    for _ in range(10):
        assert httpx.get(pico.url + "/", headers=HTML, auth=("admin", "x")).status_code == 401
    answer = httpx.get(pico.url + "/", headers=HTML, auth=("admin", "x"))
    assert answer.status_code == 429
    seconds = int(answer.headers["retry-after"])
    assert f"Wait {seconds} s, then reload" in answer.text


def test_the_login_form_counts_down(pico, http, open_page):
    page = open_page(pico.url)
    body = '{"error": "too_many_tries", "message": "Too many.", "retry_after": 3}'
    page.route("**/fs/made/", lambda route: route.fulfill(status=429, body=body))
    page.fill("#folder", "made")
    page.press("#folder", "Enter")
    page.wait_for_selector("#refusal >> text=/Wait [123]\\ss/")
    assert page.is_disabled("#enter")
    page.wait_for_selector("#refusal >> text=Try again now.")
    assert page.is_enabled("#enter")
    page.unroute_all()
    page.fill("#password", "otapico")
    page.press("#password", "Enter")
    page.wait_for_selector("#entries >> text=made/")


# --- all files ----------------------------------------------------------------------------------


def test_all_files_are_downloaded_as_one_tar(pico, http, open_page):
    long = "lib/" + "a_rather_long_name_" * 6 + "ü.py"
    files = {"/data/empty.txt": b"", "/data/a.bin": bytes(range(256)) * 20, "/" + long: b"long"}
    for path, data in files.items():
        http.put("/fs" + quote(path), content=data).raise_for_status()
    http.put("/fs/hollow/").raise_for_status()
    page = open_page(pico.url)
    with page.expect_download() as download:
        page.click("#all")
    assert download.value.suggested_filename == "pico-test.tar"
    with open(download.value.path(), "rb") as file:
        found = {}
        with tarfile.open(fileobj=io.BytesIO(file.read())) as tar:
            for member in tar:
                source = tar.extractfile(member)
                found["/" + member.name] = source.read() if source else None
    assert found.pop("/hollow") is None
    live = device_files_of(pico)
    assert {path: data for path, data in found.items() if data is not None} == {
        path: data for path, data in live.items() if not path.startswith("/.ota/")
    }
    assert {path: found[path] for path in files} == files
    page.wait_for_selector("#all:enabled >> text=Download all")
