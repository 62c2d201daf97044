"""The run of ``pico-ota fleet bridge``: one loop that hears of broker, boards and installs.

What waits (a look at a board, an update) runs in threads, which talk to the loop over a queue.
"""

from __future__ import annotations

import json
import queue
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import CredentialsError, PicoOtaError, UnreachableError
from ...fleet import homeassistant
from ...fleet.broker import Broker
from ...fleet.homeassistant import INSTALL, OFFLINE, ONLINE, Topics
from ...fleet.hosts import Board
from ...fleet.releases import Offer, Releases, best
from ...fleet.staging import GOOD
from ..session import Session
from ..status import outcome
from .boards import Logins, Look, ask
from .bringing import Bringing, Limits, Result, parcel

if TYPE_CHECKING:
    from paho.mqtt.client import Client

_CONNECT_S = 15.0
_END_S = 5.0
_MAX_COMMAND = 64


@dataclass(frozen=True)
class Plan:
    """What the options say."""

    broker: Broker
    folder: Path
    interval_s: float
    deadline_s: float
    jobs: int
    prefix: str
    release_url: str | None = None


@dataclass
class Card:
    """What is known of one board.

    Attributes:
        board: the board.
        topics: where its messages go.
        status: its last answer.
        online: whether it answered the last time.
        asked: whether somebody looks at it now.
        stale: whether what that look finds is out of date already.
        busy: an update of ours is under way.
        percent: how far its transfer is; None: it has not begun, or is over.
        problem: why it cannot be reached, or why the last update did not go well.
    """

    board: Board
    topics: Topics
    status: dict[str, Any] | None = None
    online: bool = False
    asked: bool = False
    stale: bool = False
    busy: bool = False
    percent: int | None = None
    problem: str | None = None
    published: dict[str, str] = field(default_factory=dict)


