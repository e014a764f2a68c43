"""What looks like a fault and is none: no record, no mismatch, and the bytes pass."""
import concurrent.futures
import socket
import time

import pytest

from support import clients, http2, peers, process, sockets, tls
from support.sockets import ScriptedServer, receive_exactly, receive_until
from support.telltale import Listener, Telltale
from support.wait import until

GAP = 0.005  # seconds between pieces that must not arrive together


def head_ends(data):
    return b"\r\n\r\n" in data


def matched(telltale, client, upstream, count=1):
    telltale.wait_for_metric(count, "telltale_connections_total", client_protocol=client, upstream_protocol=upstream,
                             verdict="match")
    telltale.wait_until_idle()
    telltale.assert_no_incident()


def nothing_wrong(telltale):
    telltale.wait_until_idle()
    telltale.assert_no_incident()


# ---- HTTP/1 to HTTP/1

@pytest.mark.parametrize("agent", ["curl/7.88.1", "kube-probe/1.29", "Prometheus/2.42.0", "ELB-HealthChecker/2.0"])
def test_http1_clients_and_probes_of_an_http1_upstream(agent):
    with peers.Nginx() as nginx, Telltale(Listener(nginx.target, expect="any")) as telltale:
        answer, _ = clients.http1_get(telltale.address, user_agent=agent)
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n") and answer.endswith(b"hello\n")
        matched(telltale, "http/1", "http/1")


def test_curl_with_keep_alive_and_an_upload():
    with peers.Nginx() as nginx, Telltale(Listener(nginx.target)) as telltale:
        url = f"http://{telltale.target}/"
        done = process.run([process.find_program("curl"), "-s", url, url, url])
        assert done.stdout == "hello\n" * 3
        matched(telltale, "http/1", "http/1")


def test_an_error_page_for_an_http1_client_is_the_applications_business():
    with peers.Nginx() as nginx, Telltale(Listener(nginx.target)) as telltale:
        answer, _ = clients.http1_get(telltale.address, "/nothing-here")
        assert b" 404 " in answer
        matched(telltale, "http/1", "http/1")


def test_interim_answers_come_before_the_real_one():
    def script(sock, _):
        receive_until(sock, head_ends)
        for part in (b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n",
                     b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"):
            sock.sendall(part)
            time.sleep(GAP)

    with ScriptedServer(script) as server, Telltale(Listener(server.target)) as telltale:
        answer, _ = clients.http1_get(telltale.address)
        assert answer.count(b"HTTP/1.1 ") == 3
        matched(telltale, "http/1", "http/1")


@pytest.mark.parametrize("content_type, expect", [
    ("application/grpc-web+proto", "any"), ("application/grpc-web-text", "any"), ("application/connect+proto", "any"),
    ("application/grpc-web+proto", "grpc")])  # a listener that declares gRPC declares gRPC-Web too
def test_grpc_web_over_http1(content_type, expect):
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: 5\r\n\r\n".encode()

    def script(sock, _):
        receive_until(sock, lambda data: data.endswith(bytes(5)))
        sock.sendall(head + bytes(5))

    request = (f"POST /telltale.test.Echo/Unary HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\n"
               "Content-Length: 5\r\n\r\n").encode() + bytes(5)
    with ScriptedServer(script) as server, Telltale(Listener(server.target, expect=expect)) as telltale:
        answer, _ = clients.exchange(telltale.address, request)
        assert answer.endswith(bytes(5))
        until(lambda: telltale.metric("telltale_connections_total", client_protocol="http/1") == 1, telltale.describe)
        nothing_wrong(telltale)
        if expect == "any":
            matched(telltale, "http/1", "http/1")


# ---- one protocol inside another

@pytest.mark.parametrize("together", [False, True], ids=["answer_then_settings", "answer_and_settings_in_one_segment"])
def test_connect_and_then_http2_inside(together):
    """What a forward proxy does: 200, and from then on the tunnel's bytes."""
    with peers.Echo("python") as echo:
        def script(sock, _):
            receive_until(sock, head_ends)
            with sockets.connect(echo.address) as inner:
                established = b"HTTP/1.1 200 Connection established\r\n\r\n"
                if together:
                    established += receive_until(inner, lambda data: len(data) >= 9)[0]  # C-core speaks first
                sock.sendall(established)
                relay(sock, inner)

        with ScriptedServer(script) as proxy, Telltale(Listener(proxy.target, direction="outbound")) as telltale:
            command = [*peers.interop_program("python", "client"), f"telltale.test:{echo.port}", "unary", "bidi"]
            done = process.run(command, environment={"grpc_proxy": f"http://{telltale.target}"})
            assert done.returncode == 0, done.stdout + done.stderr
            matched(telltale, "http/2", "http/2")


def relay(left, right):
    def copy(source, sink):
        source.settimeout(None)
        try:
            while chunk := source.recv(65536):
                sink.sendall(chunk)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(copy, (left, right), (right, left)))


