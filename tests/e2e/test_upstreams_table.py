"""The cause for each kind of upstream and each kind of client, with the real programs."""
import contextlib
import os
import ssl

import pytest

from support import clients, http2, netns, peers, process, sockets, tls
from support.ports import free_port
from support.telltale import Listener, Telltale
from support.wait import until

# Causes that say nothing of the protocols: they are incidents, not mismatches.
NO_MISMATCH = {"loop", "refused", "connect_timeout", "unreachable", "dns_failure", "closed_before_preface",
               "reset_before_preface", "silent_upstream"}


def check(telltale, listener, causes, *, upstream=None):
    """The record of the only incident of a listener, after the checks that hold for every cause."""
    record = telltale.wait_for_incident(listener, patience=40)
    assert record["cause"] in causes, record
    cause = record["cause"]
    assert record["runbook"].endswith("#" + cause)
    assert record["fix"] and record["explanation"]
    assert record["confidence"] in ("certain", "likely", "possible")
    assert record["hop"]["position"] in ("client", "client_leg", "proxy", "upstream_leg", "upstream")
    if upstream:
        assert record["upstream"]["address"] == upstream
    labels = {"listener": record["listener"], "cause": cause}
    until(lambda: telltale.metric("telltale_incidents_total", **labels) >= 1, telltale.describe)
    moved = telltale.metric("telltale_mismatches_total", **labels)
    assert moved == (0 if cause in NO_MISMATCH else telltale.metric("telltale_incidents_total", **labels))
    return record


def grpc_client(telltale):
    code, _ = clients.grpc_call(telltale.target)
    assert code != "OK"


def raw_preface(telltale):
    clients.exchange(telltale.address, http2.FIRST_FLIGHT + http2.grpc_request())


def diagnose(server, causes, *, client=grpc_client, extra="", **listener):
    """server behind one listener, one client: the record."""
    with server, Telltale(Listener(server.target, **listener), extra=extra) as telltale:
        client(telltale)
        return check(telltale, "grpc", causes, upstream=server.target)


# ---- a plaintext gRPC client and an upstream that is something else

def test_nginx_without_http2():
    record = diagnose(peers.Nginx(), {"http1_proxy"})
    assert record["hop"]["software"] == "nginx"
    assert record["upstream"]["status"] == 400 and record["upstream"]["server"].startswith("nginx/")


def test_nginx_with_http2_that_serves_files():
    record = diagnose(peers.Nginx(listen="http2"), {"http2_not_grpc"})
    assert record["upstream"]["protocol"] == "http/2"
    assert record["hop"]["software"] == "nginx"


def test_nginx_proxy_pass_in_front_of_grpc_is_seen_from_both_sides():
    with peers.Echo("python") as echo:
        back = Listener(echo.target, name="back")
        with peers.Nginx(f"location / {{ proxy_pass http://{back.target}; }}", listen="http2") as nginx:
            front = Listener(nginx.target, name="front")
            with Telltale(front, back) as telltale:
                clients.grpc_call_through_proxy_pass(front.target, telltale, "back", echo)
                seen_by_the_client = check(telltale, "front", {"http2_not_grpc"}, upstream=nginx.target)
                seen_by_the_server = check(telltale, "back", {"downgraded_by_proxy"}, upstream=echo.target)
    assert seen_by_the_client["hop"]["position"] == "upstream"
    assert seen_by_the_server["hop"]["position"] == "client"
    assert "grpc_pass" in seen_by_the_server["fix"]


def test_nginx_grpc_pass_in_front_of_http1_is_seen_from_both_sides():
    with peers.PythonHttp() as http1:
        back = Listener(http1.target, name="back")
        with peers.Nginx(f"location / {{ grpc_pass grpc://{back.target}; }}", listen="http2") as nginx:
            front = Listener(nginx.target, name="front")
            with Telltale(front, back) as telltale:
                clients.grpc_call(front.target)
                seen_by_the_client = check(telltale, "front", {"http2_not_grpc"}, upstream=nginx.target)
                check(telltale, "back", {"http1_application"}, upstream=http1.target)
    assert "502" in seen_by_the_client["explanation"]


