"""The numbers of the registers, the same as in pico_ota/sim/registers.py (a test compares them).

This file is not loaded: the build puts its text in place of every `from _numbers import`, where
the compiler folds the constants and leaves no name of theirs on the heap.
"""

from micropython import const

# Indexes into W, 32-bit registers.
_REASON = const(1)  # 0 power on, 1 watchdog, 2 machine.reset(): the chip's REASON register
_SCRATCH = const(2)  # ..9: watchdog scratch registers 0..7
_WDT_LOAD = const(10)  # milliseconds
_IRQ_OFF = const(11)
_BOOTSEL = const(12)
_HALT = const(13)
_STAGE = const(14)
_BOARD = const(15)  # 0 pico_w, 1 pico2_w
_BLOCKS = const(16)
_OPS = const(17)  # flash operations since power-on
_ERASES = const(18)
_PROGRAMS = const(19)
_BYTES = const(20)
_DIRTY = const(21)  # programmed without erasing: a bug
_CUT_AT = const(22)
_TEAR_HALF = const(23)
_TIMING = const(24)
_ASLEEP = const(25)  # in light sleep, where timers stand still
_UNIQUE_ID = const(26)  # ..27
_STA_ACTIVE = const(32)
_AP_ACTIVE = const(33)
_JOIN = const(34)  # 1 join, 0 leave
_ORDERS = const(35)  # counts the orders given to the radio
_ORDERS_SEEN = const(36)  # and those it has taken
_STATUS = const(37)  # 16 + network.WLAN.status()
_RSSI = const(38)  # 256 + dBm
_ADDRESS = const(39)  # IPv4
_PM = const(40)
_SSID_LEN = const(41)
_KEY_LEN = const(42)
_HOST_LEN = const(43)
_COUNTRY = const(44)  # two letters
_SCAN_LEN = const(45)
_STATIC = const(46)  # IPv4 that the program has set, 0: DHCP
_MASK = const(47)  # of the three that go with _STATIC
_GATEWAY = const(48)
_NAME_SERVER = const(49)
_AP_SSID_LEN = const(50)
_AP_KEY_LEN = const(51)
_AP_SECURITY = const(52)
_PORTS = const(64)  # 8 slots of 2: what the app asked for (udp << 16 | port), what the host gave

# Indexes into L, 64-bit registers: microseconds of the monotonic clock, 0 = off.
_WDT_DEADLINE = const(0)
_ALARM = const(1)  # of the earliest machine.Timer

# Byte areas, offsets from the start of the file.
_LONGS_AT = const(512)
_SSID_AT = const(1024)  # 32
_KEY_AT = const(1056)  # 64
_HOST_AT = const(1120)  # 32
_AP_SSID_AT = const(1152)  # 32
_AP_KEY_AT = const(1184)  # 64
_PAGE_AT = const(1280)  # 256: one flash page to look at, outside of the MicroPython heap
_SCAN_AT = const(1536)  # 2560: what a scan finds, JSON
_BLANK_AT = const(4096)  # 4096: one erased block, all 0xFF

# Values of _HALT.
_RESET = const(1)
_SOFT_RESET = const(2)
_POWER_CUT = const(3)
_BOOTLOADER = const(4)

# Values of _STAGE.
_BOOT = const(1)
_MAIN = const(2)
_PROMPT = const(3)
