"""The wheel is enough: every verb finds what it needs without the checkout."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("device", "src", "pyproject.toml", "setup.py", "MANIFEST.in", "LICENSE", "README.md")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Return a folder with the wheel's content and nothing else of ours."""
    source = tmp_path_factory.mktemp("source")
    for name in PARTS:
        part = ROOT / name
        if part.is_dir():
            skipped = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(part, source / name, ignore=skipped)
        else:
            shutil.copyfile(part, source / name)
    wheels = tmp_path_factory.mktemp("wheels")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    subprocess.run(
        [*command, "--no-build-isolation", "--wheel-dir", str(wheels), str(source)], check=True
    )
    target = tmp_path_factory.mktemp("site")
    (wheel,) = wheels.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    return target


def run(site, *arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "pico_ota.cli", *arguments],
        env={**os.environ, "PYTHONPATH": str(site)},
        cwd=site,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        **options,
    )


def test_the_code_that_runs_is_the_wheels(site):
    probe = "import pico_ota; print(pico_ota.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", probe],
        env={**os.environ, "PYTHONPATH": str(site)},
        cwd=site,
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(done.stdout.strip()).is_relative_to(site)


def test_it_carries_exactly_the_device_files(site):
    def tree(top):
        files = [file for file in top.rglob("*") if file.is_file()]
        return {
            file.relative_to(top).as_posix(): file.read_bytes()
            for file in files
            if "__pycache__" not in file.parts
        }

    assert tree(site / "pico_ota/_device") == tree(ROOT / "device")


def test_it_installs_to_a_folder(site, tmp_path):
    done = run(site, "install", "--dir", str(tmp_path / "board"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "board/boot.py").is_file()
    assert (tmp_path / "board/ota/modules.pack").is_file()
    assert not (tmp_path / "board/lib").exists()


def test_it_builds_and_verifies_a_release(site, tmp_path):
    app = tmp_path / "app"
    app.mkdir()
    (app / "main.py").write_text("print('hello')\n")
    keys, release = tmp_path / "keys", tmp_path / "x.swu"
    assert run(site, "keygen", str(keys)).returncode == 0
    sign = ("--sign", str(keys / "private.pem"))
    done = run(site, "build", str(app), "-o", str(release), "--version", "1.0.0", *sign)
    assert done.returncode == 0, done.stderr
    done = run(site, "verify", str(release), "--key", str(keys / "public.json"))
    assert done.returncode == 0, done.stderr


def test_it_runs_the_simulated_pico(site, tmp_path):
    """`--cut-after` ends the board by itself, so that nothing has to be waited for."""
    image = tmp_path / "flash.img"
    app = tmp_path / "app"
    app.mkdir()
    (app / "main.py").write_text("open('/x', 'w').close()\n")
    sim = ("sim", "--flash", str(image), "--app", str(app), "--json", "--cut-after", "1")
    done = run(site, *sim)
    assert done.returncode == 70, done.stderr