def test_nginx_tls_port_answers_as_its_plain_port_so_both_readings_are_told():
    record = diagnose(peers.Nginx(ssl=True, listen="http2"), {"http1_proxy"})
    assert "TLS" in record["explanation"] + record["fix"]


def test_haproxy_with_a_dead_backend():
    with peers.ClosedPort() as dead:
        record = diagnose(peers.Haproxy(dead.target), {"http2_not_grpc"})
    assert record["hop"]["software"] == "HAProxy"
    assert "503" in record["explanation"]


def test_haproxy_without_proto_h2_towards_grpc():
    with peers.Echo("python") as echo:
        record = diagnose(peers.Haproxy(echo.target), {"http2_not_grpc"})
    assert "502" in record["explanation"]


def test_python_http_server_that_sends_html_without_a_status_line():
    record = diagnose(peers.PythonHttp(), {"http1_application"})
    assert record["upstream"]["protocol"] == "http/1"
    assert "Python" in record["hop"]["software"]


def test_a_prometheus_cpp_exporter_that_writes_http2_as_text():
    record = diagnose(peers.Exporter(), {"metrics_port"})
    assert record["upstream"]["first_bytes"].startswith("HTTP/2.0 400")
    assert record["upstream"]["protocol"] == "http/1"
    assert record["hop"]["role"] == "metrics"


def test_tomcat_without_the_upgrade_protocol():
    diagnose(peers.Tomcat(), {"closed_before_preface"})


def test_nghttpd():
    record = diagnose(peers.Nghttpd(), {"http2_not_grpc"})
    assert "404" in record["explanation"]


def test_redis():
    record = diagnose(peers.Redis(), {"other_protocol"})
    assert record["upstream"]["protocol"] == "redis"
    assert record["hop"]["role"] == "database"


def test_sshd():
    record = diagnose(peers.Sshd(), {"other_protocol"})
    assert record["upstream"]["protocol"] == "ssh"
    assert "SSH" in record["hop"]["software"]


def test_openssl_s_server():
    record = diagnose(peers.OpensslServer(), {"closed_before_preface", "reset_before_preface"})
    assert "TLS" in record["explanation"] + record["fix"]


# ---- upstreams that are only a behaviour

def test_a_port_that_accepts_and_says_nothing():
    def waiting_client(telltale):
        assert clients.call("python", telltale.target)["code"] == "DEADLINE_EXCEEDED"

    record = diagnose(peers.silent(), {"silent_upstream"}, client=waiting_client,
                      extra="sniff: {silent_after: 300ms}\n")
    assert record["upstream"]["protocol"] == "silent"


def test_silence_is_told_while_the_connection_is_still_open():
    with peers.silent() as server, \
            Telltale(Listener(server.target), extra="sniff: {silent_after: 200ms}\n") as telltale:
        with sockets.connect(telltale.address) as client:
            client.sendall(http2.FIRST_FLIGHT)
            check(telltale, "grpc", {"silent_upstream"})
            assert telltale.active() == 1


def test_a_port_that_ends_at_once():
    record = diagnose(peers.ends_at_once(), {"closed_before_preface"}, client=raw_preface)
    assert record["upstream"]["protocol"] == "closed"


def test_a_port_that_closes_at_once():
    """close() while the preface is on its way: the kernel answers it with RST, and either may be read first."""
    record = diagnose(peers.closes_at_once(), {"closed_before_preface", "reset_before_preface"}, client=raw_preface)
    assert record["cause"].startswith(record["upstream"]["protocol"])


def test_a_port_that_resets_at_once():
    record = diagnose(peers.resets_at_once(), {"reset_before_preface"}, client=raw_preface)
    assert record["upstream"]["protocol"] == "reset"


def test_a_closed_port():
    record = diagnose(peers.ClosedPort(), {"refused"})
    assert record["upstream"]["protocol"] == "none"
    assert record["envoy_flag"] == "UF"


