"""Releases in one file, on a device that takes only signed ones and on one that takes any."""

import json

import pytest
from page_steps import device_files_of, drop, files_below, headline

from pico_ota.release import Options, build, keygen
from pico_ota.sim import SimulatedPico
from pico_ota.sim.image import read_tree
from tests.conftest import client_for


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return keygen(tmp_path_factory.mktemp("keys") / "mine", bits=2048)


@pytest.fixture
def make_release(app_image, make_folder, tmp_path):
    """Build a release of an application with a few more files."""

    def made(name, version="2.0.0", options=None, **more):
        main = read_tree(app_image)["/main.py"] + b"# the next\n"
        folder = make_folder({"main.py": main}, name="app")
        if not (folder / "lib").exists():
            make_folder({"lib/new.py": b"NEW = 1\n" * 6000}, name="app")
        build(folder, tmp_path / name, version, options or Options(), **more)
        return tmp_path / name, files_below(folder)

    return made


@pytest.fixture
def signed_pico(make_pico, app_image, board_files, keys, tmp_path):
    """A simulated Pico that trusts the key, and so takes signed releases only."""
    app = tmp_path / "signed"
    app.mkdir()
    main = read_tree(app_image)["/main.py"].decode()
    main = main.replace("trial_deadline_s", 'public_key="/public.json",\n        trial_deadline_s')
    (app / "main.py").write_text(main)
    (app / "public.json").write_text(json.dumps(json.loads(keys.public.read_text())))
    image = tmp_path / "signed.img"
    SimulatedPico(image, app=app, device_files=board_files).prepare()
    return make_pico(image=image)


def install(page, archive):
    drop(page, archive)
    page.click("text=Install release")


def requests_of(page):
    """Return a list that takes (method, address) of each request that changes something."""
    seen = []

    def note(request):
        if request.method not in ("GET", "HEAD"):
            seen.append((request.method, request.url.split("/", 3)[3].partition("?")[0]))

    page.on("request", note)
    return seen


def test_signed_releases_only_and_the_page_says_why(
    signed_pico, open_page, make_release, make_folder, keys
):
    page = open_page(signed_pico.url)
    page.wait_for_selector("#signed:visible")
    assert "public key" in page.inner_text("#signed")
    assert page.is_hidden("#folders")
    assert page.is_hidden("#where")
    drop(page, make_folder({"app.py": b"1"}) / "app.py")
    page.wait_for_selector("#error:has-text('refuses files that nobody signed')")

    unsigned, _ = make_release("unsigned.swu")
    drop(page, unsigned)
    page.wait_for_selector("#error:has-text('this release is not signed')")
    signed, files = make_release("signed.swu", sign_key=keys.private)
    page.click("text=Close")
    install(page, signed)
    headline(page, "Confirmed: 2.0.0 is running")
    live = device_files_of(signed_pico)
    assert {path: live[path] for path in files} == files


def test_a_signed_release_travels_as_what_changed(
    signed_pico, open_page, make_release, make_folder, keys
):
    page = open_page(signed_pico.url)
    first, _ = make_release("first.swu", sign_key=keys.private)
    install(page, first)
    headline(page, "Confirmed: 2.0.0 is running")
    page.click("text=Done")
    make_folder({"lib/new.py": b"NEW = 2\n" * 6000}, name="app")
    options = Options(delete=("/public.txt",))
    second, files = make_release("second.swu", "2.1.0", options, sign_key=keys.private)
    drop(page, second)
    headline(page, "Release 2.1.0, signed")
    assert page.inner_text("#detail").startswith("1 changed, 1 unchanged")
    sent = requests_of(page)
    page.click("text=Install release")
    headline(page, "Confirmed: 2.1.0 is running")
    assert sent == [
        ("POST", "api/v1/update"),
        ("PUT", "api/v1/update/files/lib/new.py"),
        ("POST", "api/v1/update/commit"),
    ]
    live = device_files_of(signed_pico)
    assert {path: live[path] for path in files} == files


def test_a_release_of_a_stranger_is_refused_and_nothing_stays(
    signed_pico, open_page, make_release, tmp_path
):
    stranger = keygen(tmp_path / "stranger", bits=2048)
    page = open_page(signed_pico.url)
    release, _ = make_release("x.swu", sign_key=stranger.private)
    sent = requests_of(page)
    install(page, release)
    headline(page, "Not finished")
    assert "signature" in page.inner_text("#error")
    assert sent == [("POST", "api/v1/update")]
    page.click("text=Close")
    with client_for(signed_pico) as http:
        assert http.get("/api/v1/status").json()["state"] == "idle"


def test_any_release_where_no_key_is_set(pico, http, open_page, make_release, make_folder):
    http.put("/fs/lib/old.py", content=b"old").raise_for_status()
    page = open_page(pico.url)
    archive, files = make_release("unsigned.swu", "2.0.0", Options(delete=("/lib/old.py",)))
    drop(page, archive)
    headline(page, "Release 2.0.0, not signed")
    assert "1 to delete" in page.inner_text("#detail")
    assert page.locator("#rows li", has_text="/lib/old.py").locator(".chip").inner_text() == (
        "delete"
    )
    page.click("text=Install release")
    headline(page, "Confirmed: 2.0.0 is running")
    live = device_files_of(pico)
    assert {path: live[path] for path in files} == files
    assert "/lib/old.py" not in live


def test_cancelled_release_leaves_nothing(slow_pico, open_page, make_release):
    page = open_page(slow_pico.url)
    archive, _ = make_release("unsigned.swu")
    sent = requests_of(page)
    with page.expect_request("**/api/v1/update/files/**"):
        install(page, archive)
    page.click("text=Cancel")
    headline(page, "Cancelled")
    assert sent[-1] == ("DELETE", "api/v1/update")
    with client_for(slow_pico) as http:
        assert http.get("/api/v1/status").json()["state"] == "idle"


def test_what_is_no_release_is_not_sent(pico, open_page, make_release, tmp_path):
    page = open_page(pico.url)
    sent = requests_of(page)
    release, _ = make_release("good.swu")
    data = release.read_bytes()
    for name, content, word in (
        ("zip.swu", b"PK\x03\x04" + bytes(2000), "zip.swu is no release"),
        ("short.swu", data[:9000], "short.swu ends too early"),
        ("empty.swu", b"", "empty.swu is no release"),
    ):
        (tmp_path / name).write_bytes(content)
        drop(page, tmp_path / name)
        page.wait_for_selector(f"#error:has-text('{word}')")
        assert page.inner_text("#headline") == "Not a release"
        page.click("text=Close")
    assert sent == []
    assert page.is_visible("#drop")
