"""Every refusal has its sentence in ota/reasons.txt, and every sentence there its refusal."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

DEVICE = Path(__file__).parents[2] / "device"
CATALOGUE = (DEVICE / "ota/reasons.txt").read_text("ascii")

# ota/transaction.py puts the state, or what was wanted, behind the word; see there.
OF_STATES = {f"busy/{state}": 0 for state in ("committed", "trial", "reverting")}
OF_STATES |= {
    f"wrong_state/{event}": 1 for event in ("abort", "commit", "confirm", "rollback", "put")
}


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
    if name == "ota/transaction.py":
        for key, count in OF_STATES.items():
            yield name, key, count
    for function in functions(path):
        for call in [node for node in ast.walk(function) if is_refusal(node)]:
            where, key = f"{name}:{call.lineno}", call.args[1]
            if isinstance(key, ast.Constant):
                yield where, key.value, given(call.args[2:])
            elif name == "ota/transaction.py":
                continue
            elif builds(function, key):
                yield from built(path, function, call)
            else:
                yield where, ast.unparse(key), 0


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.parse(path.read_text("utf-8"))
    return [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]


def is_refusal(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and getattr(node.func, "id", None) == "Refused"


def builds(function: ast.FunctionDef, key: ast.expr) -> bool:
    """Whether *key* is a word and behind it an argument of *function*."""
    names = [argument.arg for argument in function.args.args]
    return isinstance(key, ast.BinOp) and getattr(key.right, "id", None) in names


def built(path: Path, function: ast.FunctionDef, call: ast.Call) -> Iterator[tuple[str, str, int]]:
    """Yield the refusals that *function* makes of what it is called with."""
    *arguments, last = call.args[2:] or [ast.Constant(0)]
    handed_on = isinstance(last, ast.Starred)
    before = len(arguments) if handed_on else given(call.args[2:])
    for use in calls(path, function.name):
        key = call.args[1].left.value + getattr(use.args[0], "value", "?")
        yield f"{path.name}:{use.lineno}", key, before + (given(use.args[1:]) if handed_on else 0)


def given(arguments: list[ast.expr]) -> int:
    """Return how many there are, -1 where only the board knows."""
    starred = any(isinstance(argument, ast.Starred) for argument in arguments)
    return -1 if starred else len(arguments)


def test_every_refusal_has_its_sentence_and_every_sentence_its_refusal() -> None:
    complaints = []
    used = set()
    for path in sorted(DEVICE.rglob("*.py")):
        for where, key, count in refusals(path):
            used.add(key)
            if key not in SENTENCES:
                complaints.append(f"{where}: {key} is not in the catalogue")
            elif count not in (-1, fields(SENTENCES[key])):
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
