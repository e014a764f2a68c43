"""Runs rows and peers interleaved, so that what else the machine does hits all of them alike; keeps every figure."""
import contextlib
import sys
import time

from .peers import PEERS, Failed, Peer, connections_max
from .rows import Site


def say(text):
    print(text, file=sys.stderr, flush=True)


def peers_of(row, wanted):
    """Of the wanted ones those that the row makes sense for: the right layer, and as many workers as it asks for."""
    return [name for name in wanted
            if PEERS[name].get("layer", 4) in row.layers and PEERS[name].get("workers_max", 99) >= row.workers
            and row.name not in PEERS[name].get("without", ())]


def start(row, site, names, binaries, progress, stack):
    """Peers that end with the stack; an optional one that does not start is told and left out."""
    found = []
    for name in names:
        try:
            found.append(start_one(name, row, site, binaries))
            stack.callback(found[-1].stop)
        except (Failed, OSError) as error:
            if not PEERS[name].get("optional"):
                raise
            progress.skip(name, error)
    return found


def measure_row(row, names, binaries, options, progress):
    """{peer: [figures of each run]}; the order turns by one each run. An idle row has nothing to average: fewer runs."""
    runs = min(options.runs, 3) if row.name == "idle" else options.runs
    found = {}
    with Site(binaries) as site, contextlib.ExitStack() as stack:
        site.server(row.upstream)
        peers = start(row, site, names, binaries, progress, stack)
        for number in range(runs):
            turn = number % len(peers)
            for peer in peers[turn:] + peers[:turn]:
                progress.step(f"{row.name}, {peer.name}, run {number + 1} of {runs}")
                if f"{peer.name}, {row.name}" in progress.skipped:
                    continue
                try:
                    found.setdefault(peer.name, []).append(row.measure(row, site, peer, options.scale))
                except Failed as error:  # one peer's trouble is no reason to lose the others'
                    found.pop(peer.name, None)
                    progress.skip(f"{peer.name}, {row.name}", error)
                if row.name == "idle":  # what it once needed it keeps: the next run starts with a fresh one
                    peer.stop()
                    restart(peer, row, site, binaries)
    return found


def start_one(name, row, site, binaries):
    return Peer(name, site.server(row.upstream), row.workers, binaries, connections=min(row.room, connections_max()))


def restart(peer, row, site, binaries):
    fresh = start_one(peer.name, row, site, binaries)
    peer.running, peer.port = fresh.running, fresh.port


class Progress:
    """One line a measurement, with the share that is done and the time it may still take."""

    def __init__(self, total):
        self.total, self.done, self.start = total, 0, time.monotonic()
        self.skipped = {}  # what: why

    def skip(self, what, error):
        self.skipped[what] = str(error).splitlines()[0]
        say(f"    left out: {what}: {self.skipped[what]}")

    def step(self, text):
        left = ""
        if self.done > 2:
            seconds = (time.monotonic() - self.start) / self.done * (self.total - self.done)
            left = f", about {seconds / 60:.0f} min left" if seconds > 90 else f", about {seconds:.0f} s left"
        say(f"  [{self.done + 1}/{self.total}{left}] {text}")
        self.done += 1


def measure(rows, wanted, binaries, options, on_row):
    """Calls on_row(name, {peer: [figures of each run]}, what was left out and why) after each row."""
    plan = [(row, peers_of(row, wanted)) for row in rows]
    total = sum(len(names) * (min(options.runs, 3) if row.name == "idle" else options.runs) for row, names in plan)
    progress = Progress(total)
    for row, names in plan:
        if names:
            on_row(row.name, measure_row(row, names, binaries, options, progress), progress.skipped)
