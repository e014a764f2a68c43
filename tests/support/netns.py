"""Network namespaces of the test's own, for what loopback can't show: packets dropped, hosts that nobody can reach."""
import concurrent.futures
import ctypes
import os

import pytest

from .process import find_program, missing, run

OWN_ADDRESS = "198.51.100.1"  # documentation addresses (RFC 5737)
BLACK_HOLE = "198.51.100.9"
UNREACHABLE = "203.0.113.9"


class Namespace:
    """A namespace with loopback, a black hole (SYNs are dropped) and a host that the router calls unreachable."""

    def __init__(self, name=None):
        self.name = name or f"telltale-{os.getpid()}"
        self._ip = find_program("ip")
        self._thread = None

    def __enter__(self):
        if os.geteuid() != 0:
            missing("root, to make a network namespace")
        made = run([self._ip, "netns", "add", self.name])
        if made.returncode != 0:
            if os.environ.get("TELLTALE_REQUIRE_PEERS") == "1":
                pytest.fail(f"no network namespace can be made here: {made.stderr}")
            pytest.skip(f"MISSING PEER: a network namespace ({made.stderr.strip()})")
        self._thread = concurrent.futures.ThreadPoolExecutor(1, initializer=self._enter)
        try:
            self._set_up()
        except BaseException:
            self.close()
            raise
        return self

    def _set_up(self):
        for arguments in (["link", "set", "lo", "up"],
                          ["link", "add", "veth-in", "type", "veth", "peer", "name", "veth-out"],
                          ["address", "add", OWN_ADDRESS + "/24", "dev", "veth-in"],
                          ["link", "set", "veth-in", "up"], ["link", "set", "veth-out", "up"],
                          ["neighbour", "add", BLACK_HOLE, "lladdr", "02:00:00:00:00:09", "dev", "veth-in"],
                          ["route", "add", "unreachable", UNREACHABLE + "/32"]):
            self.run([self._ip, *arguments], check=True)
        rules = ("table inet telltale { chain out { type filter hook output priority 0; "
                 f"ip daddr {BLACK_HOLE} drop; }}; }}")
        self.run([find_program("nft"), rules], check=True)

    @property
    def prefix(self):
        """Put before a command line to run it inside."""
        return (self._ip, "netns", "exec", self.name)

    def call(self, function, *arguments):
        """Calls a function on a thread that lives inside; sockets made there stay inside."""
        return self._thread.submit(function, *arguments).result()

    def _enter(self):
        libc = ctypes.CDLL(None, use_errno=True)
        with open(f"/run/netns/{self.name}", "rb") as handle:
            if libc.setns(handle.fileno(), 0) != 0:
                raise OSError(ctypes.get_errno(), "setns")

    def run(self, arguments, **options):
        return run(arguments, prefix=self.prefix, **options)

    def close(self):
        self._thread.shutdown()
        run([self._ip, "netns", "delete", self.name])

    def __exit__(self, *_):
        self.close()
