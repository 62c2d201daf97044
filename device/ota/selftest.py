"""Proves, before a release is confirmed, that the one after it could still get in.

A release may replace the updater itself. What is loaded only when a client comes would be found
broken by the first client after the confirmation, on a board that nobody can reach any more.
"""

import os
import sys

import ota
from ota.errors import Refused


def run(service):
    """Load everything that may be needed to answer a request. Raises Refused(409).

    What the application leaves no memory for is passed over: that is nothing new.
    """
    seen = []
    for file in _files():
        name, _, kind = file.partition(".")
        if name != "__init__" and name not in seen and kind in ("mpy", "py"):
            _attempt(name, seen, ota.load, name)
    _attempt("web", seen, _start, service)


def _files():
    """Yield the names of the files of the package."""
    try:
        with open(ota.PACK) as index:
            for line in index:
                if line == "\n":
                    return
                yield line.split(" ")[0]
    except OSError:  # there is none
        for entry in os.ilistdir(ota.__path__):
            yield entry[0]


def _attempt(name, seen, function, argument):
    known = list(sys.modules)
    try:
        function(argument)
    except MemoryError:
        pass
    except Exception as error:
        raise Refused(409, "broken", name, error)
    finally:
        fresh = [full[4:] for full in sys.modules if full not in known and full[:4] == "ota."]
        seen.extend(fresh)
        if "microdot" not in known:
            sys.modules.pop("microdot", None)
        if fresh:  # without a name all others would go
            ota.let_go(*fresh)


def _start(service):
    from ota import routes
    from ota.reception import Reception

    web = Reception(service).load_web()
    for name, function, needs in routes.every():
        direct = name.startswith("direct_")
        getattr(ota.load(*needs) if direct else web.group(name, needs), function)
