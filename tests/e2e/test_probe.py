"""telltale probe against real programs: the verdict, the facts, the exit code; and against peers that mean harm."""
import concurrent.futures
import contextlib
import json
import os
import pty
import signal
import subprocess
import time

import pytest

from support import http2, netns, peers, process, sockets, tls
from support.ports import free_port
from support.process import Program
from support.sockets import ScriptedServer
from support.telltale import binary
from support.wait import until

MIB = 1 << 20


def probe(*arguments, environment=None, prefix=()):
    return process.run([binary(), "probe", *arguments], environment=environment, prefix=prefix)


def report(*arguments, code, **options):
    """The one object that -o json prints; stderr must be empty."""
    done = probe("-o", "json", *arguments, **options)
    assert done.returncode == code, done.stdout + done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert len(lines) == 1, done.stdout
    return json.loads(lines[0])


@contextlib.contextmanager
def python_grpc(certificate=None):
    """C-core by Python in this process, with no service at all: its target."""
    try:
        import grpc
    except ImportError:
        process.missing("python3-grpcio")
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
    if certificate:
        pair = [open(path, "rb").read() for path in reversed(certificate)]
        port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([tuple(pair)]))
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


class HealthServer(peers.Peer):
    def __init__(self, status="SERVING", *files):
        command = peers.interop_program("go", "health_server")
        super().__init__(command[0])
        self.command(self.target, status, *files)


# ---- gRPC

def test_proves_grpc_in_plaintext():
    with python_grpc() as target:
        found = report(target, code=0)
    assert found["finding"] == "grpc"
    assert found["spoken"] == "grpc"
    assert found["h2c"]["grpc"]["grpc_status"] == 12
    assert found["h2c"]["grpc"]["health"] == "absent"
    assert found["h2c"]["grpc"]["reflection"] == "absent"
    assert not found["tls"]["handshake"]
    assert found["verdict"].startswith(f"{target} speaks gRPC in plaintext")


def test_says_that_grpc_needs_tls():
    certificate = tls.certificate()
    with python_grpc(certificate) as target:
        found = report(target, code=0)
        trusted = report(target, "--ca", certificate[0], code=0)
        text = probe(target, "--ca", certificate[0]).stdout
    assert found["finding"] == "grpc_tls"
    assert found["tls"]["alpn"] == "h2"
    assert found["tls"]["http2"]["grpc"]["grpc_status"] == 12
    assert "use TLS" in found["verdict"]
    assert "not trusted" in found["verdict"]
    leaf = trusted["tls"]["certificate"]
    assert leaf["trusted"] and leaf["name_matches"], leaf
    assert leaf["names"] == ["localhost", "127.0.0.1"]
    assert leaf["days_left"] in (1, 2)
    assert "not trusted" not in trusted["verdict"]
    assert "  trust      trusted, is for 127.0.0.1\n" in text


def test_compares_the_certificate_with_the_name_that_is_asked_for():
    with python_grpc(tls.certificate()) as target:
        found = report(target, "--server-name", "elsewhere.test", code=0)
    assert found["tls"]["server_name"] == "elsewhere.test"
    assert not found["tls"]["certificate"]["name_matches"]
    assert "is not for elsewhere.test" in found["verdict"]


def test_lists_health_and_services():
    with HealthServer() as server:
        found = report(server.target, code=0)
        text = probe(server.target).stdout
    grpc = found["h2c"]["grpc"]
    assert grpc["health"] == "serving"
    assert "grpc.health.v1.Health" in grpc["services"]
    assert found["software"]["name"] == "grpc-go"
    assert "  health     SERVING\n" in text
    assert "  services   grpc.health.v1.Health, grpc.reflection.v1.ServerReflection" in text


def test_says_that_a_server_does_not_serve():
    with HealthServer("NOT_SERVING", *tls.certificate()) as server:
        found = report(server.target, code=0)
    assert found["tls"]["http2"]["grpc"]["health"] == "not_serving"
    assert "NOT_SERVING" in found["verdict"]


def test_says_that_a_client_certificate_is_wanted():
    certificate, key = tls.certificate()
    with HealthServer("SERVING", certificate, key, certificate) as server:
        found = report(server.target, code=1)
    assert found["finding"] == "tls_client_certificate", found
    assert found["tls"]["client_certificate_asked"]


# ---- everything else