class Bridge:
    """Boards on one side, a broker on the other."""

    def __init__(self, session: Session, boards: list[Board], logins: Logins, plan: Plan) -> None:
        self._session = session
        self._out = session.out
        self._logins = logins
        self._plan = plan
        self._cards = {
            board.name: Card(board, Topics(board.name, plan.prefix)) for board in boards
        }
        self._by_topic = {card.topics.install: card for card in self._cards.values()}
        self._releases = Releases(plan.folder, self._out.warn)
        self._offers: list[Offer] = []
        self._limits = Limits(plan.deadline_s)
        self._news: queue.Queue[tuple[Any, ...]] = queue.Queue()

    def run(self) -> int:
        """Serve until Ctrl-C or SIGTERM, which are the regular end.

        Raises:
            UnreachableError: there is no broker.
            CredentialsError: it does not let us in.
        """
        client = self._connected()
        try:
            with _sigterm_as_ctrl_c(), ThreadPoolExecutor(self._plan.jobs) as pool:
                try:
                    self._serve(client, pool)
                except KeyboardInterrupt:
                    self._say("stopping", "Stopping: updates under way are left in a good state.")
                finally:
                    self._limits.stopping.set()
        finally:
            told = client.publish(Topics.BRIDGE, OFFLINE, qos=1, retain=True)
            with suppress(RuntimeError, ValueError):  # no connection: our last will is sent
                told.wait_for_publish(_END_S)
            client.disconnect()
            client.loop_stop()
        return 0

    # --- the broker ----------------------------------------------------------------------------

    def _connected(self) -> Client:
        try:
            from paho.mqtt.client import Client
            from paho.mqtt.enums import CallbackAPIVersion
        except ImportError as error:
            raise PicoOtaError(
                "the bridge needs the package paho-mqtt: pip install '.[mqtt]' in pico-ota's "
                "folder."
            ) from error
        where = self._plan.broker
        client = Client(CallbackAPIVersion.VERSION2)
        if where.user is not None:
            client.username_pw_set(where.user, where.password)
        if where.tls:
            client.tls_set()
        client.will_set(Topics.BRIDGE, OFFLINE, qos=1, retain=True)
        client.reconnect_delay_set(1, 60)
        client.on_connect = lambda _c, _u, _f, code, _p: self._news.put(("connected", code))
        client.on_disconnect = lambda _c, _u, _f, code, _p: self._news.put(("gone", code))
        client.on_message = lambda _c, _u, message: self._news.put(("message", message))
        try:
            client.connect(where.host, where.port)
            client.loop_start()
            kind, code = self._news.get(timeout=_CONNECT_S)
        except (OSError, queue.Empty) as error:
            client.loop_stop()
            reason = getattr(error, "strerror", None) or str(error) or "no answer"
            raise UnreachableError(
                f"expected an MQTT broker at {where}, got none ({reason}). Check --mqtt.", reason
            ) from error
        if kind != "connected" or code.is_failure:
            client.loop_stop()
            raise CredentialsError(
                f"the MQTT broker at {where} does not let us in ({code}). Check user and password "
                "in --mqtt."
            )
        self._news.put(("connected", code))
        return client

    def _publish(self, client: Client, topic: str, payload: str, card: Card) -> None:
        """Publish what has changed; everything is kept by the broker for those who come later."""
        if card.published.get(topic) != payload:
            card.published[topic] = payload
            client.publish(topic, payload, qos=1, retain=True)

    def _show(self, client: Client, card: Card) -> None:
        """Bring the messages of one board up to date."""
        topics, status = card.topics, card.status
        config = homeassistant.config(card.board, topics, status)
        self._publish(client, topics.config, json.dumps(config), card)
        if status is not None:
            offer = best(self._offers, status)
            version = offer.description.version if offer else None
            url = self._plan.release_url
            state = homeassistant.state(
                status.get("version"),
                version,
                notes=offer.notes if offer else "",
                url=url.replace("{version}", version) if url and version else None,
                busy=card.busy or status.get("state") in ("committed", "trial", "reverting"),
                percent=card.percent,
            )
            self._publish(client, topics.state, json.dumps(state), card)
        self._publish(client, topics.attributes, json.dumps(_attributes(card)), card)
        self._publish(client, topics.online, ONLINE if card.online else OFFLINE, card)

    # --- the loop ------------------------------------------------------------------------------

    def _serve(self, client: Client, pool: ThreadPoolExecutor) -> None:
        look_at = 0.0
        while True:
            now = time.monotonic()
            if now >= look_at:
                look_at = now + self._plan.interval_s
                self._offers = self._releases.offers()
                for card in self._cards.values():
                    self._look(pool, card)
            try:
                what, *about = self._news.get(timeout=max(0.0, look_at - now))
            except queue.Empty:
                continue
            if what == "connected":
                self._announce(client, *about)
            elif what == "gone":
                self._say("disconnected", "The broker is gone; trying to come back.")
            elif what == "message":
                self._message(client, pool, *about)
            elif what == "looked":
                self._looked(client, pool, *about)
            elif what == "progress":
                self._progress(client, *about)
            elif what == "ended":
                self._ended(client, pool, *about)
            elif what == "defect":
                raise about[0]

    def _announce(self, client: Client, code: Any) -> None:
        if code.is_failure:
            self._say("refused", f"The broker does not let us in any more ({code}).")
            return
        self._say("connected", f"Connected to {self._plan.broker}.")
        client.subscribe([(Topics.INSTALLS, 1), (f"{self._plan.prefix}/status", 1)])
        client.publish(Topics.BRIDGE, ONLINE, qos=1, retain=True)
        self._again(client)

    def _again(self, client: Client) -> None:
        for card in self._cards.values():
            card.published.clear()
            self._show(client, card)

    def _message(self, client: Client, pool: ThreadPoolExecutor, message: Any) -> None:
        if message.topic == f"{self._plan.prefix}/status":
            if message.payload == ONLINE.encode():
                self._say("announced", "Home Assistant has started: all boards are announced.")
                self._again(client)
            return
        card = self._by_topic.get(message.topic)
        # A command that the broker has kept would install again at each start of the bridge.
        if card is None or message.retain or message.payload[:_MAX_COMMAND] != INSTALL.encode():
            return
        self._install(client, pool, card)

    def _install(self, client: Client, pool: ThreadPoolExecutor, card: Card) -> None:
        offer = best(self._offers, card.status) if card.status is not None else None
        if card.busy or offer is None:
            why = "an update is under way" if card.busy else "there is nothing newer for it"
            self._say("ignored", f"{card.board.name}: not installed: {why}.", board=card.board)
            self._again_one(client, card)
            return
        card.busy, card.percent, card.problem = True, None, None
        version = offer.description.version
        self._say("install", f"{card.board.name}: {version} is installed.", board=card.board)
        self._show(client, card)
        pool.submit(self._one, card.board, offer)

    def _again_one(self, client: Client, card: Card) -> None:
        card.published.pop(card.topics.state, None)
        self._show(client, card)

    def _one(self, board: Board, offer: Offer) -> None:
        """In a thread: bring *offer* to *board*."""

        def tell(state: str, percent: int | None) -> None:
            self._news.put(("progress", board.name, percent))

        try:
            try:
                what = parcel(offer.path)
            except PicoOtaError as error:
                result = Result("failed", str(error))
            else:
                bringing = Bringing(self._session, board, self._logins, what, self._limits, tell)
                result = bringing.run()
            self._news.put(("ended", board.name, offer.description.version, result))
        except BaseException as error:
            self._news.put(("defect", error))

    def _progress(self, client: Client, name: str, percent: int | None) -> None:
        card = self._cards[name]
        card.percent = percent
        self._show(client, card)

    def _ended(
        self, client: Client, pool: ThreadPoolExecutor, name: str, version: str, result: Result
    ) -> None:
        card = self._cards[name]
        card.busy, card.percent = False, None
        good = result.outcome in GOOD
        card.problem = None if good else f"{version} {result.outcome}: {result.reason}"
        text = f"{name}: {version} {result.outcome}" + (f": {result.reason}" if not good else "")
        self._say("ended", text.rstrip(".") + ".", board=card.board, outcome=result.outcome)
        # The end is shown with what the board says then.
        self._look(pool, card)

    def _look(self, pool: ThreadPoolExecutor, card: Card) -> None:
        if card.asked:
            card.stale = True
        if card.busy or card.asked:
            return
        card.asked = True
        pool.submit(self._ask, card.board)

    def _ask(self, board: Board) -> None:
        """In a thread: what *board* says."""
        try:
            seen = ask(self._session, board, self._logins, self._limits.stopping)
            self._news.put(("looked", seen))
        except BaseException as error:
            self._news.put(("defect", error))

    def _looked(self, client: Client, pool: ThreadPoolExecutor, seen: Look) -> None:
        card = self._cards[seen.board.name]
        was, card.online = card.online, seen.status is not None
        card.asked = False
        if seen.status is not None:
            card.status = seen.status
        if card.online != was:
            what = "answers" if card.online else f"does not answer: {seen.error}"
            event = "online" if card.online else "offline"
            self._say(event, f"{card.board.name} {what}", board=card.board)
        if (card.problem or _AWAY).startswith(_AWAY):
            card.problem = None if card.online else f"{_AWAY}{seen.error}"
        if card.stale:
            card.stale = False
            self._look(pool, card)
        elif not card.busy:
            self._show(client, card)

    def _say(self, event: str, text: str, board: Board | None = None, **more: Any) -> None:
        named = {"board": board.name} if board is not None else {}
        self._out.line({"event": event, "message": text} | named | more)
        self._out.say(text)


_AWAY = "not reached: "


def _attributes(card: Card) -> dict[str, Any]:
    status = card.status or {}
    last = status.get("last")
    return {
        "host": str(card.board.target),
        "state": status.get("state"),
        "mode": status.get("mode"),
        "last_update": outcome(last) if last else None,
        "previous_version": status.get("previous"),
        "problem": card.problem,
    }


@contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    """End in order when a service manager asks for it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
