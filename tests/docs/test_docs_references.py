"""What the documents list is what the code has."""

import ast
import hashlib
import importlib.util
import json
import re
import tomllib

import mip_board
import pytest
from fences import ROOT, blocks, documents, table

from pico_ota import __version__, project
from pico_ota.cli.app import _HIDDEN, ALIASES, VERBS
from pico_ota.cli.verbs import VerbGroup, load
from pico_ota.devicefiles import device_files
from pico_ota.errors import PicoOtaError
from pico_ota.fleet import hosts


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
    shown, boards = [b.text for b in blocks("docs/cli.md") if b.language == "toml"]
    (tmp_path / "fleet.toml").write_text(boards)
    assert [board.name for board in hosts.load(tmp_path / "fleet.toml")] == [
        "kitchen",
        "garden",
        "cellar",
    ]
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


def commands(text):
    """Yield the words of each command of `pico-ota` that *text* has in code, or in quotes."""
    begin = r"(?:[`']|\$ |^ *(?:EDITOR=nano )?)pico-ota\s+"
    for found in re.findall(begin + r"([^|&;#<>$…`'\"\n]+)", text, re.MULTILINE):
        yield found.split()


def unknown(line):
    """Return what the words *line* of a command name that there is not."""
    group, words = "", list(line)
    while words and words[0].startswith("-"):
        takes_a_value = words.pop(0) in ("-H", "--host")
        words = words[takes_a_value:]
    # The program itself, a placeholder such as VERB, or what a certificate says whose it is.
    if not words or not re.fullmatch(r"[a-z][\w-]+", words[0]) or words == ["release"]:
        return None
    name = words.pop(0)
    verb = {**VERBS, **_HIDDEN}.get(ALIASES.get(name, name))
    if verb is None:
        return name
    command = load(name, verb)
    if isinstance(command, VerbGroup) and words and re.fullmatch(r"[a-z]+", words[0]):
        group, name = name, words.pop(0)
        command = command.get_command(None, name)
        if command is None:
            return f"{group} {name}"
    options = {option for p in command.params for option in (*p.opts, *p.secondary_opts)}
    given = [re.split(r"[=.,:)'\]]", word)[0] for word in words if word.startswith("--")]
    return next((word for word in given if word not in {*options, "--help"}), None)


def test_every_verb_and_option_that_is_named_is_one():
    texts = documents() | {
        path.relative_to(ROOT).as_posix(): path.read_text("utf-8")
        for folder in ("src", "device", "examples", "page")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".txt", ".js", ".html")
    }
    seen = 0
    for name, text in texts.items():
        for line in commands(text):
            seen += 1
            assert unknown(line) is None, f"{name}: pico-ota {' '.join(line)}: {unknown(line)}"
    assert seen > 150


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
    assert set(targets) == shipped()
    assert package["version"] == __version__
    # Until all it needs is there, a restart must not run the guard.
    assert targets[-1] == "boot.py"


def test_the_list_for_mip_is_the_one_that_the_tool_writes():
    text = (ROOT / "package.json").read_text("utf-8")
    assert text == tool("build_docs").package(), "run: .venv/bin/python tools/build_docs.py"


def test_the_computer_and_the_board_are_of_one_version():
    assert literal("device/ota/__init__.py", "__version__") == __version__


def test_mpremote_installs_it_all_and_nothing_of_others(monkeypatch):
    monkeypatch.chdir(ROOT)
    files, asked = mip_board.install(monkeypatch, "package.json", "/")
    assert asked == []

    def digests(files):
        return {path: hashlib.sha256(data).hexdigest() for path, data in files.items()}

    assert digests(files) == digests(device_files(mpy=False))


# --- HTTP -------------------------------------------------------------------------------------

HTTP = (ROOT / "docs/http.md").read_text("utf-8")
FORMAT = (ROOT / "docs/format.md").read_text("utf-8")


