"""OTAUpdateService: over-the-air updates beside an asyncio application.

    from service_ota import OTAUpdateService

    ota_service = OTAUpdateService(wifi_service)
    await ota_service.start()          # returns at once; serves http://<device>:8080

Only a small listener stays in memory; everything else is loaded when somebody asks.
"""

import asyncio
import gc
import os
import sys
import time
from binascii import hexlify
from micropython import const

from ota.access import Access, credentials_digest
from ota.connection import low_memory
from ota.errors import Refused
from ota.listener import Listener
from ota.log import Log

_DEFAULT_PASSWORD = "otapico"
_CHECK_MS = const(500)  # how soon a Wi-Fi that came or went is noticed
_RESTART_MS = const(1000)  # time for the answer to leave before the reset cuts every connection
_WEB_IDLE_MS = const(60000)


class OTAUpdateService:
    """Serves the page and the HTTP interface while *wifi_service* is connected.

    *wifi_service* is a WiFiManager, a network.WLAN, or anything with is_connected() or
    isconnected(). *name* is what the device is called (default: its network host name);
    *allowed_hosts* are further `host:port` values it answers to, as behind a forwarded port.
    *on_progress* is called with (path, received, size) in bytes.

    Raises ValueError for an empty user name or password, or a port out of range.
    """

    def __init__(
        self,
        wifi_service,
        auth_username="admin",
        auth_password=_DEFAULT_PASSWORD,
        port=8080,
        *,
        host="0.0.0.0",
        name=None,
        allowed_hosts=(),
        on_progress=None,
    ):
        _check_credentials(auth_username, auth_password)
        if not isinstance(port, int) or not 0 < port < 65536:
            raise ValueError("port is a number from 1 to 65535, got %r" % (port,))
        self._wifi = wifi_service
        self._is_connected = _connected_function(wifi_service)
        self._name = name
        self._host = host
        self._port = port
        self._username = auth_username
        self._constructed = credentials_digest(auth_username, auth_password)
        self._default_digest = credentials_digest(auth_username, _DEFAULT_PASSWORD)
        self.log = Log()
        self.on_progress = on_progress
        self.boot_id = hexlify(os.urandom(4)).decode()
        self.uptime_ms = 0
        self._ticks = time.ticks_ms()
        self.mode = "normal"
        self._access = Access(self._constructed, allowed_hosts)
        self._listener = Listener(self._access, self._serve)
        self._task = None
        self._web = None
        self._web_used_ms = 0
        self._mounted = False
        self._resetting = None

    async def start(self):
        """Begin to serve in the background and return at once; a second call does nothing."""
        if self._task is not None:
            return
        self._prepare()
        start_wifi = getattr(self._wifi, "start", None)
        if start_wifi:
            await _resolve(start_wifi())
        self._task = asyncio.create_task(self._run())

    async def stop(self):
        """End every connection and free the port; `start` may be called again."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._listener.close()
        self._let_go()
        await asyncio.sleep_ms(0)

    def mount(self, app, prefix=""):
        """Serve from *app*, an application's own Microdot, below *prefix*, on its port.

        The service then does not listen itself. Host names are checked without the port. Limits
        on connections and header sizes are those of *app*.
        """
        if self._task is not None:
            raise RuntimeError("mount() comes before start()")
        if prefix and (prefix[0] != "/" or prefix[-1] == "/"):
            raise ValueError("prefix looks like '/ota', got %r" % prefix)
        self._mounted = True
        self._load_web().add_to(app, prefix, mounted=True)

    def _prepare(self):
        from ota import credentials, store

        store.clean()
        self._access.digest = credentials.load(self._constructed)
        if self.default_password:
            self.log("The default password is in use. Choose another one.")

    async def _run(self):
        while True:
            try:
                self._follow_wifi()
            except OSError as error:
                self.log("Cannot listen on port %d: %s" % (self._port, error))
            await asyncio.sleep_ms(_CHECK_MS)
            self._count_uptime()

    def _count_uptime(self):
        # Added up in small steps: ticks_ms() wraps, and the clock jumps when it is set.
        now = time.ticks_ms()
        self.uptime_ms += time.ticks_diff(now, self._ticks)
        self._ticks = now

    def _follow_wifi(self):
        connected = bool(self._is_connected())
        if connected and self._mounted:
            self._access.allow_hosts(self._host_names(), None)
        elif connected and not self._listener.is_open:
            self._listener.open(self._host, self._port)
            self.log("Listening on http://%s:%d" % (self.ip or "?", self._listener.port))
        elif not connected and self._listener.is_open:
            self._listener.close()
            self.log("Wi-Fi is gone; listening again when it is back.")
        if self._listener.is_open:
            # Each time: the address may have changed with a new lease.
            self._access.allow_hosts(self._host_names(), self._listener.port)
            self._let_go_when_idle()

    def _let_go_when_idle(self):
        if self._web is None or self._listener.busy:
            return
        if time.ticks_diff(time.ticks_ms(), self._web_used_ms) > _WEB_IDLE_MS:
            self._let_go()

    def _host_names(self):
        name = self.name
        return (self.ip, name, name + ".local" if name else None)

    async def _serve(self, head, connection):
        try:
            web = self._load_web()
        except MemoryError:
            self._let_go()
            await self._serve_without_web(head, connection)
            return
        self._web_used_ms = time.ticks_ms()
        await web.handle(head, connection)
        self._web_used_ms = time.ticks_ms()

    async def _serve_without_web(self, head, connection):
        # The way out of a full heap has to work on a full heap.
        if head.method != "POST" or head.path != "/api/v1/reboot":
            raise low_memory()
        body = bytearray(64)
        count = await connection.readinto(memoryview(body))
        mode = "rescue" if body[:count].find(b"rescue") >= 0 else "normal"
        await connection.send_json(202, "OK", self.restart(mode))

    def _load_web(self):
        if self._web is None:
            gc.collect()
            from ota.web import Web

            self._web = Web(self)
        return self._web

    def _let_go(self):
        self._web = None
        resident = ("ota", "ota.access", "ota.connection", "ota.errors", "ota.head")
        resident += ("ota.listener", "ota.log")
        for name in list(sys.modules):
            if name == "microdot" or (name.startswith("ota.") and name not in resident):
                del sys.modules[name]
        gc.collect()

    def admit_mounted(self, request):
        """Let a request of the application's own Microdot in, or raise Refused."""
        from ota.web import mounted_body

        head, request.g.body = mounted_body(request)
        self._access.check(head, request.client_addr[0])

    # What the routes show and do.

    @property
    def name(self):
        """The host name, as set by the application, the Wi-Fi manager or the network module."""
        return self._name or getattr(self._wifi, "hostname", None) or _network_hostname()

    @property
    def ip(self):
        """The address as text, or None."""
        ip = getattr(self._wifi, "ip", None)
        if ip is None and hasattr(self._wifi, "ifconfig"):
            ip = self._wifi.ifconfig()[0]
        return ip

    @property
    def rssi(self):
        """Signal strength in dBm, or None when the Wi-Fi object cannot tell."""
        try:
            if hasattr(self._wifi, "rssi"):
                return self._wifi.rssi
            return self._wifi.status("rssi")
        except (AttributeError, OSError, ValueError, TypeError):
            return None

    @property
    def default_password(self):
        """True until the password of the specification has been changed."""
        return self._access.digest == self._default_digest

    @property
    def warnings(self):
        """What a person should know, as a list of sentences."""
        if self.default_password:
            return ["The default password is in use. Choose another one."]
        return []

    def update_status(self):
        """Return what `status` says of releases."""
        return {}

    def set_password(self, password):
        """Ask for *password* from now on. Raises Refused when it is no usable one."""
        try:
            _check_credentials(self._username, password)
        except ValueError as error:
            raise Refused(400, "bad_password", str(error))
        from ota import credentials

        digest = credentials_digest(self._username, password)
        credentials.save(self._constructed, digest)
        self._access.digest = digest
        self.log("The password was changed.")

    def restart(self, mode="normal"):
        """Restart in a second; return what the answer says. Raises Refused for another *mode*."""
        if mode not in ("normal", "rescue"):
            raise Refused(400, "bad_mode", "mode is 'normal' or 'rescue', got %r." % (mode,))
        self.log("Restarting (%s)." % mode)
        self._resetting = asyncio.create_task(_reset_later(mode))
        return {"boot_id": self.boot_id, "restart_ms": _RESTART_MS}


async def _reset_later(mode):
    await asyncio.sleep_ms(_RESTART_MS)
    import machine

    machine.reset()


async def _resolve(value):
    # A Wi-Fi object's start() may be a plain function or a coroutine.
    if hasattr(value, "send"):
        await value


def _check_credentials(username, password):
    if not isinstance(username, str) or not username or ":" in username:
        raise ValueError("auth_username is a text without ':', got %r" % (username,))
    if not isinstance(password, str) or not password:
        raise ValueError("auth_password is empty: anybody could replace the program")
    if len(password) > 128:
        raise ValueError("auth_password has at most 128 characters")


def _connected_function(wifi):
    for name in ("is_connected", "isconnected"):
        function = getattr(wifi, name, None)
        if function is not None:
            return function
    raise ValueError("wifi_service needs is_connected() or isconnected(), got %r" % (wifi,))


def _network_hostname():
    try:
        import network

        return network.hostname()
    except (ImportError, AttributeError):
        return None
