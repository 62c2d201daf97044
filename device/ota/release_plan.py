"""Makes a transaction of the description of a release that was checked."""

from ota import call, let_go, load

# What each part of the work takes, loaded for it alone; see ota.load() for the order.
_STORE = ("flash", "release_store")
_TEXT = ("paths", "description_text")
_CONDITIONS = ("version", "mpy", "board", "description")
_OPENING = ("records", "states", "plan", "current", "opening")
_DRAFTING = ("manifest", "listing", "flash", "space", "plan", "draft")
_SEALING = ("records", "states", "flash", "space", "tree", "sealing")


def plan(head, board, revision, min_version, trial_s):
    """Begin and seal the transaction, yielding after each small step, at the end (version, id).

    *head* is what release_head.Head.facts() says; the rest is as release.Reader has it. Raises
    Refused; nothing is left of it then.
    """
    text_size, sign_size, signer, vouched = head
    floors = (min_version, call(("records",), "load")["floor"])
    facts = drafted = None
    lines = call(_STORE, "lines", "/.ota/release")
    let_go(*_STORE)
    try:
        text = call(_TEXT, "Text", lines)
        accepted, counts = call(_CONDITIONS, "accepted", text, (board, revision), floors)
        let_go(*_CONDITIONS)
        yield None
        drafted = _drafted(text, counts, accepted, trial_s, vouched)
        for facts in drafted:
            yield None
    finally:
        if drafted:
            drafted.close()
        lines.close()
        text = drafted = None
        let_go("emptied", *_TEXT + _DRAFTING)
    version, _, _, session, _ = facts
    try:
        call(_SEALING, "seal", facts)
    except BaseException:
        _undo()
        raise
    call(_STORE, "save", session, version, text_size, sign_size, signer)
    let_go("start", *_SEALING)
    yield version, session


def _drafted(text, counts, accepted, trial_s, vouched):
    """Yield None after each small step, and at the end the facts of Draft.close()."""
    call(_OPENING, "prepare")
    let_go(*_OPENING)
    yield None
    draft = None
    try:
        load(*_DRAFTING)
        from ota.draft import Draft
        from ota.listing import Listing

        version, trial, floor = accepted
        # Without keys nobody vouches for it, and anybody could lock all others out.
        draft = Draft(
            version, trial and trial_s, floor if vouched else None, count=counts[0] + counts[2]
        )
        listing = Listing(text, *counts)
        for path in listing.deletes():
            draft.add_delete(path)
            yield None
        for path, size, sha in listing.files():
            for _ in draft.file_steps(path, size, sha):
                yield None
            yield None
        yield draft.close()
    except BaseException:
        if draft is not None:
            draft.drop()
        _undo()
        raise


def _undo():
    call(_OPENING, "undo")
    let_go(*_OPENING)
