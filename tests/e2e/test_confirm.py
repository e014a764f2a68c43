"""Active confirmation: what the sidecar learns after an incident from real servers, and what it leaves alone."""
import collections
import concurrent.futures
import contextlib
import threading
import time

import pytest

from support import clients, http2, peers, process, sockets, tls
from support.ports import free_port
from support.sockets import ScriptedServer, receive_all
from support.telltale import Listener, Telltale
from support.wait import until

REFUSAL = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n400 Bad Request"
SCRAPE = b"GET /metrics HTTP/1.1\r\nHost: group\r\nUser-Agent: Prometheus/2.42.0\r\n\r\n"


def confirming(*ports, **settings):
    values = {"enabled": "true", "ports": list(ports), "timeout": "10s", **settings}
    return "confirm: {" + ", ".join(f"{key}: {value}" for key, value in values.items()) + "}\n"


def call(telltale):
    """A gRPC client's first flight; returns when the connection is over."""
    with sockets.connect(telltale.address) as client:
        client.sendall(http2.FIRST_FLIGHT + http2.grpc_request())
        return receive_all(client)


def refuse(sock, _):
    """Go's net/http, asked in HTTP/2; and any other question."""
    sock.recv(65536)
    sock.sendall(REFUSAL)


def spoken(record):
    return {row["port"]: row["speaks"] for row in record["upstream"].get("confirmed", [])}


def asked(telltale):
    """How many addresses were asked."""
    return sum(telltale.metric("telltale_inquiries_total", kind="confirmation", result=result)
               for result in ("found", "nothing", "no_answer"))


@contextlib.contextmanager
def grpc_over_tls():
    """C-core by Python, in this process: its port."""
    try:
        import grpc
    except ImportError:
        process.missing("python3-grpcio")
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
    key, chain = [open(path, "rb").read() for path in reversed(tls.certificate())]
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, chain)]))
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait()


# ---- likely becomes certain

@pytest.mark.parametrize("metrics", [peers.Prometheus, peers.GoMux, peers.Exporter])
def test_a_metrics_port_beside_a_grpc_port_is_certain_and_the_right_port_is_named(metrics):
    with metrics() as upstream, peers.Echo("cpp") as echo:
        for extra in ("", confirming(echo.port)):
            with Telltale(Listener(upstream.target), extra=extra) as telltale:
                call(telltale)
                record = telltale.wait_for_incident()
                if not extra:
                    assert record["confidence"] != "certain"
                    continue
                assert (record["cause"], record["confidence"]) == ("metrics_port", "certain"), record["explanation"]
                assert record["hop"]["role"] == "metrics"
                assert spoken(record) == {upstream.port: "http1", echo.port: "grpc"}
                assert record["upstream"]["confirmed"][0]["metrics"] is True
                assert f"Port {echo.port} of the same address speaks gRPC." in record["explanation"]
                assert f"Dial 127.0.0.1:{echo.port}, which speaks gRPC" in record["fix"]
                assert record["runbook"].endswith("#metrics_port")


def test_the_ports_of_the_registry_are_asked_without_being_listed():
    with peers.GoMux() as mux, peers.Echo("cpp") as echo:
        service = {"name": "group-rpc-service", "grpc": echo.port, "metrics": mux.port}
        with Telltale(Listener(mux.target), services=[service], extra=confirming()) as telltale:
            call(telltale)
            record = telltale.wait_for_incident()
            assert (record["cause"], record["confidence"]) == ("metrics_port", "certain")
            assert spoken(record) == {mux.port: "http1", echo.port: "grpc"}
            assert f"Dial group-rpc-service on port {echo.port}" in record["fix"]


def test_nginx_400_becomes_tls_required_when_the_port_finishes_a_handshake():
    for extra, cause, confidence in (("", "http1_proxy", "likely"), (confirming(), "tls_required", "certain")):
        with peers.Nginx("location / { return 200; }", listen="ssl http2", ssl=True) as nginx, \
                Telltale(Listener(nginx.target), extra=extra) as telltale:
            call(telltale)
            record = telltale.wait_for_incident()
            assert (record["cause"], record["confidence"]) == (cause, confidence), record["explanation"]
            assert spoken(record) == ({nginx.port: "tls_h2"} if extra else {})
            if extra:
                assert "a TLS handshake with it succeeds" in record["explanation"]
                assert record["fix"].startswith(f"Use TLS credentials in the client for {nginx.target}")


