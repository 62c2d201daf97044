"""`python -m bench.heap32`: what importing each part of the product holds, in bytes."""

from bench.heap32 import run32
from pico_ota.devicefiles import device_files
from pico_ota.pack import PACK

_IMPORT = """
def scenario():
    start = yield
    import asyncio
    asyncio_held = yield
    import {module}
    print((yield) - asyncio_held, asyncio_held - start)
"""

_MODULES = """
import asyncio, sys
def scenario():
    yield
    import ota
    for number in range(400):
        # The table of names doubles now, and not in the middle of one module.
        getattr(sys, "name%d" % number, None)
    for name in {names!r}:
        there = set(sys.modules)
        before = yield
        __import__("ota." + name)
        held = (yield) - before
        print(name, held, *[full[4:] for full in sys.modules if full not in there])
"""

_WIFI = """
import asyncio
def scenario():
    empty = yield
    import ota
    before = yield
    from manager_wifi import WiFiManager
    imported = yield
    wifi = WiFiManager("home", "secret-password", "device-name")
    made = yield
    wifi.start()
    while not wifi.is_connected():
        yield asyncio.step()
    for _ in range(5):
        yield asyncio.step()
    running = yield
    parts = (before - empty, imported - before, made - imported, running - made, running - before)
    print(*parts)
"""


def imported(module: str) -> int:
    """Return what importing *module* holds above `import asyncio`."""
    return int(run32(_IMPORT.format(module=module), device_files()).split()[0])


def wifi() -> dict[str, int]:
    """Return what WiFiManager holds above asyncio and the package `ota`, and what that holds."""
    printed = run32(_WIFI, device_files()).splitlines()[-1]
    parts = ("the package", "module", "instance", "background task", "together")
    return dict(zip(parts, map(int, printed.split()), strict=True))


def modules() -> dict[str, tuple[int, list[str]]]:
    """Return what each module of ota/ holds with its names, and what it has imported besides.

    One after the other in one run, each after those that it imports, which the pack names.
    """
    files = device_files()
    order: list[str] = []
    for line in files[PACK].partition(b"\n\n")[0].decode().splitlines():
        name, _, _, *imported = line.split(" ")
        order += [other for other in (*imported, name.removesuffix(".mpy")) if other not in order]
    order.remove("mounted")  # it needs an application's own Microdot
    found = {}
    for line in run32(_MODULES.format(names=order), files).splitlines():
        name, held, *new = line.split(" ")
        found[name] = (int(held), [other for other in new if other != name])
    return found


def main() -> None:
    """Print the tables."""
    for part, held in wifi().items():
        print(f"{'WiFiManager, ' + part:<32}{held:>8}")
    print(f"{'import manager_wifi':<32}{imported('manager_wifi'):>8}")
    for name, (held, besides) in modules().items():
        print(f"{'import ota.' + name:<32}{held:>8} {' '.join(besides)}")


if __name__ == "__main__":
    main()
