"""No power cut leaves a board between two sets of files, and the harness would see it if one did.

Each scenario runs on MicroPython in a process of its own, see bench/powercut.py.
"""

import shutil
from pathlib import Path

import pytest

from bench import powercut

NAMES = powercut.scenario_names()


@pytest.fixture(scope="session")
def guards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return powercut.make_guards(tmp_path_factory.mktemp("guards"))


def assert_exact(result: dict) -> None:
    bad = result["counts"]["mixed"] + result["counts"]["dead"]
    assert bad == 0, "\n".join([f"{bad} of {result['cuts']}", *result["problems"]])


def test_all_scenarios_are_found() -> None:
    assert len(NAMES) >= 22
    assert powercut.SMALL in NAMES
    assert set(powercut.LARGE) <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_cut_leaves_the_old_set_or_the_new_one(name: str, guards: Path) -> None:
    result = powercut.run_job(powercut.job_of(name, full=False), guards, timeout=280)
    assert_exact(result)
    # Guards the guard: the sweep really cut, and before as well as after the decision.
    assert result["cuts"] >= 10
    assert result["counts"]["old"] > 0
    assert name == "aborted" or result["counts"]["new"] > 0
    if name == powercut.SMALL:
        assert result["second"] > 1500  # all pairs


@pytest.mark.full
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("shard", range(4))
@pytest.mark.parametrize("name", NAMES)
def test_every_cut_and_a_second_one_in_the_recovery(
    name: str, shard: int, guards: Path, record_property
) -> None:
    job = {**powercut.job_of(name, full=True), "shard": [shard, 4]}
    result = powercut.run_job(job, guards)
    record_property("cut_points", result["cuts"])
    assert_exact(result)


def test_the_replayed_images_are_those_of_real_cuts(guards: Path) -> None:
    job = {"scenario": "replace, add, delete"}
    replayed = powercut.run_job({**job, "replay": 9}, guards)
    assert len(replayed) >= 24
    for index, tear, digest in replayed:
        assert powercut.run_job({**job, "cut": [index, tear]}, guards) == digest, (index, tear)


def test_a_naive_order_of_renames_loses_boot_py(guards: Path) -> None:
    # The littlefs defect: a cut in a rename out of `/` hides the next name there. If this stops
    # failing, MicroPython has a repaired littlefs, and the harness no longer proves the rule.
    result = powercut.run_job({"scenario": "naive", "follow": 0}, guards)
    assert result["counts"]["dead"] >= 1
    assert any("boot.py is missing" in problem for problem in result["problems"])
    assert result["counts"]["mixed"] > 20


#: What is broken on purpose: file, text, replacement, and a scenario that has to show it.
BREAKAGES = {
    "the record is written before the copies": (
        "ota/transaction.py",
        "        for _ in _prepare():\n            yield None\n",
        '        ota_boot.save(dict(record, state=following, kept=record["version"] or ""))\n'
        "        for _ in _prepare():\n            yield None\n",
        "files in /",
    ),
    "two renames are swapped": (
        "ota_boot.py",
        '    if kind == "r" and not exists(old):\n        _move(path, old)\n'
        "    _move(new, path)\n",
        "    if kind == 'r' and not exists(old):\n        _move(new, path + '~')\n"
        "        _move(path, old)\n        _move(path + '~', path)\n        return\n"
        "    _move(new, path)\n",
        "replace, add, delete",
    ),
    "files in / are moved, not copied": (
        "ota_boot.py",
        '    if kind == "r" and not exists(old):\n',
        '    if kind in "rR":\n',
        "names before boot.py and main.py",
    ),
    "recovery trusts names before it heals": (
        "ota_boot.py",
        '        os.remove("/.ota/?")\n',
        "        pass\n",
        "replace, add, delete",
    ),
    "the trial begins before the files are in place": (
        "ota_boot.py",
        "    try:\n        finish(record)\n",
        '    save(dict(record, state="trial", version=record["next"], next=None))\n'
        "    try:\n        finish(record)\n",
        "replace, add, delete",
    ),
    "what is restored is forgotten before it is restored": (
        "ota_boot.py",
        "    try:\n        failed = restore(record)\n",
        '    save(dict(record, state="idle", version=record["kept"], kept=None, plan=None))\n'
        "    try:\n        failed = restore(record)\n",
        "rolled back in trial",
    ),
    "a roll-back leaves what was added": (
        "ota_boot.py",
        '("xX", "rRdD", "aA", "m")',
        '("xX", "rRdD", "m")',
        "replace, add, delete",
    ),
    "nobody remembers that there is something to tidy up": (
        "ota/transaction.py",
        '    record["dirty"] = 1\n    ota_boot.save(record)\n    if is_dir(DRAFT)',
        "    ota_boot.save(record)\n    if is_dir(DRAFT)",
        "replace, add, delete",
    ),
    "the version is told from the start": (
        "ota/transaction.py",
        '            "next": draft.version,\n',
        '            "next": draft.version,\n            "version": draft.version,\n',
        "aborted",
    ),
    "directories that were emptied are forgotten": (
        "ota_boot.py",
        '    elif exists(old):\n        if kind in "xX"',
        '    elif exists(old) and kind not in "xX":\n        if kind in "xX"',
        "folders made and emptied",
    ),
    "the allocator is never told what is free": (
        "ota_boot.py",
        "    if _moves % 16 == 0:\n",
        "    if False:\n",
        "300 small files",
    ),
}


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_the_harness_sees(breakage: str, guards: Path, tmp_path: Path) -> None:
    file, before, after, scenario = BREAKAGES[breakage]
    device = tmp_path / "device"
    shutil.copytree(powercut.DEVICE, device, ignore=shutil.ignore_patterns("__pycache__"))
    source = (device / file).read_text()
    assert source.count(before) == 1, "the code has moved on: break it elsewhere"
    (device / file).write_text(source.replace(before, after))
    every = 400 if scenario in powercut.LARGE else 1
    job = {"scenario": scenario, "every": every, "follow": 1}
    try:
        result = powercut.run_job(job, guards, device, timeout=280)
    except RuntimeError as error:
        print(error)
        return  # it does not even get through without a cut
    assert result["counts"]["mixed"] + result["counts"]["dead"] > 0