def test_a_unix_socket_that_is_not_there(tmp_path):
    with Telltale(Listener(f"unix:{tmp_path}/nobody.sock")) as telltale:
        clients.grpc_call(telltale.target)
        record = check(telltale, "grpc", {"refused", "unreachable"})
        assert "nobody.sock" in record["explanation"] + record["upstream"]["address"]


def test_a_name_that_does_not_resolve():
    with Telltale(Listener("group-rpc-service.invalid:10260")) as telltale:
        clients.grpc_call(telltale.target, timeout=30)
        record = check(telltale, "grpc", {"dns_failure"})
        assert record["upstream"]["requested"] == "group-rpc-service.invalid:10260"
        assert "group-rpc-service.invalid" in record["explanation"]


# ---- what needs a network of its own

@pytest.fixture(scope="module")
def namespace():
    with netns.Namespace() as made:
        yield made


def from_inside(telltale):
    """In a namespace only sockets of the inner thread reach the listener."""
    with contextlib.suppress(ConnectionError):
        telltale.call(clients.exchange, telltale.address, http2.FIRST_FLIGHT)


@pytest.mark.parametrize("address, cause", [(netns.BLACK_HOLE, "connect_timeout"), (netns.UNREACHABLE, "unreachable")])
def test_an_address_that_no_packet_comes_back_from(namespace, address, cause):
    with Telltale(Listener(f"{address}:10260"), namespace=namespace,
                  extra="timeouts: {connect: 300ms}\n") as telltale:
        from_inside(telltale)
        record = check(telltale, "grpc", {cause}, upstream=f"{address}:10260")
        assert record["hop"]["position"] == "upstream_leg"


def test_nginx_on_a_tls_port_by_number_needs_tls(namespace):
    with peers.Nginx(ssl=True, listen="http2", port=8443, namespace=namespace) as nginx, \
            Telltale(Listener(nginx.target), namespace=namespace) as telltale:
        from_inside(telltale)
        check(telltale, "grpc", {"tls_required"}, upstream=nginx.target)


def test_a_listener_that_leads_to_itself(namespace):
    """By an address of this host that only the running process can know; the plain cases are refused at start."""
    port = free_port()
    loop = Listener(f"{netns.OWN_ADDRESS}:{port}", listen=f":{port}")
    with Telltale(loop, namespace=namespace) as telltale:
        from_inside(telltale)
        assert check(telltale, "grpc", {"loop"})["hop"]["position"] == "proxy"


# ---- TLS clients

def tls_grpc_client(telltale):
    import grpc
    with open(tls.certificate()[0], "rb") as file:
        credentials = grpc.ssl_channel_credentials(file.read())
    code, _ = clients.grpc_call(telltale.target, credentials=credentials)
    assert code == "UNAVAILABLE"


def tls_client(minimum=None, maximum=None):
    def run(telltale):
        with sockets.connect(telltale.address) as plain, pytest.raises(OSError):
            context = tls.client_context(("h2",), minimum, maximum)
            with context.wrap_socket(plain, server_hostname="localhost") as session:
                session.recv(1)
    return run


@pytest.mark.parametrize("client", [tls_grpc_client, tls_client()], ids=["grpc", "openssl"])
def test_a_tls_client_and_a_plaintext_nginx(client):
    record = diagnose(peers.Nginx(), {"plaintext_upstream"}, client=client)
    assert record["client"]["protocol"] == "tls"


@pytest.mark.parametrize("server", [lambda: peers.Echo("python"), lambda: peers.Nginx(listen="http2"), peers.Nghttpd],
                         ids=["grpc", "nginx_http2", "nghttpd"])
def test_a_tls_client_and_a_plaintext_http2_server(server):
    record = diagnose(server(), {"tls_client"}, client=tls_grpc_client)
    assert record["hop"]["position"] == "client"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("server", [lambda: peers.OpensslServer("-alpn", "http/1.1"), lambda: peers.Nginx(ssl=True)],
                         ids=["s_server", "nginx"])
