"""The Markdown documents, their fenced blocks, headings and links."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

_FENCE = re.compile(
    r"^(?:<!-- (?P<mark>[^\n]*) -->\n)?```(?P<language>\S*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A fenced block; *mark* is the comment in the line before it."""

    document: str
    line: int
    language: str
    text: str
    mark: str

    @property
    def place(self):
        """Where it stands, for messages."""
        return f"{self.document}:{self.line}"


def documents():
    """Return {path below the root: text} of every document for readers."""
    found = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
    return {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in found}


def blocks(name):
    """Return the fenced blocks of the document *name*."""
    text = (ROOT / name).read_text("utf-8")
    return [
        Block(
            name,
            text.count("\n", 0, match.start("language")) + 1,
            match["language"],
            match["text"],
            match["mark"] or "",
        )
        for match in _FENCE.finditer(text)
    ]


def prose(text):
    """Return *text* without its fenced blocks."""
    return _FENCE.sub("", text)


def links(text):
    """Return the targets of all links."""
    return _LINK.findall(prose(text))


def anchors(text):
    """Return what a link to a heading of *text* may name, as GitHub makes it."""
    headings = re.findall(r"^#+ (.+)$", prose(text), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings
    }


def table(text, heading):
    """Return the rows, as lists of cells, of the first table below the line *heading*."""
    _, found, rest = text.partition(f"\n{heading}\n")
    assert found, f"there is no {heading!r}"
    rows = []
    for line in rest.splitlines():
        if line.startswith("|"):
            rows.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
        elif rows:
            break
    return rows[2:]
