"""What a person does with the page, as functions of a Playwright page."""

from pico_ota.sim.image import read_tree


def choose_folder(page, folder):
    page.set_input_files("#pickFolder", str(folder))
    page.wait_for_selector("#buttons button.main")


def choose_files(page, *paths):
    page.set_input_files("#pickFiles", [str(path) for path in paths])
    page.wait_for_selector("#buttons button.main")


def start(page):
    page.click("#buttons button.main")


def headline(page, text):
    page.wait_for_function(
        "text => document.getElementById('headline').textContent.includes(text)", arg=text
    )


def files_below(folder):
    return {
        "/" + path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def device_files_of(pico):
    pico.stop()
    return read_tree(pico.image)


def drop(page, *paths):
    """Drop real files and folders, as a person does from a file manager."""
    session = page.context.new_cdp_session(page)
    box = page.locator("#upload").bounding_box()
    place = {"x": box["x"] + 40, "y": box["y"] + 40}
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, **place, "data": data})