def test_a_port_that_hangs_up_is_tls_when_it_finishes_a_handshake():
    with grpc_over_tls() as port, Telltale(Listener(f"127.0.0.1:{port}"), extra=confirming()) as telltale:
        call(telltale)
        record = telltale.wait_for_incident()
        assert (record["cause"], record["confidence"]) == ("tls_required", "certain"), record["explanation"]
        assert spoken(record) == {port: "tls_h2"}


def test_a_port_that_hangs_up_on_everything_says_so():
    with peers.closes_at_once() as server, Telltale(Listener(server.target), extra=confirming()) as telltale:
        call(telltale)
        record = telltale.wait_for_incident()
        assert record["cause"] in ("closed_before_preface", "reset_before_preface")
        assert record["confidence"] == "possible"
        assert spoken(record) == {server.address[1]: "nothing"}
        assert "Asked again, it answered neither HTTP/2 nor TLS nor HTTP/1." in record["explanation"]


def test_a_port_that_refuses_is_not_asked_again_but_its_siblings_are():
    with peers.ClosedPort() as closed, peers.Echo("cpp") as echo, \
            Telltale(Listener(closed.target), extra=confirming(echo.port)) as telltale:
        call(telltale)
        record = telltale.wait_for_incident()
        assert (record["cause"], record["confidence"]) == ("refused", "certain")
        assert spoken(record) == {echo.port: "grpc"}
        assert f"Port {echo.port} of the same address speaks gRPC." in record["explanation"]
        assert f"If another port was meant, dial 127.0.0.1:{echo.port}, which speaks gRPC." in record["fix"]


def test_a_port_that_speaks_grpc_when_it_is_asked_again_lowers_the_confidence():
    """The first of several backends is broken, or was."""
    with peers.Echo("cpp") as echo:
        def script(sock, number):
            if number == 1:
                refuse(sock, number)
                return
            with sockets.connect(echo.address) as backend:
                back = threading.Thread(target=relay, args=(backend, sock), daemon=True)
                back.start()
                relay(sock, backend)
                back.join()

        with ScriptedServer(script) as server, Telltale(Listener(server.target), extra=confirming()) as telltale:
            call(telltale)
            record = telltale.wait_for_incident()
            assert spoken(record) == {server.address[1]: "grpc"}
            assert record["cause"] == "http1_application"
            assert record["confidence"] == "possible"
            assert "Asked again after the incident, this port speaks gRPC" in record["explanation"]


def relay(source, target):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(1)


# ---- what it leaves alone

def test_not_one_connection_is_made_when_it_is_off():
    with ScriptedServer(refuse) as server, ScriptedServer(refuse) as sibling:
        service = {"name": "group-rpc-service", "grpc": sibling.address[1], "metrics": server.address[1]}
        with Telltale(Listener(server.target), services=[service]) as telltale:
            for count in range(1, 11):
                call(telltale)
                telltale.wait_for_metric(count, "telltale_incidents_total")
            telltale.wait_for_incident()
            telltale.stop_cleanly()
        assert (server.connections, sibling.connections) == (10, 0)
        with Telltale(Listener(server.target), services=[service], extra=confirming()) as telltale:
            call(telltale)
            telltale.wait_for_incident()
        assert server.connections > 11 and sibling.connections > 0, "as a control"


def test_nobody_is_asked_about_a_fault_of_the_client():
    def grpc(sock, _):
        sock.sendall(http2.settings())
        receive_all(sock)

    with ScriptedServer(grpc) as server, \
            Telltale(Listener(server.target, expect="grpc"), extra=confirming()) as telltale:
        with sockets.connect(telltale.address) as client:
            client.sendall(SCRAPE)
            record = telltale.wait_for_incident()
        assert record["hop"]["position"] == "client"
        assert server.connections == 1


