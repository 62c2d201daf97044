"""Version numbers in the order of semver.org, and the floor. No disk, no network."""

#: Longest version text, as everywhere on the device; nothing here works on more.
MAX_VERSION = 40

_WORD = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-"


def parse(text):
    """Return (major, minor, patch, pre) of *text*; *pre* is a list of the pre-release's parts.

    Raises ValueError when *text* is not MAJOR.MINOR.PATCH[-pre][+build], or too long.
    """
    rest, plus, build = text[: MAX_VERSION + 1].partition("+")
    core, dash, pre = rest.partition("-")
    numbers = core.split(".")
    parts = pre.split(".") if dash else []
    good = len(text) <= MAX_VERSION and len(numbers) == 3
    for part in numbers:
        good = good and is_number(part)
    for part in parts:
        # 1.0.0-01 is refused: two texts would mean the same number.
        good = good and _is_word(part) and (is_number(part) or not _is_digits(part))
    for part in build.split(".") if plus else ():
        good = good and _is_word(part)
    if not good:
        raise ValueError("A version is like 1.4.0 or 1.4.0-rc.1, got %r." % text[:48])
    return int(numbers[0]), int(numbers[1]), int(numbers[2]), parts


def _is_word(part):
    return bool(part) and all(char in _WORD for char in part)


def _is_digits(part):
    return bool(part) and all("0" <= char <= "9" for char in part)


def is_number(part):
    """Return True if *part* is a number in decimal digits, with no zero in front."""
    return _is_digits(part) and (part == "0" or part[0] != "0")


def compare(one, other):
    """Return -1, 0 or 1 as version *one* is older than *other*, the same or newer.

    Raises ValueError when one of them is no version.
    """
    a, b = parse(one), parse(other)
    if a[:3] != b[:3]:
        return -1 if a[:3] < b[:3] else 1
    if not a[3] or not b[3]:
        # A pre-release comes before its release.
        return bool(b[3]) - bool(a[3])
    for left, right in zip(a[3], b[3]):
        if left != right:
            # Numbers come before words.
            left = (0, int(left)) if _is_digits(left) else (1, left)
            right = (0, int(right)) if _is_digits(right) else (1, right)
            return -1 if left < right else 1
    return (len(a[3]) > len(b[3])) - (len(a[3]) < len(b[3]))


def floor_allows(version, floor):
    """Return True when *version* may be installed where *floor* (or None) is the lowest allowed.

    Raises ValueError when one of them is no version.
    """
    return floor is None or compare(version, floor) >= 0
