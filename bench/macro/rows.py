"""The rows of load. Each runs one load once against one port and returns its figures; one table says which there are."""
import contextlib
import json
import os
import re
import resource
import subprocess
import tempfile
from dataclasses import dataclass

from tests.support.ports import free_port

from . import machine
from .peers import Failed, Running, connections_max, find

# Files that nghttpd serves, by name.
FILES = {"200": 200, "16k": 16 << 10, "1m": 1 << 20}
SMALL, MEDIUM, LARGE = FILES


@dataclass(frozen=True)
class Row:
    name: str
    what: str
    measure: object          # function(row, site, peer, scale) -> figures
    upstream: str            # which server of `Site` it needs
    amount: int              # requests or connections at scale 1
    connections: int = 1
    streams: int = 1
    path: str = SMALL
    workers: int = 1
    room: int = 2000         # connections that a peer is configured for, where it must be told
    pinned: bool = False     # server, proxy and load on one core
    layers: tuple = (4,)
    per: str = "request"     # what the amount counts


class Site:
    """The servers that a row needs, started once; a folder with the files they serve."""

    def __init__(self, binaries):
        self.binaries = binaries
        self.stack = contextlib.ExitStack()
        self.folder = self.stack.enter_context(tempfile.TemporaryDirectory(prefix="telltale-bench-site-"))
        for name, size in FILES.items():
            with open(os.path.join(self.folder, name), "wb") as file:
                file.write(b"x" * size)
        self.servers = {}

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.stack.close()

    def server(self, kind):
        """The port of the server, started when it is first asked for."""
        if kind not in self.servers:
            port = free_port()
            command = [find("nghttpd"), "--no-tls", "-a", "127.0.0.1", "-d", self.folder, str(port)] \
                if kind == "nghttpd" else [os.path.join(self.binaries.bench, "load/bench_load"), "serve", "--listen",
                                           f"127.0.0.1:{port}", "--answer", kind]
            running = Running(f"server {kind}", command)
            self.stack.callback(running.stop)
            running.wait_until_accepting(port)
            self.servers[kind] = (running, port)
        return self.servers[kind][1]

    def pin(self, kind, cores):
        machine.pin(self.servers[kind][0].pid, cores)

    def load_command(self, *arguments):
        return [os.path.join(self.binaries.bench, "load/bench_load"), *map(str, arguments)]


@contextlib.contextmanager
def cores_of(row, site, peer):
    """A pinned row has everything on one core while it runs, this process (whose children inherit it) included."""
    everywhere = os.sched_getaffinity(0)
    chosen = {min(everywhere)} if row.pinned else everywhere

    def place(cores):
        os.sched_setaffinity(0, cores)
        site.pin(row.upstream, cores)
        if peer.pid:
            machine.pin(peer.pid, cores)

    place(chosen)
    try:
        yield
    finally:
        place(everywhere)


class Cpu:
    """CPU time of client, server and proxy between two moments, to the nanosecond, with the kernel's work on their behalf
    and the packets it handled meanwhile; what else runs on the machine does not count. Beside it that of the whole
    machine, in ticks, as a check."""

    def __init__(self, site, row, peer):
        self.server, self.peer = site.servers[row.upstream][0].pid, peer
        self.start = self.now()

    def now(self):
        client = resource.getrusage(resource.RUSAGE_CHILDREN)
        return {"client": (client.ru_utime + client.ru_stime) * 1e6, "server": machine.process_cpu_us(self.server),
                "proxy": machine.process_cpu_us(self.peer.pid) if self.peer.pid else 0.0,
                "machine": machine.machine_cpu_us()}

    def figures(self, amount, client_us=0.0):
        """client_us: of a load that is still running, which the kernel has not added to our children's time."""
        now = self.now()
        used = {key: (now[key] - self.start[key]) / amount for key in now}
        machine_us = used.pop("machine")
        return {"cpu_us": sum(used.values()) + client_us / amount, "proxy_cpu_us": used["proxy"],
                "machine_cpu_us": machine_us}


