"""`telltale health`, as an image's HEALTHCHECK and as an exec probe: what it says of a sidecar, and of what is none."""
import contextlib
import os
import signal
import socket

import pytest

from support import clients, netns, peers, process, sockets
from support.dns import SERVER, resolv_conf
from support.ports import free_port
from support.sockets import ScriptedServer
from support.telltale import Listener, Telltale, binary
from support.wait import until

NOBODY = "127.0.0.1:9"


def health(*arguments, prefix=(), **environment):
    return process.run([binary(), "health", *arguments], environment=environment, prefix=prefix)


def assert_ready(done, says="ready"):
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{says}\n", "")


def assert_not(done, code=1):
    """One line on stderr, without control characters; returns it."""
    assert (done.returncode, done.stdout) == (code, ""), done.stdout + done.stderr
    assert done.stderr.endswith("\n") and done.stderr[:-1].isprintable(), repr(done.stderr)
    return done.stderr[:-1]


def admin_of(telltale):
    return f"127.0.0.1:{telltale.admin_address[1]}"


@contextlib.contextmanager
def sidecar(admin):
    """A sidecar with this admin address, whatever that is."""
    arguments = [binary(), "proxy", "--listen", f"127.0.0.1:{free_port()}", "--upstream", NOBODY, "--admin", admin]
    with process.Program(arguments, name="telltale") as program:
        program.start()
        until(lambda: " ready: " in program.output("stderr"), program.logs)
        yield program


def answering(data):
    """A server that answers every request with these bytes."""
    def script(sock, _number):
        sockets.receive_until(sock, lambda got: b"\r\n\r\n" in got)
        sock.sendall(data)
    return ScriptedServer(script)


def http(status, body, reason="x"):
    return (f"HTTP/1.1 {status} {reason}\r\nContent-Length: {len(body.encode())}\r\n\r\n{body}").encode()


# ---- a sidecar

def test_a_sidecar_that_is_ready():
    with Telltale(Listener(NOBODY)) as telltale:
        address = admin_of(telltale)
        for arguments in ([address], ["--admin", address], [f"http://{address}/metrics"], ["-c", telltale.config_file]):
            assert_ready(health(*arguments))
            assert_ready(health("--live", *arguments), "live")


def test_the_environment_of_the_sidecar_is_enough():
    with Telltale(Listener(NOBODY)) as telltale:
        assert_ready(health(TELLTALE_CONFIG=telltale.config_file))
        assert_ready(health(TELLTALE_ADMIN=admin_of(telltale)))
        assert_ready(health(TELLTALE_ADMIN=admin_of(telltale), TELLTALE_CONFIG="/nonexistent"))
        assert_ready(health(admin_of(telltale), TELLTALE_ADMIN=NOBODY, TELLTALE_CONFIG="/nonexistent"))
        assert_ready(health("-c", telltale.config_file, TELLTALE_ADMIN="", TELLTALE_CONFIG="/nonexistent"))


def test_one_that_drains_is_not_ready_and_live():
    with Telltale(Listener(NOBODY), extra="timeouts: {drain_delay: 1m}\n") as telltale:
        telltale.send_signal(signal.SIGTERM)
        line = until(lambda: health(admin_of(telltale)).stderr, "the drain")
        assert line == "not ready: draining: this process is about to stop\n"
        assert_not(health(admin_of(telltale)))
        assert_ready(health("--live", admin_of(telltale)), "live")
        telltale.send_signal(signal.SIGTERM)  # no need to wait for the delay
        assert telltale.wait() == 0


def test_one_that_does_not_run():
    closed = peers.ClosedPort()
    line = assert_not(health(closed.target))
    assert line == f"not reached: {closed.target}: can't be reached: Connection refused"
    line = assert_not(health(TELLTALE_ADMIN=closed.target))
    assert line.startswith(f"not reached: {closed.target} (TELLTALE_ADMIN): ")


def test_one_that_is_stopped_in_the_middle():
    with Telltale(Listener(NOBODY)) as telltale:
        with telltale.stopped():
            line = assert_not(health("--timeout", "0.2", admin_of(telltale)))
            assert line == f"not reached: {admin_of(telltale)}: no answer within 0.2 s"
        assert_ready(health(admin_of(telltale)))


@pytest.mark.parametrize("host", ["", "0.0.0.0", "[::]", "localhost"])
def test_one_that_listens_on_every_address_is_asked_on_loopback(host):
    if host == "[::]" and not os.path.exists("/proc/net/if_inet6"):
        process.missing("IPv6")
    admin = f"{host}:{free_port()}"
    with sidecar(admin):
        assert_ready(health(admin))
        assert_ready(health(TELLTALE_ADMIN=admin))


def test_one_with_a_unix_socket(tmp_path):
    for admin in (f"unix:{tmp_path}/admin.sock", f"unix:@telltale-health-{os.getpid()}"):
        with sidecar(admin):
            assert_ready(health(admin))
        assert "not reached" in assert_not(health(admin))


def test_one_without_admin_server():
    for arguments, environment in ((["none"], {}), ([], {"TELLTALE_ADMIN": "none"})):
        assert "no admin server" in assert_not(health(*arguments, **environment), 64)


# ---- its configuration

@pytest.fixture(scope="module")
def namespace():
    """Where nobody listens on the usual port, the name server never answers, and packets get lost."""
    with netns.Namespace() as made, resolv_conf(made):
        with made.call(socket.socket, socket.AF_INET, socket.SOCK_DGRAM) as name_server:
            name_server.bind((SERVER, 53))
            yield made


