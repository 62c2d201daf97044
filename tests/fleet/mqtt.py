"""A broker on a free port of this computer, and somebody who hears everything at it."""

import json
import queue
import shutil
import socket
import subprocess
import threading
import time

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"


class Mosquitto:
    """Debian's mosquitto, with a password where one is given."""

    def __init__(self, folder, login=None):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        lines = [f"listener {self.port} 127.0.0.1", f"allow_anonymous {str(not login).lower()}"]
        if login:
            file = folder / "passwords"
            subprocess.run(["mosquitto_passwd", "-b", "-c", file, *login], check=True)
            file.chmod(0o644)
            lines.append(f"password_file {file}")
        self.config = folder / "mosquitto.conf"
        self.config.write_text("\n".join([*lines, "user root", ""]))
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [MOSQUITTO, "-c", self.config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError("mosquitto does not listen")

    def stop(self):
        self.process.terminate()
        self.process.wait(10)


class Relay:
    """Stands between a client and a broker, and can cut all connections."""

    def __init__(self, port):
        self._port = port
        self._pairs = []
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = self._door.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self._door.accept()
                far = socket.create_connection(("127.0.0.1", self._port))
            except OSError:
                return
            self._pairs += [near, far]
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(one, other), daemon=True).start()

    def _pump(self, source, sink):
        try:
            while data := source.recv(4096):
                sink.sendall(data)
        except OSError:
            pass

    def cut(self):
        for sock in self._pairs:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()
        self._pairs.clear()

    def close(self):
        self._door.close()
        self.cut()


class Listener:
    """Hears all messages, and keeps the last of each topic."""

    def __init__(self, port):
        self.last = {}
        self.retained = {}
        self.heard = queue.Queue()
        self.all = []
        self.client = Client(CallbackAPIVersion.VERSION2)
        self.client.on_connect = lambda client, *rest: client.subscribe("#", 1)
        self.client.on_message = self._message
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def _message(self, client, userdata, message):
        self.retained[message.topic] = message.retain
        self.heard.put((message.topic, message.payload.decode()))

    def until(self, right, timeout_s=30):
        """Hear messages until *right*(self.last) is true, and return its value."""
        end = time.monotonic() + timeout_s
        while True:
            try:
                value = right(self.last)
            except KeyError:
                value = None
            if value:
                return value
            try:
                topic, payload = self.heard.get(timeout=max(0.01, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"not heard; last: {json.dumps(self.last, indent=1)}")
            value = json.loads(payload) if payload.startswith("{") else payload
            self.last[topic] = value
            self.all.append((topic, value))

    def publish(self, topic, payload, retain=False):
        self.client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(10)

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()
