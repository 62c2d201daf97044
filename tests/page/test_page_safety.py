"""What the page proposes and says, so that nobody loses a board by its defaults."""

import re

import pytest
from page_steps import choose_files, choose_folder, headline, start

from pico_ota.sim.image import read_tree


def hold_back(page, *addresses):
    """Let requests to *addresses* fail, as those to a device that does not come back."""
    for address in addresses:
        page.route(address, lambda route: route.abort())


@pytest.mark.parametrize(
    ("name", "target", "proposed"),
    [
        ("main.py", "/", "update"),
        ("driver.mpy", "/lib/", "update"),
        ("config.json", "/", "update"),
        ("table.csv", "/data/", "save"),
        ("typing.pyi", "/data/", "save"),
    ],
)
def test_what_may_keep_the_board_from_starting_is_proposed_as_an_update(
    pico, open_page, make_folder, name, target, proposed
):
    page = open_page(pico.url)
    page.fill("#target", target)
    choose_files(page, make_folder({name: b"x = 1\n"}) / name)
    assert page.is_checked(f"[value={proposed}]")
    assert "Nothing undoes it" in page.inner_text("#modes label:has([value=save])")


def test_in_rescue_mode_too(pico, http, open_page, make_folder):
    http.post("/api/v1/reboot", json={"mode": "rescue"}).raise_for_status()
    page = open_page(pico.url)
    page.wait_for_selector("#banners .alarm")
    choose_files(page, make_folder({"main.py": b"x = 1\n"}) / "main.py")
    assert page.is_checked("[value=update]")


def test_deletions_that_come_in_beside_are_proposed_as_an_update(
    pico, http, open_page, make_folder
):
    http.put("/fs/old.py", content=b"1").raise_for_status()
    page = open_page(pico.url)
    choose_folder(page, make_folder({"data/table.csv": b"1,2"}))
    page.check("[value=save]")
    page.check("#mirror")
    assert page.is_checked("[value=update]")


def test_what_was_changed_by_hand_is_named_until_it_has_proved_itself(
    pico, http, open_page, make_folder
):
    page = open_page(pico.url)
    main = http.get("/fs/main.py").content
    choose_files(page, make_folder({"main.py": main + b"# more\n"}) / "main.py")
    page.check("[value=save]")
    start(page)
    headline(page, "1 file saved")
    banner = page.locator("#banners .warn", has_text="Changed by hand: /main.py")
    banner.wait_for()
    assert "nothing brings the old files back" in banner.inner_text()
    choose_files(page, make_folder({"other.py": b"1\n"}, name="more") / "other.py")
    assert page.is_checked("[value=update]")
    page.click("#buttons >> text=Cancel")
    banner.get_by_role("button", name="Restart now").click()
    page.wait_for_selector("#notes >> text=Back after")
    banner.wait_for(state="detached")


def test_a_restart_that_takes_long_says_what_to_do(pico, open_page):
    page = open_page(pico.url)
    page.clock.install()
    hold_back(page, "**/api/v1/info")
    page.click("#actions >> text=/^Restart$/")
    page.click("#actions >> text=Really restart?")
    page.wait_for_selector("#link >> text=Restarting")
    assert page.locator("#notes > *").count() == 0
    page.clock.fast_forward(31000)
    note = page.wait_for_selector("#notes .warn").inner_text()
    assert re.search(
        r"No answer for 3\d\ss\. .*rescue mode by itself.* switch it off and on", note
    )
    page.unroute_all()
    page.wait_for_selector("#notes >> text=Back after")


def test_an_update_that_stays_away_long_says_what_to_do(pico, open_page, make_folder):
    page = open_page(pico.url)
    page.clock.install()
    choose_files(page, make_folder({"a.py": b"1"}) / "a.py")
    hold_back(page, "**/api/v1/info")
    start(page)
    headline(page, "Restarting…")
    assert "four minutes" not in page.inner_text("#detail")
    page.clock.fast_forward(31000)
    page.wait_for_selector("#detail >> text=/brings the old files back by itself/")
    assert "switch it off and on" in page.inner_text("#detail")
    page.unroute_all()
    headline(page, "Confirmed")


def test_a_trial_says_when_it_stays(page_pico, open_page, make_folder, app_image):
    main = read_tree(app_image)["/main.py"].replace(b"=1,", b"=60,").replace(b"=8,", b"=90,")
    pico = page_pico()
    page = open_page(pico.url)
    choose_files(page, make_folder({"main.py": main}) / "main.py")
    start(page)
    page.wait_for_selector("#detail >> text=/It stays in 5\\d\\ss if nothing happens/")
    assert re.search(r"^on trial, stays in 5\d\ss$", page.inner_text("#state"))


def test_a_trial_that_the_program_has_to_confirm_says_how_long_it_has(
    page_pico, open_page, make_folder, app_image
):
    main = read_tree(app_image)["/main.py"].replace(b"=8,", b"=90, auto_confirm=False,")
    page = open_page(page_pico().url)
    choose_files(page, make_folder({"main.py": main}) / "main.py")
    start(page)
    page.wait_for_selector("#detail >> text=/left for the program to confirm it/")
    page.click("#banners >> text=Keep it now")
    headline(page, "Confirmed")


def test_a_start_with_files_changed_by_hand_says_so(pico, http, open_page, app_image):
    main = read_tree(app_image)["/main.py"].replace(b"=1,", b"=5,")
    http.put("/fs/main.py", content=main).raise_for_status()
    page = open_page(pico.url)
    page.locator("#banners").get_by_role("button", name="Restart now").click()
    page.wait_for_selector("#notes >> text=Back after")
    page.wait_for_selector("#banners >> text=/have to prove themselves now/")
    supervised = http.get("/api/v1/status").json()["supervised"]
    assert 0 <= supervised["stays_in_s"] <= 5
    assert 0 < supervised["remaining_s"] <= 8
