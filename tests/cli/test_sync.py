import ast
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pico_ota import never, sync
from pico_ota.errors import PicoOtaError, UsageError
from pico_ota.ignore import Ignore
from pico_ota.mpy import architecture, compile_source, compiled_name


def make(top, *names):
    for name in names:
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {name}\n")
    return top


def paths(files):
    return [file.path for file in files]


def test_a_folder_stands_for_its_content(here):
    make(here / "app", "main.py", "lib/a.py", "lib/sub/b.py")
    assert paths(sync.scan([here / "app"])) == ["/lib/a.py", "/lib/sub/b.py", "/main.py"]


def test_files_carry_size_and_digest_of_what_is_on_disk(here):
    (here / "main.py").write_bytes(b"x = 1\n")
    [file] = sync.scan([here / "main.py"])
    assert (file.path, file.size) == ("/main.py", 6)
    assert file.sha256 == hashlib.sha256(b"x = 1\n").hexdigest()
    assert file.read() == b"x = 1\n"


def test_everything_goes_below_the_target_folder(here):
    make(here / "lib", "a.py", "sub/b.py")
    assert paths(sync.scan([here / "lib"], to="/lib")) == ["/lib/a.py", "/lib/sub/b.py"]


def test_ignored_folders_are_not_entered(here):
    make(here / "app", "main.py", ".git/config", "__pycache__/main.pyc", "docs/a.md")
    assert paths(sync.scan([here / "app"], ignore=Ignore(["docs/"]))) == ["/main.py"]


def test_a_file_that_is_named_is_taken_even_if_its_pattern_is_ignored(here):
    make(here, "ca.pem")
    assert paths(sync.scan([here / "ca.pem"])) == ["/ca.pem"]


def test_two_files_for_one_place_are_refused_with_both_names(here):
    make(here, "a/main.py", "b/main.py")
    with pytest.raises(UsageError, match=r"a/main\.py and .*b/main\.py would both become /main"):
        sync.scan([here / "a", here / "b"])


def test_a_module_in_both_forms_is_refused(here):
    make(here / "app", "x.py", "x.mpy")
    with pytest.raises(UsageError, match=r"/x\.py and its \.mpy"):
        sync.scan([here / "app"])


def test_what_is_not_there_is_a_usage_error():
    with pytest.raises(UsageError, match="'nowhere' is no file and no folder"):
        sync.scan([Path("nowhere")])


@pytest.mark.parametrize("name", ["a\\b.py", "a\nb.py", "x\x7f.py"])
def test_names_that_the_device_refuses_are_refused_here(here, name):
    (here / name).write_text("")
    with pytest.raises(UsageError, match="Rename it"):
        sync.scan([here])


def test_a_name_that_is_not_utf_8_is_refused(here):
    with open(os.fsencode(here) + b"/\xff.py", "w"):
        pass
    with pytest.raises(UsageError, match="not UTF-8"):
        sync.scan([here])


def test_paths_have_the_limits_of_the_device():
    assert sync.device_path("/" + "x" * 254) == "/" + "x" * 254
    with pytest.raises(UsageError, match="255 bytes"):
        sync.device_path("x" * 255)
    with pytest.raises(UsageError, match="255 bytes"):
        sync.device_path("ü" * 128)
    assert sync.device_path("/".join("a" * 16)).count("/") == 16
    with pytest.raises(UsageError, match="16 folders"):
        sync.device_path("/".join("a" * 17))
    with pytest.raises(UsageError, match=r"'\.\.'"):
        sync.device_path("lib/../main.py")


def test_limits_are_those_of_the_device_code():
    text = (Path(__file__).parents[2] / "device/ota/paths.py").read_text()
    assert f"MAX_PATH = const({sync.MAX_PATH})\n" in text
    assert f"MAX_DEPTH = const({sync.MAX_DEPTH})\n" in text


def test_paths_are_made_absolute():
    assert sync.device_path("lib//x.py") == sync.device_path("/lib/x.py/") == "/lib/x.py"
    assert sync.device_path("") == sync.device_path("/") == "/"


def test_a_file_that_changes_meanwhile_is_noticed(here):
    make(here, "main.py")
    [file] = sync.scan([here / "main.py"])
    (here / "main.py").write_text("# other\n")
    with pytest.raises(PicoOtaError, match="changed while it was being sent"):
        file.read()


UPDATER = [
    "/boot.py",
    "/ota_boot.mpy",
    "/service_ota.mpy",
    "/manager_wifi.py",
    "/ota/modules.pack",
    "/ota/keys.json",
    "/.ota/state",
]