def test_tells_the_metrics_port_and_the_grpc_port_beside_it(tmp_path):
    with python_grpc() as target, peers.GoMux() as metrics:
        grpc_port = target.rpartition(":")[2]
        config = tmp_path / "telltale.yaml"
        config.write_text("listeners: [{name: a, listen: \"127.0.0.1:0\", upstream: {address: \"127.0.0.1:1\"}}]\n"
                          "registry: {services: [{name: group-rpc-service, "
                          f"grpc: {grpc_port}, metrics: {metrics.port}}}]}}\n")
        by_registry = probe(metrics.target, "-c", config)
        asked = report(metrics.target, "--ports", f"{grpc_port},{free_port()}", code=1)
        alone = report(metrics.target, "-c", config, "--no-siblings", code=1)
    assert by_registry.returncode == 1
    assert by_registry.stdout.startswith(
        f"{metrics.target} cannot serve gRPC: it speaks HTTP/1.1 (Go net/http ServeMux, Prometheus metrics). "
        f"{grpc_port} on the same address speaks gRPC.\n"), by_registry.stdout
    assert f"next       point the client at {target} (gRPC port of group-rpc-service" in by_registry.stdout
    assert asked["finding"] == "metrics"
    assert [(one["port"], one["spoken"]) for one in asked["siblings"]][0] == (int(grpc_port), "grpc")
    assert asked["siblings"][1]["spoken"] == "refused"
    assert alone["siblings"] == []


def test_finds_the_metrics_of_a_real_prometheus():
    with peers.Prometheus() as server:
        found = report(server.target, code=1)
    assert found["finding"] == "metrics"
    assert found["metrics"]["prometheus"]


def test_knows_nginx_with_http1_alone():
    with peers.Nginx() as server:
        found = report(server.target, code=1)
    assert found["finding"] == "http1_proxy"
    assert found["software"]["name"] == "nginx"
    assert found["get"]["http1"]["status"] == 200
    assert found["get"]["http1"]["server"].startswith("nginx/")


def test_knows_nginx_with_http2_but_no_grpc():
    with peers.Nginx(listen="http2") as server:
        found = report(server.target, code=1)
    assert found["finding"] == "http2_not_grpc"
    assert found["h2c"]["grpc"]["http_status"] in (404, 405)


def test_knows_nginx_with_tls_but_no_http2():
    """Its answer to the preface is the same 400 as in clear: only TLS tells."""
    with peers.Nginx(ssl=True) as server:
        found = report(server.target, code=1)
    assert found["finding"] == "tls_without_h2"
    assert found["tls"]["alpn"] == "http/1.1"
    assert found["tls"]["get"]["http1"]["status"] == 200
    assert found["h2c"]["http1"]["status"] == 400


def test_knows_nginx_with_http2_in_tls():
    with peers.Nginx(ssl=True, listen="http2") as server:
        found = report(server.target, code=1)
    assert found["finding"] == "http2_not_grpc_tls"
    assert found["tls"]["alpn"] == "h2"


def test_knows_grpc_behind_nginx():
    with python_grpc() as target:
        with peers.Nginx(f"location / {{ grpc_pass grpc://{target}; }}", listen="http2") as server:
            found = report(server.target, code=0)
    assert found["finding"] == "grpc"
    assert "a proxy: what is behind it can only be told by a call of a real method" in found["verdict"]


def test_knows_haproxy_without_a_backend():
    with peers.Haproxy(f"127.0.0.1:{free_port()}") as server:
        found = report(server.target, code=1)
    assert found["finding"] == "http2_not_grpc"
    assert found["h2c"]["grpc"]["http_status"] == 503


def test_knows_an_application_of_http1():
    with peers.PythonHttp() as server:
        found = report(server.target, code=1)
    assert found["finding"] == "http1_application"


@pytest.mark.parametrize("peer, software", [(peers.Redis, "Redis"), (peers.Sshd, "OpenSSH")])
def test_knows_programs_that_are_no_web_servers(peer, software):
    with peer() as server:
        found = report(server.target, code=1)
    assert found["finding"] == "other_protocol"
    assert found["spoken"] == "other"
    assert found["software"]["name"] == software
    assert found["tls"] is None, "such a port is asked once"
    assert found["get"] is None


def test_knows_tls_that_selects_no_protocol():
    with peers.OpensslServer("-www") as server:
        found = report(server.target, code=1)
    assert found["finding"] == "tls_without_h2"
    assert found["tls"]["alpn"] == ""