def run(command, patience=300):
    done = subprocess.run(command, capture_output=True, text=True, timeout=patience, check=False)
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-2000:]}")
    return done.stdout


def last_json(text):
    return json.loads(text.strip().splitlines()[-1])


def percentiles(values):
    values.sort()
    return {name: values[min(len(values) - 1, int(len(values) * share))]
            for name, share in (("p50", 0.5), ("p99", 0.99), ("p999", 0.999))}


def h2load(row, peer, amount, *extra):
    return [find("h2load"), "-n", str(amount), "-c", str(row.connections), "-m", str(row.streams), *extra,
            f"http://127.0.0.1:{peer.port}/{row.path}"]


def requests(row, site, peer, scale):
    """h2load against nghttpd: CPU and throughput first, then latencies in a run of its own (its log costs a write each)."""
    amount = max(row.connections * row.streams * 10, int(row.amount * scale))
    with cores_of(row, site, peer):
        run(h2load(row, peer, max(row.connections * row.streams, amount // 20)))  # warm
        cpu = Cpu(site, row, peer)
        said = run(h2load(row, peer, amount))
        figures = cpu.figures(amount)
        done = int(re.search(r"(\d+) succeeded", said).group(1))
        if done != amount:
            raise Failed(f"{row.name} through {peer.name}: {done} of {amount} requests succeeded")
        figures["per_second"] = float(re.search(r"([\d.]+) req/s", said).group(1))
        with tempfile.TemporaryDirectory() as folder:
            log = os.path.join(folder, "log")
            run(h2load(row, peer, max(row.connections * row.streams, amount // 4), f"--log-file={log}"))
            latencies = [int(line.split("\t")[2]) for line in machine.read(log).splitlines()]
    figures["latency_us"] = percentiles(latencies)
    if peer.pid:
        figures["start_bytes"], figures["resident_bytes"] = peer.start_bytes, peer.resident_bytes()
        busy = max(0, machine.peak_bytes(peer.pid) - peer.start_bytes)
        figures["bytes_per_busy_connection"] = busy / row.connections
    return figures


def setup(row, site, peer, scale):
    """Connections made and ended one after another, or some at once."""
    amount = max(50, int(row.amount * scale))
    expect = "http1" if row.upstream == "http1" else "h2"
    command = site.load_command("setup", "--to", f"127.0.0.1:{peer.port}", "--concurrency", row.connections,
                                "--expect", expect, "--connections")
    with cores_of(row, site, peer):
        run([*command, str(max(20, amount // 10))])
        cpu = Cpu(site, row, peer)
        said = last_json(run([*command, str(amount)]))
        figures = cpu.figures(amount)
    if said["failed"] > amount // 1000:
        raise Failed(f"{row.name} through {peer.name}: {said['failed']} of {amount} connections failed")
    return {**figures, "per_second": said["per_second"], "latency_us": said["latency_us"]}


def idle(row, site, peer, scale):
    """Resident memory that connections cost which have had their SETTINGS and now wait."""
    amount = min(max(100, int(row.amount * scale)), connections_max())
    before = peer.resident_bytes()
    with held(site.load_command("idle", "--to", f"127.0.0.1:{peer.port}", "--connections", amount)) as (said, _):
        if said["failed"]:
            raise Failed(f"{row.name} through {peer.name}: {said['failed']} connections failed")
        after = peer.resident_bytes()
    return {"connections": amount, "bytes_per_connection": (after - before) / amount}


@contextlib.contextmanager
def held(command):
    """A load that says one line of JSON and goes on until its input ends."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        line = process.stdout.readline()
        if not line:
            raise Failed(f"{' '.join(command)} ended with {process.wait()} before it was ready")
        yield json.loads(line), process
    finally:
        process.stdin.close()
        process.wait(60)
        process.stdout.close()


def slow_reader(row, site, peer, scale):
    """The fast ones beside one that takes a large body at a crawl: their throughput, and what the proxy holds for it."""
    before = peer.resident_bytes()
    command = site.load_command("slow", "--to", f"127.0.0.1:{peer.port}", "--path", f"/{LARGE}",
                                "--bytes-per-second", 65536)
    with held(command):
        figures = requests(row, site, peer, scale)
    if peer.pid:
        figures["held_bytes"] = figures["resident_bytes"] - before
    return figures


def balance(row, site, peer, scale):
    """Equal load on each connection, one message at a time: the share of the busiest worker thread tells the spread."""
    rounds = max(100, int(row.amount * scale))
    command = site.load_command("paced", "--to", f"127.0.0.1:{peer.port}", "--connections", row.connections,
                                "--rounds", rounds, "--hold")
    with held(command) as (_, process):
        before = machine.thread_cpu_us(peer.pid) if peer.pid else {}
        cpu, client = Cpu(site, row, peer), machine.process_cpu_us(process.pid)
        process.stdin.write("go\n")
        process.stdin.flush()
        said = json.loads(process.stdout.readline())
        figures = cpu.figures(rounds * row.connections, machine.process_cpu_us(process.pid) - client)
        after = machine.thread_cpu_us(peer.pid) if peer.pid else {}
    if said["failed"]:
        raise Failed(f"{row.name} through {peer.name}: {said['failed']} connections failed")
    used = sorted((after[task] - before.get(task, 0.0) for task in after), reverse=True)
    figures["latency_us"] = said["latency_us"]
    if len(used) > 1:
        figures["busiest_worker_connections"] = round(row.connections * used[0] / max(1e-9, used[0] + used[1]), 1)
    return figures


ROWS = {row.name: row for row in (
    Row("10x10", "10 connections × 10 streams, 200 B", requests, "nghttpd", 300_000, 10, 10, layers=(4, 7)),
    Row("100x1", "100 connections × 1 stream, 200 B", requests, "nghttpd", 60_000, 100, 1, layers=(4, 7)),
    Row("1x1", "1 connection × 1 stream, 200 B", requests, "nghttpd", 20_000, layers=(4, 7)),
    Row("1x1 pinned", "the same, all on one core", requests, "nghttpd", 20_000, pinned=True),
    Row("1 MiB", "4 connections × 4 streams, 1 MiB", requests, "nghttpd", 2_000, 4, 4, LARGE, layers=(4, 7)),
    Row("set-up", "connect, preface, SETTINGS, reset; one at a time", setup, "h2", 8_000, per="connection"),
    Row("set-up 16", "the same, 16 at a time", setup, "h2", 16_000, 16, per="connection"),
    Row("storm", "connect, preface, HTTP/1.1 400, end; one at a time", setup, "http1", 8_000, per="connection"),
    Row("storm 16", "the same, 16 at a time", setup, "http1", 16_000, 16, per="connection"),
    Row("idle", "idle HTTP/2 connections", idle, "h2", 10_000, room=10_000, per="connection"),
    Row("balance", "8 connections over 2 workers", balance, "h2", 4_000, 8, workers=2),
    Row("slow reader", "10 × 10 beside one slow reader", slow_reader, "nghttpd", 150_000, 10, 10),
    Row("10x10 pinned", "10 × 10, all on one core", requests, "nghttpd", 150_000, 10, 10, pinned=True),
    Row("400x1", "400 connections × 1 stream, 200 B", requests, "nghttpd", 60_000, 400, 1),
    Row("16 KiB", "4 connections × 4 streams, 16 KiB", requests, "nghttpd", 40_000, 4, 4, MEDIUM),
    Row("10x10 two workers", "10 × 10 with two workers each", requests, "nghttpd", 300_000, 10, 10, workers=2),
)}
