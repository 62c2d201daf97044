"""A browser, the page of a simulated Pico in it, and folders of files to send."""

import json
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from pico_ota.sim import SimulatedPico

ROOT = Path(__file__).resolve().parents[2]
APP = Path(__file__).parent / "app"
CREDENTIALS = {"username": "admin", "password": "otapico"}
# A second loopback address: a proxy there keeps the device's port, which the Host header names.
PROXY_ADDRESS = "127.0.0.2"

_CHROMIUM = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync "
    f"--host-resolver-rules=MAP\tpico-test.local\t{PROXY_ADDRESS}"
)
# What a browser logs by itself for an answer that says no, or none.
_EXPECTED = re.compile(r"Failed to load resource")


@pytest.fixture(scope="session")
def chromium():
    arguments = [argument.replace("\t", " ") for argument in _CHROMIUM.split(" ")]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=arguments
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def page_js(tmp_path_factory):
    """Run the body of a function of (page, input) in node: page_js(body, input).

    `page` has what the page's modules export that need no browser. Returns what it returns;
    raises AssertionError with what it raises.
    """
    sys.path.insert(0, str(ROOT / "tools"))
    import build_page

    folder = tmp_path_factory.mktemp("node")
    entry, bundle = folder / "entry.js", folder / "page.mjs"
    names = ("archive", "description", "never", "sha256")
    entry.write_text("".join(f'export * from "{ROOT}/page/{name}.js";\n' for name in names))
    esbuild = [build_page.tool("esbuild"), str(entry), "--bundle", "--format=esm"]
    subprocess.run([*esbuild, f"--outfile={bundle}", "--log-level=warning"], check=True)
    program = str(Path(sys.executable).with_name("node"))

    def run(body, given=None):
        script = f"""
            import * as page from "{bundle}";
            import {{ readFileSync }} from "node:fs";
            const input = JSON.parse(readFileSync(0, "utf8"));
            const result = await (async () => {{ {body} }})();
            console.log(JSON.stringify(result));
        """
        done = subprocess.run(
            [program, "--input-type=module", "-e", script],
            input=json.dumps(given),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.fixture(scope="session")
def app_image(board_files, tmp_path_factory):
    """A never booted image with the application that confirms soon."""
    path = tmp_path_factory.mktemp("page") / "app.img"
    SimulatedPico(path, app=APP, device_files=board_files).prepare()
    return path


@pytest.fixture
def page_pico(make_pico, app_image, tmp_path):
    """Start a simulated Pico with that application: page_pico(**options)."""
    return lambda **options: make_pico(
        image=shutil.copyfile(app_image, tmp_path / "page.img"), **options
    )


@pytest.fixture
def pico(page_pico):
    return page_pico()


@pytest.fixture
def slow_pico(page_pico):
    """A simulated Pico whose flash takes the time of a real one: 64 KB are nearly a second."""
    return page_pico(flash_timing=True)


@pytest.fixture
def open_page(chromium):
    """Open the page at a URL: open_page(url, **options of the browser context).

    At the end no page may have broken its own security policy, raised, or asked elsewhere.
    """
    contexts = []
    complaints = []

    def opened(url, ready="#main:not([hidden])", **options) -> Page:
        options.setdefault("http_credentials", CREDENTIALS)
        options.setdefault("viewport", {"width": 1180, "height": 900})
        context = chromium.new_context(**options)
        context.set_default_timeout(30000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(f"raised: {error}"))
        page.on("console", note)
        page.on("dialog", note_dialog)
        page.on("request", lambda request: note_request(url, request))
        page.goto(url)
        page.wait_for_selector(ready)
        return page

    def note(message):
        if message.type in ("error", "warning") and not _EXPECTED.search(message.text):
            complaints.append(f"console: {message.text}")

    def note_dialog(dialog):
        if dialog.type != "beforeunload":
            complaints.append(f"dialog: {dialog.message}")
        dialog.accept()

    def note_request(url, request):
        if not request.url.startswith((url, "data:", "blob:")):
            complaints.append(f"asked elsewhere: {request.url}")

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def make_folder(tmp_path):
    """Make a folder of files: make_folder({"lib/x.py": b"..."}) or make_folder(20)."""

    def made(files, name="project") -> Path:
        if isinstance(files, int):
            files = some_files(files)
        top = tmp_path / name
        for path, data in files.items():
            (top / path).parent.mkdir(parents=True, exist_ok=True)
            (top / path).write_bytes(data)
        return top

    return made


def some_files(count, seed=1):
    """Return *count* files in nested folders, of a few bytes up to 40 KB."""
    rng = random.Random(seed)
    sizes = (0, 1, 300, 4096, 5000, 12000, 40000)
    folders = ("", "lib/", "lib/net/", "assets/pictures/")
    return {
        f"{folders[i % len(folders)]}file_{i}.bin": rng.randbytes(sizes[i % len(sizes)])
        for i in range(count)
    }
