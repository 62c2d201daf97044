"""`POST /api/v1/update`: begin an update with its manifest."""

import asyncio
from micropython import const

from ota import call, let_go, load
from ota.device import ENTRANCE
from ota.errors import Refused

_FEED = const(256)  # bytes of a manifest between two turns of the other tasks
# What each part of the work takes, loaded for it alone; see ota/routes.py for the order.
_OPENING = ("records", "states", "plan", "current", "opening")
_READING = ("paths", "manifest", "flash", "space", "plan", "draft", "manifest_reader")
_SHOWING = ("records", "session", "arrivals", "states", "current", "direct_show")
_SEALING = ("records", "states", "flash", "space", "tree", "sealing")


async def begin(device, head):
    """Take a manifest and say which files are needed; the same manifest again resumes."""
    body = head.body
    if body.length is None:
        raise Refused(411, "length_required/manifest")
    async with device.uploads.turn("/.ota/plan", body.length):
        device.uploads.free_buffer()
        let_go(*ENTRANCE)
        compare = call(_OPENING, "prepare")
        let_go(*_OPENING)
        try:
            facts = await _read(body, compare, device.service.trial_deadline_s)
            let_go("emptied", *_READING)
            call(_SEALING, "seal", facts)
        except Refused as refused:
            _tidy_up(compare)
            raise _make_way(refused, device)
        except BaseException:
            _tidy_up(compare)
            raise
    let_go("sealing", "states", "space", "tree", "start")
    device.renew_lease()
    device.service.log("Update to %s begins." % facts[0])
    return 201, call(_SHOWING, "begun", facts[3])


async def _read(body, compare, trial_s):
    """Return the facts of Draft.close() for the manifest in *body*. Raises Refused."""
    load(*_READING)
    from ota.draft import Draft
    from ota.manifest_reader import Reader

    draft = Draft(trial=trial_s, compare=compare)
    try:
        reader = Reader()
        view = memoryview(bytearray(_FEED))
        while True:
            count = await body.readinto(view)
            if not count:
                break
            for event in reader.feed(view[:count]):
                await _enter(draft, event, trial_s)
            await asyncio.sleep_ms(0)
        reader.close()
        return draft.close()
    except BaseException:
        draft.drop()
        raise


async def _enter(draft, event, trial_s):
    kind = event[0]
    if kind == "version":
        draft.version = event[1]
    elif kind == "trial":
        draft.trial = trial_s if event[1] else False
    elif kind == "delete":
        draft.add_delete(event[1])
    else:
        for _ in draft.file_steps(event[1], event[2], event[3]):
            await asyncio.sleep_ms(0)


def _tidy_up(compare):
    let_go("emptied", *_READING)
    if not compare:
        call(_OPENING, "undo")


def _make_way(refused, device):
    """Drop an update that nobody goes on with, if it is in the way; return what to raise."""
    current = load("records", "states", "current")
    staging = current.load()["state"] == "staging"
    if refused.word != "busy" or not staging or not device.lease_over():
        return refused
    current.abort()
    return Refused(409, "busy/dropped", retry_after=1)
