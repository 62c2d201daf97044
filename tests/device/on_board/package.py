"""ota/__init__.py: what is let go is really gone."""

import gc
import sys

import __main__
import ota


def test_the_guard_is_let_go_where_boot_py_imported_it():
    exec("import ota_boot", __main__.__dict__)
    gc.collect()
    before = gc.mem_alloc()
    ota.let_go()
    assert "ota_boot" not in sys.modules
    assert not hasattr(__main__, "ota_boot")
    assert before - gc.mem_alloc() > 5000


def test_a_guard_that_supervises_a_trial_stays():
    exec("import ota_boot", __main__.__dict__)
    __main__.ota_boot.supervisor = object()
    ota.let_go()
    assert sys.modules["ota_boot"] is __main__.ota_boot
