"""Wi-Fi for the Pico W and Pico 2 W: join, stay joined, say clearly what is wrong.

    wifi = WiFiManager("ssid", "password", "device-name")
    wifi.start()                        # in the background: join, and again for ever after a drop
    await wifi.connect(timeout_s=20)    # optional: wait for it, or get a WiFiError that helps

The radio tells very little: a status number. Zero or less is final for one join (the firmware
does not try again by itself), so everything that lasts is done here. Whether a connection that
the radio reports really carries traffic is for the service on top to see.
"""

import asyncio
from micropython import const

import ota

time = ota.firmware("time")
network = ota.firmware("network")
random = ota.firmware("random")

# network.WLAN.status(): the firmware has no name for 2, joined but without an address.
_JOINING = const(1)
_UP = const(3)
_FAILED = const(-1)
_WRONG_PASSWORD = const(-3)

_TRY_S = const(15)  # for one join with DHCP, which takes 2 to 8
_RETRY_MAX_S = const(60)

# -3 may only mean that the handshake timed out (cyw43-driver issue 154): ask again.
_REFUSALS = const(3)
# A radio that hangs comes back when it is switched off and on.
_CYCLE_AFTER = const(5)


def __getattr__(name):
    # The exceptions belong to this module, but most boards never need their kilobyte. All at once
    # and kept: a second set of classes, of a module loaded anew, would not be caught.
    names = globals()
    if name.endswith("Error") and "WiFiError" not in names:
        for error in ota.once("wifi_help", "errors"):
            names[error.__name__] = error
    if name not in names:
        raise AttributeError(name)
    return names[name]


