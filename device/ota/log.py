"""The last lines that the service said, for people who cannot see its console."""

from micropython import const

_MAX_CHARS = const(1500)
_MAX_LINE = const(160)
_LINE_COST = const(4)  # so that empty lines do not stay for ever either


class Log:
    """A ring of numbered lines, bounded by characters so that its heap use is bounded too."""

    def __init__(self, echo=print):
        self.first = 0
        self._lines = []
        self._chars = 0
        self._echo = echo

    def __call__(self, text):
        """Add one line (cut at 160 characters) and print it on the console."""
        line = str(text)[:_MAX_LINE]
        if self._echo:
            self._echo("ota:", line)
        self._lines.append(line)
        self._chars += len(line) + _LINE_COST
        while self._chars > _MAX_CHARS:
            self._chars -= len(self._lines.pop(0)) + _LINE_COST
            self.first += 1

    @property
    def next(self):
        """The number that the next line will have."""
        return self.first + len(self._lines)

    def since(self, number):
        """Return the lines numbered *number* and up that are still here."""
        return self._lines[max(0, number - self.first) :]