def test_knows_tls_of_another_name():
    with peers.OpensslServer("-www", "-servername", "right.test", "-servername_fatal",
                             "-cert2", tls.certificate()[0], "-key2", tls.certificate()[1]) as server:
        wrong = report(server.target, "--server-name", "wrong.test", code=1)
        right = report(server.target, "--server-name", "right.test", code=1)
    assert wrong["finding"] == "tls_wrong_name"
    assert right["finding"] == "tls_without_h2"


# ---- nobody there

def test_says_that_nobody_listens():
    with peers.ClosedPort() as closed:
        found = report(closed.target, code=2)
    assert found["finding"] == "refused"
    assert found["attempts"][0]["result"] == "refused"


def test_tells_dropped_packets_from_a_missing_route():
    with netns.Namespace() as namespace:
        hole = report(f"{netns.BLACK_HOLE}:10260", "--timeout", 0.3, code=2, prefix=namespace.prefix)
        nowhere = report(f"{netns.UNREACHABLE}:10260", code=2, prefix=namespace.prefix)
        name = probe("group-rpc-service:10260", "--timeout", 1, prefix=namespace.prefix)
    assert hole["finding"] == "no_answer"
    assert nowhere["finding"] == "unreachable"
    assert "EHOSTUNREACH" in nowhere["verdict"]
    assert name.returncode == 2
    assert "has no address" in name.stdout


def test_tells_silence_from_a_shut_door():
    with peers.silent() as quiet, peers.closes_at_once() as shut, peers.resets_at_once() as slammed:
        assert report(quiet.target, "--timeout", 1, code=1)["finding"] == "silent"
        assert report(shut.target, code=1)["finding"] == "closes"
        assert report(slammed.target, code=1)["finding"] == "closes"


# ---- the command

def test_prints_several_targets_in_the_order_given():
    with python_grpc() as target, peers.silent() as quiet, peers.ClosedPort() as closed:
        done = probe(quiet.target, target, closed.target, "-o", "json", "--timeout", 1.5)
        text = probe(target, closed.target)
        only_refused = probe(target, closed.target)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["target"] for one in found] == [quiet.target, target, closed.target]
    assert [one["outlook"] for one in found] == ["does_not", "works", "unreachable"]
    assert done.returncode == 1, "one that cannot outweighs one that was not reached"
    assert only_refused.returncode == 2
    blocks = text.stdout.split("\n\n")
    assert len(blocks) == 2
    assert blocks[0].startswith(target + " ") and blocks[1].startswith(closed.target + " ")
    assert "\x1b" not in text.stdout


def test_probes_ipv6():
    with sockets.ScriptedServer(lambda sock, _: sock.sendall(b"SSH-2.0-x\r\n"), ("::1", 0)) as server:
        found = report(f"[::1]:{server.address[1]}", code=1)
    assert found["attempts"][0]["address"] == f"[::1]:{server.address[1]}"
    assert found["finding"] == "other_protocol"


@pytest.mark.parametrize("arguments, says", [
    ([], "targets is required"),
    (["localhost"], "error: \"localhost\" has no port; say HOST:PORT"),
    (["localhost:99999"], "has no port from 1 to 65535"),
    (["http://localhost:80"], "is a URL"),
    (["::1"], "needs brackets"),
    (["a:1", "--ports", "1-"], "error: --ports: \"1-\" is no port"),
    (["a:1", "--ports", "1-1000"], "more than 64 ports"),
    (["a:1", "--no-tls", "--tls-only"], "exclude each other"),
    (["a:1", "-o", "yaml"], "yaml"),
    (["a:1", "--timeout", "0"], "--timeout"),
    (["a:1", "--ca", "/nowhere"], "/nowhere"),
])
def test_says_what_is_wrong_with_its_usage(arguments, says):
    done = probe(*arguments)
    assert done.returncode == 64
    assert says in done.stderr
    assert done.stdout == ""


def test_ends_at_ctrl_c():
    with peers.silent() as quiet:
        program = Program([binary(), "probe", quiet.target, "--timeout", "60"])
        with program.start():
            until(lambda: quiet.connections > 0, "the probe's connection")
            program.send_signal(signal.SIGINT)
            assert program.wait() == 130


