"""The CYW43 radio and the access points around it."""

from __future__ import annotations

import ipaddress
import json
import time
from dataclasses import dataclass

from pico_ota.sim import registers as reg
from pico_ota.sim.registers import Registers

# network.WLAN.status(); 2, joined without an address, has no name there.
_DOWN, _JOINING, _NO_ADDRESS, _UP = 0, 1, 2, 3
_NO_SUCH_NETWORK, _WRONG_PASSWORD = -2, -3

_SECURITY_WPA2 = 5  # as scan() reports it


@dataclass
class Air:
    """What the radio finds. To be changed with `SimulatedPico.set_wifi()`."""

    networks: dict[str, str] | None = None
    """Name -> password of the access points in reach; None: any name and password will do."""
    delay_s: float = 0.05
    """From `connect()` to the outcome."""
    address: str | None = "127.0.0.1"
    """What DHCP hands out; None: nothing, the status stays 2."""
    rssi: int = -50
    """Signal strength in dBm."""
    link: bool = True
    """False: out of reach. An existing connection drops, no new one succeeds."""
    lying: bool = False
    """The firmware does not notice the loss of the link (pico-sdk issue 2153)."""
    outcome: int | None = None
    """The status that every join ends with, whatever the rest says."""


class Radio:
    """Carries out the orders in the registers; called by the supervisor's loop only."""

    def __init__(self, registers: Registers, air: Air) -> None:
        self.air = air
        self._registers = registers
        self._due: float | None = None
        self._joined = False
        self.changed()

    @property
    def due(self) -> float | None:
        """When `work()` has to be called again, in `time.monotonic()` seconds."""
        return self._due

    @property
    def access_point(self) -> tuple[str, str] | None:
        """Name and password of the board's own access point, None while it is off."""
        registers = self._registers
        if not registers.words[reg.AP_ACTIVE]:
            return None
        name = registers.text(reg.AP_SSID_AT, reg.AP_SSID_LEN, 32).decode(errors="replace")
        key = registers.text(reg.AP_KEY_AT, reg.AP_KEY_LEN, 64).decode(errors="replace")
        return name, key if registers.words[reg.AP_SECURITY] else ""

    def changed(self) -> None:
        """Take over what has changed in `air`."""
        words = self._registers.words
        words[reg.RSSI] = 256 + self.air.rssi
        names = self.air.networks if self.air.networks is not None else {"simulated": ""}
        found = [
            [name, f"02000000{n:04x}", 1 + n % 11, self.air.rssi, _SECURITY_WPA2]
            for n, name in enumerate(names if self.air.link else {})
        ]
        self._registers.store(reg.SCAN_AT, reg.SCAN_LEN, json.dumps(found).encode())
        if self._joined and not self.air.link and not self.air.lying:
            self._settle(_DOWN)

    def reset(self) -> None:
        """Forget the connection."""
        self._due = None
        self._joined = False

    def work(self) -> None:
        """Take new orders and finish what is due."""
        words = self._registers.words
        orders = words[reg.ORDERS]
        if orders != words[reg.ORDERS_SEEN]:
            self._settle(_JOINING if words[reg.JOIN] else _DOWN)
            words[reg.ORDERS_SEEN] = orders
            self._due = time.monotonic() + self.air.delay_s if words[reg.JOIN] else None
        if self._due is not None and time.monotonic() >= self._due:
            self._due = None
            self._settle(self._outcome())

    def _outcome(self) -> int:
        air = self.air
        if air.outcome is not None:
            return air.outcome
        if not air.link:
            return _NO_SUCH_NETWORK
        if air.networks is not None:
            ssid = self._registers.text(reg.SSID_AT, reg.SSID_LEN, 32).decode(errors="replace")
            key = self._registers.text(reg.KEY_AT, reg.KEY_LEN, 64).decode(errors="replace")
            if ssid not in air.networks:
                return _NO_SUCH_NETWORK
            if air.networks[ssid] != key:
                return _WRONG_PASSWORD
        return _UP if air.address else _NO_ADDRESS

    def _settle(self, status: int) -> None:
        words = self._registers.words
        self._joined = status in (_NO_ADDRESS, _UP)
        # Of DHCP. The board itself knows whether it uses one that its program has set.
        leased = self.air.address if status == _UP else None
        words[reg.ADDRESS] = int(ipaddress.IPv4Address(leased or 0))
        words[reg.STATUS] = 16 + status
