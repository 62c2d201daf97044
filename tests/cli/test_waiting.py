"""Watching a device that a script plays."""

import pytest

from pico_ota.errors import PicoOtaError, RefusedError, RevertedError, UnreachableError
from pico_ota.waiting import Watch, deadline_s

CONFIRMED = {"version": "2", "outcome": "confirmed", "reason": None}


class Played:
    """A remote whose answers are given; its sleeping makes the clock go."""

    target = "pico:8080"

    def __init__(self, *answers):
        self.answers = list(answers)
        self.now = 0.0
        self.looks = 0

    def answer(self, retry):
        assert retry is False  # the loop itself is the retry: a pause inside would double it
        self.looks += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    info = status = answer
    confirmed = 0
    refusal = None

    def confirm(self):
        self.confirmed += 1
        if self.refusal is not None:
            raise self.refusal

    def sleep(self, seconds):
        self.now += seconds

    def drop_connection(self):
        pass


def watch_of(*answers, **options):
    remote = Played(*answers)
    told = []
    return Watch(remote, told.append, lambda: remote.now, **options), remote, told


GONE = UnreachableError("gone")


def status(state, **more):
    return {"state": state, "version": "2", **more}


def test_a_restart_is_over_when_the_boot_id_is_another():
    watch, remote, _ = watch_of({"boot_id": "a"}, GONE, GONE, {"boot_id": "b"})
    assert watch.restart("a") == "b"
    assert remote.looks == 4


def test_a_device_that_stays_away_is_unreachable():
    watch, remote, _ = watch_of(GONE)
    with pytest.raises(UnreachableError, match=r"within 90 s.*It repairs itself"):
        watch.restart("a")
    assert 90 < remote.now < 100


def test_a_device_that_does_not_restart_is_noticed():
    watch, _, _ = watch_of({"boot_id": "a"})
    with pytest.raises(UnreachableError, match="did not come back"):
        watch.restart("a")


def test_a_trial_that_ends_well():
    trial = status("trial", trial={"attempt": 1, "attempts": 3, "remaining_s": 30})
    watch, _, told = watch_of(status("committed"), trial, trial, status("idle", last=CONFIRMED))
    assert watch.outcome("2").outcome == "confirmed"
    assert told == [
        "The device is putting the files in place.",
        "On trial, attempt 1 of 3: the new files have to prove healthy within 30 s.",
    ]


def test_no_trial_is_installed():
    last = {"version": "2", "outcome": "installed", "reason": None}
    watch, _, _ = watch_of(status("idle", last=last))
    assert watch.outcome("2").outcome == "installed"


def test_restarts_in_the_middle_of_a_trial_are_part_of_it():
    watch, _, _ = watch_of(status("trial"), GONE, GONE, status("idle", last=CONFIRMED))
    assert watch.outcome("2").version == "2"


def test_busy_is_waited_for_other_refusals_are_not():
    busy = RefusedError(503, "no_memory", "Busy.", {})
    watch, _, _ = watch_of(busy, status("idle", last=CONFIRMED))
    assert watch.outcome("2").version == "2"
    watch, _, _ = watch_of(RefusedError(400, "bad_host", "No.", {}))
    with pytest.raises(RefusedError, match="No"):
        watch.outcome("2")


def test_what_was_undone_says_why_and_what_runs():
    last = {"version": "2", "outcome": "reverted", "reason": "no Wi-Fi in 180 s"}
    watch, _, told = watch_of(
        status("reverting"), {"state": "idle", "version": "1", "last": last, "mode": "rescue"}
    )
    with pytest.raises(RevertedError) as caught:
        watch.outcome("2")
    assert str(caught.value).startswith("2 was tried and taken back: no Wi-Fi in 180 s. 1 runs")
    assert "rescue mode" in str(caught.value)
    assert caught.value.exit_status == 5
    assert told == ["Not healthy: the device is putting the old files back."]


