"""Patterns for files that stay at home, as ``.gitignore`` writes them.

A pattern without a slash matches a name at any depth, one with a slash is anchored at the top of
the folder that is pushed; a slash at its end means folders only; ``*`` and ``?`` stop at slashes,
``**`` does not; ``!`` takes back what an earlier pattern ignored. The last match decides.
What lies in an ignored folder is ignored: nothing inside can be taken back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from .errors import UsageError
from .never import JUNK


class Ignore:
    """A list of patterns; `ignored` says whether a path below the pushed folder stays out."""

    def __init__(self, patterns: Iterable[str] = (), defaults: Iterable[str] = JUNK) -> None:
        self._rules = [_rule(pattern) for pattern in (*defaults, *patterns) if pattern.strip()]

    def ignored(self, path: str, directory: bool = False) -> bool:
        """Whether *path* (relative, slashes) is ignored; its parents are the walker's job."""
        verdict = False
        for wanted, folders_only, regex in self._rules:
            if (directory or not folders_only) and regex.fullmatch(path):
                verdict = wanted
        return verdict


def _rule(pattern: str) -> tuple[bool, bool, re.Pattern[str]]:
    text = pattern.strip()
    wanted = not text.startswith("!")
    text = text[0 if wanted else 1 :]
    if text.startswith(("\\!", "\\#")):
        text = text[1:]
    if "\\" in text:
        raise UsageError(
            f"the ignore pattern '{pattern}' has a backslash. Write / between folders: "
            f"'{pattern.replace(chr(92), '/')}'."
        )
    folders_only = text.endswith(("/", "/."))
    top = text.startswith("./")
    parts = [part for part in text.split("/") if part != "."]
    if ".." in parts:
        raise UsageError(
            f"the ignore pattern '{pattern}' leads out of the folder that is sent, where nothing "
            "is taken from anyway. Leave the '..' out."
        )
    text = "/".join(parts).rstrip("/")
    anchored = top or "/" in text
    text = text.lstrip("/")
    if not text:
        raise UsageError(
            f"the ignore pattern '{pattern}' names nothing. Write '*.md' or 'tests/'."
        )
    try:
        regex = re.compile(("" if anchored else "(?:.*/)?") + _translate(text), re.DOTALL)
    except re.error:
        raise UsageError(
            f"the ignore pattern '{pattern}' cannot be read: check its square brackets."
        ) from None
    return wanted, folders_only, regex


def _translate(pattern: str) -> str:
    out = []
    at = 0
    while at < len(pattern):
        if pattern.startswith("**/", at):
            out.append("(?:.*/)?")
            at += 3
        elif pattern.startswith("**", at):
            out.append(".*")
            at += 2
        elif pattern[at] == "*":
            out.append("[^/]*")
            at += 1
        elif pattern[at] == "?":
            out.append("[^/]")
            at += 1
        elif pattern[at] == "[" and "]" in pattern[at + 2 :]:
            end = pattern.index("]", at + 2)
            inside = pattern[at + 1 : end].replace("\\", "\\\\").replace("[", "\\[")
            out.append("[^" + inside[1:] + "]" if inside[0] == "!" else f"[{inside}]")
            at = end + 1
        else:
            out.append(re.escape(pattern[at]))
            at += 1
    return "".join(out)
