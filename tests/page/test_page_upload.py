"""Files go from the page to the flash of a simulated Pico."""

import pytest
from page_steps import (
    Proxy,
    choose_files,
    choose_folder,
    device_files_of,
    drop,
    files_below,
    headline,
    name_in,
    start,
)

from pico_ota.mpy import compile_source
from pico_ota.sim.image import read_tree


def watch_bars(page):
    """Note each value that the overall bar and the bars of the files take."""
    page.evaluate(
        """() => {
            window.seen = { total: [], files: {} };
            setInterval(() => {
                const total = document.getElementById("total");
                if (total.max > 1) seen.total.push(total.value / total.max);
                for (const bar of document.querySelectorAll("#rows progress")) {
                    (seen.files[bar.ariaLabel] ??= new Set()).add(bar.value / bar.max);
                }
            }, 5);
        }"""
    )


def test_twenty_files_in_folders_become_one_update(pico, open_page, make_folder):
    folder = make_folder(20)
    page = open_page(pico.url)
    choose_folder(page, folder)
    assert page.inner_text("#headline") == "20 new"
    assert page.is_checked("[value=update]")
    page.fill("#version", "2.0.0")
    watch_bars(page)
    start(page)
    headline(page, "Confirmed: 2.0.0 is running")
    assert "Back after" in page.inner_text("#detail")

    seen = page.evaluate("({ total: seen.total, files: Object.keys(seen.files) })")
    assert seen["total"] == sorted(seen["total"])
    assert len({share for share in seen["total"] if 0 < share < 1}) > 5
    assert set(seen["files"]) == set(files_below(folder))
    assert page.evaluate("Object.values(seen.files).every((shares) => shares.has(1))")
    assert page.locator("#rows .chip", has_text="live").count() == 20

    assert page.inner_text("#release") == "2.0.0"
    assert "2.0.0" in page.inner_text("#history")
    live = device_files_of(pico)
    for path, data in files_below(folder).items():
        assert live[path] == data, path


def test_what_is_there_already_is_not_sent_again(pico, http, open_page, make_folder):
    folder = make_folder({"lib/same.py": b"same", "lib/other.py": b"new!", "lib/more.py": b"more"})
    http.put("/fs/lib/same.py", content=b"same").raise_for_status()
    http.put("/fs/lib/other.py", content=b"old!").raise_for_status()
    http.put("/fs/data/log.csv", content=b"1,2").raise_for_status()
    page = open_page(pico.url)
    puts = []
    page.on("request", lambda r: puts.append(r.url) if r.method == "PUT" else None)
    choose_folder(page, folder)
    assert page.inner_text("#headline") == "1 changed, 1 unchanged, 1 new"
    assert page.inner_text("#mirrorLabel") == (
        "Delete 2 files that the chosen folder does not have"
    )
    page.check("#mirror")
    assert page.inner_text("#headline") == "1 changed, 1 unchanged, 1 new, 2 to delete"
    page.uncheck("#mirror")
    page.check("[value=save]")
    start(page)
    headline(page, "2 files saved")
    assert sorted(name_in(url) for url in puts) == ["more.py", "other.py"]
    live = device_files_of(pico)
    assert live["/lib/other.py"] == b"new!"
    assert live["/data/log.csv"] == b"1,2"


def test_a_file_that_is_gone_since_it_was_compared_is_sent(pico, http, open_page, make_folder):
    folder = make_folder({"same.py": b"same", "new.py": b"new", "more.py": b"more"})
    http.put("/fs/same.py", content=b"same").raise_for_status()
    page = open_page(pico.url)
    choose_folder(page, folder)
    assert page.inner_text("#headline") == "1 unchanged, 2 new"
    http.delete("/fs/same.py").raise_for_status()
    start(page)
    headline(page, "Confirmed")
    live = device_files_of(pico)
    assert {path: live[path] for path in files_below(folder)} == files_below(folder)


@pytest.mark.parametrize("mode", ["update", "save"])
def test_mirror_deletes_what_was_not_chosen_and_nothing_of_the_updater(
    pico, http, open_page, make_folder, app_image, mode
):
    http.put("/fs/old/gone.py", content=b"old").raise_for_status()
    http.put("/fs/settings.py", content=b"WIFI = 1").raise_for_status()
    main = http.get("/fs/main.py").content
    page = open_page(pico.url)
    choose_folder(page, make_folder({"main.py": main, "lib/new.py": b"new"}))
    page.check("#mirror")
    assert page.inner_text("#headline") == "1 unchanged, 1 new, 1 to delete"
    page.check(f"[value={mode}]")
    start(page)
    headline(page, "Confirmed" if mode == "update" else "2 files saved")
    expected = {path for path in read_tree(app_image) if not path.startswith("/.ota/")}
    live = {path for path in device_files_of(pico) if not path.startswith("/.ota/")}
    assert live == expected | {"/lib/new.py", "/settings.py"}


def test_a_module_in_its_other_form_takes_the_place_of_the_first(
    pico, http, open_page, make_folder
):
    http.put("/fs/lib/tool.py", content=b"X = 1").raise_for_status()
    main = http.get("/fs/main.py").content
    page = open_page(pico.url)
    compiled = compile_source(b"X = 2\n", "tool.py")
    files = {"lib/tool.mpy": compiled, "lib/more.py": b"", "main.py": main}
    choose_folder(page, make_folder(files))
    page.check("#mirror")
    start(page)
    headline(page, "Confirmed")
    live = device_files_of(pico)
    assert live["/lib/tool.mpy"] == compiled
    assert live["/lib/more.py"] == b""
    assert "/lib/tool.py" not in live


