"""The one error that bad input from outside ends in."""


class Refused(Exception):
    """The request was not carried out and nothing live has changed.

    *status* is the HTTP status, *word* a stable name for programs, *message* says to people what
    was expected, what came and what to do. *extra* joins the JSON body.
    """

    def __init__(self, status, word, message, **extra):
        super().__init__(message)
        self.status = status
        self.word = word
        self.message = message
        self.extra = extra

    def body(self):
        """Return the JSON body as a dict."""
        answer = {"error": self.word, "message": self.message}
        answer.update(self.extra)
        return answer


class Gone(OSError):
    """The client left in the middle of a request, so nobody is there to be answered."""
