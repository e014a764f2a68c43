"""Faults of one connection: the cause, the letters of the end, every byte, and no reset that no peer made."""
import contextlib
import fcntl
import json
import os
import signal
import socket
import termios
import threading
from typing import NamedTuple

import pytest

from support import clients, http2, netns, peers, sockets, tls
from support.ports import free_port
from support.sockets import ScriptedServer, receive_all, receive_exactly, receive_until, reset
from support.telltale import Listener, Telltale
from support.wait import until

POLICIES = ["observe", "answer", "reroute"]
REQUEST = http2.FIRST_FLIGHT + http2.grpc_request()
ANSWER = http2.settings() + http2.grpc_response()
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: curl/7.88.1\r\n\r\n"
PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
SOON = "answer: {linger: 50ms}\n"
PATIENT = SOON + "sniff: {settle: 5s}\n"  # so long a client may take to speak to an upstream that is gone


def connections(telltale):
    """Empty for a moment after a client has connected: the kernel accepts before Telltale does."""
    return json.loads(telltale.get("/connections")[1])


def row_of(telltale):
    """The only connection there was, as /connections tells it once it has ended."""
    def ended():
        return [row for row in connections(telltale) if row["state"] == "ended"]

    rows = until(ended, lambda: f"a connection to end\n{telltale.get('/connections')[1]}")
    assert len(rows) == 1, rows
    return rows[0]


def nothing_wrong(telltale, code):
    assert row_of(telltale)["ended_by"]["code"] == code
    telltale.assert_no_incident()
    telltale.wait_until_idle()


# ---- the upstream does something wrong

class Fault(NamedTuple):
    """What the upstream does after the whole question, and what is to be said of it."""
    answer: bytes
    ends: str      # "fin", "reset", or "" for an upstream that waits for the client
    cause: str
    code: str
    position: str = "upstream"
    asks: bytes = REQUEST
    answered: bool = True  # policy `answer` takes the upstream's place


def alert(code, version=b"\x03\x03"):
    """A fatal TLS alert (RFC 8446 §6) in a record of its own."""
    return b"\x15" + version + b"\0\2\2" + bytes([code])


def goaway(code, last=0, text=b""):
    return http2.frame(http2.GOAWAY, payload=last.to_bytes(4, "big") + code.to_bytes(4, "big") + text)


HALF_AN_ANSWER = (http2.settings() + http2.headers(1, [(":status", "200"), ("content-type", "application/grpc")])
                  + http2.frame(http2.DATA, 0, 1, b"\0\0\0\x40\0" + bytes(4000)))
NGINX_400 = (b"HTTP/1.1 400 Bad Request\r\nServer: nginx/1.22.1\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno\n")

