"""The state machine of a roll-out, against worlds of boards that a machine thinks up."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pico_ota.errors import UsageError
from pico_ota.fleet_server.rollout import BROKEN, Act, Outcome, Rollout, Seen, State
from pico_ota.fleet_server.stages import Amount, amount, parts, stages

DEADLINE = 100.0
TICK = 7.0


def rollout(groups, limit, min_boards=1, pause=False):
    return Rollout(
        id="r", version="1.1.0", sha256="", stages=groups, had=[], skipped={}, limit=limit,
        min_boards=min_boards, deadline_s=DEADLINE, pause_between=pause, asked={}, created=0.0,
    )  # fmt: skip


class World:
    """Boards that do with a release what was decided before, each after a time of its own."""

    def __init__(self, fates):
        self.fates = fates  # board -> (what becomes of it, after how long)
        self.got = {}  # board -> when

    def seen(self, now):
        return {board: self._one(board, now) for board in self.fates}

    def _one(self, board, now):
        fate, after = self.fates[board]
        if board not in self.got:
            return Seen(Outcome.OFFERED, "", 1.0)
        if now - self.got[board] >= after and fate != "silent":
            return Seen(Outcome(fate), "ImportError", 1.0)
        return Seen(Outcome.BUSY, "", now - self.got[board])

    def broken(self, now):
        """Who has the release and is not well: as nobody but the world itself knows."""
        return [
            board
            for board, began in self.got.items()
            if (self.fates[board][0] == "failed" and now - began >= self.fates[board][1])
            or (self.fates[board][0] == "silent" and now - began >= DEADLINE)
        ]


def play(plan, world, watch=lambda *seen: None):
    """Run *plan* in *world* to its end; *watch* is called after each decision."""
    now = 0.0
    for _ in range(10_000):
        decision = plan.step(world.seen(now), now)
        watch(plan, now, decision)
        if decision.act == Act.START:
            for board in plan.begin_stage(now):
                world.got[board] = now
            continue
        if decision.act == Act.PAUSE:
            plan.state, plan.paused_after = State.PAUSED, len(plan.started)
            plan.go_on(now)
            continue
        if decision.act in (Act.STOP, Act.FINISH):
            plan.state = State.STOPPED if decision.act == Act.STOP else State.FINISHED
            return
        now += TICK
    raise AssertionError("it never ends")


fates = st.tuples(
    st.sampled_from(["confirmed", "confirmed", "confirmed", "failed", "silent"]),
    st.floats(0, DEADLINE - 2 * TICK),
)
limits = st.one_of(
    st.integers(0, 8).map(lambda n: Amount(n, None)),
    st.integers(0, 100).map(lambda p: Amount(None, float(p))),
)


@st.composite
def fleets(draw):
    sizes = draw(st.lists(st.integers(1, 12), min_size=1, max_size=6))
    ids = iter(range(1000))
    groups = [[f"b{next(ids)}" for _ in range(size)] for size in sizes]
    return groups, {board: draw(fates) for group in groups for board in group}


@settings(max_examples=400, deadline=None)
@given(fleets(), limits, st.integers(1, 10), st.booleans())
def test_never_more_than_allowed_are_broken_before_the_halt(fleet, limit, min_boards, pause):
    groups, outcomes = fleet
    world = World(outcomes)
    plan = rollout(groups, limit, min_boards, pause)

    def watch(plan, now, decision):
        broken = world.broken(now)
        # Nobody outside of the stages that were started ever has the release.
        assert set(world.got) == set(plan.offered)
        if decision.act == Act.START:
            # A stage starts only while no more are broken than the limit allows, min_boards
            # or not: so a bad release costs at most that many and the boards of one stage.
            assert len(broken) <= limit.at_most(len(plan.offered))
        if decision.act == Act.FINISH:
            assert len(broken) <= plan.allowed
        if decision.act == Act.WAIT and limit.percent is None:
            assert len(broken) <= limit.count
        if decision.act == Act.STOP:
            assert len(broken) > plan.allowed
            assert sorted(plan.broken) == sorted(broken)
            assert str(plan.count(Outcome.FAILED)) in decision.why or not plan.count(
                Outcome.FAILED
            )

    play(plan, world, watch)
    # It stops when too many break, and only then.
    told = {board for group in groups for board in group if outcomes[board][0] != "confirmed"}
    if limit.count is not None:
        assert (plan.state == State.STOPPED) == (len(told) > limit.count)
    if plan.state == State.FINISHED:
        assert set(plan.offered) == set(outcomes)
        assert set(plan.broken) == told
    # What is kept says the same.
    assert Rollout.from_json(plan.to_json()) == plan


@pytest.mark.parametrize("size", [1, 2, 3, 10, 100])
@pytest.mark.parametrize("limit", [0, 1, 2, 10])
@pytest.mark.parametrize("fate", ["confirmed", "failed", "silent"])
def test_a_table_of_groups(size, limit, fate):
    groups = [[f"a{n}" for n in range(size)], ["z"]]
    world = World({board: (fate, 10.0) for group in groups for board in group})
    plan = rollout(groups, Amount(limit, None))
    play(plan, world)
    total = size + 1
    if fate == "confirmed" or total <= limit:
        assert plan.state == State.FINISHED
        assert len(world.got) == total
    elif size > limit:
        assert plan.state == State.STOPPED
        assert "z" not in world.got
    else:
        assert plan.state == State.STOPPED
        assert "z" in world.got  # one group within the limit says nothing yet


def test_a_share_is_judged_early_only_once_enough_boards_have_an_outcome():
    def first_word(min_boards):
        plan = rollout([[f"b{n}" for n in range(20)], ["z"]], Amount(None, 5.0), min_boards)
        plan.begin_stage(0.0)
        busy = {f"b{n}": Seen(Outcome.BUSY) for n in range(20)}
        two = {f"b{n}": Seen(Outcome.FAILED, "x") for n in range(2)}
        early = plan.step(busy | two, 1.0).act
        rest = {f"b{n}": Seen(Outcome.CONFIRMED) for n in range(2, 20)}
        return early, plan.step(rest | two, 2.0).act

    assert first_word(2) == (Act.STOP, Act.STOP)
    assert first_word(3) == (Act.WAIT, Act.STOP)


def test_a_failure_stays_one_when_the_board_asks_again():
    plan = rollout([["a"], ["b"]], Amount(0, None))
    plan.begin_stage(0.0)
    assert plan.step({"a": Seen(Outcome.FAILED, "x")}, 1.0).act == Act.STOP
    assert plan.step({"a": Seen(Outcome.BUSY)}, 2.0).act == Act.STOP
    assert plan.boards["a"] == (Outcome.FAILED, "x")


def test_a_lost_board_that_comes_back_counts_as_what_it_says():
    plan = rollout([["a"]], Amount(1, None))
    plan.begin_stage(0.0)
    assert plan.step({"a": Seen(Outcome.BUSY)}, DEADLINE).act == Act.FINISH
    assert plan.outcome("a") == Outcome.LOST
    plan.step({"a": Seen(Outcome.CONFIRMED)}, DEADLINE + 1)
    assert plan.outcome("a") == Outcome.CONFIRMED


def test_going_on_gives_the_whole_deadline_anew():
    plan = rollout([["a", "b"]], Amount(0, None))
    plan.begin_stage(0.0)
    silent = {"a": Seen(Outcome.BUSY), "b": Seen(Outcome.CONFIRMED)}
    assert plan.step(silent, DEADLINE).act == Act.STOP
    plan.state = State.STOPPED
    plan.go_on(500.0)
    assert plan.step(silent, 500.0 + DEADLINE - 1).act == Act.WAIT
    assert plan.outcome("b") == Outcome.CONFIRMED
    assert plan.step(silent, 500.0 + DEADLINE).act == Act.STOP


def test_pausing_between_stages_pauses_once_at_each_end():
    plan = rollout([["a"], ["b"], ["c"]], Amount(0, None), pause=True)
    acts = []
    world = World(dict.fromkeys("abc", ("confirmed", 1.0)))
    play(plan, world, lambda plan, now, decision: acts.append(decision.act))
    assert [act for act in acts if act != Act.WAIT] == [
        Act.START, Act.PAUSE, Act.START, Act.PAUSE, Act.START, Act.FINISH,
    ]  # fmt: skip


def test_a_pause_by_hand_within_a_stage_leaves_the_one_at_its_end():
    plan = rollout([["a"], ["b"]], Amount(0, None), pause=True)
    plan.begin_stage(0.0)
    plan.state = State.PAUSED
    plan.go_on(5.0)
    assert plan.step({"a": Seen(Outcome.CONFIRMED)}, 6.0).act == Act.PAUSE


@given(st.integers(1, 400), st.lists(st.integers(1, 100), min_size=1, max_size=6, unique=True))
def test_stages_take_each_board_once_and_never_too_many(boards, shares):
    ids = [str(number) for number in range(boards)]
    text = ",".join(f"{share}%" for share in sorted(shares))
    made = parts(stages(text), ids)
    assert [board for part in made for board in part] == ids[
        : math.ceil(max(shares) * boards / 100)
    ]
    assert all(made)


@pytest.mark.parametrize(
    ("text", "boards", "sizes"),
    [
        ("2,10%,50%,100%", 200, [2, 18, 80, 100]),
        ("2,10%,50%,100%", 10, [2, 3, 5]),
        ("1,100%", 1, [1]),
        ("1,100%", 2, [1, 1]),
        ("5,10", 7, [5, 2]),
        ("3", 10, [3]),
        ("100%", 3, [3]),
        ("7%,100%", 100, [7, 93]),
        ("0.5%,100%", 10, [1, 9]),
        ("1,100%", 0, []),
    ],
)
def test_what_stages_mean(text, boards, sizes):
    assert [len(part) for part in parts(stages(text), [str(n) for n in range(boards)])] == sizes


@pytest.mark.parametrize(
    "text", ["", ",", "0", "2,2", "50%,10%", "5,2,100%", "101%", "-1", "x", "0%", "1,", "1.5", "%"]
)
def test_stages_that_make_no_sense_are_refused(text):
    with pytest.raises(UsageError):
        stages(text)


@pytest.mark.parametrize("text", ["", "-1", "1.5", "101%", "5 %", "many", "²"])
def test_limits_that_make_no_sense_are_refused(text):
    with pytest.raises(UsageError):
        amount(text, "--max-failures")


def test_a_limit_is_never_rounded_up():
    assert [amount("5%", "x").at_most(n) for n in (2, 19, 20, 200)] == [0, 0, 1, 10]
    assert amount("7%", "x").at_most(100) == 7
    assert amount("3", "x").at_most(1) == 3


def test_broken_means_failed_or_lost():
    assert BROKEN == (Outcome.FAILED, Outcome.LOST)