class WiFiManager:
    """One station connection: its settings, one join at a time, and the task that keeps it up.

    An empty password means an open network. *country*, two letters, sets the allowed channels;
    without it the firmware's setting stays (world-wide: no channel 12 or 13). *address*, as
    (address, netmask, gateway, name server), is used instead of what DHCP would give.
    Raises ValueError for settings that no network can have.
    """

    _second_ms = 1000  # the tests make time run faster

    def __init__(self, ssid, password="", hostname=None, country=None, address=None):
        ota.once("wifi_help", "check", ssid, password, country, address)
        self.ssid = ssid
        self.password = password
        self.hostname = ota.once("wifi_help", "host_name", hostname)
        self.country = country
        self.address = address
        self.log = print  # what becomes of the background task's lines
        # Newer firmware has the constant in the class, older as network.STA_IF; both are 0.
        self._wlan = network.WLAN(getattr(network.WLAN, "IF_STA", 0))
        self._task = None
        self._joining = False
        self._failures = 0

    def is_connected(self):
        """Tell whether the board is joined and has an address; never blocks."""
        return self._wlan.isconnected()

    isconnected = is_connected  # as network.WLAN spells it

    @property
    def ip(self):
        """The address as text, None while not connected."""
        return self._wlan.ipconfig("addr4")[0] if self.is_connected() else None

    @property
    def rssi(self):
        """Signal strength in dBm (-30 beside the router, -80 hardly usable), or None."""
        try:
            return self._wlan.status("rssi") if self.is_connected() else None
        except OSError:  # the connection ended between the two calls
            return None

    def start(self):
        """Keep the board connected from a background task; a second call changes nothing."""
        if self._task is None or self._task.done():
            # Unlike asyncio.create_task() this needs no running loop, on CPython either.
            self._task = asyncio.get_event_loop().create_task(self._keep())

    def stop(self, radio_off=False):
        """End the background task; an existing connection stays unless the radio goes off."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        if radio_off:
            self._wlan.disconnect()
            self._wlan.active(False)

    async def connect(self, timeout_s=20):
        """Join and return the address. Raises a WiFiError, after *timeout_s* at the latest."""
        deadline = self._after(timeout_s)
        refused = 0
        reason = _JOINING
        while True:
            status = await self._join(deadline)
            if status == _UP:
                return self.ip
            if status == _WRONG_PASSWORD:
                refused += 1
            if status != _JOINING:
                reason = status
            # No join is done in less than 2 s.
            if refused >= _REFUSALS or self._left_ms(deadline) < 2 * self._second_ms:
                error, message = ota.once("wifi_help", "explain", reason, self.ssid, self.password)
                raise __getattr__(error)(message)
            await self._sleep(1)

    async def _keep(self):
        said = None
        while True:
            try:
                status = await self._join(self._after(_TRY_S))
                if status == _UP:
                    self.log("Wi-Fi: connected, %s, %s.local" % (self.ip, self.hostname))
                    while self.is_connected():  # asks the driver: no radio traffic
                        await self._sleep(2)
                    self.log("Wi-Fi: connection lost")
                    said = None
                elif status != said:  # a line for each change, not for each try
                    said = status
                    message = ota.once("wifi_help", "explain", status, self.ssid, self.password)[1]
                    self.log("Wi-Fi: %s; trying again" % message)
            except MemoryError:
                # The application took it all. This task must outlive that, the message need not.
                pass
            await asyncio.sleep_ms(self._delay_ms())

    async def _join(self, deadline):
        # One join at a time, whoever asks: the background task or connect().
        while self._joining:
            if self._left_ms(deadline) <= 0:
                return self._wlan.status()
            await self._sleep(0.1)
        self._joining = True
        try:
            status = await self._try(deadline)
        except OSError:
            # Every call of the driver may fail, for example with EPERM on a weak power supply.
            status = _FAILED
        finally:
            self._joining = False
        self._failures = 0 if status == _UP else self._failures + 1
        return status

    async def _try(self, deadline):
        wlan = self._wlan
        if self._failures and self._failures % _CYCLE_AFTER == 0:
            wlan.active(False)
            await self._sleep(1)
        self._radio_on()
        # After a soft reset the radio is still joined. Joining once more can end the reception of
        # multicast, and with it <name>.local (MicroPython issue 11294).
        if wlan.isconnected() and wlan.config("ssid") == self.ssid:
            return _UP
        if wlan.status():
            # The rest of the last try, or another network. The driver reports its end late:
            # without the pause it would be taken for the end of the new one.
            wlan.disconnect()
            await self._sleep(1)
        if self.password:
            wlan.connect(self.ssid, self.password)
        else:
            wlan.connect(self.ssid)
        status = _JOINING
        while 0 < status < _UP and self._left_ms(deadline) > 0:
            await self._sleep(0.1)
            status = wlan.status()
        return status

    def _radio_on(self):
        wlan = self._wlan
        if network.hostname() != self.hostname:
            # DHCP and mDNS take the name over when the interface comes up, not later.
            if wlan.active():
                wlan.active(False)
            network.hostname(self.hostname)
        if self.country:
            network.country(self.country)
        wlan.active(True)
        # With power saving, the firmware's default, an answer takes 200 ms and more instead of a
        # few, and boards become unreachable when idle (MicroPython issue 9455). Costs 34 mA.
        wlan.config(pm=wlan.PM_NONE)
        if self.address:
            # Before the join, so that DHCP is not asked; switching the radio off forgets it.
            wlan.ifconfig(self.address)

    def _delay_ms(self):
        # Doubled each time up to the cap, then anywhere in its upper half: after a power failure
        # all boards of a house start at once and must not ask the router in step.
        top = min(1 << min(self._failures, 6), _RETRY_MAX_S) * self._second_ms
        # The board seeds it from its hardware.
        return random.randint(top // 2, top)

    def _after(self, seconds):
        return time.ticks_add(time.ticks_ms(), int(seconds * self._second_ms))

    def _left_ms(self, deadline):
        return time.ticks_diff(deadline, time.ticks_ms())

    def _sleep(self, seconds):
        return asyncio.sleep_ms(int(seconds * self._second_ms))