FAULTS = {
    "resets_without_a_byte": Fault(b"", "reset", "reset_before_preface", "uV"),
    "ends_without_a_byte": Fault(b"", "fin", "closed_before_preface", "UV"),
    "http1_to_grpc": Fault(NGINX_400, "fin", "http1_proxy", "UR"),
    "http1_to_grpc_then_reset": Fault(NGINX_400, "reset", "http1_proxy", "uR"),
    "ssh_to_grpc": Fault(b"SSH-2.0-OpenSSH_9.2\r\n", "fin", "other_protocol", "UR"),
    "grpc_to_http1": Fault(http2.settings(), "fin", "http1_client", "UR", "client", GET),
    "grpc_to_tls": Fault(http2.settings() + goaway(1), "fin", "tls_client", "UR", "client", tls.client_hello(),
                         answered=False),
    "http1_to_tls": Fault(NGINX_400, "fin", "plaintext_upstream", "UR", "upstream", tls.client_hello(),
                          answered=False),
    "goaway_http11_required": Fault(http2.settings() + goaway(13), "fin", "http2_not_grpc", "UR", answered=False),
    "goaway_protocol_error": Fault(http2.settings() + goaway(1, text=b"bad"), "fin", "unexplained", "UR",
                                   answered=False),
    **{f"alert_{code}": Fault(alert(code), "fin", "tls_required", "UR")
       for code in (10, 22, 40, 50, 70, 80, 112)},
    "alert_of_ssl3": Fault(alert(40, b"\x03\0"), "fin", "tls_required", "UR"),
}


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", FAULTS)
def test_what_an_upstream_does_wrong(name, policy):
    fault = FAULTS[name]
    seen_by_server = []

    def script(sock, _):
        assert receive_exactly(sock, len(fault.asks)) == fault.asks
        sock.sendall(fault.answer)
        if fault.ends == "reset":
            if fault.answer:
                until(lambda: unsent(sock) == 0, "the answer to be acknowledged")
            reset(sock)
            return
        sock.shutdown(socket.SHUT_WR)
        seen_by_server.append(receive_all(sock))

    with ScriptedServer(script) as server, \
            Telltale(Listener(server.target, on_mismatch=policy), extra=SOON) as telltale:
        got, ending = clients.exchange(telltale.address, fault.asks)
        record = telltale.wait_for_incident()
        telltale.wait_until_idle()
        code = record["ended_by"]["code"]
        assert (record["cause"], record["hop"]["position"]) == (fault.cause, fault.position), record
        assert len(telltale.incidents()) == 1
        if policy == "answer" and fault.answered:
            assert record["action"] == "answered", record
            # Whoever was first: the policy acts on the bytes, or on the end when that came along.
            assert code in ("PV", fault.code[0] + "V"), record["ended_by"]
            assert ending == "fin" and got != fault.answer
            assert http2.starts_with_settings(got) or got.startswith(b"HTTP/1.1 400 "), got
        else:
            assert record["action"] == "forwarded", record
            # A policy that holds the answer back may see its end before the verdict is out.
            assert code in (fault.code, fault.code if policy == "observe" else fault.code[0] + "V"), record["ended_by"]
            assert got == fault.answer
            assert ending == fault.ends
            if fault.ends == "fin":
                until(lambda: seen_by_server, "the server to see the end")
                assert seen_by_server == [(b"", "fin")], "the client closed in good order"
        assert server.connections == 1, "a single endpoint is dialled once"
        assert server.errors == []


def unsent(sock):
    """Bytes that the other side has not acknowledged (SIOCOUTQ)."""
    return int.from_bytes(fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)), "little")


@pytest.mark.parametrize("policy", POLICIES)
def test_an_upstream_that_resets_as_soon_as_it_has_accepted(policy):
    """Before or after the question is written, seen as an error of connect, read or write: always the same cause."""
    times = 20
    with peers.resets_at_once() as server, \
            Telltale(Listener(server.target, on_mismatch=policy), extra=PATIENT) as telltale:
        for _ in range(times):
            got, ending = clients.exchange(telltale.address, REQUEST)
            if policy == "answer":
                assert http2.starts_with_settings(got) and ending == "fin"
            else:
                assert (got, ending) == (b"", "reset")
        telltale.wait_for_metric(times, "telltale_incidents_total", cause="reset_before_preface", hop="upstream")
        telltale.wait_until_idle()
        rows = json.loads(telltale.get("/connections")[1])
        assert len(rows) == times and {row["ended_by"]["code"] for row in rows} <= {"uC", "uV"}, rows
        assert telltale.metric("telltale_incidents_total") == times


@contextlib.contextmanager
def hangs_up(how):
    """An upstream that says nothing and hangs up once it is told to."""
    def script(sock, _):
        assert server.told.wait(15)
        if how == "resets":
            reset(sock)
            server.hung_up = True
        else:
            sock.shutdown(socket.SHUT_WR)
            server.hung_up = True
            sockets.keep_open(sock)

    with ScriptedServer(script) as server:
        server.told, server.hung_up = threading.Event(), False
        yield server
        server.told.set()


def speak_late(telltale, server):
    """The client speaks when the proxy has seen the upstream hang up. Returns what it then gets."""
    with sockets.connect(telltale.address) as client:
        telltale.wait_for_metric(1, "telltale_upstream_attempts_total", result="connected")
        server.told.set()
        until(lambda: server.hung_up, "the upstream to hang up")
        for _ in range(3):  # each passes through the worker, behind what its sockets told
            telltale.get("/connections")
        client.sendall(REQUEST)
        return receive_until(client, lambda got: len(got) >= 9)