def test_a_tls_client_that_wants_h2_and_a_tls_server_without(server, version):
    if version == ssl.TLSVersion.TLSv1_3 and "nginx" in os.environ.get("PYTEST_CURRENT_TEST", ""):
        server = lambda: peers.Nginx("ssl_protocols TLSv1.3;", ssl=True)  # noqa: E731
    record = diagnose(server(), {"alpn_without_h2"}, client=tls_client(version, version))
    assert record["upstream"]["protocol"] == "tls-alert"


def test_a_grpc_client_over_tls_passes_and_says_what_it_offered():
    with peers.Nginx(ssl=True, listen="http2") as nginx, Telltale(Listener(nginx.target)) as telltale:
        with sockets.connect(telltale.address) as plain, \
                tls.client_context().wrap_socket(plain, server_hostname="localhost") as session:
            assert session.selected_alpn_protocol() == "h2"
            session.sendall(http2.FIRST_FLIGHT)
            assert http2.starts_with_settings(session.recv(65536))
        telltale.wait_for_metric(1, "telltale_connections_total", client_protocol="tls", upstream_protocol="tls",
                                 verdict="match")
        telltale.assert_no_incident()


# ---- clients that are not gRPC, at a gRPC port

@pytest.mark.parametrize("expect", ["grpc", "any"])
@pytest.mark.parametrize("stack", ["python", "go"])
def test_a_real_prometheus_that_scrapes_the_grpc_port(stack, expect):
    with peers.Echo(stack) as echo, Telltale(Listener(echo.target, expect=expect)) as telltale, \
            peers.Prometheus(scrape=telltale.target):
        record = check(telltale, "grpc", {"metrics_scraper"}, upstream=echo.target)
        assert record["client"]["protocol"] == "http/1" and record["upstream"]["protocol"] == "http/2"
        assert record["hop"]["position"] == "client"


def test_a_kubelet_probe_at_the_grpc_port():
    probe = lambda telltale: clients.http1_get(telltale.address, "/healthz", "kube-probe/1.29")  # noqa: E731
    record = diagnose(peers.Echo("python"), {"health_probe"}, client=probe)
    assert record["hop"]["position"] == "client"


def test_curl_at_the_grpc_port():
    def curl(telltale):
        process.run([process.find_program("curl"), "-s", "-m", "5", f"http://{telltale.target}/"])

    record = diagnose(peers.Echo("python"), {"http1_client"}, client=curl)
    assert "curl" in record["explanation"] + " ".join(record["hop"]["evidence"]) + record["hop"]["software"]


def test_curl_at_a_listener_that_declares_grpc_in_front_of_http1():
    """Both sides agree on HTTP/1, and the listener says that this is not what it is for."""
    def curl(telltale):
        assert process.run([process.find_program("curl"), "-s", f"http://{telltale.target}/"]).stdout == "hello\n"

    with peers.Nginx() as nginx, Telltale(Listener(nginx.target, expect="grpc")) as telltale:
        curl(telltale)
        check(telltale, "grpc", {"http1_client"})


def test_a_proxy_variable_that_leads_grpc_through_a_proxy_that_refuses():
    def refuse(sock, _):
        sockets.receive_until(sock, lambda got: b"\r\n\r\n" in got)
        sock.sendall(b"HTTP/1.1 403 Forbidden\r\nServer: squid/5.7\r\nX-Squid-Error: ERR_ACCESS_DENIED 0\r\n"
                     b"Content-Length: 0\r\nConnection: close\r\n\r\n")

    def through_proxy(telltale):
        command = [*peers.interop_program("python", "client"), "group-rpc-service.invalid:10260", "call"]
        process.run(command, environment={"grpc_proxy": f"http://{telltale.target}"})

    record = diagnose(sockets.ScriptedServer(refuse), {"forward_proxy"}, client=through_proxy)
    assert "group-rpc-service.invalid:10260" in record["explanation"] + " ".join(record["hop"]["evidence"])
    assert "PROXY" in record["fix"].upper()
