"""The number of series of a sidecar: bounded, and none of them made up by a peer."""
import concurrent.futures
import itertools
import os
import random
import re
import socket
import struct

from support import http2, sockets, tls
from support.sockets import ScriptedServer
from support.telltale import ROOT, Listener, Telltale
from support.wait import PATIENCE, until

MARK = "zq7x"  # in every value that a peer makes up


def bound(listeners):
    """As docs/metrics.md promises it; a unit test holds the document to the constants of proxy/metrics.h."""
    with open(os.path.join(ROOT, "docs/metrics.md"), encoding="utf-8") as file:
        each, process = map(int, re.search(r"at most (\d+) series.*?the process (\d+) series", file.read(),
                                           re.DOTALL).groups())
    return process + listeners * each


class Names:
    """Never the same word twice; the same kind of conversation each time."""

    def __init__(self, seed):
        self._random = random.Random(seed)
        self._count = itertools.count()

    def word(self):
        return f"{MARK}{next(self._count)}-{self._random.randrange(10**9)}"

    def number(self, bits):
        return self._random.getrandbits(bits)

    def status(self):
        return self._random.randrange(100, 1000)


def client_kinds(names):
    """What hostile clients send first."""
    word = names.word
    return [
        tls.client_hello(f"{word()}.example"),
        tls.client_hello(f"{word()}.example", alpn=(word(), "http/1.1")),
        f"GET /{word()} HTTP/1.1\r\nHost: {word()}\r\nUser-Agent: {word()}\r\n{word()}: {word()}\r\n\r\n".encode(),
        f"CONNECT {word()}:443 HTTP/1.1\r\nHost: {word()}\r\n\r\n".encode(),
        f"{word().upper()} / HTTP/1.1\r\n\r\n".encode(),
        http2.FIRST_FLIGHT + http2.grpc_request(path=f"/{word()}/{word()}", authority=word()),
        http2.FIRST_FLIGHT + http2.headers(1, [(":method", word()), (":path", word())], end_stream=True),
        http2.FIRST_FLIGHT + http2.settings((names.number(15), names.number(31))),
        f"PROXY TCP4 10.{names.number(8)}.0.1 10.0.0.{names.number(8)} {names.number(15)} 80\r\n".encode()
        + http2.FIRST_FLIGHT,
        f"SSH-2.0-{word()}\r\n".encode(),
        f"EHLO {word()}\r\n".encode(),
        f"*1\r\n${len(word())}\r\n{word()}\r\n".encode(),
        b"\xff" + struct.pack(">QQ", names.number(64), names.number(64)),
        b"",
    ]


