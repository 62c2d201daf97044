"""Stand-ins that write down what was asked of the hardware; none of them needs heap."""

started = []
mem32 = {}


class Timer:
    ONE_SHOT = 0
    PERIODIC = 1

    def __init__(self, id):
        self.period = None

    def init(self, mode, period, callback):
        self.period, self.callback = period, callback

    def deinit(self):
        self.period = None


class WDT:
    fed = 0

    def __init__(self, timeout):
        started.append(timeout)

    def feed(self):
        WDT.fed += 1


class Reset(Exception):
    pass


_raised = Reset()


def reset():
    raise _raised
