"""Three simulated Picos: a release that is good, one that is broken, and the way back."""

import json
from pathlib import Path

import pytest

APPS = Path(__file__).parents[1] / "apps"


@pytest.fixture
def picos(make_pico, here, monkeypatch):
    boards = [make_pico(app="trial", start=False) for _ in range(3)]
    for board in boards:
        board.start()
    for board in boards:
        board.wait_listening(30)
    rows = "".join(
        f'{name} = "{board.url.removeprefix("http://")}"\n'
        for name, board in zip("abc", boards, strict=True)
    )
    (here / "fleet.toml").write_text(f"[boards]\n{rows}")
    monkeypatch.setenv("PICO_OTA_PASSWORD", "otapico")
    return boards


def build(cli, here, version, main):
    folder = here / f"app-{version}"
    folder.mkdir()
    (folder / "main.py").write_text(main)
    assert cli("build", folder, "-o", f"{version}.swu", "--version", version).status == 0
    return f"{version}.swu"


def versions(cli):
    told = json.loads(cli("fleet", "status", "--hosts", "fleet.toml", "--json").out)
    return [board["version"] for board in told["boards"]]


def test_good_and_broken_releases_and_the_way_back(picos, cli, here):
    main = (APPS / "trial/main.py").read_text()
    good = build(cli, here, "1.1.0", main + "# 1.1.0\n")
    broken = build(cli, here, "1.2.0", "import nothing_of_the_kind\n")

    first = cli("fleet", "push", good, "--hosts", "fleet.toml", "--canary", "1")
    assert (first.status, first.err) == (0, "")
    assert first.out.splitlines()[-1] == "3 of 3 boards run 1.1.0."
    assert versions(cli) == ["1.1.0"] * 3

    # Given again, it takes nothing from the boards: each still has its way back.
    writes = [board.flash_operations for board in picos]
    assert cli("fleet", "push", good, "--hosts", "fleet.toml").status == 0
    assert cli("push", good, "-H", picos[0].url.removeprefix("http://")).status == 0
    assert [board.flash_operations for board in picos] == writes

    bad = cli("fleet", "push", broken, "--hosts", "fleet.toml", "--canary", "1", "--json")
    assert bad.status == 5
    end = json.loads(bad.out.splitlines()[-1])
    assert list(end["failed"]) == ["a"]
    assert "exception" in end["failed"]["a"]
    assert end["not_started"] == ["b", "c"]
    assert versions(cli) == ["1.1.0"] * 3
    assert [board.flash_operations for board in picos][1:] == writes[1:]

    # What is asked for all the same is done, on one board or on many.
    host = picos[0].url.removeprefix("http://")
    assert cli("push", good, "-H", host, "--force").status == 0
    assert cli("fleet", "push", good, "--hosts", "fleet.toml", "--force", "b").status == 0
    assert [b.flash_operations > w for b, w in zip(picos, writes, strict=True)] == [1, 1, 0]
    assert cli("push", here / "app-1.1.0", "-H", host, "--force").status == 2

    back = cli("fleet", "rollback", "--hosts", "fleet.toml", "--from", "1.1.0")
    assert (back.status, back.err) == (0, "")
    # What was before is 1.1.0 itself, where that was forced.
    assert versions(cli) == ["1.1.0", "1.1.0", None]
    again = cli("fleet", "rollback", "--hosts", "fleet.toml", "--json")
    assert again.status == 0
    assert {board["outcome"] for board in json.loads(again.out)["boards"]} == {"left"}