@pytest.mark.parametrize("how", ["resets", "ends"])
def test_a_client_that_speaks_after_its_upstream_has_hung_up_is_answered(how):
    with hangs_up(how) as server, Telltale(Listener(server.target, on_mismatch="answer"), extra=PATIENT) as telltale:
        got, ending = speak_late(telltale, server)
        record = telltale.wait_for_incident()
        assert record["cause"] in ("reset_before_preface", "closed_before_preface")
        assert record["client"]["protocol"] == "http/2"
        assert record["action"] == "answered" and http2.starts_with_settings(got) and not ending, record


@pytest.mark.parametrize("how", ["resets", "ends"])
def test_a_client_that_speaks_after_its_upstream_has_hung_up_is_rerouted(how):
    with hangs_up(how) as server, ScriptedServer(answers) as good, \
            Telltale(Listener([server.target, good.target], on_mismatch="reroute"),
                     extra=PATIENT + "workers: 1\n") as telltale:  # one worker begins with the first endpoint
        got, ending = speak_late(telltale, server)
        assert telltale.wait_for_incident()["action"] == "rerouted"
        assert http2.starts_with_settings(got) and not ending


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("ends, code", [("fin", "UR"), ("reset", "uR")])
def test_an_upstream_that_breaks_off_within_its_answer(ends, code, policy):
    """Both sides spoke the same: no matter of protocols, but the letters tell. No byte before the end is lost."""
    def script(sock, _):
        assert receive_exactly(sock, len(REQUEST)) == REQUEST
        sock.sendall(HALF_AN_ANSWER)
        if ends == "reset":
            until(lambda: unsent(sock) == 0, "the answer to be acknowledged")
            reset(sock)
            return
        sock.shutdown(socket.SHUT_WR)
        sockets.keep_open(sock)

    with ScriptedServer(script) as server, Telltale(Listener(server.target, on_mismatch=policy)) as telltale:
        assert clients.exchange(telltale.address, REQUEST) == (HALF_AN_ANSWER, ends)
        nothing_wrong(telltale, code)
        assert server.errors == []


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("kind", ["port", "path"])
def test_nobody_listens(kind, policy, tmp_path):
    target = peers.ClosedPort().target if kind == "port" else f"unix:{tmp_path}/nobody.sock"
    with Telltale(Listener(target, on_mismatch=policy), extra=PATIENT) as telltale:
        got, ending = clients.exchange(telltale.address, REQUEST)
        record = telltale.wait_for_incident()
        assert (record["cause"], record["hop"]["position"]) == ("refused", "upstream")
        assert record["ended_by"]["code"] == "uC"
        assert record["client"]["protocol"] == "http/2", "the client is heard before it is reset"
        assert record["upstream"]["attempts"], record
        if policy == "answer":
            assert record["action"] == "answered" and http2.starts_with_settings(got) and ending == "fin"
        else:
            assert record["action"] == "closed" and (got, ending) == (b"", "reset")


@pytest.mark.parametrize("policy", POLICIES)
def test_a_slow_client_that_begins_the_preface_and_stops_is_not_closed(policy):
    received = []

    def script(sock, _):
        received.append(sock.recv(100))
        rest = receive_exactly(sock, len(REQUEST) - 1)
        received.append(rest)
        sock.sendall(ANSWER)
        sockets.keep_open(sock)

    extra = "sniff: {preface_hold: 100ms, silent_after: 300ms}\n"
    with ScriptedServer(script) as server, \
            Telltale(Listener(server.target, on_mismatch=policy), extra=extra) as telltale:
        with sockets.connect(telltale.address) as client:
            client.sendall(REQUEST[:1])
            until(lambda: received, "the held byte to be passed on")
            assert received == [REQUEST[:1]]
            # Older than silent_after: whatever was to be found out is.
            until(lambda: any(row["age_ms"] > 500 for row in connections(telltale)), telltale.describe)
            assert telltale.active() == 1
            client.settimeout(0.05)
            with pytest.raises(TimeoutError):
                client.recv(1)
            client.sendall(REQUEST[1:])
            assert receive_exactly(client, len(ANSWER)) == ANSWER
        nothing_wrong(telltale, "CR")
        assert b"".join(received) == REQUEST


# ---- what looks like a fault and must pass with every policy

@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("asks, answers", [(REQUEST, ANSWER), (GET, PAGE), (b"*1\r\n", b"-late\r\n")],
                         ids=["grpc", "http1", "other"])
