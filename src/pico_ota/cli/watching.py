"""``pico-ota push --watch``: a push at every save, and between them what the device says."""

from __future__ import annotations

import time
from typing import NoReturn

from ..errors import CredentialsError, PicoOtaError, UnreachableError
from ..sync import Stamps
from .logs import UPDATER, Tail
from .push_files import Push
from .session import Session

_LOOK_S = 0.25  # at the files here
_LISTEN_S = 1.0  # to the device: each time costs the application a little


class Watching:
    """Pushes again and again until Ctrl-C."""

    def __init__(self, session: Session, push: Push) -> None:
        self._session = session
        self._out = session.out
        self._push = push
        self._listened = 0.0

    def run(self) -> int:
        """Push now and whenever something was saved; Ctrl-C in between is the regular end.

        Raises:
            CredentialsError: each further try would count as a wrong one.
            UsageError: what is to be sent is not there.
            StoppedError: Ctrl-C while a push was under way; the text says how that left it.
        """
        with self._session.remote() as remote:
            try:
                self._watch(Tail(remote))
            except KeyboardInterrupt:
                # One in the middle of an update has become a StoppedError on its way here.
                self._out.say("Stopped watching.")
        return 0

    def _watch(self, tail: Tail) -> NoReturn:
        tail.new_lines()  # those from before are no news
        pushed: Stamps | None = None
        while True:
            saved = self._settled(pushed)
            if saved == pushed:
                self._listen(tail)
                time.sleep(_LOOK_S)
            else:
                tail.drop_connection()
                pushed = saved
                self._push_once()

    def _settled(self, pushed: Stamps | None) -> Stamps:
        """The state of the files, once a save that is under way is over."""
        saved = self._push.saved()
        while pushed is not None and saved != pushed:
            time.sleep(_LOOK_S)
            before, saved = saved, self._push.saved()
            if saved == before:
                break
        return saved

    def _push_once(self) -> None:
        try:
            self._push.run()
        except CredentialsError:
            raise
        except PicoOtaError as error:
            if error.exit_status == 130:
                raise
            self._out.error(error)
        self._out.say("Watching for the next save; Ctrl-C ends it.", "dim")

    def _listen(self, tail: Tail) -> None:
        now = time.monotonic()
        if now - self._listened < _LISTEN_S:
            return
        self._listened = now
        try:
            for line in tail.new_lines():
                self._out.say(f"  {line.text}", "dim" if line.source == UPDATER else None)
        except UnreachableError as error:
            self._out.detail(str(error))
            tail.drop_connection()
