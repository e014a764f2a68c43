"""How things end: half-close, resets, SIGTERM, limits."""
import contextlib
import os
import queue
import signal
import socket
import time

import pytest

from support import clients, http2, peers, sockets
from support.sockets import ScriptedServer, receive_all, receive_exactly
from support.telltale import Listener, Telltale
from support.wait import until

PING = b"not a protocol: "


def echo(sock, _):
    sock.settimeout(None)
    while chunk := sock.recv(65536):
        sock.sendall(chunk)


# ---- endings of one connection

def test_a_half_close_of_the_client_leaves_the_answer_running():
    def script(sock, _):
        question, _ = receive_all(sock)
        sock.sendall(b"all of " + question)

    with ScriptedServer(script) as server, Telltale(Listener(server.target)) as telltale:
        assert clients.exchange(telltale.address, b"the question", half_close=True) == (b"all of the question", "fin")


def test_a_half_close_of_the_server_leaves_the_question_running():
    got = []

    def script(sock, _):
        sock.sendall(b"early answer")
        sock.shutdown(socket.SHUT_WR)
        got.append(receive_all(sock))

    with ScriptedServer(script) as server, Telltale(Listener(server.target)) as telltale:
        with sockets.connect(telltale.address) as client:
            assert receive_all(client) == (b"early answer", "fin")
            client.sendall(b"late question")
        telltale.wait_until_idle()
        until(lambda: got == [(b"late question", "fin")], lambda: f"the server to read the question, it has {got}")


def test_a_reset_of_the_client_reaches_the_server_as_a_reset():
    endings = []

    def script(sock, _):
        sock.sendall(receive_exactly(sock, len(PING)))
        endings.append(receive_all(sock)[1])

    with ScriptedServer(script) as server, Telltale(Listener(server.target)) as telltale:
        client = sockets.connect(telltale.address)
        client.sendall(PING)
        receive_exactly(client, len(PING))
        sockets.reset(client)
        until(lambda: endings == ["reset"], lambda: f"the reset at the server, seen {endings}")


def test_a_reset_of_the_server_reaches_the_client_as_a_reset():
    def script(sock, _):
        sock.sendall(receive_exactly(sock, len(PING)))
        sockets.reset(sock)

    with ScriptedServer(script) as server, Telltale(Listener(server.target)) as telltale:
        assert clients.exchange(telltale.address, PING) == (PING, "reset")


def test_an_answer_that_was_sent_before_a_reset_is_not_lost():
    """Drain before judging: the 400 is read although the reset came right behind it."""
    answer = b"HTTP/1.1 400 Bad Request\r\nServer: nginx/1.22.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

    def script(sock, _):
        receive_exactly(sock, 24)
        sock.sendall(answer)
        sockets.reset(sock)

    with ScriptedServer(script) as server, Telltale(Listener(server.target)) as telltale:
        clients.exchange(telltale.address, http2.FIRST_FLIGHT)
        record = telltale.wait_for_incident()
        assert record["cause"] == "http1_proxy"
        assert record["upstream"]["status"] == 400


def test_no_descriptor_is_left_after_many_connections():
    with ScriptedServer(echo) as server, Telltale(Listener(server.target)) as telltale:
        clients.exchange(telltale.address, PING, half_close=True)
        telltale.wait_until_idle()
        telltale.get("/metrics")
        before = telltale.open_files()
        for number in range(60):
            with sockets.connect(telltale.address) as client:
                client.sendall(PING)
                receive_exactly(client, len(PING))
                if number % 3 == 0:
                    sockets.reset(client)
        telltale.wait_until_idle()
        until(lambda: telltale.open_files() <= before,
              lambda: f"{before} open files, there are {telltale.open_files()}")


def test_an_idle_connection_is_ended_when_the_configuration_says_so():
    with ScriptedServer(echo) as server, \
            Telltale(Listener(server.target), extra="timeouts: {idle: 300ms}\n") as telltale:
        assert clients.exchange(telltale.address, PING, patience=10)[0] == PING


# ---- SIGTERM

def test_sigterm_says_not_ready_first_and_lets_the_open_call_finish():
    extra = "timeouts: {drain_delay: 1s, drain: 20s}\n"
    with ScriptedServer(echo) as server, Telltale(Listener(server.target), extra=extra) as telltale:
        with sockets.connect(telltale.address) as client:
            client.sendall(PING)
            receive_exactly(client, len(PING))
            telltale.send_signal(signal.SIGTERM)
            until(lambda: telltale.get("/ready")[0] == 503, "/ready to say 503")
            assert telltale.get("/live")[0] == 200
            # For drain_delay new connections are still served: load balancers learn late.
            assert clients.exchange(telltale.address, PING, half_close=True)[0] == PING
            until(lambda: not sockets.accepts(telltale.address), "the listener to close")
            assert telltale.process.poll() is None, "it ended with a call open"
            client.sendall(PING)
            assert receive_exactly(client, len(PING)) == PING
        assert telltale.wait() == 0
        telltale.assert_quiet()
        assert telltale.incidents() == []