def test_an_upgrade_to_h2c_with_101_from_a_real_apache():
    with peers.Apache("h2c http/1.1") as apache, Telltale(Listener(apache.target)) as telltale:
        done = process.run([process.find_program("curl"), "-sv", "--http2", f"http://{telltale.target}/"])
        assert done.stdout == "hello\n"
        assert "101 Switching Protocols" in done.stderr and "HTTP/2 200" in done.stderr
        nothing_wrong(telltale)
        assert telltale.metric("telltale_connections_total", verdict="match") == 1


def test_an_upgrade_that_is_not_taken():
    with peers.Nginx() as nginx, Telltale(Listener(nginx.target)) as telltale:
        done = process.run([process.find_program("curl"), "-s", "--http2", f"http://{telltale.target}/"])
        assert done.stdout == "hello\n"
        matched(telltale, "http/1", "http/1")


@pytest.mark.parametrize("protocol", ["websocket", "tcp"])
def test_an_upgrade_to_something_opaque(protocol):
    def script(sock, _):
        receive_until(sock, head_ends)
        sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: " + protocol.encode()
                     + b"\r\nConnection: Upgrade\r\n\r\n")
        data = receive_exactly(sock, 6)
        sock.sendall(b"\x81\x02" + data[-2:])

    request = (f"GET /chat HTTP/1.1\r\nHost: x\r\nUpgrade: {protocol}\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n").encode()
    with ScriptedServer(script) as server, Telltale(Listener(server.target)) as telltale:
        with sockets.connect(telltale.address) as client:
            client.sendall(request)
            receive_until(client, head_ends)
            client.sendall(b"\x81\x82\0\0hi"[:4] + b"hi")
            assert receive_exactly(client, 4) == b"\x81\x02hi"
        nothing_wrong(telltale)


@pytest.mark.parametrize("header", [
    b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n", b"PROXY UNKNOWN\r\n",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\2\1\xc0\0\2\2\xdc\x04\x01\xbb"], ids=["v1", "v1_unknown", "v2"])
def test_a_proxy_header_in_front_of_http2(header):
    with peers.Nginx("location / { return 204; }", listen="http2 proxy_protocol") as nginx, \
            Telltale(Listener(nginx.target)) as telltale:
        answer, _ = clients.http2_first_answer(telltale.address, header + http2.FIRST_FLIGHT)
        assert http2.starts_with_settings(answer)
        matched(telltale, "http/2", "http/2")


# ---- order and pace

@pytest.mark.parametrize("stack", ["cpp", "python", "go", "js"])
def test_a_server_that_speaks_first(stack):
    with peers.Echo(stack) as echo, Telltale(Listener(echo.target, expect="grpc")) as telltale:
        with sockets.connect(telltale.address) as client:
            greeting, _ = receive_until(client, lambda data: len(data) >= 9)
            assert http2.starts_with_settings(greeting)
            client.sendall(http2.FIRST_FLIGHT)
            until(lambda: telltale.metric("telltale_connections_total", verdict="match") == 1, telltale.describe)
        nothing_wrong(telltale)


def test_an_ssh_session_through_an_any_listener():
    """Server first, and both sides speak the same."""
    with peers.Sshd() as sshd, Telltale(Listener(sshd.target)) as telltale:
        banner, _ = clients.exchange(telltale.address, b"SSH-2.0-test\r\n", half_close=True)
        assert banner.startswith(b"SSH-2.0-OpenSSH")
        nothing_wrong(telltale)


def test_settings_split_at_every_byte():
    greeting = http2.settings((4, 65536), (5, 16384), (0xFE03, 1)) + http2.SETTINGS_ACK
    splits = range(1, len(greeting))

    def script(sock, number):
        receive_until(sock, lambda data: len(data) >= len(http2.FIRST_FLIGHT))
        at = splits[number - 1]
        clients.send_split(sock, greeting, at, GAP)
        sock.sendall(http2.grpc_response())
        sockets.keep_open(sock)

    with ScriptedServer(script) as server, Telltale(Listener(server.target, expect="grpc")) as telltale:
        for _ in splits:
            with sockets.connect(telltale.address) as client:
                client.sendall(http2.FIRST_FLIGHT + http2.grpc_request())
                expected = greeting + http2.grpc_response()
                assert receive_exactly(client, len(expected)) == expected
        matched(telltale, "http/2", "http/2", len(splits))


