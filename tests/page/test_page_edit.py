"""Files of the device are opened, changed and saved on the page."""

import struct
import zlib

import pytest
from page_steps import device_files_of, headline

from pico_ota.sim.image import read_tree


def open_file(page, name):
    page.locator("#entries").get_by_role("button", name=name, exact=True).click()
    page.wait_for_selector("#edit:not([hidden])")


def press(page, name):
    page.locator("#editButtons").get_by_role("button", name=name, exact=True).click()


def put(http, path, data):
    http.put("/fs" + path, content=data).raise_for_status()


def test_a_program_is_changed_and_installed_as_an_update(pico, http, open_page, app_image):
    page = open_page(pico.url)
    open_file(page, "main.py")
    main = read_tree(app_image)["/main.py"].decode()
    assert page.input_value("#text") == main
    assert page.inner_text("#editState") == "saved"
    # The way that can be undone comes first, and there is nothing to save yet.
    buttons = page.locator("#editButtons button")
    assert buttons.all_inner_texts() == ["Install as update", "Only save", "Download", "Close"]
    assert buttons.first.is_disabled()
    page.fill("#text", main + "# changed on the page\n")
    assert page.inner_text("#editState") == "not saved"
    press(page, "Install as update")
    headline(page, "Confirmed")
    page.wait_for_selector("#editNotes >> text=It is live.")
    assert page.inner_text("#editState") == "saved"
    assert http.get("/api/v1/status").json()["previous"] is not None
    assert device_files_of(pico)["/main.py"] == main.encode() + b"# changed on the page\n"


def test_a_change_that_does_not_start_is_taken_back_and_stays_in_the_editor(
    pico, open_page, app_image
):
    page = open_page(pico.url)
    open_file(page, "main.py")
    page.fill("#text", "raise ValueError('broken')\n")
    press(page, "Install as update")
    page.wait_for_selector("#error:has-text('Reverted because')")
    assert page.input_value("#text") == "raise ValueError('broken')\n"
    assert page.inner_text("#editState") == "not saved"
    assert device_files_of(pico)["/main.py"] == read_tree(app_image)["/main.py"]


def test_a_table_is_only_saved_with_its_line_ends(pico, http, open_page):
    put(http, "/data/table.csv", b"\xef\xbb\xbfa;b\r\n1;2\r\n")
    page = open_page(pico.url)
    page.click("#entries >> text=data/")
    open_file(page, "table.csv")
    assert page.locator("#editButtons button").first.inner_text() == "Only save"
    page.focus("#text")
    page.keyboard.press("Control+End")
    page.keyboard.insert_text("3;ä\n")
    with page.expect_request(lambda r: r.method == "PUT") as request:
        press(page, "Only save")
    assert request.value.headers["if-match"].strip('"')
    page.wait_for_selector("#editNotes >> text=Saved")
    # The second time goes by what the first has made.
    page.keyboard.insert_text("4;5\n")
    press(page, "Only save")
    page.wait_for_selector("#editState >> text=/^saved/")
    assert page.locator("#editNotes .good").count() == 1
    expected = "\ufeffa;b\r\n1;2\r\n3;ä\r\n4;5\r\n".encode()
    assert device_files_of(pico)["/data/table.csv"] == expected


@pytest.mark.parametrize("way", ["Install as update", "Only save"])
@pytest.mark.parametrize("answer", ["Reload, losing my changes", "Overwrite it"])
def test_what_was_changed_meanwhile_is_not_overwritten_unasked(pico, http, open_page, way, answer):
    put(http, "/notes.py", b"one = 1\n")
    page = open_page(pico.url)
    open_file(page, "notes.py")
    page.fill("#text", "mine = 1\n")
    put(http, "/notes.py", b"theirs = 1\n")
    press(page, way)
    page.wait_for_selector("#editNotes >> text=changed on the device meanwhile")
    assert http.get("/fs/notes.py").content == b"theirs = 1\n"
    page.locator("#editNotes").get_by_role("button", name=answer).click()
    if answer == "Overwrite it":
        page.wait_for_selector(
            f"#editNotes >> text=/{'It is live' if way[0] == 'I' else 'Saved'}/"
        )
        assert http.get("/fs/notes.py").content == b"mine = 1\n"
    else:
        page.wait_for_function("() => document.getElementById('text').value === 'theirs = 1\\n'")
        assert page.inner_text("#editState") == "saved"