def test_a_real_grpc_stream_outlives_sigterm():
    import grpc
    with peers.Echo("python") as server, Telltale(Listener(server.target)) as telltale, \
            grpc.insecure_channel(telltale.target, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        requests = queue.Queue()
        call = channel.stream_stream("/telltale.test.Echo/Bidi")(iter(requests.get, None), timeout=20)
        requests.put(b"before")
        assert next(call) == b"before"
        telltale.send_signal(signal.SIGTERM)
        until(lambda: not sockets.accepts(telltale.address), "the listener to close")
        requests.put(b"after")
        assert next(call) == b"after"
        requests.put(None)
        assert list(call) == []
        channel.close()
        assert telltale.wait() == 0


def test_what_is_still_open_after_the_drain_time_is_cut_and_recorded():
    with ScriptedServer(echo) as server, \
            Telltale(Listener(server.target), extra="timeouts: {drain: 300ms}\n") as telltale:
        with sockets.connect(telltale.address) as client:
            client.sendall(PING)
            receive_exactly(client, len(PING))
            telltale.send_signal(signal.SIGTERM)
            receive_all(client)
        telltale.wait()
        records = telltale.incidents()
        assert [(r["cause"], r["hop"]["position"]) for r in records] == [("proxy_shutdown", "proxy")]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_at_once(number):
    with ScriptedServer(echo) as server, \
            Telltale(Listener(server.target), extra="timeouts: {drain: 1h}\n") as telltale:
        with sockets.connect(telltale.address) as client:
            client.sendall(PING)
            receive_exactly(client, len(PING))
            telltale.send_signal(number)
            until(lambda: not sockets.accepts(telltale.address), "the listener to close")
            telltale.send_signal(number)
            assert telltale.wait(5) >= 0, "ended by the signal itself, not in order"


def test_sigterm_without_connections_ends_at_once_with_0():
    with ScriptedServer(echo) as server, Telltale(Listener(server.target)) as telltale:
        telltale.send_signal(signal.SIGTERM)
        assert telltale.wait(5) == 0
        assert telltale.output() == ""


# ---- limits

def test_at_the_connection_limit_it_stops_accepting_and_goes_on_afterwards():
    with ScriptedServer(echo) as server, \
            Telltale(Listener(server.target), extra="limits: {connections: 10}\n") as telltale:
        telltale.expected_warnings = ["stops accepting for a while: the connection limit of 10 is reached"]
        with contextlib.ExitStack() as stack:
            for _ in range(10):
                client = stack.enter_context(sockets.connect(telltale.address))
                client.sendall(PING)
                receive_exactly(client, len(PING))
            waiting = stack.enter_context(sockets.connect(telltale.address))  # the kernel's queue takes it
            waiting.sendall(PING)
            until(lambda: telltale.metric("telltale_accept_paused_total") >= 1, telltale.describe)
            assert telltale.active() == 10
            waiting.settimeout(0.3)
            with pytest.raises(TimeoutError):
                waiting.recv(1)
            stack.pop_all().close()
        assert clients.exchange(telltale.address, PING, half_close=True)[0] == PING


def test_without_descriptors_it_pauses_and_recovers_and_the_cpu_rests():
    """EMFILE: `prlimit --nofile` leaves room for a few connections only; the configured limit is far above."""
    limit = 64
    prefix = ("prlimit", f"--nofile={limit}:{limit}")
    with ScriptedServer(echo) as server, \
            Telltale(Listener(server.target), prefix=prefix, extra="limits: {connections: 10000}\n") as telltale:
        telltale.expected_warnings = ["stops accepting for a while: Too many open files"]
        with contextlib.ExitStack() as stack:
            for _ in range(limit):
                client = stack.enter_context(sockets.connect(telltale.address))
                with contextlib.suppress(OSError):
                    client.sendall(PING)
            # Admin requests need a descriptor too, so the count is read when there are some again.
            before = cpu_seconds(telltale.child_pid())
            stack.enter_context(sockets.connect(telltale.address)).settimeout(1)
            spent = wait_a_second(telltale.child_pid()) - before
            assert spent < 0.5, f"{spent:.2f} s of CPU in about a second without descriptors"
            assert telltale.process.poll() is None
        telltale.wait_until_idle()
        # What waited in the kernel's queue is taken first, and may use up the descriptors once more.
        until(lambda: clients.exchange(telltale.address, PING, half_close=True)[0] == PING, telltale.describe)
        warnings = telltale.output("stderr").count("Too many open files")
        paused = telltale.metric("telltale_accept_paused_total")
        assert 1 <= warnings <= paused, "one line for each pause, not for each failed accept"


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_a_second(pid):
    time.sleep(1)  # the time over which the CPU is measured
    return cpu_seconds(pid)
