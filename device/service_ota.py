"""OTAUpdateService: over-the-air updates beside an asyncio application.

    from service_ota import OTAUpdateService

    ota_service = OTAUpdateService(wifi_service)
    await ota_service.start()          # returns at once; serves http://<device>:8080

Only a small listener stays in memory; everything else is loaded when a client comes, and unloaded
when none has come for a minute.
"""

import asyncio
import gc
import sys
from micropython import const

import ota

time = ota.firmware("time")
_listener = ota.load("listener")


def __getattr__(name):
    # Its module is only loaded where there is a server to ask.
    if name == "Fleet":
        return ota.load("fleet").Fleet
    raise AttributeError(name)


_CHECK_MS = const(500)  # how soon a Wi-Fi that came or went is noticed
_RESTART_MS = const(1000)  # time for the answer to leave before the reset cuts every connection
_MAX_STEP_MS = const(10000)  # what one check counts, where the application lets it run seldom


class OTAUpdateService:
    """Serves the page and the HTTP interface while *wifi_service* is connected.

    *wifi_service* is a WiFiManager, a network.WLAN, or anything with is_connected() or
    isconnected(). *name* is what the device is called (default: its network host name);
    *allowed_hosts* are further `host:port` values it answers to, as behind a forwarded port.
    *on_progress* is called with (path, received, size) in bytes.

    A release on trial is confirmed when the service has been reachable for *confirm_after_s*
    seconds, or by `confirm()` when *auto_confirm* is False; without either it is undone
    *trial_deadline_s* seconds after the start. *before_install* is called with the version before
    it goes live: it may return False or a reason (text) to refuse, or a number of seconds to be
    asked again; *after_install* is called with the version once that is confirmed.
    *discoverable* answers `pico-ota discover` on UDP port 8081.
    *rescue_network*, (ssid, password), is what rescue mode joins where *wifi_service* cannot tell.
    *rescue_ap*: rescue mode opens an access point of its own, with *auth_password*, where it has
    not found its network for three minutes.
    *public_key* is the content of `public.json` (a dict), a list of such, or the path of that
    file: from then on only releases signed with it are accepted (*require_signed*), and none
    below *min_version* or the highest floor that a confirmed release has set.
    *rescue_after_resets*, 1 to 15, counts each restart of the program's own as a death, and so
    many in a row lead to rescue mode: not for an application that sleeps by `machine.deepsleep`.

    *auth_password* may also be what is kept of one, `sha256:` and the SHA-256 (64 hex) of
    `user:pico-ota:password`. With *basic* False nobody logs in by Basic, which sends the password
    in clear: only by Digest.

    Raises ValueError for an empty user name or password, or a number out of range.
    """

    def __init__(
        self,
        wifi_service,
        auth_username="admin",
        auth_password="otapico",
        port=8080,
        *,
        host="0.0.0.0",
        name=None,
        allowed_hosts=(),
        on_progress=None,
        before_install=None,
        after_install=None,
        trial_deadline_s=180,
        confirm_after_s=30,
        auto_confirm=True,
        rescue_network=None,
        rescue_ap=False,
        discoverable=True,
        public_key=None,
        require_signed=None,
        min_version=None,
        rescue_after_resets=0,
        fleet=None,
        basic=True,
    ):
        ota.once(
            "wifi_help",
            "check_service",
            auth_username,
            auth_password,
            port,
            min_version,
            rescue_ap,
            rescue_after_resets,
        )
        self._is_connected = ota.once("wifi_help", "connected_function", wifi_service)
        self.wifi_service = wifi_service
        self.auth = (auth_username, auth_password)
        self.basic = basic
        #: "digest" or "basic": how somebody last logged in since the password was set, or None.
        self.login = None
        self.name = name
        self.host = host
        #: The port that is asked for; `port` is the one in use.
        self.wanted_port = port
        self.allowed_hosts = allowed_hosts
        self.on_progress = on_progress
        self.before_install = before_install
        self.after_install = after_install
        self.trial_deadline_s = trial_deadline_s
        self.confirm_after_s = confirm_after_s
        self.auto_confirm = auto_confirm
        self.rescue_network = rescue_network
        self.rescue_ap = rescue_ap
        self.discoverable = discoverable
        self.public_key = public_key
        self.require_signed = public_key is not None if require_signed is None else require_signed
        self.min_version = min_version
        self.rescue_after_resets = rescue_after_resets
        self.fleet = ota.load("fleet").Fleet(**fleet) if isinstance(fleet, dict) else fleet
        self.log = ota.load("console").Log()
        #: Sentences that `status` gives as warnings.
        self.notes = []
        #: Requests that were let in, so that rescue mode sees whether it is used.
        self.requests = 0
        #: Whether the next start replaces the live files: changes until then may be lost.
        self.decided = False
        #: The last paths that were changed by hand since the start, see ota/changes.py.
        self.changed = ()
        #: ticks_ms when somebody last went on with an update, None when nobody has.
        self.lease = None
        #: {"path", "received", "size"} of the write under way, or None; and its buffer.
        self.upload = self.buffer = None
        #: Files on their way out, see ota/reading.py.
        self.readers = []
        #: What ota/staging.py knows of the update that is being staged.
        self.staged = None
        #: The Access while a server is loaded, see ota/access.py.
        self.access = None
        self.boot_id = "%08x" % int.from_bytes(ota.firmware("os").urandom(4), "big")
        self.uptime_ms = 0
        self.mode = "normal"
        #: The application's own Microdot that serves the routes, or None.
        self.mounted = None
        #: How long it has been reachable; None once that was taken note of (ota/trial.py).
        self.good_ms = 0
        self._ticks = time.ticks_ms()
        self._listener = _listener.Listener(host, port, self._receive)
        self._beacon = self._task = self._server = None

    def start(self):
        """Begin to serve in the background and return at once; a second call does nothing.

        What it returns may be awaited: it waits for a Wi-Fi object whose start() is a coroutine.
        No event loop has to run: a program without one calls poll() or sleep().
        """
        joining = None
        if self._task is None:
            joining = ota.load("startup").start_up(self)
            self.tidy()
            self._task = asyncio.create_task(self._run())
            if self.fleet is not None:
                self.fleet.start(self)
        return _wait(joining)

    def stop(self):
        """End every connection and free the port; `start` may be called again.

        What it returns is to be awaited; in a program without asyncio poll() does instead.
        """
        if self._task is not None:
            self._task.cancel()
            self._task = None
            if self.fleet is not None:
                self.fleet.stop()
        self._close()
        # The cancelled tasks close their sockets in their own turn.
        return _pause(0)

    def poll(self, ms=20):
        """Let the service, and every other task, run for *ms* milliseconds.

        For programs that have no event loop of their own. Raises RuntimeError inside of one.
        """
        core = asyncio.core
        if core.cur_task is not None:
            raise RuntimeError("asyncio runs already: await asyncio.sleep_ms() instead of poll()")
        try:
            asyncio.run_until_complete(asyncio.create_task(_pause(ms)))
        finally:
            core.cur_task = None  # Ctrl-C leaves it as it was

    def sleep(self, seconds):
        """Do as time.sleep(), while the service runs. Raises RuntimeError as poll() does."""
        self.poll(int(seconds * 1000))

    async def prepare_sleep(self, listen_s=3):
        """Call this before machine.deepsleep(): the restart that follows is a wanted one.

        Waits for requests and updates under way, and until nobody has asked for anything for
        *listen_s* seconds, half a minute at most. A wake in which the board was reachable proves
        what is on trial, unless *auto_confirm* is False, and files changed by hand.
        """
        await ota.load("trial").prepare_sleep(self, listen_s)
        self.tidy()

    def mount(self, app, prefix=""):
        """Serve from *app*, an application's own Microdot, below *prefix*, on its port.

        The service then does not listen itself. Host names are checked without the port. Limits
        on connections and header sizes are those of *app*; Microdot's limit for the length of
        a body is raised to the size of the flash, for all routes of *app*. Raises ValueError for
        a bad prefix, RuntimeError after start().
        """
        if self._task is not None:
            raise RuntimeError("mount() comes before start()")
        self._receive()
        ota.load("mounted").mount(self, app, prefix)
        self.mounted = app

    def confirm(self):
        """Keep the release on trial, or files changed by hand; return False when all is proven.

        Raises ota.errors.Refused when the release has broken the updater.
        """
        guard = sys.modules.get("ota_boot")
        # An application may call this after each good measurement: it must cost nothing then.
        if guard is None or guard.supervisor is None:
            return False
        ota.once("trial", "vouch", self)
        self.tidy()
        return True

    @property
    def port(self):
        """The port in use, None while not listening."""
        return self._listener.port

    @property
    def reachable(self):
        """Whether anybody can ask it now."""
        if self.mounted is None:
            return self.port is not None
        # Microdot has a server from start_server() on.
        return getattr(self.mounted, "server", True) is not None and self._is_connected()

    def restart_soon(self, mode="normal"):
        """Restart in a second, with *mode* "rescue" into rescue mode; return the answer."""
        self.log("Restarting (%s)." % mode)
        asyncio.create_task(_restart_later(mode))  # noqa: RUF006 - the loop holds it
        return {"boot_id": self.boot_id, "restart_ms": _RESTART_MS}

    def tidy(self):
        """Free what is only needed for a moment, unless somebody is connected and uses it."""
        if self._server is None and not ota.busy:
            self.buffer = self.access = self.staged = None
            ota.unload()

    async def _run(self):
        while True:
            try:
                self._count_time()
                if self.mounted is None:
                    self._follow_wifi()
            except MemoryError:
                pass  # the application has it all for now; a line in the log would need some
            except Exception as error:
                # Whatever it is, a service that ends would leave the board out of reach.
                self.log("Port %d: %r" % (self.wanted_port, error))
            await asyncio.sleep_ms(_CHECK_MS)

    def _count_time(self):
        # Added up in small steps: ticks_ms() wraps, and the clock jumps when it is set.
        now = time.ticks_ms()
        passed = time.ticks_diff(now, self._ticks)
        self._ticks = now
        self.uptime_ms += passed
        if self.fleet is not None:
            self.fleet.watch()
        guard = sys.modules.get("ota_boot")
        supervisor = guard and guard.supervisor
        if supervisor:
            supervisor.turn = now
        if self.good_ms is None:
            return
        self.good_ms = self.good_ms + min(passed, _MAX_STEP_MS) if self.reachable else 0
        if supervisor and not self._is_connected():
            supervisor.postpone()
        if self.good_ms >= self.confirm_after_s * 1000:
            self.good_ms = 0  # once more later, should it fail
            ota.once("trial", "passed", self)
            self.good_ms = None
            self.tidy()

    def _follow_wifi(self):
        connected = self._is_connected()
        if connected and self.port is None:
            self._listener.open()
            if self.discoverable:
                try:
                    self._beacon = _listener.Beacon(self)
                except OSError as error:
                    # The port of another program: being found is a comfort, not a duty.
                    self.log("Cannot be discovered: %s" % error)
            self.log(ota.once("api", "greeting", self))
        elif not connected and self.port is not None:
            self._close()
            self.log("Wi-Fi is gone; listening again when it is back.")
        elif self._server is not None and self._server.idle and not ota.busy:
            self._dismiss()

    def _close(self):
        self._listener.close()
        if self._beacon is not None:
            self._beacon.close()
            self._beacon = None
        if self.fleet is not None:
            self.fleet.interrupt()
        self._dismiss()

    def _receive(self):
        """Return the Server, loading it if need be. Raises MemoryError."""
        if self._server is None:
            gc.collect()
            self._server = ota.load("server").Server(self)
        return self._server

    def _dismiss(self):
        if self._server is not None and self.mounted is None:
            self._server.close()
            self._server = self.buffer = self.access = self.staged = None
            self._listener.renew()
            ota.unload()


async def _restart_later(mode):
    await asyncio.sleep_ms(_RESTART_MS)
    ota.chip.restart("rescue" if mode == "rescue" else "restart")


async def _pause(ms):
    await asyncio.sleep_ms(ms)


async def _wait(task):
    if task:
        await task
