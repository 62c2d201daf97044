"""A boot with nothing to do costs next to nothing: the figures of bench/idle_boot.py."""

from bench import idle_boot


def test_a_boot_with_nothing_to_do():
    data = idle_boot.measure(quick=True)
    assert [entry[:2] for entry in data["reads"]] == [
        ["remove", "/.ota/?"],
        ["read", "/.ota/state"],
    ]
    assert all(row.met is not False for row in idle_boot.rows(data)), idle_boot.rows(data)
    assert data["writes"] == data["flash_operations"] == 0
    assert len(data["guard"]) == 1
