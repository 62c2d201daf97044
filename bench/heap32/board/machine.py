"""`machine` for bench/heap32: nothing ever fires or bites."""

PWRON_RESET = 1
WDT_RESET = 3


def unique_id():
    return b"\xe6\x61\x41\x03\x00\xa1\xb2\xc3"


def reset_cause():
    return PWRON_RESET


def reset():
    raise SystemExit("machine.reset()")


class Timer:
    ONE_SHOT = 0
    PERIODIC = 1

    def __init__(self, *args, **settings):
        pass

    def init(self, *args, **settings):
        pass

    def deinit(self):
        pass


class WDT:
    def __init__(self, id=0, timeout=5000):
        pass

    def feed(self):
        pass


class _Registers:
    def __init__(self):
        self._words = {}

    def __getitem__(self, address):
        return self._words.get(address, 0)

    def __setitem__(self, address, value):
        self._words[address] = value


mem32 = _Registers()
