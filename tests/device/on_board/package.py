"""ota/__init__.py: what is unloaded is really gone."""

import gc
import sys

import __main__
import ota


def test_the_guard_is_unloaded_where_boot_py_imported_it():
    exec("import ota_boot", __main__.__dict__)
    gc.collect()
    before = gc.mem_alloc()
    ota.unload()
    assert "ota_boot" not in sys.modules
    assert not hasattr(__main__, "ota_boot")
    assert before - gc.mem_alloc() > 5000


def test_a_guard_that_supervises_a_trial_stays():
    exec("import ota_boot", __main__.__dict__)
    __main__.ota_boot.supervisor = object()
    ota.unload()
    assert sys.modules["ota_boot"] is __main__.ota_boot


def test_a_phase_goes_when_another_comes_and_what_serves_stays():
    from ota import errors

    assert ota.use("record") is ota.use("record")
    assert "ota.record" in sys.modules
    ota.use("flash")
    assert "ota.record" not in sys.modules
    assert not hasattr(ota, "record")
    assert sys.modules["ota.errors"] is errors
    assert ota.use(None) is None
    assert "ota.flash" not in sys.modules
    ota.unload()
    assert "ota.errors" not in sys.modules


def test_a_phase_stays_while_another_request_is_under_way():
    paths = ota.use("paths")
    ota.busy = 2
    ota.use("flash")
    assert sys.modules["ota.paths"] is paths
    ota.busy = 1
    ota.use("errors")
    assert "ota.paths" not in sys.modules
    assert "ota.flash" not in sys.modules


def test_the_first_phase_of_a_request_stays_while_it_goes_on_to_others():
    first = ota.use("record")
    for name in ("flash", "paths", "flash"):
        assert ota.use(name, True) is sys.modules["ota." + name]
        assert sys.modules["ota.record"] is first
    assert "ota.paths" not in sys.modules
    ota.use("paths")
    assert "ota.record" not in sys.modules and "ota.flash" not in sys.modules


def test_what_is_needed_once_is_gone_after_it():
    ota.load("errors")
    assert ota.once("paths", "decode", "a%20b") == "a b"
    assert "ota.paths" not in sys.modules
    assert "ota.errors" in sys.modules
    try:
        ota.once("paths", "decode", "%")
    except Exception:
        pass
    assert "ota.paths" not in sys.modules
