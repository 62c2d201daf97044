"""Every refusal has its sentence in ota/reasons.txt, and every sentence there its refusal."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

DEVICE = Path(__file__).parents[2] / "device"
CATALOGUE = (DEVICE / "ota/reasons.txt").read_text("ascii")

# Functions that put a word in front of the key, and arguments in front of the others'.
BUILDERS = {
    "ota/cpio.py": ("_bad", "bad_archive/", 1),
    "ota/manifest_reader.py": ("_fail", "bad_manifest/", 1),
    "ota/signature.py": ("_bad_key", "bad_key/", 0),
}
# ota/states.py puts the state behind the word: in "idle" nothing is in the way of a "begin".
STATES = ("staging", "committed", "trial", "reverting")
OF_STATES = {f"{word}/{state}" for word in ("busy", "wrong_state") for state in STATES}
OF_STATES.add("wrong_state/idle")


def lines() -> list[tuple[str, str]]:
    """Return the keys and sentences, in their order."""
    found = []
    for line in CATALOGUE.splitlines():
        if not line.startswith("#"):
            key, _, sentence = line.partition(" ")
            found.append((key, sentence))
    return found


SENTENCES = dict(lines())


def calls(path: Path, name: str) -> Iterator[ast.Call]:
    """Yield the calls of *name* or of a method *name* in the file."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            function = node.func
            if getattr(function, "id", None) == name or getattr(function, "attr", None) == name:
                yield node


def fields(sentence: str) -> int:
    return len(re.findall(r"%\d*[sdrX]", sentence))


def refusals(path: Path) -> Iterator[tuple[str, str, int]]:
    """Yield where, the key and the number of arguments of each refusal in the file."""
    name = path.relative_to(DEVICE).as_posix()
    for call in calls(path, "Refused"):
        where, key = f"{name}:{call.lineno}", call.args[1]
        if isinstance(key, ast.Constant):
            yield where, key.value, given(call.args[2:])
        elif name not in BUILDERS and name != "ota/states.py":
            yield where, ast.unparse(key), 0
    if name in BUILDERS:
        function, prefix, before = BUILDERS[name]
        for call in calls(path, function):
            key = prefix + getattr(call.args[0], "value", "?")
            yield f"{name}:{call.lineno}", key, before + given(call.args[1:])
    if name == "ota/states.py":
        for key in OF_STATES:
            yield name, key, 1


def given(arguments: list[ast.expr]) -> int:
    assert not any(isinstance(argument, ast.Starred) for argument in arguments)
    return len(arguments)


def test_every_refusal_has_its_sentence_and_every_sentence_its_refusal() -> None:
    complaints = []
    used = set()
    for path in sorted(DEVICE.rglob("*.py")):
        for where, key, count in refusals(path):
            used.add(key)
            if key not in SENTENCES:
                complaints.append(f"{where}: {key} is not in the catalogue")
            elif count != fields(SENTENCES[key]):
                complaints.append(f"{where}: {count} arguments for {key} {SENTENCES[key]}")
    complaints += [f"nobody says {key}" for key in SENTENCES if key not in used]
    assert not complaints


def test_the_lines_are_sorted_and_there_is_one_for_a_key() -> None:
    keys = [key for key, _ in lines()]
    assert keys == sorted(set(keys))


def test_the_lines_are_what_the_device_can_read() -> None:
    assert CATALOGUE.endswith(".\n")
    for key, sentence in lines():
        assert re.fullmatch(r"[a-z_]+(/[a-z_0-9]+)?", key), key
        assert sentence == sentence.strip() != "", key
        assert "%" not in re.sub(r"%\d*[sdrX]", "", sentence), key


def test_the_word_alone_is_no_key_where_it_has_several_sentences() -> None:
    keys = set(SENTENCES)
    assert not {key.split("/")[0] for key in keys if "/" in key} & keys
