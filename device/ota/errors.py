"""The one error that bad input from outside ends in. What it says to people is in reasons.txt."""

from ota import call


class Refused(Exception):
    """The request was not carried out and nothing live has changed.

    *status* is the HTTP status. *key* is a stable name for programs, `word`, or that and "/" and
    what tells its sentences apart; the *args* fill in the sentence. *extra* joins the JSON body.
    """

    def __init__(self, status, key, *args, **extra):
        super().__init__(key, *args)
        self.status = status
        self.word = key.split("/")[0]
        self.extra = extra

    def __str__(self):
        key, args = self.args[0], self.args[1:]
        try:
            return call(("reasons",), "sentence", key, args)
        except Exception:
            pass  # who was refused has to be answered, also when memory is short
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