def test_a_client_that_waits_for_the_servers_settings_before_it_goes_on():
    def script(sock, _):
        assert receive_exactly(sock, 24) == http2.PREFACE  # must not need a byte more
        sock.sendall(http2.settings((3, 100)))
        receive_until(sock, lambda data: any(f[0] == http2.HEADERS for f in http2.frames(data)))
        sock.sendall(http2.grpc_response())
        sockets.keep_open(sock)

    with ScriptedServer(script) as server, Telltale(Listener(server.target, expect="grpc")) as telltale:
        with sockets.connect(telltale.address) as client:
            client.sendall(http2.PREFACE)
            greeting, _ = receive_until(client, lambda data: len(data) >= 15, patience=5)
            assert http2.starts_with_settings(greeting)
            client.sendall(http2.settings() + http2.grpc_request())
            receive_until(client, lambda data: any(f[0] == http2.DATA for f in http2.frames(data)))
        matched(telltale, "http/2", "http/2")


def test_one_byte_per_50_ms_in_both_directions():
    request = http2.FIRST_FLIGHT + http2.headers(1, [(":method", "POST"), (":path", "/a/b")], end_stream=True)
    answer = http2.settings() + http2.headers(1, [(":status", "200"), ("content-type", "application/grpc")])

    def dribble(sock, data):
        for byte in data:
            sock.sendall(bytes([byte]))
            time.sleep(0.05)

    def script(sock, _):
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            sending = pool.submit(dribble, sock, answer)
            assert receive_exactly(sock, len(request)) == request
            sending.result()
        sockets.keep_open(sock)

    with ScriptedServer(script) as server, Telltale(Listener(server.target, expect="grpc")) as telltale:
        with sockets.connect(telltale.address) as client, concurrent.futures.ThreadPoolExecutor(1) as pool:
            sending = pool.submit(dribble, client, request)
            assert receive_exactly(client, len(answer), patience=30) == answer
            sending.result()
        matched(telltale, "http/2", "http/2")
        assert server.errors == []


def test_an_http1_answer_that_dribbles_to_an_http1_client():
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    def script(sock, _):
        receive_until(sock, head_ends)
        for byte in answer:
            sock.sendall(bytes([byte]))
            time.sleep(0.01)

    with ScriptedServer(script) as server, Telltale(Listener(server.target)) as telltale:
        assert clients.http1_get(telltale.address) == (answer, "fin")
        matched(telltale, "http/1", "http/1")


def test_a_slow_first_answer_is_waited_for():
    def script(sock, _):
        receive_until(sock, lambda data: len(data) >= 24)
        time.sleep(1.0)  # a cold JVM, a name look-up: less than silent_after
        sock.sendall(http2.settings() + http2.grpc_response())
        sockets.keep_open(sock)

    with ScriptedServer(script) as server, Telltale(Listener(server.target, expect="grpc")) as telltale:
        with sockets.connect(telltale.address) as client:
            client.sendall(http2.FIRST_FLIGHT + http2.grpc_request())
            receive_until(client, lambda data: any(f[0] == http2.DATA for f in http2.frames(data)))
        matched(telltale, "http/2", "http/2")


# ---- HTTP/2 that looks odd and is right

def grpc_exchange(first_frames, last_frames=b""):
    def script(sock, _):
        receive_until(sock, lambda data: any(f[0] == http2.DATA for f in http2.frames(data[24:])))
        sock.sendall(first_frames + http2.grpc_response() + last_frames)
        sockets.keep_open(sock)

    with ScriptedServer(script) as server, Telltale(Listener(server.target, expect="grpc")) as telltale:
        with sockets.connect(telltale.address) as client:
            client.sendall(http2.FIRST_FLIGHT + http2.grpc_request())
            expected = first_frames + http2.grpc_response() + last_frames
            assert receive_exactly(client, len(expected)) == expected
        matched(telltale, "http/2", "http/2")


def test_empty_settings():
    grpc_exchange(http2.settings())


def test_settings_with_unknown_and_grease_ids():
    grpc_exchange(http2.settings((0xFE03, 1), (0x0A0A, 7), (0x1A1A, 0), (4, 1 << 20)))


def test_a_graceful_goaway_after_the_answer():
    grpc_exchange(http2.settings(), http2.frame(http2.GOAWAY, payload=(1).to_bytes(4, "big") + bytes(4)))


def test_frame_types_that_nobody_knows():
    grpc_exchange(http2.settings() + http2.frame(0x42, 0xFF, 0, b"extension"))