def test_a_late_reply_to_a_client_that_has_closed_its_side(asks, answers, policy):
    question_over, reply = [], threading.Event()

    def script(sock, _):
        question_over.append(receive_all(sock))
        assert reply.wait(15)
        sock.sendall(answers)

    with ScriptedServer(script) as server, Telltale(Listener(server.target, on_mismatch=policy)) as telltale:
        with sockets.connect(telltale.address) as client:
            client.sendall(asks)
            client.shutdown(socket.SHUT_WR)
            until(lambda: question_over, "the question's end at the server")
            assert question_over == [(asks, "fin")]
            assert telltale.active() == 1
            reply.set()
            assert receive_all(client) == (answers, "fin")
        nothing_wrong(telltale, "CV")


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("greeting, question, rest", [
    (http2.settings((3, 100)), REQUEST, http2.SETTINGS_ACK + http2.grpc_response()),
    (b"SSH-2.0-OpenSSH_9.2\r\n", b"SSH-2.0-test\r\n", bytes(range(256)))], ids=["grpc", "ssh"])
def test_a_server_that_speaks_first(greeting, question, rest, policy):
    def script(sock, _):
        sock.sendall(greeting)
        assert receive_exactly(sock, len(question)) == question
        sock.sendall(rest)
        sockets.keep_open(sock)

    with ScriptedServer(script) as server, Telltale(Listener(server.target, on_mismatch=policy)) as telltale:
        with sockets.connect(telltale.address) as client:
            assert receive_exactly(client, len(greeting)) == greeting
            client.sendall(question)
            assert receive_exactly(client, len(rest)) == rest
        assert row_of(telltale)["ended_by"]["code"] == "CR"
        telltale.assert_no_incident()
        assert server.errors == []


@pytest.mark.parametrize("policy", POLICIES)
def test_a_stall_after_the_handshake(policy):
    """SETTINGS came, so the upstream is not silent, however long the call takes."""
    go_on = threading.Event()

    def script(sock, _):
        assert receive_exactly(sock, len(REQUEST)) == REQUEST
        sock.sendall(http2.settings())
        assert go_on.wait(15)
        sock.sendall(http2.grpc_response())
        sockets.keep_open(sock)

    extra = "sniff: {silent_after: 200ms}\n"
    with ScriptedServer(script) as server, \
            Telltale(Listener(server.target, on_mismatch=policy), extra=extra) as telltale:
        with sockets.connect(telltale.address) as client:
            client.sendall(REQUEST)
            assert receive_exactly(client, 9) == http2.settings()
            telltale.wait_for_metric(1, "telltale_connections_total", verdict="match")
            go_on.set()
            assert receive_exactly(client, len(http2.grpc_response())) == http2.grpc_response()
        nothing_wrong(telltale, "CR")


