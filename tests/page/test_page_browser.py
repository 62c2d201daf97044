"""The files on the device, seen and changed on the page."""

from urllib.parse import quote

from page_steps import device_files_of


def test_look_download_rename_make_and_delete(pico, http, open_page):
    for path in ("lib/a.py", "lib/deep/b.py", "notes.txt", "odd name#1.txt"):
        http.put("/fs/" + quote(path), content=path.encode()).raise_for_status()
    page = open_page(pico.url)
    row = page.locator("#entries li", has_text="odd name#1.txt")
    assert row.locator(".size").inner_text() == "14\xa0B"
    row.get_by_role("button", name="odd name#1.txt", exact=True).click()
    with page.expect_download() as download:
        page.click("#editButtons >> text=Download")
    assert download.value.suggested_filename == "odd name#1.txt"
    with open(download.value.path(), "rb") as file:
        assert file.read() == b"odd name#1.txt"

    page.click("#editButtons >> text=Close")
    row.get_by_role("button", name="Rename odd name#1.txt").click()
    page.fill("#entries input", "even 100%.txt")
    page.press("#entries input", "Enter")
    page.wait_for_selector("#entries >> text=even 100%.txt")
    assert page.evaluate("document.activeElement.id") == "filesTitle"

    page.get_by_role("button", name="Rename notes.txt").click()
    page.press("#entries input", "Escape")
    assert page.get_by_role("button", name="Rename notes.txt").is_visible()

    page.get_by_role("button", name="Delete notes.txt").click()
    assert page.locator("#entries >> text=notes.txt").is_visible()
    page.get_by_role("button", name="Really delete? notes.txt").click()
    page.wait_for_selector("#entries >> text=notes.txt", state="detached")

    page.fill("#folder", "made")
    page.press("#folder", "Enter")
    page.click("#entries >> text=made/")
    page.wait_for_selector("#crumbs >> text=made")
    page.click("#here")
    assert page.input_value("#target") == "/made/"
    page.click("#crumbs >> text=Flash")
    # A folder says once more that all in it goes.
    page.click("#entries >> text=lib/")
    page.get_by_role("button", name="Delete deep").click()
    page.click("button:text('Delete with all in it?')")
    page.wait_for_selector("#entries >> text=deep/", state="detached")

    live = device_files_of(pico)
    assert live["/even 100%.txt"] == b"odd name#1.txt"
    assert live["/lib/a.py"] == b"lib/a.py"
    assert not {"/notes.txt", "/lib/deep/b.py", "/odd name#1.txt"} & set(live)


def test_what_the_device_refuses_is_said(pico, http, open_page):
    http.put("/fs/taken.txt", content=b"1").raise_for_status()
    page = open_page(pico.url)
    page.get_by_role("button", name="Rename main.py").click()
    page.fill("#entries input", "taken.txt")
    page.press("#entries input", "Enter")
    page.wait_for_selector("#notes >> text=/taken.txt is there already")
    assert "/main.py" in device_files_of(pico)


def test_a_stray_click_is_forgotten(pico, open_page):
    page = open_page(pico.url)
    delete = page.locator("#entries li", has_text="main.py").locator("button").last
    delete.click()
    assert delete.inner_text() == "Really delete?"
    page.focus("#folder")
    assert delete.inner_text() == "Delete"


def test_a_double_click_asks_and_does_no_more(pico, open_page):
    page = open_page(pico.url)
    delete = page.locator("#entries li", has_text="main.py").locator("button").last
    delete.dblclick()
    assert delete.inner_text() == "Really delete?"
    page.wait_for_timeout(300)
    assert "/main.py" in device_files_of(pico)


def test_the_updater_itself_offers_no_change(pico, open_page):
    page = open_page(pico.url)
    page.wait_for_selector("#entries li")
    row = page.locator("#entries li", has_text="boot.py").first
    assert row.get_by_role("button").all_inner_texts() == ["boot.py"]


def test_status_is_shown_and_followed(pico, http, open_page):
    status = http.get("/api/v1/status").json()
    page = open_page(pico.url)
    facts = page.inner_text("#facts").replace("\xa0", " ")
    assert page.inner_text("#about") in status["board"]
    for text in (status["micropython"], "of 848 KB", "dBm", status["ip"]):
        assert text in facts
    assert page.title() == status["name"]
    page.wait_for_selector("#log >> text=Listening")
    page.click("#actions >> text=/^Restart$/")
    page.click("#actions >> text=Really restart?")
    page.wait_for_selector("#notes >> text=/Back after \\d+ s/")
    assert http.get("/api/v1/info").json()["boot_id"] != status["boot_id"]
