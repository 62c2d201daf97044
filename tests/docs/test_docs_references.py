"""What the documents list is what the code has."""

import ast
import hashlib
import importlib.util
import json
import re
import tomllib
from importlib.metadata import distribution

import pytest
from fences import ROOT, blocks, documents, table

from pico_ota import __version__, project
from pico_ota.cli.app import VERBS
from pico_ota.errors import PicoOtaError


def tool(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / f"tools/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --- the command line -------------------------------------------------------------------------


def test_the_command_line_reference_is_current():
    text = (ROOT / "docs/cli.md").read_text("utf-8")
    assert text == tool("build_docs").reference(), "run: .venv/bin/python tools/build_docs.py"
    for verb in VERBS:
        assert f"\n### {verb}\n" in text


def test_the_project_file_shown_is_the_one_that_is_read(tmp_path):
    (shown,) = [block.text for block in blocks("docs/cli.md") if block.language == "toml"]
    assert set(tomllib.loads(shown)) == set(project._KINDS)
    (tmp_path / project.FILE_NAME).write_text(shown)
    assert project.load(tmp_path / project.FILE_NAME).ignore == ("*.md", "tests/")


def test_the_exit_statuses_listed_are_those_of_the_errors():
    def statuses(error):
        yield error.exit_status
        for kind in error.__subclasses__():
            yield from statuses(kind)

    listed = table((ROOT / "docs/cli.md").read_text("utf-8"), "## Exit status")
    assert {int(row[0]) for row in listed} == {0, *statuses(PicoOtaError)}


def test_every_variable_of_the_environment_is_real():
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "src/pico_ota").rglob("*.py"))
    for name, text in documents().items():
        for variable in re.findall(r"PICO_OTA_[A-Z_]+", text):
            assert variable in sources, f"{name}: {variable}"


# --- mip --------------------------------------------------------------------------------------


def listed():
    return json.loads((ROOT / "package.json").read_text("utf-8"))