def server_kinds(names, status):
    """What hostile upstreams say; status: any number."""
    word = names.word
    head = http2.settings()
    cause = [("x-telltale-cause", word()), ("x-telltale-listener", word()), ("x-telltale-hop", word())]
    return [
        f"HTTP/1.1 {status} {word()}\r\nServer: {word()}/{names.number(8)}\r\nVia: 1.1 {word()}\r\n"
        f"X-Telltale-Cause: {word()}\r\n{word()}: {word()}\r\nContent-Length: 0\r\n\r\n".encode(),
        f"HTTP/1.1 400 Bad Request\r\nX-Telltale-Cause: metrics_port; by={word()}; hop={word()}\r\n\r\n".encode(),
        head + http2.headers(1, [(":status", str(status)), ("content-type", word()), ("server", word())], True),
        head + http2.headers(1, [(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", word()),
                                 ("grpc-message", word()), *cause], True),
        head + http2.frame(http2.GOAWAY, payload=struct.pack(">II", 0, names.number(32)) + word().encode()),
        head + http2.frame(http2.RST_STREAM, stream=1, payload=struct.pack(">I", names.number(32))),
        b"\x15\x03\x03\x00\x02\x02" + bytes([names.number(8)]),
        b"\x16\x03\x03\x00\x31\x02" + struct.pack(">QQQ", names.number(64), names.number(64), names.number(64)),
        f"SSH-2.0-{word()}\r\n".encode(),
        f"220 {word()} ESMTP {word()}\r\n".encode(),
        f"-ERR {word()}\r\n".encode(),
        b"\x4a\0\0\0\x0a" + word().encode() + b"\0",
        b"\xff" + struct.pack(">QQ", names.number(64), names.number(64)),
        b"",
    ]


def address_of(number):
    """A client's: each conversation comes from another."""
    return f"127.{1 + number // 62500 % 250}.{number // 250 % 250}.{1 + number % 250}"


class HostileUpstream(ScriptedServer):
    """Waits for a client's first bytes, then says something of the kind that is on, with new values each time."""

    def __init__(self, names):
        self.names = names
        self.kind = 0
        super().__init__(self._answer)

    def _answer(self, sock, _number):
        sock.settimeout(0.2)
        try:
            sock.recv(65536)
        except TimeoutError:
            pass
        sock.sendall(server_kinds(self.names, self.names.status())[self.kind])


def talk(address, source, said):
    with socket.socket() as sock:
        sock.settimeout(PATIENCE)
        sock.bind((source, 0))
        sock.connect(address)
        try:
            sock.sendall(said)
            sock.shutdown(socket.SHUT_WR)
            sockets.receive_all(sock)
        except OSError:
            pass  # it was told so soon that it could not finish


def every_client_with_every_answer(telltale, server, sources):
    """Through each listener, with values that were never used before. Returns how many conversations."""
    done = 0
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        for server.kind in range(len(server_kinds(server.names, 200))):
            jobs = [pool.submit(talk, listener.address, address_of(next(sources)), said)
                    for listener in telltale.listeners for said in client_kinds(server.names)]
            for job in jobs:
                job.result()
            done += len(jobs)
    telltale.wait_until_idle()
    return done


def test_hostile_peers_make_up_no_series():
    sources = itertools.count()
    with HostileUpstream(Names(7)) as server:
        listeners = (Listener(server.target, name="watched", options=", check: 1s"),
                     Listener([server.target, "127.0.0.1:9"], name="answering", on_mismatch="answer", expect="grpc"))
        with Telltale(*listeners) as telltale:
            telltale.expected_warnings = ["checked upstream"]
            limit = bound(len(listeners))
            known, sizes, conversations = set(), [], 0

            def nothing_new():
                """A round in which every value was new and no series was."""
                nonlocal known, conversations
                conversations += every_client_with_every_answer(telltale, server, sources)
                found = set(telltale.metrics())
                assert not [(name, labels) for name, labels in found if MARK in str(labels)]
                assert len(found) <= limit
                added, known = found - known, found
                sizes.append(len(found))
                return not added

            until(nothing_new, lambda: f"a round without new series; there were {sizes}", patience=120)
            print(f"{conversations} conversations; series after each round: {sizes}, at most {limit}; "
                  f"{len(telltale.get('/metrics')[1])} bytes a scrape")
            incidents = [labels for name, labels in known if name == "telltale_incidents_total"]
            assert len(incidents) > 10 and telltale.metric("telltale_incidents_total") > conversations / 4


def info_of(telltale):
    return sorted(dict(labels)["listener"] + " " + dict(labels)["upstream"]
                  for name, labels in telltale.metrics() if name == "telltale_listener_info")


def test_listener_info_follows_the_configuration_and_counters_stay():
    with ScriptedServer(sockets.keep_open) as server, \
            Telltale(Listener(server.target, name="one"), Listener(["127.0.0.1:9", "127.0.0.1:7"], name="two"),
                     extra="workers: 1\n") as telltale:
        assert info_of(telltale) == [f"one {server.target}", "two 127.0.0.1:9,127.0.0.1:7"]
        text = telltale.configuration.replace("name: two", "name: three").replace(server.target, "127.0.0.1:11")
        telltale.write("telltale.yaml", text)
        telltale.wait_for_metric(1, "telltale_config_reloads_total", result="success")
        assert info_of(telltale) == ["one 127.0.0.1:11", "three 127.0.0.1:9,127.0.0.1:7"]
        active = {dict(labels)["listener"] for name, labels in telltale.metrics()
                  if name == "telltale_connections_active"}
        assert active == {"one", "two", "three"}


def test_the_process_tells_of_itself():
    with ScriptedServer(sockets.keep_open) as server, Telltale(Listener(server.target)) as telltale:
        found = {name: value for (name, _), value in telltale.metrics().items() if name.startswith("process_")}
        assert set(found) == {"process_cpu_seconds_total", "process_resident_memory_bytes",
                              "process_virtual_memory_bytes", "process_open_fds", "process_max_fds",
                              "process_start_time_seconds"}
        with open(f"/proc/{telltale.child_pid()}/stat", encoding="ascii") as stat, \
                open("/proc/stat", encoding="ascii") as machine:
            ticks = int(stat.read().rpartition(")")[2].split()[19])
            started = int(re.search(r"btime (\d+)", machine.read()).group(1)) + ticks / os.sysconf("SC_CLK_TCK")
        assert abs(found["process_start_time_seconds"] - started) < 2
        assert abs(found["process_resident_memory_bytes"] - telltale.resident_bytes()) < 4 << 20
        before = telltale.metric("process_open_fds")
        held = [sockets.connect(telltale.address) for _ in range(20)]
        until(lambda: telltale.metric("process_open_fds") == before + 40, telltale.describe)
        for sock in held:
            sock.close()
