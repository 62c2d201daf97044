"""What is said to who was refused: the sentences of reasons.txt, found by their keys."""

# Again from the root: the first is relative on a board, and an application may change directory.
_PLACES = (__file__.rsplit("/", 1)[0] + "/reasons.txt", "/ota/reasons.txt")


def sentence(key, args):
    """Return the sentence of *key* with *args* filled in. Raises LookupError, TypeError."""
    for place in _PLACES:
        try:
            lines = open(place)
        except OSError:
            continue
        with lines:
            at, step = 0, 8192
            while step > 256:  # halving first: reading it all would hold the loop up
                lines.seek(at + step)
                lines.readline()
                if "" < lines.readline() < key:
                    at += step
                step >>= 1
            lines.seek(at)
            for line in lines:
                if line.startswith(key) and line[len(key)] == " ":
                    return line[len(key) :].strip() % args
    raise LookupError
