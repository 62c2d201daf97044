"""`python -m bench.heap32`: what importing each part of the product holds, in bytes."""

from bench.heap32 import run32
from pico_ota.devicefiles import device_files

_IMPORT = """
def scenario():
    start = yield
    import asyncio
    asyncio_held = yield
    import {module}
    print((yield) - asyncio_held, asyncio_held - start)
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


def main() -> None:
    """Print the table."""
    for part, held in wifi().items():
        print(f"{'WiFiManager, ' + part:<32}{held:>8}")
    for module in ("manager_wifi", "microdot"):
        print(f"{'import ' + module:<32}{imported(module):>8}")


if __name__ == "__main__":
    main()
