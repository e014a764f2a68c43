"""Hostile and broken input from both sides: forwarded unchanged, bounded, never a crash, never a hang."""
import concurrent.futures
import contextlib
import os
import random
import socket

import pytest

from support import clients, http2, peers, process, sockets, tls
from support.sockets import ScriptedServer, receive_all, receive_exactly
from support.telltale import Listener, Telltale, binary

MIB = 1 << 20


def seed():
    value = int(os.environ.get("TELLTALE_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"TELLTALE_SEED={value}")  # shown when the test fails
    return value


class Exchange:
    """One connection through Telltale: what each side sends, in pieces; checks that both arrive unchanged."""

    def __init__(self, telltale, server_side):
        self.telltale = telltale
        self.server_side = server_side

    def run(self, to_server, to_client):
        """Both sides send their pieces and then end; every byte must arrive."""
        self.server_side["send"] = to_client
        self.server_side["got"] = concurrent.futures.Future()
        with sockets.connect(self.telltale.address) as client:
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                reading = pool.submit(receive_all, client, 30)
                for piece in to_server:
                    client.sendall(piece)
                client.shutdown(socket.SHUT_WR)
                got, ending = reading.result()
        assert ending == "fin"
        assert got == b"".join(to_client), "what the server sent came out changed"
        assert self.server_side["got"].result(30) == b"".join(to_server), "what the client sent came out changed"


@contextlib.contextmanager
def exchange(extra="", expect=None):
    side = {}

    def script(sock, _):
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            reading = pool.submit(receive_all, sock, 30)
            for piece in side["send"]:
                sock.sendall(piece)
            sock.shutdown(socket.SHUT_WR)
            side["got"].set_result(reading.result()[0])

    with ScriptedServer(script) as server, Telltale(Listener(server.target, expect=expect), extra=extra) as telltale:
        yield Exchange(telltale, side)
        telltale.wait_until_idle()


def pieces(data, source):
    """data cut at random places, often small."""
    cut, at = [], 0
    while at < len(data):
        size = source.choice((1, 2, 3, 9, 24, 100, 1500, 65536))
        cut.append(data[at:at + size])
        at += size
    return cut


REAL_OPENINGS = (
    http2.FIRST_FLIGHT + http2.grpc_request(), http2.settings((4, 1 << 20)) + http2.grpc_response(),
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    b"CONNECT a:1 HTTP/1.1\r\n\r\n", b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n", b"SSH-2.0-x\r\n", b"-ERR x\r\n",
    bytes.fromhex("0d0a0d0a000d0a515549540a2111000c") + bytes(12), bytes.fromhex("15030300020278"), tls.client_hello())


def test_random_and_truncated_bytes_from_both_sides():
    source = random.Random(seed())
    with exchange() as through:
        for _ in range(150):
            sides = []
            for _side in range(2):
                opening = source.choice(REAL_OPENINGS)
                start = opening[:source.randrange(len(opening) + 1)]
                sides.append(pieces(start + source.randbytes(source.choice((0, 1, 30, 3000))), source))
            through.run(*sides)
        assert through.telltale.metric("telltale_connections_total") == 150


def test_pure_noise_gets_no_protocol_name():
    """Noise that begins with a byte of no protocol: other, or undecided when there was too little of it."""
    source = random.Random(seed())
    with exchange() as through:
        for _ in range(30):
            through.run([b"\xff" + source.randbytes(200)], [b"\xfe" + source.randbytes(200)])
        for (name, labels), value in through.telltale.metrics().items():
            if name == "telltale_connections_total" and value:
                assert dict(labels)["client_protocol"] in ("other", "undecided"), labels
                assert dict(labels)["upstream_protocol"] in ("other", "undecided"), labels


LONG = {
    "a_request_with_a_header_line_of_1_MiB":
        (b"GET / HTTP/1.1\r\nX: " + b"a" * MIB + b"\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    "an_answer_with_a_header_line_of_1_MiB":
        (b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"a" * MIB + b"\r\n\r\n"),
    "a_request_line_of_1_MiB": (b"GET /" + b"a" * MIB + b" HTTP/1.1\r\n\r\n", b"HTTP/1.1 414 URI Too Long\r\n\r\n"),
    "a_preface_answered_by_a_header_line_of_1_MiB":
        (http2.FIRST_FLIGHT, b"HTTP/1.1 400 Bad Request\r\nServer: " + b"n" * MIB + b"\r\n\r\n"),
    "header_lines_without_end":
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 500_000, b"HTTP/1.1 200 OK\r\n" + b"C: d\r\n" * 500_000),
    "a_connect_target_of_1_MiB": (b"CONNECT " + b"a" * MIB, b"HTTP/1.1 200 OK\r\n\r\n" + b"b" * MIB),
    "a_frame_of_the_server_that_claims_16_MiB":
        (http2.FIRST_FLIGHT, b"\xff\xff\xff\x04\x00\x00\x00\x00\x00" + b"s" * (4 * MIB)),
    "a_frame_of_the_client_that_claims_16_MiB":
        (http2.PREFACE + b"\xff\xff\xff\x04\x00\x00\x00\x00\x00" + b"c" * (4 * MIB), http2.settings()),
    "a_header_block_that_claims_16_MiB":
        (http2.FIRST_FLIGHT + http2.grpc_request(),
         http2.settings() + b"\xff\xff\xff\x01\x04\x00\x00\x00\x01" + b"\0" * (4 * MIB)),
    "header_blocks_that_go_on_and_on":
        (http2.FIRST_FLIGHT + http2.grpc_request(),
         http2.settings() + http2.frame(http2.HEADERS, 0, 1, http2.hpack([(":status", "200")]))
         + http2.frame(9, 0, 1, http2.hpack([("x", "y" * 100)]) * 100) * 300),
    "settings_without_end": (http2.FIRST_FLIGHT, http2.settings((3, 100)) * 200_000),
    "a_tls_record_that_is_never_complete":
        (b"\x16\x03\x01\xff\xff\x01\x00\xff\xfb\x03\x03" + b"t" * (2 * MIB), b"\x16"),
    "nothing_but_zeroes": (bytes(4 * MIB), bytes(4 * MIB)),
    "a_preface_again_and_again": (http2.PREFACE * 50_000, http2.settings() + http2.PREFACE * 50_000),
}


@pytest.mark.parametrize("name", LONG)
def test_memory_stays_bounded_by(name):
    to_server, to_client = LONG[name]
    with exchange() as through:
        # A first round of the same size: the buffers that bulk data is given once are not growth.
        through.run([to_server], [to_client])
        before = through.telltale.resident_bytes()
        for _ in range(4):
            through.run([to_server], [to_client])
        grown = through.telltale.resident_bytes() - before
        assert grown < 4 * MIB, f"{grown} bytes more after four rounds of the same"
        assert through.telltale.metric("telltale_connections_total") == 5


def test_many_half_said_things_at_once_stay_within_the_window():
    """200 connections that each leave the sniffers undecided as long as they can."""
    window = 16384
    with ScriptedServer(sockets.keep_open) as server, Telltale(Listener(server.target)) as telltale:
        before = telltale.resident_bytes()
        with contextlib.ExitStack() as stack:
            for _ in range(200):
                client = stack.enter_context(sockets.connect(telltale.address))
                client.sendall(b"GET /" + b"a" * (window - 100))
            telltale.wait_for_metric(200, "telltale_connections_active")
            grown = telltale.resident_bytes() - before
            assert grown < 200 * 8 * window, f"{grown} bytes for 200 connections"


@pytest.mark.parametrize("size", [1, 7, 100])
def test_a_client_hello_split_over_many_segments(size):
    hello = tls.client_hello("group-rpc-service.openim.svc.cluster.local")
    with peers.Nginx() as nginx, Telltale(Listener(nginx.target)) as telltale:
        with sockets.connect(telltale.address) as client:
            for at in range(0, len(hello), size):
                client.sendall(hello[at:at + size])
            answer, _ = sockets.receive_until(client, lambda data: len(data) >= 12)
            assert answer.startswith(b"HTTP/1.1 400")
        record = telltale.wait_for_incident()
        assert record["cause"] == "plaintext_upstream"
        assert record["client"]["protocol"] == "tls"


def test_control_characters_from_the_wire_stay_one_line_of_json():
    evil = (b"HTTP/1.1 400 \x1b[31mred\x07\r\nServer: \"}\x1b]0;title\x07\\u0000\xff\xfe\r\n"
            b"X-Line: a\r\n\r\n\xe2\x80\xa8{\"event\":\"incident\"}\n")
    with ScriptedServer(lambda sock, _: (sockets.receive_until(sock, lambda d: len(d) >= 24), sock.sendall(evil))) \
            as server, Telltale(Listener(server.target)) as telltale:
        clients.exchange(telltale.address, http2.FIRST_FLIGHT, half_close=True)
        telltale.wait_for_incident()
        text = telltale.output()
        assert text.count("\n") == len(telltale.records()) == 1
        assert all(" " <= c <= "~" or c == "\n" or c == "…" for c in text), "raw control characters in the log"


# ---- configuration and start

def proxy(*arguments, **options):
    return process.run([binary(), "proxy", *arguments], patience=20, **options)


BAD_CONFIGURATION = """\
admin: {listen: "127.0.0.1:99999"}
listeners:
  - name: one
    listen: "127.0.0.1:0"
    expect: grcp
    upstream: {address: "127.0.0.1:10260x"}
  - name: two
    listen: "127.0.0.1:0"
    colour: blue
timeouts: {connect: soon}
timeouts: {idle: 1s}
"""


@pytest.mark.parametrize("command", ["proxy", "check"])
def test_a_bad_configuration_lists_every_error_and_exits_65(command, tmp_path):
    file = tmp_path / "bad.yaml"
    file.write_text(BAD_CONFIGURATION)
    done = process.run([binary(), command, "-c", file])
    assert done.returncode == 65
    lines = (done.stderr + done.stdout).splitlines()
    for line, word in ((1, "99999"), (5, "grcp"), (6, "10260x"), (9, "colour"), (10, "soon"), (11, "timeouts")):
        matching = [text for text in lines if text.startswith(f"{file}:{line}:") and word in text]
        assert matching, f"no error for line {line} ({word}) in:\n{done.stderr}{done.stdout}"
        assert "expected" in matching[0]
    assert any("upstream" in text and ":7:" in text or "listeners[1].upstream" in text for text in lines)


@pytest.mark.parametrize("upstream", ["127.0.0.1", "localhost", "127.0.0.2", "[::1]"])
def test_a_listener_that_leads_to_itself_is_refused(upstream, tmp_path):
    file = tmp_path / "loop.yaml"
    file.write_text(f"listeners:\n  - {{name: a, listen: \":15260\", upstream: \"{upstream}:15260\"}}\n")
    done = process.run([binary(), "check", "-c", file])
    assert done.returncode == 65 and "leads back" in done.stderr


@pytest.mark.parametrize("text", [b"", b"\xff\xfe\x00", b"- - - {", b"listeners: [", b"a: &a [*a]\n", b"\t", b"x" * MIB,
                                  b"[" * 20000, b"listeners:\n" + b"  - {name: n}\n" * 20000],
                         ids=["empty", "binary", "broken", "cut", "self_reference", "tab", "long", "deep", "many"])
def test_a_configuration_that_is_no_yaml_exits_65(text, tmp_path):
    file = tmp_path / "bad.yaml"
    file.write_bytes(text)
    done = process.run([binary(), "check", "-c", file])
    assert done.returncode == 65, f"{done.returncode}: {done.stderr[:2000]}"
    assert str(file) in done.stderr + done.stdout
    assert len(done.stderr + done.stdout) < 256 * 1024


def test_a_configuration_file_that_is_not_there_is_said_in_one_sentence(tmp_path):
    done = proxy("-c", tmp_path / "nothing.yaml")
    assert done.returncode != 0 and len(done.stderr.splitlines()) == 1 and "nothing.yaml" in done.stderr


@pytest.mark.parametrize("arguments", [("--listen", "nonsense", "--upstream", "127.0.0.1:1"),
                                       ("--listen", "127.0.0.1:70000", "--upstream", "127.0.0.1:1"),
                                       ("--listen", "127.0.0.1:0", "--upstream", ":1")])
def test_bad_flags_are_refused(arguments):
    done = proxy(*arguments)
    assert done.returncode in (64, 65) and done.stderr.strip()


def test_a_port_in_use_is_one_clear_sentence():
    with sockets.listen() as taken:
        port = taken.getsockname()[1]
        for flags in (("--listen", f"127.0.0.1:{port}", "--admin", "127.0.0.1:0"),
                      ("--listen", "127.0.0.1:0", "--admin", f"127.0.0.1:{port}")):
            done = proxy(*flags, "--upstream", "127.0.0.1:1", "--log-format", "plain")
            assert done.returncode not in (0, 64, 65)
            assert done.returncode > 0, "ended by a signal"
            lines = done.stderr.strip().splitlines()
            assert len(lines) == 1 and str(port) in lines[0] and "in use" in lines[0], done.stderr


def test_an_upstream_name_that_does_not_resolve_does_not_stop_the_start():
    with Telltale(Listener("no-such-service.invalid:1")) as telltale:
        for _ in range(2):
            answer, _ = clients.exchange(telltale.address, http2.FIRST_FLIGHT, patience=40)
            assert answer == b""
        record = telltale.wait_for_incident()
        assert record["cause"] == "dns_failure"
        telltale.wait_for_metric(2, "telltale_incidents_total", cause="dns_failure")


# ---- the admin port is not a way in

@pytest.mark.parametrize("data", [b"\xff" * 100_000, b"GET /" + b"a" * MIB,
                                  b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 100_000,
                                  b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n",
                                  http2.FIRST_FLIGHT, tls.client_hello()],
                         ids=["noise", "long_line", "endless_head", "huge_body", "http2", "tls"])
def test_bad_requests_to_the_admin_port(data):
    with ScriptedServer(sockets.keep_open) as server, Telltale(Listener(server.target)) as telltale:
        answer, _ = clients.exchange(telltale.admin_address, data, half_close=True)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
        assert telltale.get("/live")[0] == 200


def test_admin_pages_and_what_is_none():
    with ScriptedServer(sockets.keep_open) as server, Telltale(Listener(server.target)) as telltale:
        for path in ("/metrics", "/live", "/ready", "/incidents", "/connections", "/config"):
            assert telltale.get(path)[0] == 200, path
        assert telltale.get("/nothing")[0] == 404
        answer, _ = clients.exchange(telltale.admin_address, b"DELETE /metrics HTTP/1.1\r\nHost: x\r\n"
                                                             b"Connection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 405")


def test_receiving_bytes_in_order_after_a_stall():
    """The server sleeps on 8 MiB: Telltale keeps only a bounded part of them, and nothing is lost."""
    data = random.Random(7).randbytes(8 * MIB)
    go_on = concurrent.futures.Future()

    def script(sock, _):
        go_on.result(30)
        sock.sendall(receive_exactly(sock, len(data), 30)[::-1][:10])

    with ScriptedServer(script) as server, Telltale(Listener(server.target)) as telltale:
        before = telltale.resident_bytes()
        with sockets.connect(telltale.address) as client, concurrent.futures.ThreadPoolExecutor(1) as pool:
            sending = pool.submit(client.sendall, data)
            concurrent.futures.wait([sending], timeout=1)
            assert telltale.resident_bytes() - before < 6 * MIB
            go_on.set_result(None)
            sending.result(30)
            assert receive_exactly(client, 10) == data[::-1][:10]