def test_a_healthy_connection_asks_nothing():
    with peers.Echo("cpp") as echo, Telltale(Listener(echo.target), extra=confirming()) as telltale:
        assert clients.grpc_call(telltale.target)[0] == "OK"
        telltale.assert_no_incident()
        assert telltale.metric("telltale_inquiries_total") == 0


def test_the_same_address_is_asked_once_in_a_storm():
    with ScriptedServer(refuse) as server, \
            Telltale(Listener(server.target), extra=confirming(again_after="24h")) as telltale:
        call(telltale)
        telltale.wait_for_incident()
        after_one = server.connections
        for _ in range(200):
            call(telltale)
        telltale.wait_for_metric(201, "telltale_incidents_total")
        telltale.stop_cleanly()
        assert server.connections == after_one + 200
        repeats = [record["count"] for record in telltale.records() if record["event"] == "incident_repeated"]
        assert sum(repeats) == 200 and len(telltale.incidents()) == 1


def test_only_so_many_addresses_are_asked_a_minute():
    per_minute = 3
    hosts = [f"127.0.1.{i}" for i in range(1, 41)]
    connections = collections.Counter()

    def count(sock, number):
        connections[sock.getsockname()[0]] += 1
        refuse(sock, number)

    with ScriptedServer(count, ("0.0.0.0", 0)) as server, \
            Telltale(Listener([f"{host}:{server.address[1]}" for host in hosts]),
                     extra="workers: 1\n" + confirming(per_minute=per_minute)) as telltale:
        begun = time.monotonic()
        for _ in hosts:
            call(telltale)
        until(lambda: len(telltale.incidents()) == len(hosts), telltale.describe)
        seconds = time.monotonic() - begun
        found = [record for record in telltale.incidents() if spoken(record)]
        several = [host for host in hosts if connections[host] > 1]
        assert sorted(record["upstream"]["address"].split(":")[0] for record in found) == sorted(several)
        assert 1 <= len(several) <= per_minute * (1 + seconds / 60)
        assert asked(telltale) == len(several)
        assert telltale.metric("telltale_inquiries_total", kind="confirmation", result="limited") == \
            len(hosts) - len(several)


def test_a_record_does_not_wait_for_an_address_that_says_nothing():
    with peers.silent() as sibling, peers.GoMux() as mux, \
            Telltale(Listener(mux.target), extra=confirming(sibling.address[1], timeout="100ms")) as telltale:
        call(telltale)
        record = telltale.wait_for_incident()
        assert record["cause"] in ("http1_application", "metrics_port")
        assert spoken(record).get(sibling.address[1]) in (None, "nothing", "unknown")


def test_a_record_that_waits_is_written_when_telltale_stops():
    with peers.silent() as sibling, ScriptedServer(refuse) as server, \
            Telltale(Listener(server.target), extra=confirming(sibling.address[1])) as telltale:
        call(telltale)
        until(lambda: sibling.connections, "the question to the sibling")
        telltale.stop_cleanly()
        assert [record["cause"] for record in telltale.incidents()] == ["http1_application"]


def test_a_reload_switches_it_on():
    with ScriptedServer(refuse) as server, Telltale(Listener(server.target)) as telltale:
        call(telltale)
        assert spoken(telltale.wait_for_incident()) == {}
        telltale.write("telltale.yaml", telltale.configuration.replace(
            server.target, f"localhost:{server.address[1]}") + confirming())
        telltale.wait_for_metric(1, "telltale_config_reloads_total", result="success")
        until(lambda: call(telltale) and asked(telltale) == 1, telltale.describe)


def test_an_own_listener_is_never_asked():
    """Chained listeners: the question would be an incident of its own, and so on."""
    inner = f"127.0.0.1:{free_port()}"
    with ScriptedServer(refuse) as server, \
            Telltale(Listener(inner, name="outer"), Listener(server.target, name="inner", listen=inner),
                     extra=confirming()) as telltale:
        call(telltale)
        telltale.wait_for_incident("inner")
        telltale.wait_for_incident("outer")
        assert asked(telltale) == 1
        assert telltale.metric("telltale_incidents_total") == 2
