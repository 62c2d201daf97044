"""Releases in one file, on a device that takes only signed ones and on one that takes any."""

import json

import pytest
from page_steps import device_files_of, drop, files_below, headline

from pico_ota.release import Options, build, keygen
from pico_ota.sim import SimulatedPico
from pico_ota.sim.image import read_tree


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return keygen(tmp_path_factory.mktemp("keys") / "mine", bits=2048)


@pytest.fixture
def make_release(app_image, make_folder, tmp_path):
    """Build a release of an application with a few more files."""

    def made(name, **options):
        main = read_tree(app_image)["/main.py"] + b"# the next\n"
        folder = make_folder({"main.py": main, "lib/new.py": b"NEW = 1\n" * 6000}, name="app")
        build(folder, tmp_path / name, "2.0.0", Options(), **options)
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
    install(page, unsigned)
    page.wait_for_selector("#rows small:text('not signed')")
    signed, files = make_release("signed.swu", sign_key=keys.private)
    page.click("text=Close")
    install(page, signed)
    headline(page, "Confirmed: 2.0.0 is running")
    live = device_files_of(signed_pico)
    assert {path: live[path] for path in files} == files


def test_any_release_where_no_key_is_set(pico, open_page, make_release):
    page = open_page(pico.url)
    archive, files = make_release("unsigned.swu")
    install(page, archive)
    headline(page, "Confirmed: 2.0.0 is running")
    live = device_files_of(pico)
    assert {path: live[path] for path in files} == files
