"""The figures that README and CHANGELOG give are those of docs/measured.md."""

import re

from fences import ROOT, table

README, CHANGES, MEASURED = (
    (ROOT / name).read_text("utf-8") for name in ("README.md", "CHANGELOG.md", "docs/measured.md")
)


def numbers(text):
    return [float(number) for number in re.findall(r"\d+(?:\.\d+)?", text.replace(",", ""))]


def measured(bench, row):
    """Return the numbers that `python -m bench` *bench* gave for the row that begins so."""
    _, found, section = MEASURED.partition(f"`python -m bench {bench}`")
    assert found, bench
    (line,) = re.findall(rf"^\| {re.escape(row)}.*", section.split("\n**")[0], re.MULTILINE)
    return numbers(line.split(" | ")[1])


def test_those_of_the_readme():
    text = " ".join(README.split())
    told = re.search(r"of (\d+ \d+) power cuts.* and (\d+ \d+) of them", text).groups()
    swept = re.search(r"same sweep is (\d+ \d+) cut points, (\d+ \d+) of them", MEASURED).groups()
    assert told == swept
    (flash,) = measured("footprint", "the updater, 9 files")[:1]
    (resident,) = measured("heap", "guard, service and Wi-Fi manager")
    assert f"takes {flash:.0f} KB of the flash and, at rest, {resident:.0f} KB of" in text
    assert f"files take {flash:.0f} KB of the 848 KB" in text
    (confirmed,) = measured("push", "`push --confirm`")
    assert f"checked and kept after {confirmed:.1f} s" in text
    push, curl = (measured("compare", row)[1] for row in ("`pico-ota push` (cut", "`curl -T`"))
    assert f"it takes {push / curl:.1f} times as long as with `curl -T`" in text
    stack = measured("c_stack", "signed release of 60 files")[0]
    assert f"with {stack / 1024:.0f} KB of the board's 7.9 KB of C stack" in text


def test_those_of_the_changelog():
    def heaps(*rows):
        return [measured("least_heap", row)[0] for row in rows]

    expected = (
        heaps("the page, `GET /`", "`GET /api/v1/status`", "the listing"),
        heaps("`PUT` of 64 KB |", "push of 10 files, through", "signed release of 10 files, thr"),
        measured("c_stack", "`PUT` into 15 new folders"),
        [measured("instructions", row)[-1] for row in ("push of 20", "signed release of 60")],
        measured("names", "interned names"),
        measured("names", "largest free piece")[:1],
        measured("heap", "guard, service and") + measured("heap", "the started service, above"),
        measured("put", "time of 500 KB without"),
        measured("update", "erases of an update of 60 files")[:1],
        measured("footprint", "the updater, 9 files"),
        measured("footprint", "lines under") + measured("footprint", "modules under") + [0],
    )
    rows = table(CHANGES, "with 0.1.0 needs `pico-ota install` over USB once.")
    for (what, _, now), values in zip(rows, expected, strict=True):
        assert numbers(now) == values, what