def shipped():
    device = ROOT / "device"
    return {
        path.relative_to(device).as_posix()
        for path in device.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_mip_lists_exactly_the_device_files():
    package = listed()
    targets = [target for target, _ in package["urls"]]
    assert len(targets) == len(set(targets))
    assert set(targets) == shipped() | {"lib/microdot.py"}
    assert package["version"] == __version__
    # Until all it needs is there, a restart must not run the guard.
    assert targets[-1] == "boot.py"


def test_mip_gets_the_microdot_that_the_tests_run_with():
    (url,) = [url for _, url in listed()["urls"] if "://" in url]
    version = distribution("microdot").version
    assert url == (
        "https://raw.githubusercontent.com/miguelgrinberg/microdot/"
        f"v{version}/src/microdot/microdot.py"
    )


class Transport:
    """A board as mpremote sees it, in memory."""

    def __init__(self):
        self.files = {}
        self.folders = {"/"}

    def fs_exists(self, path):
        return re.sub("/+", "/", path) in self.folders | set(self.files)

    def fs_mkdir(self, path):
        self.folders.add(re.sub("/+", "/", path))

    def fs_writefile(self, path, data, progress_callback=None):
        self.files[re.sub("/+", "/", path)] = data


def test_mpremote_installs_it_all(monkeypatch, board_files):
    from mpremote import mip

    class Answer:
        def __init__(self, url):
            spec = importlib.util.find_spec("microdot.microdot")
            self.data = open(spec.origin, "rb").read()

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def read(self):
            return self.data

    monkeypatch.setattr(mip.urllib.request, "urlopen", Answer)
    monkeypatch.chdir(ROOT)
    board = Transport()
    mip._install_package(board, "package.json", "", "/", None, True)
    from pico_ota.devicefiles import device_files

    def digests(files):
        return {path: hashlib.sha256(data).hexdigest() for path, data in files.items()}

    assert digests(board.files) == digests(device_files(mpy=False))


# --- HTTP -------------------------------------------------------------------------------------

HTTP = (ROOT / "docs/http.md").read_text("utf-8")


def literal(path, name):
    """Return the value of the constant *name* of the module at *path*, which is not imported."""
    for node in ast.parse((ROOT / path).read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == name:
            return ast.literal_eval(node.value)
    raise AssertionError(f"{path} has no {name}")


def test_every_route_is_described_and_no_other():
    rows = [line.split(" ") for line in literal("device/ota/routes.py", "_ROWS").splitlines()]
    routes = {(method, path.rstrip("/")) for method, path, *_ in rows if path != "/"}
    assert len(routes) > 15
    described = set()
    for methods, path in re.findall(r"`((?:GET|PUT|POST|DELETE|MOVE)) (/[\w/]+)", HTTP):
        described.add((methods, path.rstrip("/")))
    assert described == routes


def test_every_word_of_an_error_is_listed_with_its_status():
    used = set()
    for path in (ROOT / "device").rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(call, ast.Call) or len(call.args) < 2:
                continue
            status, key = call.args[:2]
            if isinstance(key, ast.BinOp):  # a word and what the code puts behind it
                key = key.left
            status, key = getattr(status, "value", None), getattr(key, "value", None)
            if isinstance(status, int) and isinstance(key, str) and 400 <= status < 600:
                used.add((status, key.split("/")[0]))
    used |= {(409, "busy"), (409, "wrong_state")}  # of ota/states.py, by name
    listed = {
        (int(status), word)
        for status, words in table(HTTP, "## Errors")
        for word in re.findall(r"`(\w+)`", words)
        if word != "Allow"
    }
    assert listed == used


def test_the_limits_are_those_of_the_code():
    def number(path, name):
        source = (ROOT / path).read_text("utf-8")
        (found,) = re.findall(rf"^{name} = (?:const\()?([^)\n]+)", source, re.MULTILINE)
        return eval(found)

    limits = " ".join(" ".join(row) for row in table(HTTP, "## Limits"))
    for path, name, words in (
        ("device/ota/lines.py", "LINE_BYTES", "{} bytes"),
        ("device/ota/request.py", "_HEAD_BYTES", "{} bytes in"),
        ("device/ota/request.py", "_HEAD_LINES", "{} lines"),
        ("device/ota/reception.py", "_MAX_OPEN", "connections at once {};"),
        ("device/ota/reception.py", "_GRACE_MS", "{} ms"),
        ("device/ota/body.py", "_SMALL", "{} bytes"),
        ("device/ota/manifest.py", "MAX_ENTRIES", "{} files and deletions"),
        ("device/ota/paths.py", "MAX_PATH", "{} bytes"),
        ("device/ota/paths.py", "MAX_DEPTH", "{} segments"),
    ):
        assert words.format(number(path, name)) in limits
    assert number("device/ota/connection.py", "_HEAD_MS") == 5000
    assert number("device/ota/connection.py", "_IDLE_MS") == 7000
    assert number("device/ota/connection.py", "_STALL_MS") == 10000
    assert number("device/ota/manifest_reader.py", "_MAX_BYTES") == 500000
    assert number("device/ota/manifest.py", "_MAX_SIZE") == 16 << 20
    assert number("device/ota/uploads.py", "_WAIT_MS") == 10000
    assert number("device/ota/device.py", "_LEASE_MS") == 120000
    assert number("device/ota/access.py", "_FREE_TRIES") == 10
    assert number("device/ota/access.py", "_MAX_WAIT_S") == 60


# --- Python -----------------------------------------------------------------------------------

PYTHON = (ROOT / "docs/python.md").read_text("utf-8")
CLASSES = [
    ("device/service_ota.py", "OTAUpdateService"),
    ("device/manager_wifi.py", "WiFiManager"),
]


def methods(path, name):
    """Return {name: (arguments as source, whether it is async)} of the public part of a class."""
    (body,) = [
        node.body
        for node in ast.parse((ROOT / path).read_text("utf-8")).body
        if isinstance(node, ast.ClassDef) and node.name == name
    ]
    return {
        node.name: node
        for node in body
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and (node.name == "__init__" or not node.name.startswith("_"))
    }


@pytest.mark.parametrize(("path", "name"), CLASSES)
def test_arguments_and_their_defaults_are_those_of_the_code(path, name):
    arguments = methods(path, name)["__init__"].args
    named = arguments.args[1:]
    defaults = [""] * (len(named) - len(arguments.defaults))
    defaults += [ast.unparse(value) for value in arguments.defaults]
    defaults += [ast.unparse(value) for value in arguments.kw_defaults]
    wanted = [
        (argument.arg, default)
        for argument, default in zip([*named, *arguments.kwonlyargs], defaults, strict=True)
    ]
    rows = table(PYTHON, f"## {name}")
    listed = [(row[0].strip("`"), row[1].strip("`").replace('"', "'")) for row in rows]
    assert listed == wanted


@pytest.mark.parametrize(("path", "name"), CLASSES)
def test_methods_and_their_arguments_are_those_of_the_code(path, name):
    listed = {}
    section = PYTHON.split(f"\n## {name}\n")[1].split("\n## ")[0]
    for code in re.findall(r"^\| (`.*?`) \|", section.split("| member | |")[1], re.MULTILINE):
        for call in re.findall(r"`(await )?(\w+)\(([^`]*)\)`", code):
            listed[call[1]] = (bool(call[0]), call[2].replace('"', "'"))
    listed = {
        called: call for called, call in listed.items() if called not in ("log", "isconnected")
    }
    wanted = {}
    for called, node in methods(path, name).items():
        if node.decorator_list or called == "__init__":
            continue
        node.args.args = node.args.args[1:]
        wanted[called] = (isinstance(node, ast.AsyncFunctionDef), ast.unparse(node.args))
    assert listed == wanted


def test_every_python_block_uses_what_there_is():
    known = {}
    for path, name in CLASSES:
        arguments = methods(path, name)["__init__"].args
        known[name] = {a.arg for a in [*arguments.args[1:], *arguments.kwonlyargs]}
    calls = 0
    for document in documents():
        for block in blocks(document):
            if block.language != "python":
                continue
            for node in ast.walk(ast.parse(block.text)):
                if isinstance(node, ast.Call) and getattr(node.func, "id", None) in known:
                    calls += 1
                    used = {keyword.arg for keyword in node.keywords}
                    assert used <= known[node.func.id], block.place
    assert calls >= 5


def test_the_errors_of_the_wifi_are_listed():
    errors = {
        node.name
        for node in ast.parse((ROOT / "device/ota/wifi_errors.py").read_text("utf-8")).body
        if isinstance(node, ast.ClassDef)
    }
    section = PYTHON.split("| error of `connect()`")[1]
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == errors


# --- design -----------------------------------------------------------------------------------

DESIGN = (ROOT / "docs/design.md").read_text("utf-8")


def words(cell):
    return re.findall(r"`([^`]+)`", cell)


def test_the_state_table_is_that_of_the_code():
    source = (ROOT / "device/ota/states.py").read_text("utf-8")
    names = dict(re.findall(r"^([A-Z]+) = \"(\w+)\"", source, re.MULTILINE))
    (rows,) = re.findall(r"^_NEXT = \{\n(.*?)^\}", source, re.MULTILINE | re.DOTALL)
    wanted = [
        (names[state], event, names[following], "guard" if "# guard" in line else "")
        for line in rows.splitlines()
        for state, event, following in re.findall(r"\((\w+), \"(\w+)\"\): (\w+),", line)
    ]
    assert len(wanted) >= 12
    listed = [
        (words(state)[0], words(event)[0], words(following)[0], by if by == "guard" else "")
        for state, event, following, by in table(DESIGN, "## The transaction")
    ]
    assert listed == wanted
    assert [word for word in names.values() if f"\n| `{word}` | " not in DESIGN] == []


def test_the_record_is_that_of_the_code():
    fields = [name for name, _ in literal("device/ota_boot.py", "_FIELDS")]
    assert [words(row[0])[0] for row in table(DESIGN, "### The record")] == fields


def test_the_kinds_of_a_plan_are_those_of_the_code():
    text = ast.get_docstring(ast.parse((ROOT / "device/ota/plan.py").read_text("utf-8")))
    (kinds,) = re.findall(r"moved out of `/`:\n\n(.*?)\n\n", text, re.DOTALL)
    wanted = [line.strip().split("  ")[0].split() for line in kinds.splitlines()]
    assert [words(row[0]) for row in table(DESIGN, "### The plan")] == wanted


def test_every_room_has_its_place_in_the_house():
    rooms = {path.stem for path in (ROOT / "device/ota").glob("*.py")} - {"__init__"}
    section = DESIGN.split("The rooms, from the wire")[1].split("\n## ")[0]
    named = {
        word for row in re.findall(r"^\| (.*?) \|", section, re.MULTILINE) for word in words(row)
    }
    whole = {word for word in named if not word.endswith("*")}
    stems = tuple(word[:-1] for word in named if word.endswith("*"))
    assert whole <= rooms
    # Errors, logs and small helpers need no place of their own there.
    rest = {
        "errors",
        "log",
        "device",
        "board",
        "checks",
        "credentials",
        "discovery",
        "address",
        "page",
    }
    assert {
        room for room in rooms - whole - rest if not room.startswith((*stems, "wifi_"))
    } == set()
