"""The server on PostgreSQL instead of SQLite."""

import pytest
from update_server import Boards, known

from bench.fleet import postgres

pytestmark = pytest.mark.skipif(
    postgres.programs() is None, reason="PostgreSQL (initdb) is not installed"
)


def test_boards_roll_outs_and_a_restart(serve, make_swu, tmp_path):
    with postgres.cluster() as address:
        first = serve(tmp_path / "fleet", "--database", address)
        with Boards(known(first, 4)) as fleet:
            options = ("--stages", "1,100%", "--deadline", "3m", "--wait")
            told = first("rollout", make_swu("1.1.0"), *options)
            assert (told["state"], told["confirmed"]) == ("finished", 4)
            assert len(fleet.ran("1.1.0")) == 4
        assert not (first.folder / "db.sqlite3").exists()
        assert first.stop() == 0
        second = serve(tmp_path / "fleet", "--database", address)
        boards = second("status")["boards"]
        assert [board["version"] for board in boards] == ["1.1.0"] * 4
        assert all(board["silent_s"] < 600 for board in boards)
        assert {board["address"] for board in boards} == {"127.0.0.1"}
        assert second("rollout", "status")["id"] == told["id"]
        assert second.stop() == 0