def test_another_version_than_expected_is_no_success():
    watch, _, _ = watch_of({"state": "idle", "version": "3", "last": CONFIRMED})
    with pytest.raises(PicoOtaError, match="expected version 2 on the device, found 3"):
        watch.outcome("2")


def test_silence_ends():
    watch, remote, _ = watch_of(status("trial"), GONE)
    with pytest.raises(UnreachableError):
        watch.outcome("2")
    assert remote.now < 100


def test_waiting_ends_and_looks_become_rare():
    watch, remote, _ = watch_of(status("trial"))
    with pytest.raises(PicoOtaError, match="not settled after 300 s"):
        watch.outcome("2", limit_s=300)
    assert remote.looks < 200


def test_what_never_answers_is_waited_for_as_long_as_its_trial_lasts():
    last = {"version": "2", "outcome": "reverted", "reason": "not confirmed in time"}
    back = {"boot_id": "b", "state": "idle", "version": "1", "last": last}
    watch, remote, _ = watch_of(*[GONE] * 500, back, trial_s=180)
    assert watch.restart("a") == "b"
    assert 180 < remote.now < 270
    with pytest.raises(RevertedError, match="not confirmed in time"):
        watch.outcome("2")


def test_the_deadline_of_an_idle_device_is_known_before_its_restart():
    assert deadline_s({"trial_deadline_s": 600}) == 600
    for odd in (
        {},
        {"trial_deadline_s": None},
        {"trial_deadline_s": -1},
        {"trial_deadline_s": 1e9},
    ):
        assert deadline_s(odd) == 180


def test_what_is_not_wholly_back_is_not_said_to_be():
    reason = "not confirmed in time; not restored: no previous /main.py"
    last = {"version": "2", "outcome": "reverted", "reason": reason}
    watch, _, _ = watch_of({"state": "idle", "version": None, "last": last})
    with pytest.raises(RevertedError, match="not wholly back") as caught:
        watch.outcome("2")
    assert "as it was" not in str(caught.value)


def test_a_board_that_sleeps_is_not_missed_between_two_looks():
    # It may listen for a second only, and always while nobody looks.
    watch, remote, _ = watch_of(*[GONE] * 100, {"boot_id": "b"}, *[GONE] * 100, status("idle"))
    watch.restart("a")
    watch.idle()
    assert remote.looks == 202
    assert remote.now < remote.looks / 2


def test_the_deadline_that_the_device_tells_counts():
    trial = status("trial", trial={"attempt": 1, "attempts": 3, "remaining_s": 1800})
    watch, remote, _ = watch_of(trial, *[GONE] * 4000, status("idle", last=CONFIRMED))
    assert watch.outcome("2").outcome == "confirmed"
    assert remote.now > 1500
    watch, remote, _ = watch_of(trial, GONE)
    with pytest.raises(UnreachableError):
        watch.outcome("2")
    assert 1890 < remote.now < 1910
    watch, remote, _ = watch_of(trial)
    with pytest.raises(PicoOtaError, match="not settled after 59 s"):
        watch.outcome("2", limit_s=59)


def test_what_is_on_trial_is_confirmed_at_the_first_answer():
    watch, remote, _ = watch_of(
        status("committed"), status("trial"), status("idle", last=CONFIRMED), confirm=True
    )
    assert watch.outcome("2").outcome == "confirmed"
    assert remote.confirmed == 1


@pytest.mark.parametrize(("word", "lines"), [("broken", 1), ("wrong_state", 0)])
def test_a_refused_confirmation_leaves_it_to_the_trial(word, lines):
    watch, remote, told = watch_of(
        status("trial"), status("trial"), status("idle", last=CONFIRMED), confirm=True
    )
    remote.refusal = RefusedError(409, word, "x.mpy does not load.", {})
    assert watch.outcome("2").outcome == "confirmed"
    assert remote.confirmed == 1
    assert sum("x.mpy does not load." in text for text in told) == lines