def test_an_idle_http2_connection_without_a_call():
    with peers.Echo("python") as echo, Telltale(Listener(echo.target, expect="grpc")) as telltale:
        with sockets.connect(telltale.address) as client:
            client.sendall(http2.FIRST_FLIGHT)
            receive_until(client, lambda data: len(data) >= 9)
            matched_while_open(telltale)
        nothing_wrong(telltale)


def matched_while_open(telltale):
    telltale.wait_for_metric(1, "telltale_connections_total", client_protocol="http/2", upstream_protocol="http/2",
                             verdict="match")
    assert telltale.active() == 1


# ---- TLS inside

@pytest.mark.parametrize("alpn", [("h2",), ("http/1.1",), ()])
def test_tls_on_both_sides_whatever_is_inside(alpn):
    with peers.Nginx(ssl=True, listen="http2") as nginx, Telltale(Listener(nginx.target)) as telltale:
        with sockets.connect(telltale.address) as plain, \
                tls.client_context(alpn).wrap_socket(plain, server_hostname="localhost") as session:
            if alpn == ("h2",):
                session.sendall(http2.FIRST_FLIGHT)
            else:
                session.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert session.recv(100)
        matched(telltale, "tls", "tls")


def test_a_hello_retry_request():
    """The server wants another group than the client guessed: two hellos each way."""
    with peers.OpensslServer("-groups", "P-384", "-tls1_3", "-www") as server, \
            Telltale(Listener(server.target)) as telltale:
        with sockets.connect(telltale.address) as plain, \
                tls.client_context(()).wrap_socket(plain, server_hostname="localhost") as session:
            session.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert session.recv(100).startswith(b"HTTP/1.0 200")
        matched(telltale, "tls", "tls")


# ---- connections that are only opened

@pytest.mark.parametrize("stack", ["python", "go"])
def test_a_tcp_health_check_of_a_grpc_port(stack):
    with peers.Echo(stack) as echo, Telltale(Listener(echo.target, expect="grpc")) as telltale:
        for _ in range(5):
            sockets.connect(telltale.address).close()
        for _ in range(5):
            sockets.reset(sockets.connect(telltale.address))
        until(lambda: telltale.metric("telltale_connections_total") == 10, telltale.describe)
        nothing_wrong(telltale)


def test_a_tcp_health_check_of_a_silent_port():
    with peers.silent() as server, Telltale(Listener(server.target)) as telltale:
        with sockets.connect(telltale.address) as client:
            client.shutdown(socket.SHUT_WR)
        nothing_wrong(telltale)


def test_a_client_that_connects_early_and_speaks_late():
    with peers.Nginx(listen="http2") as nginx, \
            Telltale(Listener(nginx.target), extra="sniff: {silent_after: 200ms}\n") as telltale:
        with sockets.connect(telltale.address) as client:
            time.sleep(0.6)  # longer than silent_after: the server has nobody to answer
            telltale.assert_no_incident()
            client.sendall(http2.FIRST_FLIGHT)
            greeting, _ = receive_until(client, lambda data: len(data) >= 9)
            assert http2.starts_with_settings(greeting)
        nothing_wrong(telltale)


def test_a_reset_after_a_whole_answer():
    """A server that answers and closes with unread bytes sends RST; the answer was good all the same."""
    def script(sock, _):
        receive_until(sock, head_ends)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        receive_exactly(sock, 1)  # the client has read the answer and sends more
        sockets.reset(sock)

    with ScriptedServer(script) as server, Telltale(Listener(server.target)) as telltale:
        with sockets.connect(telltale.address) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            answer, _ = receive_until(client, lambda data: data.endswith(b"ok"))
            assert answer.startswith(b"HTTP/1.1 200")
            client.sendall(b"G")
            assert sockets.receive_all(client) == (b"", "reset")
        nothing_wrong(telltale)


def test_one_port_that_speaks_both():
    """HAProxy answers HTTP/1 to HTTP/1 and SETTINGS to the preface on the same port."""
    with peers.Nginx() as backend, peers.Haproxy(backend.target) as server, \
            Telltale(Listener(server.target)) as telltale:
        answer, _ = clients.http1_get(telltale.address)
        assert answer.startswith(b"HTTP/1.1 200")
        answer, _ = clients.http2_first_answer(telltale.address)
        assert http2.starts_with_settings(answer)
        nothing_wrong(telltale)
        for protocol in ("http/1", "http/2"):
            assert telltale.metric("telltale_connections_total", client_protocol=protocol, upstream_protocol=protocol,
                                   verdict="match") == 1
