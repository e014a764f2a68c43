"""Exact counts of what the proxy does for traffic in lockstep: heap calls, system calls, instructions."""
import collections
import glob
import mmap
import os
import re
import socket
import struct

from . import http2, process, sockets
from .telltale import binary
from .wait import until

PING = http2.frame(http2.PING, payload=b"lockstep")
PONG = http2.frame(http2.PING, http2.ACK, payload=b"lockstep")
REQUEST = http2.FIRST_FLIGHT + http2.grpc_request()
ANSWER = http2.settings() + http2.grpc_response()


# ---- traffic

def grpc_server(sock, _):
    """A script for ScriptedServer: SETTINGS and one answer after the first request, then a PONG for each PING."""
    sock.settimeout(None)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if sockets.receive_exactly(sock, len(REQUEST)) == REQUEST:
        sock.sendall(ANSWER)
    while sock.recv(len(PING), socket.MSG_WAITALL):
        sock.sendall(PONG)


def receive(sock, expected):
    assert sock.recv(len(expected), socket.MSG_WAITALL) == expected


def open_call(address):
    """A connection on which a call has been answered: nothing is left for the proxy to find out."""
    sock = sockets.connect(address)
    sock.sendall(REQUEST)
    receive(sock, ANSWER)
    return sock


def end_call(sock):
    """Ends as a client does, and waits until the proxy has passed on the server's end as well."""
    sock.shutdown(socket.SHUT_WR)
    assert sock.recv(1) == b""
    sock.close()


def ping(sock, rounds):
    """Two messages per round, each forwarded before the next is sent."""
    for _ in range(rounds):
        sock.sendall(PING)
        receive(sock, PONG)


def per_unit(measure, work, count):
    """What one unit of work costs on average. measure() gives a number or a Counter."""
    before = measure()
    work(count)
    after = measure()
    if isinstance(before, collections.Counter):
        return {name: (after[name] - before[name]) / count for name in sorted({*before, *after})}
    return (after - before) / count


# ---- counters

class Allocations:
    """The counters of bench/hooks/count_allocations.cpp; give .environment to the program."""

    def __init__(self, folder):
        library = os.path.join(os.path.dirname(binary()), "bench/hooks/libcount_allocations.so")
        if not os.path.exists(library):
            process.missing(f"{library} (build the target count_allocations)")
        path = os.path.join(folder, "allocations")
        with open(path, "w+b") as file:
            file.truncate(16)
            self._counters = mmap.mmap(file.fileno(), 16, prot=mmap.PROT_READ)
        self.environment = {"LD_PRELOAD": library, "TELLTALE_ALLOCATIONS": path}

    def made(self):
        return struct.unpack_from("=Q", self._counters, 0)[0]

    def freed(self):
        return struct.unpack_from("=Q", self._counters, 8)[0]


class SystemCalls:
    """strace around the proxy, which stays the child of the test; each call is counted by thread when it returns."""

    def __init__(self, folder, only="all"):
        strace = process.find_program("strace")
        if process.run([strace, "-o", "/dev/null", "true"]).returncode != 0:
            process.missing("the right to trace a child (ptrace)")
        self._path = os.path.join(folder, "strace")
        self.prefix = (strace, "-D", "-f", "-qq", "-s", "0", "-e", f"trace={only}", "-o", self._path)

    def by_worker(self, telltale):
        """{name of the worker's thread: Counter of its system calls so far}"""
        found = {}
        tasks = f"/proc/{telltale.pid}/task"
        for thread in os.listdir(tasks):
            with open(f"{tasks}/{thread}/comm", encoding="ascii") as file:
                name = file.read().strip()
            if name.startswith("worker-"):
                found[thread] = name, collections.Counter()
        with open(self._path, encoding="ascii", errors="replace") as file:
            for line in file:
                call = re.match(r"(\d+) +(?:<\.\.\. )?(\w+)[( ].* = ", line)
                if call and call.group(1) in found:
                    found[call.group(1)][1][call.group(2)] += 1
        return dict(found.values())

    def at_rest(self, telltale):
        """The sum over the workers, once they make no calls any more: timers tick for a while after a connection."""
        seen = []

        def same_again():
            seen.append(sum(self.by_worker(telltale).values(), collections.Counter()))
            return len(seen) > 1 and seen[-1] == seen[-2]

        until(same_again, "the workers to rest", pause=0.1)
        return seen[-1]


class Instructions:
    """Callgrind around the proxy: instructions in user space, all threads."""

    def __init__(self, folder):
        self._dumps = os.path.join(folder, "callgrind")
        self._vgdb = process.find_program("vgdb")
        self._total = 0
        self.prefix = (process.find_program("valgrind"), "--tool=callgrind", "-q",
                       f"--callgrind-out-file={self._dumps}")

    def so_far(self, telltale):
        """A dump starts the counters anew, so the dumps are added."""
        process.run([self._vgdb, f"--pid={telltale.pid}", "dump"], check=True)
        for path in glob.glob(self._dumps + ".*"):
            with open(path, encoding="utf-8", errors="replace") as file:
                self._total += sum(int(total) for total in re.findall(r"^totals: (\d+)", file.read(), re.M))
            os.rename(path, path.replace("callgrind.", "read."))
        return self._total
