"""What a person does with the page, as functions of a Playwright page."""

import socket
import threading

from pico_ota.sim.image import read_tree


def choose_folder(page, folder):
    page.set_input_files("#pickFolder", str(folder))
    page.wait_for_selector("#buttons button.main")


def choose_files(page, *paths):
    page.set_input_files("#pickFiles", [str(path) for path in paths])
    page.wait_for_selector("#buttons button.main")


def name_in(url):
    """Return the last name of an address, without what is behind it."""
    return url.partition("?")[0].rsplit("/", 1)[1]


def start(page):
    page.click("#buttons button.main")


def headline(page, text):
    page.wait_for_function(
        "text => document.getElementById('headline').textContent.includes(text)", arg=text
    )


def files_below(folder):
    return {
        "/" + path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def device_files_of(pico):
    pico.stop()
    return read_tree(pico.image)


def drop(page, *paths):
    """Drop real files and folders, as a person does from a file manager."""
    session = page.context.new_cdp_session(page)
    box = page.locator("#upload").bounding_box()
    place = {"x": box["x"] + 40, "y": box["y"] + 40}
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, **place, "data": data})


class Proxy:
    """Passes connections to 127.0.0.2 on to 127.0.0.1, at the same port, and counts them.

    With `break_after`, a number of bytes towards the device, the connection that has passed on as
    many is broken: once.
    """

    def __init__(self, port):
        self.connections = 0
        self.break_after = None
        #: All that went either way, and what makes of a client's bytes those that go on.
        self.heard = bytearray()
        self.change = lambda data: data
        self._port = port
        self._server = socket.create_server(("127.0.0.2", port))

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.close()

    def _accept(self):
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            self.connections += 1
            try:
                far = socket.create_connection(("127.0.0.1", self._port))
            except OSError:  # the test is over, and the page asks still
                near.close()
                continue
            for source, sink, inwards in ((near, far, True), (far, near, False)):
                pump = threading.Thread(target=self._pump, args=(source, sink, inwards))
                pump.daemon = True
                pump.start()

    def _pump(self, source, sink, inwards):
        passed = 0
        try:
            while data := source.recv(4096):
                self.heard += data
                sink.sendall(self.change(data) if inwards else data)
                passed += len(data)
                if inwards and self.break_after is not None and passed > self.break_after:
                    self.break_after = None
                    break
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