def test_a_name_that_no_version_can_have_is_not_sent(pico, open_page, make_folder):
    page = open_page(pico.url)
    choose_folder(page, make_folder({"a.txt": b"a", "b.txt": b"b"}))
    sent = []
    page.on("request", lambda request: sent.append(request.method))
    for name in ("", "a b", 'say "hi"'):
        page.fill("#version", name)
        start(page)
        assert page.evaluate("document.getElementById('version').validity.valid") is False
    assert "POST" not in sent
    page.fill("#version", "v1.0+good~(1)")
    start(page)
    headline(page, "Confirmed")


def test_one_file_is_just_saved(pico, open_page, make_folder):
    folder = make_folder({"settings.json": b"{}" * 30000})
    page = open_page(pico.url)
    page.fill("#target", "/data/")
    choose_files(page, folder / "settings.json")
    assert page.is_checked("[value=save]")
    watch_bars(page)
    start(page)
    headline(page, "1 file saved")
    assert "next restart" in page.inner_text("#detail")
    page.click("text=Restart now")
    page.wait_for_selector("#notes >> text=Back after")
    assert device_files_of(pico)["/data/settings.json"] == b"{}" * 30000


@pytest.mark.parametrize("mode", ["update", "save"])
def test_bar_moves_while_a_file_is_on_its_way(slow_pico, open_page, make_folder, mode):
    page = open_page(slow_pico.url)
    choose_files(page, make_folder({"big.bin": bytes(200_000)}) / "big.bin")
    page.check(f"[value={mode}]")
    start(page)
    page.wait_for_function(
        """() => {
            const row = document.querySelector("#rows li");
            const moves = row.querySelector("progress").value > 0;
            return moves && row.querySelector(".chip").textContent === "uploading";
        }"""
    )
    headline(page, "Confirmed" if mode == "update" else "1 file saved")


def test_target_folder_and_the_name_of_the_folder(pico, http, open_page, make_folder):
    http.put("/fs/lib/one.py", content=b"1").raise_for_status()
    folder = make_folder({"one.py": b"1", "two.py": b"2"}, name="lib")
    page = open_page(pico.url)
    choose_folder(page, folder)
    # A folder of that name is there, so that is where it goes.
    assert page.is_checked("#inside")
    assert page.inner_text("#headline") == "1 unchanged, 1 new"
    page.fill("#target", "apps")
    page.press("#target", "Tab")
    headline(page, "2 new")
    assert page.input_value("#target") == "/apps/"
    page.uncheck("#inside")
    page.wait_for_selector("#rows >> text=/^\\/apps\\/one.py$/")
    page.check("[value=save]")
    start(page)
    headline(page, "2 files saved")
    assert device_files_of(pico)["/apps/two.py"] == b"2"


def test_dropped_folder_is_walked(pico, open_page, make_folder):
    # More than the hundred names that a browser hands out at a time.
    files = {f"many/f{i:03}.txt": b"%d" % i for i in range(120)} | {"top.py": b"top"}
    page = open_page(pico.url)
    drop(page, make_folder(files))
    page.wait_for_selector("#buttons button.main")
    assert page.inner_text("#headline") == "121 new"
    assert page.locator("#rows li").count() == 121
    assert page.locator("#rows >> text=/^\\/many\\/f119.txt$/").count() == 1


def test_dropped_files_and_folders_keep_their_names(pico, open_page, make_folder):
    folder = make_folder({"a/x.py": b"x", "y.py": b"y", "z/.DS_Store": b"", "z/z.py": b"z"})
    page = open_page(pico.url)
    drop(page, folder / "a", folder / "y.py", folder / "z")
    page.wait_for_selector("#buttons button.main")
    assert page.inner_text("#headline") == "3 new, 1 left out"
    assert page.locator("#rows .name").all_inner_texts() == ["/a/x.py", "/y.py", "/z/z.py"]


def test_files_of_the_updater_are_left_alone_unless_asked_for(pico, http, open_page, make_folder):
    boot = http.get("/fs/boot.py").content
    folder = make_folder({"boot.py": boot + b"# more\n", "app.py": b"1"})
    page = open_page(pico.url)
    choose_folder(page, folder)
    assert page.inner_text("#headline") == "1 new, 1 left out"
    assert page.locator("#rows .chip").all_inner_texts() == ["new", "updater, left alone"]
    page.check("#guarded")
    assert page.inner_text("#headline") == "1 changed, 1 new"
    page.check("[value=save]")
    start(page)
    headline(page, "2 files saved")
    assert device_files_of(pico)["/boot.py"] == boot + b"# more\n"


def test_sixty_files_need_few_connections(pico, open_page, make_folder):
    port = int(pico.url.rsplit(":", 1)[1])
    folder = make_folder({f"d{i % 5}/f{i}.bin": bytes([i]) * (i * 37) for i in range(60)})
    with Proxy(port) as proxy:
        page = open_page(f"http://pico-test.local:{port}")
        choose_folder(page, folder)
        page.check("[value=save]")
        start(page)
        headline(page, "60 files saved")
        assert proxy.connections <= 4