def test_an_answer_that_got_lost_is_no_conflict(pico, http, open_page):
    put(http, "/data/a.txt", b"one\n")
    page = open_page(pico.url)
    page.click("#entries >> text=data/")
    open_file(page, "a.txt")

    def lose(route):
        http.put("/fs/data/a.txt", content=b"two\n").raise_for_status()
        route.abort()
        page.unroute("**/fs/data/a.txt*")

    page.route("**/fs/data/a.txt*", lose)
    page.fill("#text", "two\n")
    press(page, "Only save")
    page.wait_for_selector("#editNotes >> text=Saved")
    assert http.get("/fs/data/a.txt").content == b"two\n"


def test_an_edit_in_a_folder_leaves_the_target_folder_alone(pico, http, open_page):
    put(http, "/lib/tool.py", b"one = 1\n")
    page = open_page(pico.url)
    page.click("#entries >> text=lib/")
    open_file(page, "tool.py")
    page.fill("#text", "two = 2\n")
    press(page, "Install as update")
    headline(page, "Confirmed")
    assert page.input_value("#target") == "/"
    assert http.get("/fs/lib/tool.py").content == b"two = 2\n"


def test_a_new_file_overwrites_none(pico, http, open_page):
    page = open_page(pico.url)
    page.fill("#folder", "hello.py")
    page.click("#newFile")
    page.wait_for_selector("#edit:not([hidden])")
    page.fill("#text", "print('hello')\n")
    put(http, "/hello.py", b"first = 1\n")
    press(page, "Only save")
    page.wait_for_selector("#editNotes >> text=There is a file of this name already")
    assert http.get("/fs/hello.py").content == b"first = 1\n"
    http.delete("/fs/hello.py").raise_for_status()
    press(page, "Only save")
    page.wait_for_selector("#editNotes >> text=Saved")
    page.wait_for_selector("#entries >> text=hello.py")
    assert device_files_of(pico)["/hello.py"] == b"print('hello')\n"


def test_tab_indents_and_escape_lets_go(pico, http, open_page):
    put(http, "/data/x.py", b"if a:\n    b\nc\n")
    page = open_page(pico.url)
    page.click("#entries >> text=data/")
    open_file(page, "x.py")
    value = "() => document.getElementById('text').value"
    page.focus("#text")
    page.keyboard.press("Control+End")
    page.keyboard.type("de")
    page.keyboard.press("Tab")
    assert page.evaluate(value) == "if a:\n    b\nc\nde  "
    page.keyboard.press("Control+A")
    page.keyboard.press("Tab")
    assert page.evaluate(value) == "    if a:\n        b\n    c\n    de  "
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    assert page.evaluate(value) == "if a:\nb\nc\nde  "
    page.keyboard.press("Control+Z")
    assert page.evaluate(value) == "if a:\n    b\nc\nde  "
    # A new line begins where the one before does.
    page.evaluate("() => document.getElementById('text').setSelectionRange(11, 11)")
    page.keyboard.press("Enter")
    page.keyboard.type("z")
    assert page.evaluate(value) == "if a:\n    b\n    z\nc\nde  "
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.id") != "text"


