"""The version word of a push that was given none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

_LONGEST = 40


def default_version(sources: Sequence[Path], digest: str) -> str:
    """What to call the content with *digest* that was read from *sources*.

    In a git work tree it is what ``git describe --tags --always`` says; where the sources differ
    from that commit (files that git ignores are not looked at), with ``+`` and the digest.
    Elsewhere it is ``files-`` and the digest. There is no time in it: the same content has the
    same word wherever it is pushed from.
    """
    described = {_git(source, "describe", "--tags", "--always") for source in sources}
    word = described.pop()
    if not word or described:  # no work tree, or several
        return f"files-{digest}"
    clean = all(_git(source, "status", "--porcelain", "--", ".") == "" for source in sources)
    word = word.removeprefix("v") if clean else f"{word.removeprefix('v')}+{digest[:8]}"
    # A device takes 40 characters of plain ASCII; a tag may be more than that.
    return word if word.isascii() and len(word) <= _LONGEST else f"files-{digest}"


def _git(source: Path, *arguments: str) -> str | None:
    import subprocess

    folder = source if source.is_dir() else source.parent
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