def literal(path, name):
    """Return the value of the constant *name* of the module at *path*, which is not imported."""
    for node in ast.parse((ROOT / path).read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == name:
            return ast.literal_eval(node.value)
    raise AssertionError(f"{path} has no {name}")


def test_every_route_is_described_and_no_other():
    rows = literal("device/ota/server.py", "_ROUTES").strip().splitlines()
    routes = {(method, path.rstrip("/")) for method, path, *_ in map(str.split, rows)}
    routes.remove(("GET", ""))  # the page
    assert len(routes) > 15
    described = set()
    for methods, path in re.findall(r"`((?:GET|PUT|POST|DELETE|MOVE)) (/[\w/.]+)", HTTP):
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
    assert len(used) > 60
    listed = {
        (int(status), word)
        for status, words in table(HTTP, "## Errors")
        for word in re.findall(r"`(\w+)`", words)
        if word != "Allow"
    }
    assert listed == used


def number(path, name):
    """Return the number that the constant *name* of the module at *path* stands for."""
    source = (ROOT / path).read_text("utf-8")
    (found,) = re.findall(rf"^{name} = (?:const\()?([^)\n#]+)", source, re.MULTILINE)
    return eval(found)


def test_the_limits_are_those_of_the_code():
    limits = " ".join(" ".join(row) for row in table(HTTP, "## Limits"))
    for path, name, words in (
        ("device/ota/connection.py", "_BUFFER", "each header line {} bytes"),
        ("device/ota/request.py", "_HEAD_BYTES", "all headers {} bytes in"),
        ("device/ota/request.py", "_HEAD_LINES", "{} lines"),
        ("device/ota/server.py", "_SLOTS", "connections at once {};"),
        ("device/ota/server.py", "_GRACE_MS", "request for {} ms"),
        ("device/ota/connection.py", "_GRACE_MS", "request for {} ms"),
        ("device/ota/request.py", "_SMALL", "JSON bodies {} bytes"),
        ("device/ota/description.py", "MAX_ENTRIES", "{} files and deletions"),
        ("device/ota/paths.py", "_MAX_PATH", "a path {} bytes"),
        ("device/ota/paths.py", "_MAX_DEPTH", "{} segments"),
    ):
        assert words.format(number(path, name)) in limits, (path, name)
    for path, name, divisor, words in (
        ("device/ota/connection.py", "_HEAD_MS", 1000, "request head {} s"),
        ("device/ota/connection.py", "_IDLE_MS", 1000, "between requests {} s"),
        ("device/ota/connection.py", "_STALL_MS", 1000, "within a body {} s"),
        ("device/ota/connection.py", "_UNTAKEN_MS", 1000, "is not taken for {} s"),
        ("device/ota/trust.py", "_MAX_TEXT", 1024, "a description of {} KiB"),
        ("device/ota/conditions.py", "_MAX_BYTES", 1 << 20, "{} MiB"),
        ("device/ota/changes.py", "_WAIT_MS", 1000, "waits up to {} s"),
    ):
        value, rest = divmod(number(path, name), divisor)
        assert rest == 0
        assert words.format(value) in limits, (path, name)
    for path, name, value, words in (
        ("device/ota/changes.py", "_LEASE_MS", 120000, "yours for 120 s"),
        ("device/service_ota.py", "_RESTART_MS", 1000, "restarts a second later"),
        ("device/ota/access.py", "_FREE_TRIES", 10, "after ten wrong tries"),
        ("device/ota/access.py", "_MAX_WAIT_S", 60, "doubles up to 60 s"),
        ("device/ota/console.py", "_SAID", 1024, "about 1000 bytes"),
        ("device/ota/console.py", "_PRINTED", 1536, "The last 1.5 KB are kept"),
        ("device/ota/console.py", "_LAST", 512, "traceback (512 bytes)"),
    ):
        assert number(path, name) == value
        assert words in HTTP


def test_the_limits_of_the_format_are_those_of_the_code():
    for path, name, words in (
        ("device/ota/trust.py", "_MAX_TEXT", "at most {KiB} KiB |"),
        ("device/ota/trust.py", "_MAX_SIGNATURE", "at most {KiB} KiB;"),
        ("device/ota/trust.py", "_MAX_KEYRING", "at most {} bytes, replaces the keys"),
        ("device/ota/updates.py", "_MAX_NAME", "its zero, 2 to {} |"),
        ("device/ota/updates.py", "_BLOCK", "a multiple of {}, and there"),
        ("device/ota/updates.py", "_HEADER", "a header of {} bytes"),
        ("device/ota/description.py", "_MAX_LINE", "fewer than {} bytes"),
        ("device/ota/conditions.py", "_MAX_BOARDS", "at most {};"),
        ("device/ota/conditions.py", "_MAX_VERSION", "at most {} characters"),
        ("device/ota/paths.py", "_MAX_STEM", "last {} characters of the name"),
        ("device/ota/conditions.py", "_MAX_BYTES", "{MiB} MiB;"),
        ("device/ota/description.py", "MAX_ENTRIES", "files and deletions together 1\u2013{}"),
    ):
        value = number(path, name)
        wanted = words.format(value, KiB=value // 1024, MiB=value >> 20)
        assert wanted in FORMAT, (path, name)
    assert number("device/ota/trust.py", "_MAX_KEYS") == 4  # "one to four keys"
    architectures = literal("device/ota/conditions.py", "_ARCHITECTURES")
    assert "absent when there is none | " + ", ".join(f"`{a}`" for a in architectures) in FORMAT


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
    coroutines = {
        node.name
        for node in ast.parse((ROOT / path).read_text("utf-8")).body
        if isinstance(node, ast.AsyncFunctionDef)
    }
    for called, node in methods(path, name).items():
        if node.decorator_list or called == "__init__":
            continue
        node.args.args = node.args.args[1:]
        match node.body[-1]:
            case ast.Return(value=ast.Call(func=ast.Name(id=returned))):
                awaited = returned in coroutines
            case _:
                awaited = isinstance(node, ast.AsyncFunctionDef)
        wanted[called] = (awaited, ast.unparse(node.args))
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
    tree = ast.parse((ROOT / "device/ota/wifi_help.py").read_text("utf-8"))
    errors = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    section = PYTHON.split("| error of `connect()`")[1].split("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == errors


# --- design -----------------------------------------------------------------------------------

DESIGN = (ROOT / "docs/design.md").read_text("utf-8")


def words(cell):
    return re.findall(r"`([^`]+)`", cell)


def test_the_state_table_is_that_of_the_code():
    source = (ROOT / "device/ota/record.py").read_text("utf-8")
    (rows,) = re.findall(r"^NEXT = \{\n(.*?)^\}", source, re.MULTILINE | re.DOTALL)
    wanted = [
        (state, event, following, "guard" if "# guard" in line else "")
        for line in rows.splitlines()
        for state, event, following in re.findall(r'\("(\w+)", "(\w+)"\): "(\w+)",', line)
    ]
    assert len(wanted) >= 12
    assert {row[:2]: row[2] for row in wanted} == literal("device/ota/record.py", "NEXT")
    listed = [
        (words(state)[0], words(event)[0], words(following)[0], by if by == "guard" else "")
        for state, event, following, by in table(DESIGN, "## The transaction")
    ]
    assert listed == wanted
    states = literal("device/ota/record.py", "STATES")
    second = DESIGN.split("\n| state | live files |")[1].split("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", second, re.MULTILINE) == list(states)
    assert {row[0] for row in wanted} | {row[2] for row in wanted} == set(states)


def test_the_record_is_that_of_the_code():
    tree = ast.parse((ROOT / "device/ota/record.py").read_text("utf-8"))
    (value,) = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == "_FIELDS"
    ]
    fields = [ast.literal_eval(row.elts[0]) for row in value.elts]  # beside each stands its type
    assert len(fields) > 10
    assert [words(row[0])[0] for row in table(DESIGN, "### The record")] == fields
    limit = number("device/ota/record.py", "_MAX_RECORD")
    assert f"`/.ota/state`, at most {limit} bytes" in DESIGN


def test_the_kinds_of_a_plan_are_those_of_the_code():
    listed = [words(row[0]) for row in table(DESIGN, "### The plan")]
    text = ast.get_docstring(ast.parse((ROOT / "device/ota/record.py").read_text("utf-8")))
    below = text.split("moved out of `/`:\n")[1]
    kinds = re.findall(r"(?:^    |  )([a-zA-Z=-](?: [A-Z])?) {3,}(?=\S)", below, re.MULTILINE)
    assert sorted(kind.split() for kind in kinds) == sorted(listed)


def test_every_path_of_ours_is_named():
    """Each path below /.ota that some module writes is in the table of them."""
    sources = [
        path.read_text("utf-8")
        for path in [*(ROOT / "device").rglob("*.py"), *(ROOT / "guard").glob("*.py")]
        if path.name != "ota_boot.py"  # which is made of the others
    ]
    used = {
        name
        for source in sources
        for name in re.findall(r'"/\.ota/([\w.~]+)"', source)
        + re.findall(r'\bHOME \+ "/([\w.]+)"', source)
    }
    assert len(used) > 8
    section = DESIGN.split("\n| path | |\n")[1].split("\n\n")[0]
    cells = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    listed = {word.removeprefix("/.ota/").rstrip("/") for cell in cells for word in words(cell)}
    assert listed == used


def house():
    """Return the cells of modules of the table of the house, from the top down."""
    return [words(row[1]) for row in table(DESIGN, "## The house")]


def test_every_module_has_its_place_in_the_house():
    modules = sorted(path.stem for path in (ROOT / "device/ota").glob("*.py"))
    assert sorted(name for row in house() for name in row) == modules
    tree = DESIGN.split("\n## The house\n")[1].split("```")[1]
    for path in (ROOT / "device").glob("*.py"):
        assert re.search(rf"^  {path.name} ", tree, re.MULTILINE), path.name


def test_in_the_house_imports_point_down():
    level = {name: at for at, row in enumerate(house()) for name in row}
    seen = 0
    for name, at in level.items():
        for node in ast.walk(ast.parse((ROOT / f"device/ota/{name}.py").read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "ota":
                for full in [node.module, *(f"{node.module}.{a.name}" for a in node.names)]:
                    below = level.get(full.removeprefix("ota."))
                    if below is not None:
                        seen += 1
                        assert below >= at, f"{name} imports {full}"
    assert seen > 40
