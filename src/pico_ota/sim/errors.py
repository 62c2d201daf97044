"""What can go wrong before the simulated board runs."""

from pico_ota.errors import UsageError


class SimError(UsageError):
    """The simulator cannot start; the message says why and what to do."""
