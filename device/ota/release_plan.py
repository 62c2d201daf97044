"""Makes a transaction of the description of a release that was checked."""

import sys

from ota import release_store, transaction
from ota.board import board_name
from ota.description import Description


def plan(head, board, revision, min_version, trial_s):
    """Begin and seal the transaction, yielding after each small step, at the end (version, id).

    *head* is the release_head.Head that took the description in; the rest is as release.Reader
    has it. Raises Refused; nothing is left of it then.
    """
    own = sys.implementation
    lines = release_store.lines(release_store.TEXT)
    draft = None
    try:
        description = Description(lines)
        description.require(
            board or board_name(),
            revision,
            own.version[:3],
            getattr(own, "_mpy", 0),
            (min_version, transaction.status()["floor"]),
        )
        draft = transaction.begin(
            description.version,
            description.trial and trial_s,
            "release",
            # Without keys nobody vouches for it, and anybody could lock all others out.
            description.floor if head.keys else None,
        )
        for path in description.deletes():
            draft.add_delete(path)
            yield None
        for path, size, sha in description.files():
            for _ in draft.file_steps(path, size, sha):
                yield None
            yield None
        session = draft.seal()
    except Exception:
        if draft is not None:
            draft.drop()
        raise
    finally:
        lines.close()
    release_store.save(session, description.version, head.text_size, head.sign_size, head.signer)
    yield description.version, session
