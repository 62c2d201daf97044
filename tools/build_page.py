"""Build the page that the device serves at ``/``: one file out of ``page/``, compressed.

``page/index.html`` names one style sheet and one module; both go into it, the module with all that
it imports. The sources are plain modules, so that a browser and an editor understand them as they
are. Two rules make joining them simple: an import names one file of the same folder in a statement
of its own, and no two modules use the same name at top level. Comments and blank space are dropped
and nothing is renamed, so what a browser shows in its debugger is still what a person wrote.

Writes ``device/ota/page.html.gz`` and ``device/ota/page.py`` (the headers that belong to it).
"""

import base64
import hashlib
import re
import sys
import zlib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIMIT = 14 * 1024

_IMPORT = re.compile(r'^import (?:\{[^}]*\} from )?"\./([\w.]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=\w)", re.MULTILINE)
_TOP_NAME = re.compile(
    r"^(?:async function|function|class|const|let|var) (?:\{([^}]*)\}|(\w+))", re.MULTILINE
)
_TOKEN = re.compile(
    r"""
      (?P<comment>/\*.*?\*/|//[^\n]*)
    | (?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)
    | (?P<regex>/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n\[])+/[a-z]*)
    | (?P<space>\s+)
    | (?P<word>[\w$]+)
    | (?P<mark>.)
    """,
    re.VERBOSE | re.DOTALL,
)
# After one of these a slash begins a regular expression; after anything else it divides.
_BEFORE_REGEX = set("(,=:[!&|?{};>") | {"return"}
# Beside one of these no line break is needed to end a statement. "}" and ")" are not among the
# first: a break after them may be the only end that a statement has.
_OPEN = set("{([,;:?=&|+*<>!.")
_CLOSE = set("})],;:?=&|*<>.")


class PageError(Exception):
    """The sources cannot be made into one page."""


def bundle(folder: Path, name: str) -> str:
    """Return the module *name* with all it imports before it, as one module.

    Raises:
        PageError: If modules import each other in a circle, or two use the same name.
    """
    done: list[str] = []
    owners: dict[str, str] = {}
    parts: list[str] = []

    def add(module: str, path: tuple[str, ...]) -> None:
        if module in path:
            raise PageError(f"import circle: {' -> '.join((*path, module))}")
        if module in done:
            return
        text = (folder / module).read_text(encoding="utf-8")
        for needed in _IMPORT.findall(text):
            add(needed, (*path, module))
        done.append(module)
        text = _EXPORT.sub("", _IMPORT.sub("", text))
        if re.search(r"^(?:import|export)\b", text, re.MULTILINE):
            raise PageError(f"{module}: an import or export that this tool does not know")
        for found in _TOP_NAME.finditer(text):
            for top_name in re.findall(r"\w+", found[1] or found[2]):
                if owners.setdefault(top_name, module) != module:
                    raise PageError(f"{top_name!r} is in {owners[top_name]} and in {module}")
        parts.append(text)

    add(name, ())
    return "".join(parts)


def _tokens(source: str) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    last = ";"
    at = 0
    while at < len(source):
        found = _TOKEN.match(source, at)
        assert found is not None
        kind, text = str(found.lastgroup), found[0]
        if kind == "regex" and last not in _BEFORE_REGEX:
            kind, text = "mark", "/"
        at += len(text)
        if kind == "comment":
            kind, text = "space", "\n" if text.startswith("//") else " "
        if kind != "space":
            last = text if kind in ("word", "mark") else '"'
        elif tokens and tokens[-1][0] == "space":
            text = tokens.pop()[1] + text
        tokens.append((kind, text))
    return tokens


def strip_script(source: str) -> str:
    """Return *source* without comments and without the space that it does not need."""
    tokens = [("mark", ";"), *_tokens(source), ("mark", ";")]
    out: list[str] = []
    for i, (kind, text) in enumerate(tokens):
        if kind != "space":
            out.append(text)
            continue
        if i + 1 == len(tokens):
            break
        before, after = tokens[i - 1][1], tokens[i + 1][1]
        if before[-1] in _OPEN or after[0] in _CLOSE:
            continue
        if "\n" in text:
            out.append("\n")
        elif re.match(r"[\w$\"'`/]{2}|\+\+|--", before[-1] + after[0]):
            out.append(" ")
    return "".join(out[1:-1]).strip()


def strip_style(source: str) -> str:
    """Return a style sheet without comments and needless space."""
    source = re.sub(r"/\*.*?\*/", "", source, flags=re.DOTALL)
    source = re.sub(r"\s+", " ", source)
    source = re.sub(r" ?([{};,>]) ?", r"\1", source)
    return re.sub(r": (?=[^{}]*[;}])", ":", source).replace(";}", "}").strip()


def _hash_source(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def build(folder: Path = ROOT / "page") -> tuple[str, str]:
    """Return the page and the Content-Security-Policy that allows just its own two blocks."""
    style = strip_style((folder / "style.css").read_text(encoding="utf-8"))
    script = strip_script(bundle(folder, "main.js"))
    if "</" in script or "</" in style:
        raise PageError("'</' inside a block would end it")
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
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )
    return html, policy


def compress(html: str) -> bytes:
    """Return *html* as gzip with no time and no name in it: the same page gives the same bytes."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 16 + 15, 9)
    return packer.compress(html.encode()) + packer.flush()


def headers_module(html: str, policy: str) -> str:
    """Return the text of ``device/ota/page.py``."""
    etag = hashlib.sha256(html.encode()).hexdigest()[:16]
    rules = policy.split("; ")
    body = "".join(f'    "{rule}; "\n' for rule in rules[:-1]) + f'    "{rules[-1]}"\n'
    return (
        '"""Headers of page.html.gz, made by tools/build_page.py from page/: do not edit."""\n\n'
        f"ETAG = '\"{etag}\"'\n"
        f"CSP = (\n{body})\n"
    )


def main() -> int:
    """Write both files and say how big they are."""
    try:
        html, policy = build()
    except PageError as error:
        print(f"build_page: {error}", file=sys.stderr)
        return 1
    packed = compress(html)
    target = ROOT / "device" / "ota"
    target.mkdir(parents=True, exist_ok=True)
    (target / "page.html.gz").write_bytes(packed)
    (target / "page.py").write_text(headers_module(html, policy), encoding="utf-8")
    print(f"page.html.gz: {len(packed)} of at most {LIMIT} bytes, {len(html.encode())} unpacked")
    return int(len(packed) > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