def test_the_usual_address_is_asked_where_nothing_says_another(tmp_path, namespace):
    file = tmp_path / "telltale.yaml"
    file.write_text("listeners: []\n", encoding="utf-8")
    for arguments in ([], ["-c", file]):
        line = assert_not(health(*arguments, prefix=namespace.prefix))
        assert line == "not reached: 127.0.0.1:15970 (the default): can't be reached: Connection refused"


def test_the_file_may_say_it_with_a_variable(tmp_path, namespace):
    with Telltale(Listener(NOBODY)) as telltale:
        file = tmp_path / "telltale.yaml"
        file.write_text('admin: {listen: "127.0.0.1:${ADMIN_PORT}"}\n', encoding="utf-8")
        assert_ready(health("-c", file, ADMIN_PORT=str(telltale.admin_address[1])))
    assert "ADMIN_PORT" in assert_not(health("-c", file, prefix=namespace.prefix))


def test_an_error_elsewhere_in_the_file_makes_nobody_ill():
    """The sidecar goes on with the configuration that it has; a probe that fails now would kill it."""
    with Telltale(Listener(NOBODY)) as telltale:
        telltale.expected_warnings = ["was not reloaded", "colour"]
        telltale.write("telltale.yaml", telltale.configuration + "colour: red\n")
        telltale.wait_for_metric(1, "telltale_config_reloads_total", result="failure")
        assert_ready(health("-c", telltale.config_file))


@pytest.mark.parametrize("text", ["admin: [", "admin: {listen: 7}\n", "admin: {listen: [a]}\n",
                                  "admin: {listen: \"\\x1b[31m:1\"}\n", "- 1\n", "\0", "admin: \xff\n"])
def test_a_file_that_tells_no_address_is_said_with_the_default(tmp_path, namespace, text):
    file = tmp_path / "telltale.yaml"
    file.write_bytes(text.encode("latin-1"))
    line = assert_not(health("-c", file, prefix=namespace.prefix))
    assert line.startswith("not reached: 127.0.0.1:15970 (the default")


def test_files_that_can_not_be_read(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (tmp_path / "none.yaml", tmp_path, pipe, "/dev/zero"):
        assert f"{path} can't be read" in assert_not(health("-c", path), 66)
    assert "standard input" in assert_not(health("-c", "-"), 64)


@pytest.mark.parametrize("arguments", [["here and there:1"], ["127.0.0.1:0"], [":99999"], ["\x1b[31m"], ["a:1", "b:2"],
                                       ["a:1", "--admin", "b:2"], ["--timeout", "0"], ["--timeout", "1e9"],
                                       ["--wings"], ["https://127.0.0.1:1"]])
def test_mistakes_are_wrong_usage(arguments):
    done = health(*arguments)
    assert (done.returncode, done.stdout) == (64, "")
    assert all(c.isprintable() or c == "\n" for c in done.stderr) and done.stderr, repr(done.stderr)


# ---- something else

def test_other_servers_are_no_sidecar():
    with answering(http(404, "Not Found")) as server:
        assert assert_not(health(server.target)) == (f"not Telltale: {server.target} answered 404 to GET /ready; "
                                                     "something else listens there")
    for answer in (http(200, "<html>It works!"), http(200, ""), http(503, "Service Unavailable"), http(301, "ready\n")):
        with answering(answer) as server:
            for flags in ([], ["--live"]):
                assert "not Telltale" in assert_not(health(*flags, server.target))


def test_a_metrics_port_is_no_sidecar():
    with peers.Exporter() as server:
        assert "not Telltale" in assert_not(health(server.target))


def test_a_grpc_server_is_no_sidecar():
    with peers.Echo("cpp") as server:
        assert "not reached" in assert_not(health(server.target))
        assert clients.grpc_call(server.target) == ("OK", "")


def test_a_port_that_says_nothing_ends_with_the_time():
    with ScriptedServer(sockets.keep_open) as server:
        assert "no answer within 0.3 s" in assert_not(health("--timeout", "0.3", server.target))


def drip(sock, _number):
    """A byte at a time, for ever: each read succeeds, the answer never ends."""
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n")
    sock.settimeout(0.02)
    while True:
        with contextlib.suppress(TimeoutError):
            sock.recv(65536)
        sock.sendall(b"r")


def endless(sock, _number):
    sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        sock.sendall(b"ready\n" * 10_000)


def endless_head(sock, _number):
    while True:
        sock.sendall(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 10_000)


def reset(sock, _number):
    sockets.reset(sock)


def hang_up(sock, _number):
    sock.close()


@pytest.mark.parametrize("script", [drip, endless, endless_head, reset, hang_up])
def test_an_answer_without_end_or_sense_has_one(script):
    with ScriptedServer(script) as server:
        assert "not reached" in assert_not(health("--timeout", "0.5", server.target))


def test_what_answers_can_not_write_to_the_terminal():
    for body in ("not ready: \x1b]0;title\x07\x1b[31mred\r\x9b\u202e", "not ready: " + "x" * 3000):
        with answering(http(503, body)) as server:
            line = assert_not(health(server.target))
            assert line.startswith("not ready: ") and len(line) < 400


# ---- a network that swallows everything

def test_no_name_server_and_no_route_end_with_the_time(namespace):
    for address in ("telltale.example:15970", f"{netns.BLACK_HOLE}:15970"):
        line = assert_not(health("--timeout", "0.3", address, prefix=namespace.prefix))
        assert line == f"not reached: {address}: no answer within 0.3 s"
    assert "not reached" in assert_not(health(f"{netns.UNREACHABLE}:1", prefix=namespace.prefix))
