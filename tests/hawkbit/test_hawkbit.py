"""The same verbs and the same boards, on hawkBit."""

import asyncio
import itertools
import time

import pytest
from update_server import Boards, known

from bench.fleet.light import CONFIRM, FAIL, SILENT, LightBoard, StatusError

pytestmark = [pytest.mark.hawkbit, pytest.mark.timeout(900)]
WAIT = ("--deadline", "3m", "--wait")
_numbers = itertools.count(1)


@pytest.fixture
def version():
    """One that this hawkBit has not seen."""
    return f"2.{next(_numbers)}.0"


def boards_of(server, count, **more):
    """Boards that have registered, one after the other: the test's H2 locks whole tables."""
    fleet = known(server, count, poll_s=1.0, **more)
    for board in fleet:
        asyncio.run(board.poll())
    return fleet


def test_all_boards_get_it_stage_by_stage(server, make_swu, version):
    server("upload", make_swu(version))
    with Boards(boards_of(server, 4)) as fleet:
        told = server("rollout", make_swu(version), "--stages", "1,100%", *WAIT)
        assert len(fleet.ran(version)) == 4
        boards = server("status")["boards"]
    assert (told["state"], told["confirmed"], told["failures"]) == ("finished", 4, [])
    assert {board["version"] for board in boards} == {version}
    # hawkBit's own roll-outs, one for each stage, are over too.
    found = server.api.get("/rollouts", params={"q": f"name=={told['id']}*"}).json()["content"]
    assert len(found) == 2


def test_a_bad_release_stops_and_hawkbit_has_seen_it_too(server, make_swu, version):
    server("upload", make_swu(version))
    fleet = boards_of(server, 4, behave=lambda came: FAIL if came == version else CONFIRM)
    with Boards(fleet) as boards:
        options = ("--stages", "2,100%", "--max-failures", "0", *WAIT)
        told = server("rollout", make_swu(version), *options, check=5)
        assert 1 <= len(boards.ran(version)) <= 2
        assert "ImportError" in told["failures"][0]["reason"]
        (found,) = server.api.get("/rollouts", params={"q": f"name=={told['id']}*"}).json()[
            "content"
        ]
        # Its own threshold: the group is in error, so the roll-out is paused; with no other group
        # to wait for it counts as finished.
        (group,) = server.api.get(f"/rollouts/{found['id']}/deploygroups").json()["content"]
        assert group["status"] == "error"
        assert found["status"] in ("paused", "finished")
        time.sleep(3)
        assert len(boards.ran(version)) <= 2
        assert server("rollout", "abort")["state"] == "aborted"


def test_a_silent_board_is_lost(server, make_swu, version):
    with Boards(boards_of(server, 2, behave=lambda came: SILENT)):
        options = ("--stages", "1,100%", "--deadline", "5s", "--wait")
        told = server("rollout", make_swu(version), *options, check=5)
    assert [one["state"] for one in told["failures"]] == ["lost"]
    server("rollout", "abort")


def test_pause_cancels_what_has_not_begun_and_resume_gives_it_again(server, make_swu, version):
    fleet = boards_of(server, 2)  # silent from now on
    told = server("rollout", make_swu(version), "--stages", "100%")
    assert told["state"] == "running"
    assert server("rollout", "pause")["state"] == "paused"
    with Boards(fleet) as boards:
        end = time.monotonic() + 60
        while not all(board.seen_cancel for board in fleet):
            assert time.monotonic() < end
            time.sleep(0.2)
        assert boards.ran(version) == []
        done = server("rollout", "resume", "--wait")
        assert (done["state"], done["confirmed"]) == ("finished", 2)
        assert len(boards.ran(version)) == 2


async def _begin(board):
    """Take what is offered as far as the trial; returns the action's address and number."""
    link = f"{board.url}/DEFAULT/controller/v1/{board.id}"
    for _ in range(100):
        links = (await board.ask("GET", link))["_links"]
        if "deploymentBase" in links:
            href = links["deploymentBase"]["href"]
            job = await board.ask("GET", href)
            where = f"{href.partition('?')[0]}/feedback", job["id"]
            await board.feedback(where, "proceeding", "none", "on trial")
            return where
        await asyncio.sleep(0.2)
    raise AssertionError(links)


def test_a_board_that_is_installing_refuses_the_cancel_and_finishes(server, make_swu, version):
    (board,) = known(server, 1)
    asyncio.run(board.poll())
    server("rollout", make_swu(version), "--stages", "100%")
    link, number = asyncio.run(_begin(board))
    server("rollout", "pause")

    async def refuse():
        base = f"{board.url}/DEFAULT/controller/v1/{board.id}"
        href = (await board.ask("GET", base))["_links"]["cancelAction"]["href"]
        job = await board.ask("GET", href)
        assert job["cancelAction"]["stopId"] == number
        where = f"{href}/feedback", job["id"]
        await board.feedback(where, "rejected", "success", "it is installing already")
        await board.feedback((link, number), "closed", "success", "confirmed")

    asyncio.run(refuse())
    done = server("rollout", "resume", "--wait")
    assert (done["state"], done["confirmed"]) == ("finished", 1)


def test_feedback_after_the_end_is_gone(server, make_swu, version):
    (board,) = known(server, 1)
    asyncio.run(board.poll())
    server("rollout", make_swu(version), "--stages", "100%")
    where = asyncio.run(_begin(board))
    asyncio.run(board.feedback(where, "closed", "success", "confirmed"))
    with pytest.raises(StatusError) as refused:
        asyncio.run(board.feedback(where, "closed", "success", "confirmed"))
    assert refused.value.status == 410
    assert server("rollout", "status")["confirmed"] == 1
    server("rollout", "abort")


def test_tokens(server):
    first = server("token", "pico-a")["token"]
    assert server("token", "pico-a")["token"] == first
    second = server("token", "pico-a", "--new")["token"]
    assert second != first
    asyncio.run(LightBoard(server.url, "pico-a", second).poll())
    with pytest.raises(StatusError) as refused:
        asyncio.run(LightBoard(server.url, "pico-a", first).poll())
    assert refused.value.status == 401


def test_a_version_is_taken_once(server, make_swu, version):
    assert server("upload", make_swu(version))["new"] is True
    assert server("upload", make_swu(version))["new"] is False
    other = make_swu(version, main=b"print('other')\n")
    assert "new version" in server("upload", other, check=1)["message"]
