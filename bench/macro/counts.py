"""Exact counts of one short run per peer: system calls per request by name, allocations per request and per connection."""
import mmap
import os
import re
import struct
import tempfile

from . import machine
from .peers import Peer, find
from .rows import ROWS, Site, h2load, run

REQUESTS = 2_000


def parse_strace(text):
    """{system call: count} of `strace -c`'s table, whose last two columns are errors (often empty) and the name."""
    found = {}
    for line in text.splitlines():
        columns = line.split()
        if len(columns) in (5, 6) and re.fullmatch(r"[\d.]+", columns[0]) and columns[-1] != "total":
            found[columns[-1]] = found.get(columns[-1], 0) + int(columns[3])
    return found


def syscalls(name, row, site, binaries):
    """Per request, with the connections that carry them; start and end of the proxy are taken off by a second run."""
    def counted(amount):
        with tempfile.TemporaryDirectory() as folder:
            log = os.path.join(folder, "strace")
            peer = Peer(name, site.server(row.upstream), 1, binaries,
                        wrapper=[find("strace"), "-f", "-c", "-U", "time-percent,total-time,avg-time,calls,name",
                                 "-o", log])
            try:
                for _ in range(amount):
                    run(h2load(row, peer, REQUESTS))
            finally:
                # strace writes its table when what it traces has ended: end that, not strace.
                for pid in machine.members(peer.pid):
                    if pid != peer.pid:
                        os.kill(pid, 15)
                peer.running.process.wait(10)
                peer.stop()
            return parse_strace(machine.read(log))

    few, many = counted(1), counted(2)
    return {call: round((many[call] - few.get(call, 0)) / REQUESTS, 2) for call in sorted(many)
            if (many[call] - few.get(call, 0)) / REQUESTS >= 0.01}


class Allocations:
    """The counter that libcount_allocations.so keeps in a file: calls of malloc and its kin, and of free."""

    def __init__(self, path):
        with open(path, "wb") as file:
            file.write(bytes(4096))
        self.file = open(path, "rb")
        self.memory = mmap.mmap(self.file.fileno(), 16, prot=mmap.PROT_READ)

    def now(self):
        return struct.unpack("<QQ", self.memory[:16])[0]

    def close(self):
        self.memory.close()
        self.file.close()


def allocations(name, row, site, binaries):
    """Per request of a connection that lasts, and per connection for its set-up and end."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "allocations")
        counter = Allocations(path)
        peer = Peer(name, site.server(row.upstream), 1, binaries, environment={
            "TELLTALE_ALLOCATIONS": path,
            "LD_PRELOAD": os.path.join(binaries.bench, "hooks/libcount_allocations.so")})
        try:
            run(h2load(row, peer, REQUESTS))
            start = counter.now()
            run(h2load(row, peer, REQUESTS))
            few = counter.now()
            run(h2load(row, peer, 3 * REQUESTS))
            many = counter.now()
        finally:
            peer.stop()
            counter.close()
    per_request = ((many - few) - (few - start)) / (2 * REQUESTS)
    return {"per_request": round(max(0.0, per_request), 2),
            "per_connection": round(((few - start) - per_request * REQUESTS) / row.connections, 1)}


def count(name, binaries, row=ROWS["10x10"]):
    with Site(binaries) as site:
        return {"syscalls_per_request": syscalls(name, row, site, binaries),
                "allocations": allocations(name, row, site, binaries)}
