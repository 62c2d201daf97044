"""An update from its beginning to its staging, as one object: for programs on the board."""

from ota import opening, sealing
from ota.draft import Draft
from ota.manifest import check_version


def begin(version=None, trial=True, floor=None, force=False):
    """Return an Update, a draft for the update to *version*.

    *trial* is the number of seconds that the update has to prove itself, True for a usual time,
    False for none. *floor* is the lowest version accepted once this one is confirmed.
    While the same update is being staged the draft only compares, and sealing it resumes.
    *force* drops another one that is being staged. Raises Refused(409) if one is in the way.
    """
    if version is not None:
        check_version(version)
    return Update(version, trial, floor, opening.prepare(force))


class Update(Draft):
    """A Draft that can become the update that is staged."""

    def seal(self):
        """End the manifest: check it as a whole, and start staging.

        Returns the id of the session. Raises Refused, and forgets the draft, when a rule is
        broken, there is no room, or another update is being staged.
        """
        try:
            return sealing.seal(self.close())
        except Exception:
            self.drop()
            raise

    def drop(self):
        """Forget the draft, quiet if it was sealed; what was staged before stays."""
        if not self.compare:
            Draft.drop(self)
            opening.undo()