def dribble(sock, data):
    """One segment for each byte, as fast as they go."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in data:
        sock.sendall(bytes([byte]))


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("asks, answers", [(REQUEST, ANSWER), (GET, PAGE), (bytes(range(256)), bytes(range(256)))],
                         ids=["grpc", "http1", "other"])
def test_one_byte_a_segment(asks, answers, policy):
    def script(sock, _):
        assert receive_exactly(sock, len(asks)) == asks
        dribble(sock, answers)
        sock.shutdown(socket.SHUT_WR)
        sockets.keep_open(sock)

    with ScriptedServer(script) as server, Telltale(Listener(server.target, on_mismatch=policy)) as telltale:
        with sockets.connect(telltale.address) as client:
            dribble(client, asks)
            assert receive_all(client) == (answers, "fin")
        nothing_wrong(telltale, "UR")
        assert server.errors == []


@pytest.mark.parametrize("policy", POLICIES)
def test_a_good_call_that_ends_with_goaway(policy):
    whole = ANSWER + goaway(0, last=1)

    def script(sock, _):
        assert receive_exactly(sock, len(REQUEST)) == REQUEST
        sock.sendall(whole)
        sock.shutdown(socket.SHUT_WR)
        sockets.keep_open(sock)

    with ScriptedServer(script) as server, Telltale(Listener(server.target, on_mismatch=policy)) as telltale:
        assert clients.exchange(telltale.address, REQUEST) == (whole, "fin")
        nothing_wrong(telltale, "UR")


# ---- much, and slowly

BULK = bytes(range(256)) * 4096  # 1 MiB


def send_bulk(sock, count):
    sock.settimeout(60)
    for _ in range(count):
        sock.sendall(BULK)


def receive_bulk(sock, count, patience=60):
    """Checks every byte without keeping them."""
    sock.settimeout(patience)
    place, total = 0, count * len(BULK)
    while place < total:
        chunk = sock.recv(262144)
        assert chunk, f"ended after {place} of {total} bytes"
        at = place % 256
        assert chunk == (bytes(range(256)) * (len(chunk) // 256 + 2))[at:at + len(chunk)], f"other bytes at {place}"
        place += len(chunk)
    assert place == total


def peak_bytes(telltale):
    with open(f"/proc/{telltale.child_pid()}/status", encoding="ascii") as file:
        line = next(line for line in file if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def until_stuck(telltale, side):
    """Nobody reads, so the proxy stops reading as well: the count stands still."""
    seen = []

    def same_again():
        seen.append(telltale.metric("telltale_bytes_total", side=side))
        return len(seen) > 5 and seen[-1] > 0 and len(set(seen[-5:])) == 1

    until(same_again, "the transfer to stand still", pause=0.05)
    return seen[-1]


@pytest.mark.parametrize("policy", POLICIES)
def test_a_client_that_does_not_read_while_20_mb_come_gets_all_of_them(policy):
    def script(sock, _):
        assert receive_exactly(sock, len(REQUEST)) == REQUEST
        sock.sendall(ANSWER)
        send_bulk(sock, 20)
        sock.shutdown(socket.SHUT_WR)
        sockets.keep_open(sock)

    with ScriptedServer(script) as server, Telltale(Listener(server.target, on_mismatch=policy)) as telltale:
        with sockets.connect(telltale.address) as client:
            client.sendall(REQUEST)
            assert until_stuck(telltale, "upstream") < 20 * len(BULK), "the window is closed"
            assert client.recv(len(ANSWER), socket.MSG_WAITALL) == ANSWER
            receive_bulk(client, 20)
            assert client.recv(1) == b"", "and then the end, no reset"
        nothing_wrong(telltale, "UR")
        assert server.errors == []


@pytest.mark.parametrize("from_client", [True, False], ids=["upload", "download"])
@pytest.mark.parametrize("policy", POLICIES)
def test_100_mb_towards_a_side_that_sleeps_take_bounded_memory(policy, from_client):
    wake = threading.Event()

    def sleeper(sock):
        assert wake.wait(30)
        receive_bulk(sock, 100)

    def sender(sock):
        send_bulk(sock, 100)
        sock.shutdown(socket.SHUT_WR)

    def script(sock, _):
        assert receive_exactly(sock, len(REQUEST)) == REQUEST
        sock.sendall(ANSWER)
        (sleeper if from_client else sender)(sock)
        sock.settimeout(None)
        assert sock.recv(1) == b""

    buffered = 1 << 20
    extra = f"limits: {{buffered_bytes: {buffered}}}\n"
    with ScriptedServer(script) as server, \
            Telltale(Listener(server.target, on_mismatch=policy), extra=extra) as telltale:
        before = telltale.resident_bytes()
        with sockets.connect(telltale.address) as client:
            client.sendall(REQUEST)
            assert client.recv(len(ANSWER), socket.MSG_WAITALL) == ANSWER
            mine = threading.Thread(target=quietly, args=(sender if from_client else sleeper, client, server.errors))
            mine.start()
            taken = until_stuck(telltale, "client" if from_client else "upstream")
            assert taken < 100 * len(BULK)
            wake.set()
            mine.join()
            if from_client:
                assert receive_all(client, 60) == (b"", "fin")
            else:
                assert client.recv(1) == b""
        assert server.errors == []
        telltale.wait_until_idle()
        grown = peak_bytes(telltale) - before
        assert grown < 2 * buffered + (16 << 20), f"{grown} bytes more for 100 MB"
        telltale.assert_no_incident()


def quietly(function, sock, errors):
    """On a thread: what fails is told by the test."""
    try:
        function(sock)
    except (OSError, AssertionError) as error:
        errors.append(error)


# ---- where the upstream is

def answers(sock, _):
    sock.settimeout(None)
    if sock.recv(len(REQUEST), socket.MSG_WAITALL) == REQUEST:
        sock.sendall(ANSWER)
        sockets.keep_open(sock)


@pytest.mark.parametrize("policy", POLICIES)
def test_an_upstream_on_ipv6_only(policy):
    with ScriptedServer(answers, ("::1", 0)) as server, \
            Telltale(Listener(f"[::1]:{server.address[1]}", on_mismatch=policy)) as telltale:
        call(telltale)
        nothing_wrong(telltale, "CR")
        assert telltale.metric("telltale_upstream_attempts_total", result="connected") == 1


def call(telltale):
    with sockets.connect(telltale.address) as client:
        client.sendall(REQUEST)
        assert receive_exactly(client, len(ANSWER)) == ANSWER


@pytest.fixture(scope="module")
def namespace():
    with netns.Namespace(f"telltale-{os.getpid()}-faults") as made, files_of(made, {
            "hosts": f"127.0.0.1 localhost\n{netns.UNREACHABLE} both.test\n127.0.0.1 both.test\n"
                     "::1 ports.test\n127.0.0.1 ports.test\n"}):
        yield made


@contextlib.contextmanager
def files_of(made, files):
    """`ip netns exec` puts them in the place of those in /etc."""
    folder = f"/etc/netns/{made.name}"
    os.makedirs(folder)
    try:
        for name, text in files.items():
            with open(f"{folder}/{name}", "w", encoding="ascii") as file:
                file.write(text)
        yield folder
    finally:
        for name in files:
            os.unlink(f"{folder}/{name}")
        os.rmdir(folder)
        with contextlib.suppress(OSError):
            os.rmdir("/etc/netns")  # only when it is empty


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("upstream, failed", [
    ("both.test:{port}", None),  # the resolver may put either first
    ("ports.test:{port}", "refused"),
    ([netns.UNREACHABLE + ":{port}", "127.0.0.1:{port}"], "unreachable")], ids=["name", "two_families", "list"])
def test_an_address_that_can_not_be_reached_beside_one_that_works(namespace, upstream, failed, policy):
    port = free_port()
    named = [text.format(port=port) for text in ([upstream] if isinstance(upstream, str) else upstream)]
    with namespace.call(ScriptedServer, answers, ("127.0.0.1", port)), \
            Telltale(Listener(named, on_mismatch=policy), namespace=namespace) as telltale:
        telltale.call(call, telltale)
        nothing_wrong(telltale, "CR")
        assert telltale.metric("telltale_upstream_attempts_total", result="connected") == 1
        if failed:
            assert telltale.metric("telltale_upstream_attempts_total", result=failed) == 1


# ---- who half-closed is still a connection, and its end is told

@pytest.fixture
def never_answers():
    """A server that reads the question to its end and stays, until the test is over."""
    over = threading.Event()

    def script(sock, _):
        receive_all(sock)
        over.wait(60)

    with ScriptedServer(script) as server:
        yield server
        over.set()


def half_closed(telltale):
    client = sockets.connect(telltale.address)
    client.sendall(REQUEST)
    client.shutdown(socket.SHUT_WR)
    until(lambda: any(row["state"] == "half_closed" for row in connections(telltale)), telltale.describe)
    return client


def test_the_timeout_of_a_half_closed_connection_is_told(never_answers):
    """docs/endings.md: T, a timeout of Telltale. The client ended its side only; it still waited for its answer."""
    with Telltale(Listener(never_answers.target), extra="timeouts: {half_closed: 1s}\n") as telltale:
        with sockets.connect(telltale.address) as client:
            client.sendall(REQUEST)
            client.shutdown(socket.SHUT_WR)
            receive_all(client)
        assert row_of(telltale)["ended_by"]["code"] in ("TV", "TL")


def test_a_half_closed_call_that_the_drain_cuts_is_recorded(never_answers):
    """docs/operations.md: what is left is cut and recorded as proxy_shutdown."""
    with Telltale(Listener(never_answers.target), extra="timeouts: {drain: 300ms}\n") as telltale:
        with half_closed(telltale) as client:
            telltale.send_signal(signal.SIGTERM)
            receive_all(client)
        assert telltale.wait() == 1, "not every connection had ended (docs/commands.md)"
        assert [record["cause"] for record in telltale.incidents()] == ["proxy_shutdown"]
        assert telltale.incidents()[0]["ended_by"]["code"] in ("DV", "DL")
