"""How the page looks and how it is used without a mouse or without eyes."""

import re
from pathlib import Path

import pytest
from page_steps import choose_folder, headline, start

STYLE = (Path(__file__).resolve().parents[2] / "page" / "style.css").read_text()
NARROW = {"viewport": {"width": 360, "height": 740}, "has_touch": True}
LONG = {"lib/" + "a_rather_long_name_" * 6 + ".py": b"1", "x.py": bytes(30000)}


def overflow(page):
    return page.evaluate("() => document.documentElement.scrollWidth - innerWidth")


def test_nothing_is_wider_than_a_narrow_screen(pico, open_page, make_folder):
    page = open_page(pico.url, **NARROW)
    page.wait_for_selector("#entries li")
    assert overflow(page) <= 0
    # The files of the updater take one line each; the longest words leave the name its place.
    rows = page.locator("#entries .calm").evaluate_all("rows => rows.map(r => r.offsetHeight)")
    assert len(rows) > 3
    assert max(rows) < 50
    page.evaluate(
        "() => { document.querySelector('#link').textContent = 'Not answering: again in 8 s' }"
    )
    assert page.evaluate("() => document.querySelector('#name').offsetHeight") < 40
    assert overflow(page) <= 0
    page.get_by_role("button", name="Rename main.py").click()
    assert overflow(page) <= 0
    choose_folder(page, make_folder(LONG))
    assert overflow(page) <= 0
    start(page)
    page.wait_for_selector("#steps:visible")
    assert overflow(page) <= 0
    headline(page, "On trial")
    assert overflow(page) <= 0
    headline(page, "Confirmed")
    assert overflow(page) <= 0
    # Each thing to press is as high as a finger needs, by WCAG 2.2 (24 px).
    heights = page.evaluate(
        "() => [...document.querySelectorAll('button, .button')]"
        ".filter(b => b.offsetParent).map(b => b.offsetHeight)"
    )
    assert min(heights) >= 24


def colours(block):
    found = dict(re.findall(r"--([\w-]+): (#[0-9a-f]+);", block))
    return {
        name: "".join(c * 2 for c in v[1:]) if len(v) == 4 else v[1:] for name, v in found.items()
    }


def contrast(one, other):
    def luminance(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        parts = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(scheme):
    light, dark = re.findall(r":root \{(.*?)\n *\}", STYLE, re.DOTALL)
    palette = colours(light if scheme == "light" else dark)
    pairs = """
        ink/card ink/ground ink/sunk ink/soft muted/card muted/ground muted/sunk muted/soft
        accent/card accent/soft on-accent/accent warn/warn-soft bad/bad-soft card/bad ink/warn-soft
    """
    for pair in pairs.split():
        text, ground = pair.split("/")
        assert contrast(palette[text], palette[ground]) >= 4.5, pair


def test_dark_where_the_person_wants_dark(pico, open_page):
    page = open_page(pico.url, color_scheme="dark")
    ground = page.evaluate("() => getComputedStyle(document.documentElement).backgroundColor")
    assert max(int(part) for part in re.findall(r"\d+", ground)) < 40
    page.emulate_media(color_scheme="light")
    ground = page.evaluate("() => getComputedStyle(document.documentElement).backgroundColor")
    assert min(int(part) for part in re.findall(r"\d+", ground)) > 220


def focus_by_tab(page, expression):
    """Press Tab until the focused element fits; fails when it is not among the first 60."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate(f"() => {{ const e = document.activeElement; return {expression} }}"):
            return
    raise AssertionError(expression)


def test_keyboard_alone_is_enough(pico, open_page, make_folder):
    folder = make_folder({"a.py": b"1", "b.py": b"2"})
    page = open_page(pico.url)
    page.on("filechooser", lambda chooser: None)  # or the first one would open a real dialog
    focus_by_tab(page, "e.id === 'pickFiles'")
    # The file input itself is invisible; its label shows where the focus is.
    outline = page.evaluate(
        "() => getComputedStyle(document.activeElement.parentNode).outlineStyle"
    )
    assert outline == "solid"
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Space")
    chooser.value.set_files([folder / "a.py", folder / "b.py"])
    headline(page, "2 new")
    assert page.evaluate("() => document.activeElement.id") == "headline"
    focus_by_tab(page, "e.name === 'mode'")
    page.keyboard.press("ArrowDown")
    assert page.is_checked("[value=save]")
    focus_by_tab(page, "e.textContent === 'Save 2 files'")
    page.keyboard.press("Enter")
    headline(page, "2 files saved")
    focus_by_tab(page, "e.textContent === 'Done'")
    page.keyboard.press("Enter")
    assert page.is_visible("#drop")


def test_everything_has_a_name_for_a_screen_reader(pico, open_page, make_folder):
    page = open_page(pico.url)
    choose_folder(page, make_folder(LONG))
    page.wait_for_selector("#entries li")
    page.evaluate("() => document.querySelectorAll('[hidden]').forEach(e => e.hidden = false)")
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("input, button, progress")]
            .filter(e => !e.ariaLabel && !e.textContent.trim())
            .filter(e => !e.labels?.[0]?.textContent.trim())
            .filter(e => e.type !== "hidden" && e.autocomplete !== "username")
            .map(e => e.outerHTML)"""
    )
    assert nameless == []
    assert page.evaluate("() => document.documentElement.lang") == "en"
    assert page.locator("[aria-live=polite]").count() == 1
    page.check("[value=save]")
    start(page)
    headline(page, "2 files saved")
    assert page.inner_text("#live") == "2 files saved"
