"""Version numbers in the order of semver.org, and the floor. No disk, no network."""

#: Longest version text, as everywhere on the device; nothing here works on more.
MAX_VERSION = 40

_WORD = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-"


def parse(text):
    """Return (major, minor, patch, pre) of *text*; *pre* is a list of the pre-release's parts.

    Raises ValueError when *text* is not MAJOR.MINOR.PATCH[-pre][+build], or too long.
    """
    if not isinstance(text, str) or not 5 <= len(text) <= MAX_VERSION:
        raise ValueError("A version is like 1.4.0, got %r." % (text,))
    rest, plus, build = _cut(text, "+")
    core, dash, pre = _cut(rest, "-")
    numbers = core.split(".")
    parts = pre.split(".") if dash else []
    if len(numbers) != 3 or not all(_is_number(part) for part in numbers):
        raise ValueError("A version is like 1.4.0 or 1.4.0-rc.1, got %r." % text)
    if plus and not all(_is_word(part) for part in build.split(".")):
        raise ValueError("What follows '+' is words of letters and digits, got %r." % text)
    for part in parts:
        # 1.0.0-01 is refused: two texts would mean the same number.
        if not _is_word(part) or (_is_digits(part) and not _is_number(part)):
            raise ValueError("What follows '-' is words and numbers, got %r." % text)
    return int(numbers[0]), int(numbers[1]), int(numbers[2]), parts


def _cut(text, mark):
    at = text.find(mark)
    return (text, "", "") if at < 0 else (text[:at], mark, text[at + 1 :])


def _is_word(part):
    return bool(part) and all(char in _WORD for char in part)


def _is_digits(part):
    return bool(part) and all("0" <= char <= "9" for char in part)


def _is_number(part):
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
            return _compare_parts(left, right)
    return _sign(len(a[3]) - len(b[3]))


def _compare_parts(left, right):
    if _is_digits(left) and _is_digits(right):
        return _sign(int(left) - int(right))
    if _is_digits(left) or _is_digits(right):
        return -1 if _is_digits(left) else 1
    return -1 if left < right else 1


def _sign(number):
    return (number > 0) - (number < 0)


def floor_allows(version, floor):
    """Return True when *version* may be installed where *floor* (or None) is the lowest allowed.

    Raises ValueError when one of them is no version.
    """
    return floor is None or compare(version, floor) >= 0


def highest(versions):
    """Return the newest of *versions*, an iterable in which None counts for nothing.

    Raises ValueError when one of them is no version.
    """
    best = None
    for version in versions:
        if version is not None and (best is None or compare(version, best) > 0):
            best = version
    return best
