"""The page beside the server, in a browser, and what it is made of."""

import json
import re
import shutil

import httpx
import pytest
from playwright.sync_api import expect, sync_playwright
from test_rollout import WAIT, fails_from, registered
from update_server import Boards, known, pico_ota

_PUT = {"stages": [], "revision": 1, "created": 1.0, "state": "finished"}


@pytest.fixture(scope="module")
def chromium():
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=arguments
        )
        yield browser
        browser.close()


@pytest.fixture
def page(chromium, server):
    """The page, before the log-in; asks nothing but its server."""
    context = chromium.new_context()
    page = context.new_page()
    page.foreign, page.errors = [], []
    page.on(
        "request",
        lambda one: None if one.url.startswith(server.url) else page.foreign.append(one.url),
    )
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.on(
        "console",
        lambda line: (
            page.errors.append(line.text)
            if line.type == "error" and "Failed to load resource" not in line.text
            else None
        ),
    )
    page.goto(f"{server.url}/fleet/")
    yield page
    assert page.foreign == []
    assert page.errors == []
    context.close()


def password(server):
    return json.loads((server.folder / "admin.json").read_text())["password"]


def log_in(page, server):
    page.get_by_label("Password").fill(password(server))
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Boards")).to_be_visible()


def test_the_page_shows_a_roll_out_that_stopped(page, server, make_swu):
    fleet = known(server, 4)
    fleet[0].behave = fails_from("1.1.0")
    with Boards(fleet):
        registered(server, 4)
        told = server("rollout", make_swu("1.1.0"), "--stages", "2,100%", *WAIT, check=5)
    log_in(page, server)
    card = page.locator("article").filter(has_text=told["id"])
    expect(card).to_contain_text("stopped")
    expect(card).to_contain_text(told["why"])
    expect(card.get_by_role("img")).to_have_count(2)
    expect(card.get_by_role("img").nth(0)).to_have_attribute("aria-label", "1 confirmed, 1 failed")
    expect(card.get_by_role("img").nth(1)).to_have_attribute("aria-label", "2 waiting")
    # The bar is as long as the words say.
    widths = (
        card.locator("svg")
        .nth(0)
        .locator("rect")
        .evaluate_all("all => all.map(one => one.getBBox().width)")
    )
    assert widths == [50, 50]
    expect(card.get_by_role("listitem")).to_have_text(
        re.compile(r"^pico-000 failed: .*ImportError in /main\.py$")
    )
    rows = page.locator("#boards tr")
    expect(rows).to_have_count(4)
    expect(rows.nth(0)).to_contain_text("error")
    expect(page.locator("#versions")).to_contain_text("1 of 4")
    page.get_by_label("Find").fill("pico-003")
    expect(rows).to_have_count(1)


def test_it_follows_what_happens(page, server):
    log_in(page, server)
    expect(page.locator("main")).to_contain_text("No board yet")
    server("token", "pico-new")
    expect(page.locator("#boards")).to_contain_text("pico-new", timeout=20_000)


def test_a_wrong_password_is_said_and_shows_nothing(page, server):
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("Invalid")
    expect(page.locator("main")).to_be_hidden()


def test_log_out_forgets(page, server):
    log_in(page, server)
    page.get_by_role("button", name="Log out").click()
    expect(page.locator("main")).to_be_hidden()
    page.reload()
    expect(page.get_by_label("Password")).to_be_visible()
    expect(page.locator("main")).to_be_hidden()


def test_words_of_a_board_are_text(page, server):
    with Boards(known(server, 1, version="<img src=x onerror=alert(1)>")):
        registered(server, 1)
    log_in(page, server)
    expect(page.locator("#boards")).to_contain_text("<img src=x onerror=alert(1)>")
    assert page.locator("#boards img").count() == 0


def test_a_server_that_went_away_is_said(page, server):
    log_in(page, server)
    server.stop()
    expect(page.locator("#age")).to_contain_text("not up to date", timeout=20_000)


def test_nothing_is_told_to_strangers(server):
    for path in ("overview", "rollouts"):
        assert httpx.get(f"{server.url}/fleet/{path}").status_code == 401
    document = {"id": "x"} | _PUT
    assert httpx.put(f"{server.url}/fleet/rollouts/x", json=document).status_code == 401
    assert list((server.folder / "rollouts").iterdir()) == []
    head = httpx.get(f"{server.url}/fleet/").headers
    assert "default-src 'none'" in head["content-security-policy"]
    assert head["x-content-type-options"] == "nosniff"


def test_what_is_kept_is_checked(server):
    with httpx.Client(base_url=server.url) as client:
        log = {"name": "admin", "password": password(server)}
        answer = client.post("/fleet/login", json=log)
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie

        def put(name, document, **more):
            return client.put(f"/fleet/rollouts/{name}", json=document, **more).status_code

        assert put("x", {"id": "x"} | _PUT) == 200
        assert put("x", {"id": "x"} | _PUT) == 412  # made of what is not there any more
        assert put("x", {"id": "x"} | _PUT | {"revision": 2}) == 200
        assert put("y", {"id": "x"} | _PUT) == 422
        assert put(".x", {"id": ".x"} | _PUT) == 422
        assert put("..%2fx", {"id": "../x"} | _PUT) in (404, 422)
        assert put("z", [1]) == 422
        assert put("z", {"id": "z", "revision": "1"}) == 422
        big = client.put(
            "/fleet/rollouts/z",
            content=b'"' + b"x" * (17 << 20),
            headers={"content-type": "application/json"},
        )
        assert big.status_code == 413
        form = client.put(
            "/fleet/rollouts/z", content=b"{}", headers={"content-type": "text/plain"}
        )
        assert form.status_code == 415
    assert [one.name for one in (server.folder / "rollouts").iterdir()] == ["x.json"]
    assert list(server.folder.parent.glob("*.json")) == []


def test_a_damaged_file_is_said_and_hides_nothing_else(page, server):
    (server.folder / "rollouts" / "r1.json").write_text("{")
    log_in(page, server)
    expect(page.locator("article")).to_contain_text("cannot be read")
    done = pico_ota("fleet", "rollout", "status", "--data", server.folder, check=1)
    assert "cannot be read" in done.stderr


def test_a_server_without_its_own_store_keeps_roll_outs_here(
    server, make_swu, tmp_path, monkeypatch
):
    """Beside a gooseBit that is not ours, a file in the state folder holds them."""
    from pico_ota.fleet_server import driver, kept
    from pico_ota.fleet_server.access import access
    from pico_ota.fleet_server.api import archive
    from pico_ota.fleet_server.goosebit import GooseBit
    from pico_ota.fleet_server.stages import amount, stages

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    asked = driver.Asked(stages("1,100%"), amount("0", "x"), 1, 60.0, False, {"stages": "1,100%"})
    release = archive(make_swu("1.1.0"))
    with Boards(known(server, 2)) as fleet, GooseBit(access(server.url, server.folder)) as here:
        registered(server, 2)
        here._ours = False
        rollout = driver.begin(here, release, asked)
        while rollout.open:
            rollout = driver.step(here, driver.find(here, rollout.id))
        assert rollout.count("confirmed") == 2
        assert len(fleet.ran("1.1.0")) == 2
        stale = here.rollouts()[0]
        here.save(here.rollouts()[0])
        with pytest.raises(kept.BusyError):
            here.save(stale)
    files = list((tmp_path / "state" / "pico-ota").glob("*.json"))
    assert len(files) == 1
    assert files[0].stat().st_mode & 0o077 == 0
    assert list((server.folder / "rollouts").iterdir()) == []