def test_notes_proxy_variables_and_dials_directly():
    with python_grpc() as target:
        done = probe(target, environment={"https_proxy": "http://127.0.0.1:1"})
    assert done.returncode == 0
    assert "https_proxy is set" in done.stderr
    assert done.stderr.count("\n") == 1


def on_a_terminal(arguments, environment=None):
    """What the command writes where standard output and error are a terminal."""
    leader, follower = pty.openpty()
    child = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=follower, stderr=follower,
                             env=process.clean_environment(environment))
    os.close(follower)
    written = b""
    with contextlib.suppress(OSError):  # EIO: the other end is closed
        while chunk := os.read(leader, 65536):
            written += chunk
    os.close(leader)
    return child.wait(30), written.decode()


def test_colours_and_shows_progress_on_a_terminal_alone():
    with peers.silent() as quiet:
        command = [binary(), "probe", quiet.target, "--timeout", "1.5", "--no-tls"]
        code, coloured = on_a_terminal(command)
        _, plain = on_a_terminal(command, {"NO_COLOR": "1"})
    assert code == 1
    assert "\x1b[1;31m" in coloured
    assert "probing: 0 of 1 done" in coloured
    assert "\x1b[1;31m" not in plain


# ---- peers that mean harm

def endless(first, more):
    def script(sock, _):
        with contextlib.suppress(OSError):
            sock.sendall(first)
            while True:
                sock.sendall(more)
    return script


def dribble(sock, _):
    with contextlib.suppress(OSError):
        while True:
            sock.sendall(b"H")
            time.sleep(0.02)  # slowness is the point


def megabyte_of_server(sock, _):
    with contextlib.suppress(OSError):
        sock.sendall(b"HTTP/1.1 200 OK\r\nServer: <script>\x1b[2J" + b"n" * MIB + b"\r\n\r\n")


def garbage_of_tls(sock, _):
    with contextlib.suppress(OSError):
        if sock.recv(5).startswith(b"\x16"):
            sock.sendall(b"\x16\x03\x03\x40\x00\x02\xff\xff\xff\xff\xff" + os.urandom(70000))


def ten_programs(sock, _):
    servers = "".join(f"Server: {name}/1.0\r\n" for name in (
        "nginx", "envoy", "squid", "Apache", "istio-envoy", "Caddy", "Jetty", "gunicorn", "cloudflare", "h2o"))
    with contextlib.suppress(OSError):
        sock.sendall(f"HTTP/1.1 400 Bad\r\n{servers}\r\n\x00\xff\u2028".encode("utf-8", "replace"))


HOSTILE = {
    "endless settings": endless(b"", http2.settings((3, 1)) * 100),
    "endless pings": endless(http2.settings(), http2.PING_FRAME * 100),
    "endless body": endless(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n", b"x" * 65536),
    "endless head": endless(b"HTTP/1.1 200 OK\r\n", b"X-Y: z\r\n" * 1000),
    "endless noise": endless(b"", os.urandom(65536)),
    "dribble": dribble,
    "megabyte of server": megabyte_of_server,
    "garbage of TLS": garbage_of_tls,
    "ten programs": ten_programs,
}


@pytest.mark.parametrize("script", HOSTILE.values(), ids=HOSTILE.keys())
def test_survives_hostile_peers(script):
    with ScriptedServer(script) as server:
        child = subprocess.Popen([binary(), "probe", server.target, "-o", "json", "--timeout", "2"],
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 env=process.clean_environment())
        out, err = child.stdout.read(), child.stderr.read()
        _, status, usage = os.wait4(child.pid, 0)
        child.stdout.close()
        child.stderr.close()
        child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 1, err
    assert err == b""
    assert usage.ru_maxrss < 200 * 1024, "KiB"
    assert out.count(b"\n") == 1
    assert len(out) < 64 * 1024
    assert {sign for sign in out.decode().rstrip("\n") if not " " <= sign <= "~"} <= {"…"}
    assert json.loads(out)["outlook"] == "does_not"


def test_shows_hostile_words_escaped_and_cut():
    answer = b"HTTP/1.1 200 OK\r\nServer: <script>\x1b[2J" + b"n" * 4000 + b"\r\n\r\n"
    with ScriptedServer(lambda sock, _: sock.sendall(answer)) as server:
        done = probe(server.target)
    assert "\x1b" not in done.stdout
    assert "\\x1b[2J" in done.stdout
    assert max(len(line) for line in done.stdout.splitlines()) < 600