def test_lines_are_numbered_and_scroll_along(pico, http, open_page):
    put(http, "/data/long.txt", b"".join(b"line %d\n" % i for i in range(1, 301)))
    page = open_page(pico.url)
    page.click("#entries >> text=data/")
    open_file(page, "long.txt")
    assert page.inner_text("#lines").split()[-1] == "301"
    page.evaluate("() => { document.getElementById('text').scrollTop = 2000 }")
    page.wait_for_function("() => document.getElementById('lines').scrollTop === 2000")
    heights = page.evaluate(
        "() => ['lines', 'text'].map(id => parseFloat(getComputedStyle("
        "document.getElementById(id)).lineHeight))"
    )
    assert heights[0] == heights[1]


def test_unsaved_changes_are_not_lost_by_a_click(pico, http, open_page):
    put(http, "/data/a.txt", b"a\n")
    put(http, "/data/b.txt", b"b\n")
    page = open_page(pico.url)
    page.click("#entries >> text=data/")
    open_file(page, "a.txt")
    page.fill("#text", "changed\n")
    open_file(page, "b.txt")
    page.wait_for_selector("#editNotes >> text=Save or close /data/a.txt first")
    assert page.input_value("#text") == "changed\n"
    press(page, "Close")
    assert page.is_visible("#edit")
    with page.expect_event("dialog") as asked:
        page.reload()
    assert asked.value.type == "beforeunload"
    page.wait_for_selector("#main:not([hidden])")
    page.click("#entries >> text=data/")
    open_file(page, "a.txt")
    page.fill("#text", "changed\n")
    press(page, "Close")
    press(page, "Lose the changes?")
    page.wait_for_selector("#edit", state="hidden")
    open_file(page, "b.txt")
    page.wait_for_selector("#editTitle:has-text('/data/b.txt')")
    assert page.input_value("#text") == "b\n"


def picture():
    """Return a PNG of 2 x 3 pixels."""

    def chunk(kind, data):
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    rows = zlib.compress(b"\0\xff\0\0\0\xff\0" * 3)
    head = struct.pack(">IIBBBBB", 2, 3, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_pictures_are_shown_and_other_bytes_counted(pico, http, open_page):
    put(http, "/leaf.png", picture())
    put(http, "/font.bin", b"\x00\xffFONT" + bytes(3000))
    put(http, "/fake.png", b"\x00 no picture")
    page = open_page(pico.url)
    open_file(page, "leaf.png")
    page.wait_for_function("() => document.querySelector('#view img')?.naturalHeight === 3")
    assert page.is_hidden("#code")
    open_file(page, "font.bin")
    page.wait_for_selector("#view pre")
    first = page.inner_text("#view pre")
    assert first.startswith("2.9\xa0KB")
    assert "00 ff 46 4f 4e 54 00 00  ..FONT.." in first
    assert page.locator("#editButtons button").all_inner_texts() == ["Download", "Close"]
    open_file(page, "fake.png")
    page.wait_for_selector("#view pre >> text=no")


def test_a_big_file_is_only_offered_as_a_download(pico, http, open_page):
    put(http, "/big.txt", b"x" * 65537)
    page = open_page(pico.url)
    got = []
    page.on("request", lambda r: got.append(r.method) if r.url.endswith("big.txt") else None)
    open_file(page, "big.txt")
    page.wait_for_selector("#view >> text=too big to be shown here")
    assert page.is_hidden("#code")
    assert got == []
    with page.expect_download() as download:
        press(page, "Download")
    with open(download.value.path(), "rb") as file:
        assert len(file.read()) == 65537


def test_files_of_the_updater_are_shown_and_no_more(pico, open_page):
    page = open_page(pico.url)
    open_file(page, "boot.py")
    assert "import ota_boot" in page.input_value("#text")
    assert page.evaluate("() => document.getElementById('text').readOnly")
    assert page.locator("#editButtons button").all_inner_texts() == ["Download", "Close"]


def test_hostile_text_is_text(pico, http, open_page):
    text = "</textarea><script>x</script><img src=x onerror=alert(1)>\u2028&amp;"
    put(http, "/odd.txt", text.encode())
    page = open_page(pico.url)
    open_file(page, "odd.txt")
    assert page.input_value("#text") == text
    assert page.locator("img").count() == 0
