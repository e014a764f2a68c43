"""Small socket helpers. An address is (host, port) or the path of a Unix socket ("@name" for an abstract one)."""
import contextlib
import socket
import struct
import threading
import time

from .wait import PATIENCE


def connect(address, patience=PATIENCE):
    if isinstance(address, str):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(patience)
        sock.connect("\0" + address[1:] if address.startswith("@") else address)
        return sock
    sock = socket.create_connection(address, patience)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def accepts(address):
    try:
        connect(address, 1).close()
        return True
    except OSError:
        return False


def listen(address=("127.0.0.1", 0), backlog=128):
    sock = _listen(address, backlog)
    # A port like 38443 says "TLS" to whoever explains what is wrong with it.
    while not isinstance(address, str) and address[1] == 0 and str(sock.getsockname()[1]).endswith("443"):
        sock.close()
        sock = _listen(address, backlog)
    return sock


def _listen(address, backlog):
    if isinstance(address, str):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.bind(address)
    else:
        sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
    sock.listen(backlog)
    return sock


def reset(sock):
    """Closes with RST instead of FIN."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def receive_until(sock, enough, patience=PATIENCE):
    """Reads until enough(bytes) is true or the other side ends. Returns (bytes, ending): "" open, "fin", "reset"."""
    data = bytearray()
    deadline = time.monotonic() + patience
    while not enough(data):
        left = deadline - time.monotonic()
        if left <= 0:
            raise AssertionError(f"read {bytes(data[:200])!r} ({len(data)} bytes) and then nothing for {patience:g} s")
        sock.settimeout(left)
        try:
            chunk = sock.recv(65536)
        except ConnectionResetError:
            return bytes(data), "reset"
        except TimeoutError:
            continue
        if not chunk:
            return bytes(data), "fin"
        data += chunk
    return bytes(data), ""


def receive_all(sock, patience=PATIENCE):
    """Everything until the other side ends. Returns (bytes, "fin" or "reset")."""
    return receive_until(sock, lambda _: False, patience)


def receive_exactly(sock, count, patience=PATIENCE):
    data, ending = b"", ""
    while len(data) < count:
        part, ending = receive_until(sock, lambda d: len(d) >= 1, patience)
        data += part
        if ending:
            break
    return data


class ScriptedServer:
    """A TCP server whose behaviour is one function: script(socket, number of the connection), one thread each."""

    def __init__(self, script, address=("127.0.0.1", 0)):
        self._script = script
        self._listener = listen(address)
        self.address = address if isinstance(address, str) else self._listener.getsockname()[:2]
        self.connections = 0
        self.errors = []
        self._sockets = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._sockets.append(sock)
            threading.Thread(target=self._serve, args=(sock, self.connections), daemon=True).start()

    def _serve(self, sock, number):
        try:
            self._script(sock, number)
        except (OSError, ValueError) as error:  # the other side went away, or close() took the socket
            if not self._stopping.is_set():
                self.errors.append(error)
        except AssertionError as error:
            self.errors.append(error)
        finally:
            with contextlib.suppress(OSError):
                sock.close()

    @property
    def target(self):
        return self.address if isinstance(self.address, str) else f"{self.address[0]}:{self.address[1]}"

    def close(self):
        self._stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def keep_open(sock, _number=0):
    """A script: accepts, says nothing, reads what comes until the other side ends."""
    sock.settimeout(None)
    while sock.recv(65536):
        pass
