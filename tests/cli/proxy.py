"""A wire between client and device that counts, and can be cut."""

import socket
import threading


class Proxy:
    """Forwards 127.0.0.1:`port` to *target*, counting what clients send.

    Attributes:
        sent: bytes from clients so far.
        connections: how many there were.
        cut_at: counts of sent bytes at which the connection is cut, ascending.
        heard: all that went either way.
        change: makes what goes on of what a client sent; nothing by default.
    """

    def __init__(self, target):
        self._target = target
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.sent = 0
        self.connections = 0
        self.cut_at = []
        self.heard = bytearray()
        self.change = lambda data: data
        self._closed = False
        self._open = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while not self._closed:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            try:
                device = socket.create_connection(("127.0.0.1", self._target), 5)
            except OSError:
                client.close()
                continue
            device.settimeout(None)
            self._open += [client, device]
            threading.Thread(target=self._up, args=(client, device), daemon=True).start()
            threading.Thread(target=self._down, args=(device, client), daemon=True).start()

    def _up(self, client, device):
        # The device only answers to its own port. Heads are sent whole; ports have five digits.
        ours, its = b"127.0.0.1:%d" % self.port, b"127.0.0.1:%d" % self._target
        assert len(ours) == len(its)
        try:
            while data := client.recv(4096):
                self.sent += len(data)
                if self.cut_at and self.sent >= self.cut_at[0]:
                    self.cut_at.pop(0)
                    break
                self.heard += data
                device.sendall(self.change(data.replace(ours, its)))
        except OSError:
            pass
        _end(client, device)

    def _down(self, device, client):
        try:
            while data := device.recv(4096):
                self.heard += data
                client.sendall(data)
        except OSError:
            pass
        _end(client, device)

    def close(self):
        self._closed = True
        _end(self._listening, *self._open)


def _end(*sockets):
    for sock in sockets:
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        sock.close()
