"""The sidecar is never the fault: a preface that arrives in two segments leaves in one.

HAProxy, Apache with h2c and Tomcat with the upgrade protocol answer 400 to a correct client whose preface they read in
two pieces. Each is first asked directly, to show that the test can fail, and then through Telltale.
"""
import contextlib
import time

import pytest

from support import clients, http2, peers, sockets
from support.telltale import Listener, Telltale

SPLITS = range(1, 25)
GAP = 0.03  # seconds between the segments; a server reads the first one alone after far less


@contextlib.contextmanager
def haproxy():
    with peers.Nginx() as backend, peers.Haproxy(backend.target) as server:
        yield server


SERVERS = {
    "haproxy": haproxy,
    "apache": lambda: peers.Apache("h2c http/1.1"),
    "tomcat": lambda: peers.Tomcat(upgrade=True),
}


def answer_to_split(address, at):
    with sockets.connect(address) as sock:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            clients.send_split(sock, http2.FIRST_FLIGHT, at, GAP)
        return sockets.receive_until(sock, lambda got: len(got) >= 9)[0]


@pytest.mark.parametrize("name", SERVERS)
def test_every_split_of_the_preface_gets_http2_through_telltale(name):
    with SERVERS[name]() as server:
        answer, _ = clients.http2_first_answer(server.address)
        assert http2.starts_with_settings(answer), f"{name} speaks no HTTP/2 even to a whole preface: {answer!r}"
        refused = [at for at in SPLITS if not http2.starts_with_settings(answer_to_split(server.address, at))]
        assert refused, f"{name} takes every split by itself: this test could not fail"

        with Telltale(Listener(server.target)) as telltale:
            for at in SPLITS:
                answer = answer_to_split(telltale.address, at)
                assert http2.starts_with_settings(answer), f"split at {at}: {answer[:60]!r}"
            telltale.wait_until_idle()
            telltale.wait_for_metric(len(SPLITS), "telltale_connections_total", client_protocol="http/2",
                                     upstream_protocol="http/2", verdict="match")
            telltale.assert_no_incident()


def test_the_preface_and_the_settings_behind_it_reach_the_server_whole():
    """Byte by byte in; the server's first read has all 24 bytes."""
    reads = []

    def script(sock, _):
        sock.settimeout(None)
        while chunk := sock.recv(65536):
            reads.append(chunk)

    with sockets.ScriptedServer(script) as server, Telltale(Listener(server.target)) as telltale:
        with sockets.connect(telltale.address) as client:
            for byte in http2.FIRST_FLIGHT:
                client.sendall(bytes([byte]))
                time.sleep(0.002)
        telltale.wait_until_idle()
        assert b"".join(reads) == http2.FIRST_FLIGHT
        assert reads[0].startswith(http2.PREFACE)


@pytest.mark.parametrize("begun", [b"P", b"PRI * HTTP/2.0\r\n\r\n", http2.PREFACE[:23]])
def test_a_preface_that_never_gets_whole_is_forwarded_after_a_short_time(begun):
    def script(sock, _):
        sock.settimeout(None)
        sock.sendall(b"got " + sockets.receive_exactly(sock, len(begun)))

    with sockets.ScriptedServer(script) as server, \
            Telltale(Listener(server.target), extra="sniff: {preface_hold: 200ms}\n") as telltale:
        with sockets.connect(telltale.address) as client:
            client.sendall(begun)
            assert sockets.receive_exactly(client, 4 + len(begun)) == b"got " + begun


def test_a_begun_preface_is_forwarded_at_once_when_the_client_ends():
    with sockets.ScriptedServer(lambda sock, _: sock.sendall(sockets.receive_all(sock)[0])) as server, \
            Telltale(Listener(server.target), extra="sniff: {preface_hold: 10s}\n") as telltale:
        answer, ending = clients.exchange(telltale.address, b"PRI * HT", half_close=True, patience=5)
        assert (answer, ending) == (b"PRI * HT", "fin")


@pytest.mark.parametrize("request_line", [b"POST / HTTP/1.1\r\n", b"PUT /x HTTP/1.1\r\n", b"PRINT\r\n"])
def test_other_requests_that_begin_with_p_are_not_held(request_line):
    def script(sock, _):
        for expected in (request_line, b"\r\n"):
            assert sockets.receive_exactly(sock, len(expected)) == expected
            sock.sendall(b"k")

    with sockets.ScriptedServer(script) as server, \
            Telltale(Listener(server.target), extra="sniff: {preface_hold: 10s}\n") as telltale:
        with sockets.connect(telltale.address) as client:
            for part in (request_line, b"\r\n"):
                client.sendall(part)
                assert sockets.receive_exactly(client, 1, patience=5) == b"k"