def test_delete_takes_what_is_there_but_not_here(here):
    files = sync.scan([make(here / "app", "main.py")])
    there = ["/main.py", "/old.py", "/lib/old.py", "/settings.py", *UPDATER]
    assert sync.deletions(files, there) == ["/lib/old.py", "/old.py"]


def test_delete_stays_inside_the_target(here):
    files = sync.scan([make(here / "lib", "a.py")], to="/lib")
    there = ["/main.py", "/library.py", "/lib/a.py", "/lib/old.py"]
    assert sync.deletions(files, there, "/lib") == ["/lib/old.py"]


def test_delete_leaves_what_is_protected(here):
    files = sync.scan([make(here / "app", "main.py")])
    there = ["/data/a", "/data/deep/b", "/cal.json", "/lib/cal.json", "/database", "/x.log"]
    gone = sync.deletions(files, there, "/", ["/data/", "cal.json", "*.log"])
    assert gone == ["/database", "/lib/cal.json"]


def test_delete_leaves_the_other_form_to_the_device(here):
    # The device retires x.py beside a new x.mpy by itself, within the same transaction.
    files = sync.scan([make(here / "app", "x.mpy", "y.py")])
    assert sync.deletions(files, ["/x.py", "/y.mpy", "/z.py"]) == ["/z.py"]


def test_the_updater_files_are_those_of_the_device_code():
    others = ["/main.py", "/otaku.py", "/ota_boots.py", "/lib/ota/x.py", "/boot.pyx", "/x/boot.py",
              "/settings.mpy", "/.otax", "/service_ota2.py"]  # fmt: skip
    folders = ["/ota", "/ota_boot", "/ota_boot/x.py", "/manager_wifi/__init__.py"]
    asked = [*UPDATER, *others, *folders]
    code = f"""
from ota import paths
print([paths.is_updater(path) or paths.is_private(path) for path in {asked!r}])
"""
    device = Path(__file__).parents[2] / "device"
    done = subprocess.run(
        [Path(sys.executable).with_name("micropython"), "-c", code],
        env={**os.environ, "MICROPYPATH": f"{device}:.frozen"},
        capture_output=True,
        text=True,
    )
    said = dict(zip(asked, ast.literal_eval(done.stdout), strict=True))
    assert said == {path: never.stays(path) for path in asked}
    assert [path for path in asked if not said[path]] == others


def test_content_version_depends_on_content_alone(here):
    one = sync.scan([make(here / "one", "a.py")])
    two = sync.scan([make(here / "two", "a.py")])
    assert sync.content_version(one) == sync.content_version(two)
    assert sync.content_version(one) != sync.content_version(one, ["/old.py"])
    (here / "two/a.py").write_text("other")
    assert sync.content_version(sync.scan([here / "two"])) != sync.content_version(one)


def test_what_is_compiled_and_what_micropython_runs_by_name():
    assert compiled_name("/lib/x.py") == "/lib/x.mpy"
    assert compiled_name("/boot.py") == "/boot.py"
    assert compiled_name("/main.py") == "/main.py"
    assert compiled_name("/lib/main.py") == "/lib/main.mpy"
    assert compiled_name("/data.json") == "/data.json"


def test_scan_compiles_and_digests_what_will_be_sent(here):
    (here / "x.py").write_text("x = 1\n")
    [file] = sync.scan([here / "x.py"], compiler=compile_source)
    assert file.path == "/x.mpy"
    assert file.read()[:2] == b"M\x06"
    assert file.sha256 == hashlib.sha256(file.read()).hexdigest()


def test_a_module_and_its_compiled_form_clash_when_compiling(here):
    make(here / "app", "x.py", "x.mpy")
    with pytest.raises(UsageError, match=r"would both become /x\.mpy"):
        sync.scan([here / "app"], compiler=lambda data, path: b"M\x06")


def test_what_does_not_compile_says_where(here):
    (here / "x.py").write_text("a = 1\nb =\n")
    with pytest.raises(PicoOtaError, match=r"/x\.py does not compile: .*line 2.*SyntaxError"):
        sync.scan([here / "x.py"], compiler=compile_source)


def test_the_architecture_comes_from_the_number_a_device_reports():
    assert architecture(0x1306) == "armv6m"
    assert architecture(0x1F06) == "armv7emsp"
    assert architecture(0x0306) is None
    assert architecture(None) is None
    with pytest.raises(UsageError, match=r"format 5, .* writes 6"):
        architecture(0x1305)
