"""What ``edit`` does: fetch, let the editor run, and save only over what was fetched."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from ..advice import with_advice
from ..errors import PicoOtaError, RefusedError, StoppedError, UsageError
from ..remote import Remote
from .output import Out, amount
from .paths import as_typed

_DEFAULT = "notepad" if os.name == "nt" else "vi"


class Editing:
    """One file of the device in the editor.

    Args:
        out: where to talk to.
        remote: the device.
        path: the file.
        protected: save even over a file of the updater.
    """

    def __init__(self, out: Out, remote: Remote, path: str, protected: bool) -> None:
        self._out = out
        self._remote = remote
        self._path = path
        self._protected = protected
        self._typed = as_typed(path)

    def run(self) -> None:
        """Edit and save.

        Raises:
            UsageError: it is no text file, or there is no editor.
            PicoOtaError: it was not saved; the text says where the copy on this computer is.
        """
        digest = self._remote.digest(self._path)
        if digest is None and self._remote.is_folder(self._path):
            raise UsageError(f"'{self._typed}' is a folder: name a file in it.")
        before = b"" if digest is None else self._remote.content(self._path)
        if b"\0" in before:
            raise UsageError(
                f"'{self._typed}' is no text: 'pico-ota cp {self._typed} .' brings it here."
            )
        folder = Path(tempfile.mkdtemp(prefix="pico-ota-"))
        copy = folder / self._path.rpartition("/")[2]
        copy.write_bytes(before)
        try:
            self._edit(copy)
            after = copy.read_bytes()
            saved = after != before
            if saved:
                self._save(after, digest)
        except (PicoOtaError, OSError, KeyboardInterrupt) as error:
            raise self._with_copy(error, copy, before) from None
        shutil.rmtree(folder)
        if saved:
            self._out.say(f"Saved {self._typed}, {amount(len(after))} bytes.", "green")
        else:
            self._out.say(f"{self._typed} is as it was: nothing was saved.")
        self._out.result({"path": self._path, "saved": saved, "size": len(after)})

    def _edit(self, copy: Path) -> None:
        editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
        if not editor and not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise UsageError(
                f"no terminal for an editor. 'pico-ota cp {self._typed} .' brings the file here; "
                "or set EDITOR to a program that needs none."
            )
        editor = editor or _DEFAULT
        try:
            done = subprocess.run([*shlex.split(editor), str(copy)], check=False)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise UsageError(
                f"the editor '{editor}' does not start: {reason}. Set EDITOR to one that does."
            ) from error
        if done.returncode:
            raise PicoOtaError(
                f"the editor '{editor}' ended with status {done.returncode}: nothing was saved."
            )
        self._remote.drop_connection()  # the device has closed it while the editor ran

    def _save(self, data: bytes, digest: str | None) -> None:
        sha256 = hashlib.sha256(data).hexdigest()
        condition = {"If-None-Match": "*"} if digest is None else {"If-Match": f'"{digest}"'}
        try:
            self._remote.write(
                self._path, data, sha256, protected=self._protected, conditions=condition
            )
        except RefusedError as error:
            if error.status != 412:
                raise
            now = self._remote.digest(self._path)
            if now == sha256:
                return  # saved by our first try, of which only the answer got lost
            what = "deleted" if now is None else "changed" if digest else "made"
            raise PicoOtaError(
                f"{self._typed} was {what} on the device meanwhile: nothing was overwritten. "
                f"'pico-ota cp {self._typed} .' brings what is there now."
                if now
                else f"{self._typed} was {what} on the device meanwhile: nothing was saved."
            ) from error

    def _with_copy(self, error: BaseException, copy: Path, before: bytes) -> PicoOtaError:
        """*error* with the word on where the text is; a copy without changes is not kept."""
        if isinstance(error, RefusedError):
            told: PicoOtaError = with_advice(error, {"protected"} if self._protected else ())
        elif isinstance(error, PicoOtaError):
            told = error
        elif isinstance(error, KeyboardInterrupt):
            told = StoppedError("interrupted: nothing was saved.")
        else:
            told = PicoOtaError(f"cannot read {copy}: {error}.")
        try:
            changed = copy.read_bytes() != before
        except OSError:
            changed = True  # it cannot be read just now: no reason to remove it
        if changed:
            command = f"pico-ota cp {shlex.quote(str(copy))} {self._typed}"
            told.args = (f"{told} Your text is kept: '{command}' puts it on the device.",)
        else:
            shutil.rmtree(copy.parent)
        return told
