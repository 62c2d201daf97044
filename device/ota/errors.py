"""What bad input ends in; the sentences are in reasons.txt."""

# The second, since the first may be a place of modules alone, or relative to another directory.
_PLACES = (__file__.rsplit("/", 1)[0] + "/reasons.txt", "/ota/reasons.txt")


class Refused(Exception):
    """The request was not carried out and nothing live has changed.

    *status* is the HTTP status. *key* is a stable name for programs, `word`, or that and "/" and
    what tells its sentences apart; the *args* fill in the sentence. *extra* joins the JSON body.
    """

    #: Headers of the answer, beside those that follow from *extra*.
    headers = ()

    def __init__(self, status, key, *args, **extra):
        super().__init__(key, *args)
        self.status = status
        self.word = key.split("/")[0]
        self.extra = extra

    def __str__(self):
        key, args = self.args[0], self.args[1:]
        try:
            return _sentence(key) % args
        except Exception:
            pass  # the client is answered also when memory is short
        try:
            return " ".join(map(str, args)) or key
        except Exception:
            return key

    #: What was expected, what came and what to do; without a sentence, what is known of it.
    message = property(__str__)

    def body(self):
        """Return the JSON body as a dict."""
        answer = {"error": self.word, "message": self.message}
        answer.update(self.extra)
        return answer


class Gone(OSError):
    """The client left in the middle of a request, so nobody is there to be answered."""


def _sentence(key):
    """Return the sentence of *key*, still with its %. Raises LookupError."""
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
                    return line[len(key) :].strip()
    raise LookupError
