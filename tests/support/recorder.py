"""A relay that writes down the bytes of each connection, put on both legs of the proxy:

    client -> Recorder -> telltale -> Recorder -> server

It passes a reset on as an orderly end and reads each side to its end, so what it holds is all that was sent.
"""
import contextlib
import hashlib
import socket
import threading

from . import sockets


class Recording:
    def __init__(self):
        self.from_client = bytearray()
        self.from_server = bytearray()
        self.endings = {}
        self.done = threading.Event()

    def digest(self):
        return (len(self.from_client), hashlib.sha256(self.from_client).hexdigest(),
                len(self.from_server), hashlib.sha256(self.from_server).hexdigest())


class Recorder:
    def __init__(self, target, address=("127.0.0.1", 0)):
        """target: where to connect to, an address or a function that returns one (for what starts later)."""
        self._target = target
        self._listener = sockets.listen(address)
        self.address = address if isinstance(address, str) else self._listener.getsockname()[:2]
        self.recordings = []
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def target(self):
        return self.address if isinstance(self.address, str) else f"{self.address[0]}:{self.address[1]}"

    @property
    def port(self):
        return self.address[1]

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        recording = Recording()
        with self._lock:
            self.recordings.append(recording)
        try:
            server = sockets.connect(self._target() if callable(self._target) else self._target)
        except OSError as error:
            recording.endings["server"] = str(error)
            recording.done.set()
            client.close()
            return
        for sock in (client, server):
            sock.settimeout(None)
        if client.family != socket.AF_UNIX:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        other = threading.Thread(target=_copy, daemon=True,
                                 args=(client, server, recording.from_client, recording.endings, "client"))
        other.start()
        _copy(server, client, recording.from_server, recording.endings, "server")
        other.join()
        client.close()
        server.close()
        recording.done.set()

    def wait_until_ended(self, patience=15):
        for recording in list(self.recordings):
            assert recording.done.wait(patience), (
                f"a connection is still open; ended so far: {recording.endings}, "
                f"{len(recording.from_client)} bytes from the client, {len(recording.from_server)} from the server")

    def close(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def _copy(source, sink, log, endings, name):
    writable = True
    while True:
        try:
            chunk = source.recv(262144)
        except OSError:
            endings[name] = "reset"
            break
        if not chunk:
            endings.setdefault(name, "fin")
            break
        log += chunk
        if writable:
            try:
                sink.sendall(chunk)
            except OSError:
                writable = False  # go on reading: the log must be complete
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def assert_same_bytes(outer, inner):
    """Each connection of the client's leg has a twin on the upstream's leg with the same bytes both ways."""
    outer.wait_until_ended()
    inner.wait_until_ended()
    assert outer.recordings, "no connection was recorded"
    left, right = (sorted(r.digest() for r in side.recordings) for side in (outer, inner))
    assert left == right, f"bytes differ between the legs:\nclient leg   {left}\nupstream leg {right}"
