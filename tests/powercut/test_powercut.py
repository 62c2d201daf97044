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
    assert len(NAMES) >= 23
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


#: What is broken on purpose: a scenario that has to show it, and (file, text, replacement).
BREAKAGES = {
    "the record is written before the copies": (
        "files in /",
        (
            "ota/commit.py",
            "        for _ in _prepare():\n            yield None\n",
            '        records.save(dict(record, state=following, kept=record["version"] or ""))\n'
            "        for _ in _prepare():\n            yield None\n",
        ),
    ),
    "two renames are swapped": (
        "replace, add, delete",
        (
            "ota_boot.py",
            '    if kind == "r" and not exists(old):\n        _move(path, old)\n',
            "    if kind == 'r' and not exists(old):\n        _move(new, path + '~')\n"
            "        _move(path, old)\n        _move(path + '~', path)\n        return\n",
        ),
    ),
    "files in / are moved, not copied": (
        "names before boot.py and main.py",
        ("ota_boot.py", '    if kind == "r" and not exists(old):\n', '    if kind in "rR":\n'),
    ),
    "recovery trusts names before anything heals them": (
        "replace, add, delete",
        ("ota_boot.py", '        os.remove("/.ota/?")\n', "        pass\n"),
        ("ota_boot.py", '    record["tries"] += 1\n    save(record)\n    try:\n', "    try:\n"),
    ),
    "the trial begins before the files are in place": (
        "replace, add, delete",
        (
            "ota_boot.py",
            "    try:\n        finish(record)\n",
            '    save(dict(record, state="trial", version=record["next"], next=None))\n'
            "    try:\n        finish(record)\n",
        ),
    ),
    "what is restored is forgotten before it is restored": (
        "rolled back in trial",
        (
            "ota_boot.py",
            "    try:\n        failed = restore(record)\n",
            '    save(dict(record, state="idle", version=record["kept"], kept=None, plan=None))\n'
            "    try:\n        failed = restore(record)\n",
        ),
    ),
    "a roll-back leaves what was added": (
        "replace, add, delete",
        ("ota_boot.py", '("xX", "rRdD", "aA", "m")', '("xX", "rRdD", "m")'),
    ),
    "nobody remembers that there is something to tidy up": (
        "replace, add, delete",
        (
            "ota/opening.py",
            '    record["dirty"] = 1\n    records.save(record)\n    if records.is_dir(DRAFT)',
            "    records.save(record)\n    if records.is_dir(DRAFT)",
        ),
    ),
    "the version is told from the start": (
        "aborted",
        (
            "ota/sealing.py",
            '            "next": version,\n',
            '            "next": version,\n            "version": version,\n',
        ),
    ),
    "directories that were emptied are forgotten": (
        "folders made and emptied",
        (
            "ota_boot.py",
            '    elif exists(old):\n        if kind in "xX"',
            '    elif exists(old) and kind not in "xX":\n        if kind in "xX"',
        ),
    ),
}


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_the_harness_sees(breakage: str, guards: Path, tmp_path: Path) -> None:
    scenario, *changes = BREAKAGES[breakage]
    device = broken_device(tmp_path, changes)
    result = powercut.run_job({"scenario": scenario, "follow": 2}, guards, device, timeout=280)
    assert result["counts"]["mixed"] + result["counts"]["dead"] > 0


def broken_device(tmp_path: Path, changes: list[tuple[str, str, str]]) -> Path:
    device = tmp_path / "device"
    shutil.copytree(powercut.DEVICE, device, ignore=shutil.ignore_patterns("__pycache__"))
    for file, before, after in changes:
        source = (device / file).read_text()
        assert source.count(before) == 1, f"the code has moved on: break it elsewhere: {before}"
        (device / file).write_text(source.replace(before, after))
    return device


def test_without_news_for_the_allocator_300_files_need_restarts(
    guards: Path, tmp_path: Path
) -> None:
    # The other littlefs defect that the design rests on, see ota_boot._move: renames fail for want
    # of space that is there, until the flash is mounted anew. The guard gets over that, too.
    job = {"scenario": "300 small files", "every": 4000, "follow": 0}
    assert powercut.run_job(job, guards)["restarts"] == 0
    change = ("ota_boot.py", "    if _moves % 16 == 0:\n", "    if False:\n")
    result = powercut.run_job(job, guards, broken_device(tmp_path, [change]))
    assert result["restarts"] >= 1
    assert_exact(result)
