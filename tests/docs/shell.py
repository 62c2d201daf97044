"""Runs the `console` blocks of a document in one shell, and compares what they print.

A line that starts with "$ " is a command, "> " continues it, the rest is what it prints. In that,
"…" stands for anything (alone in a line: for any lines), and JSON may be written in any order and
on any number of lines; of what differs from run to run only the kind is compared.
"""

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_END = "\036"

# Members of JSON answers that are different each time, or on each computer.
VOLATILE = {
    "boot_id", "uptime_s", "rssi", "free", "used", "total", "need", "micropython", "release",
    "ip", "remaining_s", "trial_deadline_s", "id", "next", "lines", "seconds", "bytes_sent",
    "signer", "sha256", "actual", "found", "expected", "pid", "url", "port", "erases", "programs",
}  # fmt: skip
_VARYING = (
    (r"\d+(\.\d+)? s\b", "N s"),
    (r"\(\d+ KB/s\)", "(N KB/s)"),
    (r"\b\d{1,3}( \d{3})+\b", "N"),
    (r" {2,}", "  "),  # columns are as wide as what is in them
)


@dataclass(frozen=True)
class Step:
    """A command with what the document says that it prints."""

    place: str
    command: str
    printed: str


def steps(blocks):
    """Return the steps of the console blocks among *blocks* that are not marked as not run."""
    found = []
    for block in blocks:
        if block.language != "console" or block.mark.startswith("not run"):
            continue
        for number, line in enumerate(block.text.splitlines(), block.line + 1):
            if line.startswith("$ "):
                found.append([f"{block.document}:{number}", line[2:], []])
            elif (line + " ").startswith("> ") and not found[-1][2]:
                found[-1][1] += "\n" + line[2:]
            else:
                found[-1][2].append(line)
    return [Step(place, command, "\n".join(lines)) for place, command, lines in found]


def run(steps, folder, hosts=(), environment=(), timeout_s=200):
    """Run *steps* in *folder* and return the differences, as a list of texts.

    *hosts* is {address in the document: address of the simulated Pico}.
    """
    hosts = dict(hosts)
    script = "".join(
        f"{_translated(step.command, hosts)}\n"
        f"_status=$?; printf '{_END}%s{_END}' $_status; (exit $_status)\n"
        for step in steps
    )
    output = _shell(script, folder, environment, timeout_s)
    parts = output.split(_END)
    problems = []
    for number, step in enumerate(steps):
        if 2 * number + 1 >= len(parts):
            return [*problems, f"{step.place}: the shell ended before {step.command!r}"]
        printed, status = parts[2 * number], int(parts[2 * number + 1])
        printed = _translated(printed, {real: said for said, real in hosts.items()})
        following = steps[number + 1].command if number + 1 < len(steps) else ""
        if status and not step.printed and following != "echo $?":
            problems.append(f"{step.place}: status {status}\n$ {step.command}\n{printed}")
        elif difference(step.printed, printed):
            problems.append(
                f"{step.place}: {difference(step.printed, printed)}\n$ {step.command}\n"
                f"--- said\n{step.printed}\n--- printed\n{printed}"
            )
    return problems


def _shell(script, folder, environment, timeout_s):
    path = Path(sys.executable).parent
    process = subprocess.Popen(
        ["bash", "-c", script],
        cwd=folder,
        env={
            "PATH": f"{path}:{os.environ['PATH']}",
            "HOME": str(folder),
            "LC_ALL": "C.UTF-8",
            "COLUMNS": "100",
            "NO_PROXY": "*",
            # The checkout that is tested, where another one is installed.
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            **dict(environment),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        return process.communicate(timeout=timeout_s)[0]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return process.communicate()[0]
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)  # what was left in the background
        except ProcessLookupError:
            pass


def _translated(text, hosts):
    for said in sorted(hosts, key=len, reverse=True):
        text = text.replace(said, hosts[said])
    return text


def difference(said, printed):
    """Return how *printed* differs from what was *said*, or None."""
    if not said:
        return None  # the document does not say
    wanted, got = _document(said), _document(printed)
    if wanted is not None:
        if got is None:
            return "this is no JSON"
        return _compare(wanted[0], got[0], "") or (
            f"{wanted[1]!r} is said behind it" if wanted[1] != got[1] else None
        )
    pattern = _pattern(said.strip())
    return None if re.match(pattern, _evened(printed.strip())) else "it prints otherwise"


def _document(text):
    """Return (value, rest of the last line) of JSON, or None."""
    text = text.strip()
    try:
        value, end = json.JSONDecoder().raw_decode(text.replace("\n", " "))
    except ValueError:
        return None
    rest = text[end:].strip()
    return (value, rest) if isinstance(value, (dict, list)) and "\n" not in rest else None


def _compare(wanted, got, where):
    if wanted == "…":
        return None
    if type(wanted) is not type(got):
        return f"{where or 'it'} is {got!r}, said is {wanted!r}"
    if isinstance(wanted, dict):
        if set(wanted) != set(got):
            return f"{where or 'it'} has {sorted(set(wanted) ^ set(got))} on one side only"
        for name, value in wanted.items():
            if name in VOLATILE and not isinstance(value, (dict, list)):
                if type(value) is not type(got[name]):
                    return f"{where}.{name} is {got[name]!r}, said is {value!r}"
            elif name not in VOLATILE or isinstance(value, dict):
                problem = _compare(value, got[name], f"{where}.{name}")
                if problem:
                    return problem
        return None
    if isinstance(wanted, list):
        if "…" in wanted:
            wanted, got = wanted[: wanted.index("…")], got[: wanted.index("…")]
        if len(wanted) != len(got):
            return f"{where or 'it'} has {len(got)} entries, said are {len(wanted)}"
        for number, pair in enumerate(zip(wanted, got, strict=True)):
            problem = _compare(*pair, f"{where}[{number}]")
            if problem:
                return problem
        return None
    return None if wanted == got else f"{where or 'it'} is {got!r}, said is {wanted!r}"


def _evened(text):
    lines = (line.rstrip() for line in text.replace("\r", "").split("\n"))
    text = "\n".join(lines)
    for pattern, word in _VARYING:
        text = re.sub(pattern, word, text)
    return text


def _pattern(said):
    return "".join(map(_line_pattern, _evened(said).split("\n"))) + r"\Z"


def _line_pattern(line):
    if line.strip() == "…":
        return r"(?:[^\n]*(?:\n|\Z))*?"
    pattern = r"[^\n]*".join(map(re.escape, line.split("…"))) + r"(?:\n|\Z)"
    # Whether a question comes in time to see the trial depends on how busy this computer is.
    return f"(?:{pattern})?" if line.startswith("On trial") else pattern
