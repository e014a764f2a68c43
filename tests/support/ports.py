"""Free TCP ports that no other test process, running at the same time, is given too.

The range lies below the kernel's ephemeral ports, so that no outgoing connection takes a port between the moment it
is chosen and the moment the program under test binds it. A locked file hands out the next number to each process.
"""
import fcntl
import os
import socket
import tempfile

FIRST, LAST = 20000, 32000


def free_port():
    path = os.path.join(tempfile.gettempdir(), f"telltale-ports.{os.getuid()}")
    with open(path, "a+", encoding="ascii") as counter:
        fcntl.flock(counter, fcntl.LOCK_EX)
        counter.seek(0)
        text = counter.read().strip()
        port = int(text) if text.isdigit() else FIRST
        for _ in range(LAST - FIRST):
            port = port + 1 if port < LAST else FIRST
            # A port like 28443 says "TLS" to whoever explains what is wrong with it.
            if not str(port).endswith("443") and _bindable(port):
                counter.seek(0)
                counter.truncate()
                counter.write(str(port))
                return port
    raise RuntimeError(f"no free port between {FIRST} and {LAST}")


def _bindable(port):
    for family, host in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                probe.bind((host, port))
            except OSError:
                return False
    return True
