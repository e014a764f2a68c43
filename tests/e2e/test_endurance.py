"""What a sidecar meets in months: upstreams that are killed, names that flap, full disks, clocks that jump, limits.

Each of them leaves the process as it was: no connection, no descriptor and no thread more than before, and ready."""
import contextlib
import http.client
import json
import os
import signal
import socket
import threading
import time

import pytest

from support import clients, http2, netns, peers, process, sockets
from support.ports import free_port
from support.repeated import Repeated
from support.sockets import ScriptedServer, receive_all, receive_exactly
from support.telltale import Listener, Telltale
from support.wait import PATIENCE, until

PING = b"not a protocol: "
REQUEST = http2.FIRST_FLIGHT + http2.grpc_request()
ANSWER = http2.settings() + http2.grpc_response()
NGINX_400 = (b"HTTP/1.1 400 Bad Request\r\nServer: nginx/1.22.1\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno\n")


# ---- what is to be the same afterwards

def threads_of(telltale):
    return len(os.listdir(f"/proc/{telltale.child_pid()}/task"))


@contextlib.contextmanager
def unharmed(telltale):
    """After what happens inside: no connection, no descriptor and no thread more, and the process is ready.
    A connection must have passed before, so that what is made once is there."""
    telltale.wait_until_idle()
    files, threads = telltale.open_files(), threads_of(telltale)
    yield
    assert telltale.process.poll() is None, f"it ended\n{telltale.logs()}"
    telltale.wait_until_idle()
    until(lambda: telltale.open_files() <= files, lambda: f"{files} open files, there are {telltale.open_files()}")
    assert threads_of(telltale) == threads
    assert telltale.get("/ready")[0] == 200


def grpc_once(sock, _):
    sock.settimeout(None)
    if sock.recv(len(REQUEST), socket.MSG_WAITALL) == REQUEST:
        sock.sendall(ANSWER)
        sockets.keep_open(sock)


def echo(sock, _):
    sock.settimeout(None)
    while chunk := sock.recv(65536):
        sock.sendall(chunk)


def call(telltale, address=None):
    """One call on a connection of its own; fails where it is not answered."""
    with sockets.connect(address or telltale.address) as client:
        client.sendall(REQUEST)
        assert receive_exactly(client, len(ANSWER)) == ANSWER


class Calls(Repeated):
    """Threads that call without a pause, each call on a connection of its own, as (begun, over, code, text)."""

    def __init__(self, target, threads=4):
        self.target = target
        self.done = []
        super().__init__(*[self._call] * threads)

    def _call(self):
        begun = time.monotonic()
        code, text = clients.grpc_call(self.target, timeout=10)
        self.done.append((begun, time.monotonic(), code, text))

    def failures(self):
        return [one for one in list(self.done) if one[2] != "OK"]

    def wait_for(self, more, patience=90):
        """Until so many further calls have succeeded."""
        def good():
            return len(self.done) - len(self.failures())

        wanted = good() + more
        until(lambda: good() >= wanted, lambda: f"{more} more good calls; the last: {self.done[-3:]}", patience)


# ---- upstreams that go and come back

def kill(server):
    """SIGKILL, and until the kernel has closed what it had. Returns when it began and when it was over."""
    begun = time.monotonic()
    server.send_signal(signal.SIGKILL)
    server.wait()
    return begun, time.monotonic()


def assert_failed_only_between(calls, begun, over):
    for failed in calls.failures():
        assert failed[2] == "UNAVAILABLE", failed
        assert failed[1] >= begun and failed[0] <= over, f"{failed} has nothing to do with {begun} to {over}"


def test_a_killed_upstream_costs_the_calls_until_it_is_back_and_no_other():
    with peers.Echo("cpp") as server, Telltale(Listener(server.target)) as telltale:
        assert clients.grpc_call(telltale.target) == ("OK", "")
        with unharmed(telltale):
            with Calls(telltale.target) as calls:
                calls.wait_for(300)
                begun, _ = kill(server)
                until(lambda: telltale.metric("telltale_incidents_total", cause="refused"), "a call that is refused")
                with peers.Echo("cpp", port=server.port):
                    back = time.monotonic()
                    calls.wait_for(700)
                    calls.__exit__()
            assert_failed_only_between(calls, begun, back)
            assert telltale.metric("telltale_mismatches_total") == 0


def test_with_a_second_upstream_only_the_calls_in_flight_fail():
    with peers.Echo("cpp") as first, peers.Echo("cpp") as second, \
            Telltale(Listener([first.target, second.target])) as telltale:
        assert clients.grpc_call(telltale.target) == ("OK", "")
        with unharmed(telltale):
            with Calls(telltale.target) as calls:
                calls.wait_for(100)
                begun, over = kill(first)
                calls.wait_for(300)
            assert_failed_only_between(calls, begun, over)
            assert telltale.metric("telltale_upstream_attempts_total", result="refused") >= 1
            assert telltale.metric("telltale_incidents_total", cause="refused") == 0


# ---- upstreams that change what they speak

def alternating(sock, number):
    """Good, bad, good, bad: a Service with a wrong pod among its endpoints."""
    sock.settimeout(None)
    if sock.recv(len(REQUEST), socket.MSG_WAITALL) != REQUEST:
        return
    sock.sendall(ANSWER if number % 2 else NGINX_400)
    if number % 2:
        sockets.keep_open(sock)


def test_each_wrong_answer_of_an_alternating_upstream_counts_and_no_good_call_is_touched():
    with ScriptedServer(alternating) as server, Telltale(Listener(server.target)) as telltale:
        call(telltale)
        sockets.connect(telltale.address).close()  # keeps the turn: the next call is a good one
        until(lambda: server.connections == 2, "the connection without a call")
        with unharmed(telltale):
            for _ in range(20):
                call(telltale)
                assert clients.exchange(telltale.address, REQUEST) == (NGINX_400, "fin")
            telltale.wait_for_metric(20, "telltale_mismatches_total", cause="http1_proxy")
            assert telltale.metric("telltale_connections_total", verdict="match") == 21
            assert telltale.metric("telltale_connections_total", verdict="mismatch") == 20


@pytest.mark.parametrize("eject_s", [0, 30])
def test_with_reroute_and_a_second_endpoint_no_call_of_an_alternating_upstream_fails(eject_s):
    extra = f"reroute: {{eject_s: {eject_s}}}\n"
    with ScriptedServer(alternating) as wrong, ScriptedServer(grpc_once) as right, \
            Telltale(Listener([wrong.target, right.target], on_mismatch="reroute"), extra=extra) as telltale:
        call(telltale)
        with unharmed(telltale):
            for _ in range(40):
                call(telltale)
            rerouted = telltale.metric("telltale_policy_actions_total", action="rerouted")
            assert rerouted == wrong.connections // 2 >= 1
            assert telltale.metric("telltale_mismatches_total") == rerouted


# ---- months in seconds

def test_a_thousand_connections_that_end_in_every_way_leave_no_memory_behind():
    """Good, wrong, refused, reset and half-closed ones, with each policy: from the second round on nothing grows."""
    def round_of(listeners, times):
        for _ in range(times):
            for listener in listeners:
                kind = listener.name.partition("-")[0]
                if kind == "good":
                    call(telltale, listener.address)
                    clients.exchange(listener.address, REQUEST, half_close=True)
                    sockets.reset(sockets.connect(listener.address))
                else:
                    clients.exchange(listener.address, REQUEST)
        telltale.wait_until_idle()
        return telltale.resident_bytes()

    def wrong_answer(sock, _):
        sock.settimeout(None)
        if sock.recv(len(REQUEST), socket.MSG_WAITALL) == REQUEST:
            sock.sendall(NGINX_400)

    with ScriptedServer(grpc_once) as good, ScriptedServer(wrong_answer) as wrong, peers.resets_at_once() as resets:
        upstreams = {"good": good.target, "wrong": wrong.target, "resets": resets.target,
                     "refuses": peers.ClosedPort().target}
        listeners = [Listener(target, name=f"{kind}-{policy}", on_mismatch=policy)
                     for kind, target in upstreams.items() for policy in ("observe", "answer", "reroute")]
        with Telltale(*listeners, extra="answer: {linger: 0}\n") as telltale:
            round_of(listeners, 1)
            with unharmed(telltale):
                before = round_of(listeners, 20)
                after = [round_of(listeners, 20) for _ in range(3)][-1]
            # Some pages of the allocator here or there; a leak of 1 KiB a connection would be more.
            assert after - before < 1 << 20, f"{after - before} bytes more"


# ---- names

class NameServer:
    """UDP on port 53 of a namespace. `address` is the A record of every name; None: SERVFAIL."""

    def __init__(self, namespace):
        self.address = None
        self.asked = 0
        self._socket = namespace.call(self._bind)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @staticmethod
    def _bind():
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", 53))
        return sock

    def _serve(self):
        while True:
            query, sender = self._socket.recvfrom(512)
            if not query:
                return
            self._socket.sendto(self._answer(query, self.address), sender)
            self.asked += 1

    @staticmethod
    def _answer(query, address):
        """RFC 1035 §4.1: the header, the question as it came, and one A record where one was asked for."""
        end = query.index(b"\0", 12) + 5
        question = query[12:end]
        if address is None:
            return query[:2] + b"\x81\x82" + b"\0\1" + bytes(6) + question
        wants_a = question[-4:-2] == b"\0\1"
        record = b"\xc0\x0c\0\1\0\1" + (1).to_bytes(4, "big") + b"\0\4" + socket.inet_aton(address)
        return (query[:2] + b"\x81\x80\0\1" + (b"\0\1" if wants_a else b"\0\0") + bytes(4) + question
                + (record if wants_a else b""))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.sendto(b"", self._socket.getsockname())  # wakes the thread
        self._thread.join()
        self._socket.close()


@pytest.fixture(scope="module")
def namespace():
    """`ip netns exec` puts the files of /etc/netns/NAME in the place of those in /etc."""
    with netns.Namespace(f"telltale-{os.getpid()}-names") as made:
        folder = f"/etc/netns/{made.name}"
        os.makedirs(folder)
        try:
            with open(f"{folder}/resolv.conf", "w", encoding="ascii") as file:
                file.write("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
            yield made
        finally:
            os.unlink(f"{folder}/resolv.conf")
            os.rmdir(folder)
            with contextlib.suppress(OSError):
                os.rmdir("/etc/netns")  # only when it is empty


def ask_again(names, telltale, each):
    """Connections make Telltale ask for the name again once its answer is old."""
    before = names.asked

    def asked():
        try:
            telltale.call(each, telltale)
        except AssertionError as error:
            raise AssertionError(f"{error} while the address is {names.address}\n{telltale.describe()}") from None
        return names.asked >= before + 4  # two rounds of A and AAAA: the first may have begun before

    until(asked, "the name to be asked for again", pause=0.05)


def test_a_name_server_that_flaps_costs_no_call(namespace):
    port = free_port()
    with NameServer(namespace) as names, namespace.call(ScriptedServer, grpc_once, ("127.0.0.1", port)) as one, \
            namespace.call(ScriptedServer, grpc_once, ("127.0.0.2", port)) as other, \
            Telltale(Listener(f"group-rpc.test:{port}", options=", resolve: 1s"), extra="workers: 1\n",
                     namespace=namespace) as telltale:
        names.address = "127.0.0.1"
        telltale.call(call, telltale)
        with unharmed(telltale):
            for address in ("127.0.0.1", None, "127.0.0.1", None, "127.0.0.2"):
                names.address = address
                ask_again(names, telltale, call)
            assert one.connections > 4
            until(lambda: telltale.call(call, telltale) or other.connections, "the new address to be dialled")
            telltale.assert_no_incident()


def test_a_worker_that_never_asked_has_the_answer_that_another_got(namespace):
    """The last good answer serves (docs/operations.md), whichever worker takes the connection."""
    port = free_port()
    with NameServer(namespace) as names, namespace.call(ScriptedServer, grpc_once, ("127.0.0.1", port)), \
            Telltale(Listener(f"group-rpc.test:{port}", options=", resolve: 1s"), extra="workers: 2\n",
                     namespace=namespace) as telltale:
        names.address = "127.0.0.1"
        with telltale.call(sockets.connect, telltale.address) as first:
            first.sendall(REQUEST)
            assert receive_exactly(first, len(ANSWER)) == ANSWER
            names.address = None
            telltale.call(call, telltale)  # for the other worker, which has nothing open


def test_a_name_that_was_never_answered_is_a_dns_failure_until_it_is(namespace):
    port = free_port()

    def fails(telltale):
        assert clients.exchange(telltale.address, REQUEST) == (b"", "reset")

    with NameServer(namespace) as names, namespace.call(ScriptedServer, grpc_once, ("127.0.0.1", port)), \
            Telltale(Listener(f"group-rpc.test:{port}", options=", resolve: 1s"), namespace=namespace) as telltale:
        telltale.call(fails, telltale)
        with unharmed(telltale):
            ask_again(names, telltale, fails)
            record = telltale.wait_for_incident()
            assert (record["cause"], record["ended_by"]["code"]) == ("dns_failure", "uC")
            assert record["upstream"]["resolve_error"]
            names.address = "127.0.0.1"

            def answered():
                return telltale.call(clients.http2_first_answer, telltale.address, REQUEST)[0][:9] == ANSWER[:9]

            until(answered, "a call after the name is there")


def test_the_end_by_a_name_server_is_told_in_its_own_words():
    """The numbers of the resolver's errors are no errno: 2 is no missing file."""
    with Telltale(Listener("group-rpc-service.invalid:10260")) as telltale:
        clients.exchange(telltale.address, REQUEST)
        record = telltale.wait_for_incident(patience=40)
        assert record["cause"] == "dns_failure"
        assert record["ended_by"]["operation"] == "resolve"
        assert record["ended_by"]["error"] == record["upstream"]["resolve_error"]


# ---- logs that can't be written

def logs_to(redirection):
    """The program's own words go there and not into the files of the test."""
    return ("bash", "-c", f'exec "$@" {redirection}', "bash")


UNWRITABLE = {"full_disk": ">/dev/full 2>/dev/full", "closed_pipe": "> >(:) 2> >(:)", "closed": ">&- 2>&-"}


@pytest.mark.parametrize("kind", UNWRITABLE)
def test_logs_that_can_not_be_written_cost_no_connections(kind):
    closed = peers.ClosedPort()
    with ScriptedServer(grpc_once) as server, \
            Telltale(Listener(server.target), Listener(closed.target, name="closed"),
                     prefix=logs_to(UNWRITABLE[kind])) as telltale:
        call(telltale)
        with unharmed(telltale):
            for _ in range(20):
                assert clients.exchange(telltale.listeners[1].address, REQUEST) == (b"", "reset")
                call(telltale)
            telltale.wait_for_metric(20, "telltale_incidents_total", cause="refused")
            assert "refused" in telltale.get("/incidents")[1], "the page has what the log has not"
        telltale.send_signal(signal.SIGTERM)
        assert telltale.wait() == 0, "nothing was cut"


@pytest.mark.parametrize("kind", ["full_disk", "closed_pipe"])
def test_records_that_can_not_be_written_are_counted(kind):
    """docs/operations.md: a full disk and a closed pipe cost records, which are counted."""
    closed = peers.ClosedPort()
    with Telltale(Listener(closed.target), prefix=logs_to(UNWRITABLE[kind])) as telltale:
        assert clients.exchange(telltale.address, REQUEST) == (b"", "reset")
        telltale.wait_for_metric(1, "telltale_incident_records_dropped_total")


@pytest.mark.parametrize("at_the_start", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_what_is_written_to_a_closed_stream_reaches_no_connection(at_the_start):
    """The next descriptor that is opened gets the number of a closed stream. It must be none that matters."""
    with ScriptedServer(grpc_once) as server, \
            Telltale(Listener(server.target), Listener(peers.ClosedPort().target, name="closed"),
                     prefix=logs_to(at_the_start)) as telltale:
        with sockets.connect(telltale.address) as client:
            client.sendall(REQUEST)
            assert receive_exactly(client, len(ANSWER)) == ANSWER
            clients.exchange(telltale.listeners[1].address, REQUEST)
            for number in range(3):
                with contextlib.suppress(FileNotFoundError):
                    held = os.readlink(f"/proc/{telltale.child_pid()}/fd/{number}")
                    assert held.startswith("/"), f"descriptor {number} is {held}"
            client.shutdown(socket.SHUT_WR)
            assert receive_all(client) == (b"", "fin")


class Unread:
    """A log that nobody reads: the pipe takes 64 KiB, and after that each write waits for ever."""

    def __init__(self, server):
        self.closed = [Listener(peers.ClosedPort().target, name=f"closed-{number}") for number in range(80)]
        self.telltale = Telltale(Listener(server.target), *self.closed, prefix=logs_to("> >(exec sleep 600)"),
                                 extra="limits: {incident_queue: 4}\n")

    def fill(self):
        for listener in self.closed:
            assert clients.exchange(listener.address, REQUEST)[1] == "reset"


def test_a_log_that_nobody_reads_holds_no_traffic_up():
    with ScriptedServer(grpc_once) as server:
        unread = Unread(server)
        with unread.telltale as telltale:
            call(telltale)
            with unharmed(telltale):
                def dropped():
                    unread.fill()
                    call(telltale)
                    return telltale.metric("telltale_incident_records_dropped_total")

                until(dropped, telltale.describe)
                assert telltale.metric("telltale_limit_reached_total", limit="incident_queue") >= 1
            telltale.process.kill()  # how it ends is asked below
            telltale.wait()


def test_a_log_that_nobody_reads_does_not_hold_up_the_end():
    with ScriptedServer(grpc_once) as server:
        unread = Unread(server)
        with unread.telltale as telltale:
            unread.fill()
            telltale.wait_until_idle()
            telltale.send_signal(signal.SIGTERM)
            assert telltale.wait() == 0, "nothing was cut"


# ---- the admin port

class Scraper(threading.Thread):
    """Asks one page so many times over one keep-alive connection."""

    def __init__(self, address, path, times):
        super().__init__()
        self.address, self.path, self.times = address, path, times
        self.statuses = []

    def run(self):
        connection = http.client.HTTPConnection(*self.address, timeout=PATIENCE)
        with contextlib.closing(connection):
            for _ in range(self.times):
                connection.request("GET", self.path)
                answer = connection.getresponse()
                answer.read()
                self.statuses.append(answer.status)


def test_hundreds_of_scrapes_and_calls_do_not_disturb_each_other():
    with peers.Echo("cpp") as server, Telltale(Listener(server.target)) as telltale:
        assert clients.grpc_call(telltale.target) == ("OK", "")
        with unharmed(telltale):
            scrapers = [Scraper(telltale.admin_address, path, 100)
                        for path in ("/metrics", "/metrics", "/connections", "/incidents")]
            with Calls(telltale.target) as calls:
                for scraper in scrapers:
                    scraper.start()
                calls.wait_for(50)
                for scraper in scrapers:
                    scraper.join()
            assert calls.failures() == []
            for scraper in scrapers:
                assert scraper.statuses == [200] * 100, scraper.path


# ---- limits

@pytest.mark.parametrize("files", [64, 256])
def test_with_few_descriptors_metrics_answers_and_everybody_is_served_later(files):
    """The limit of connections comes from `ulimit -n`, so that some are left for the admin port."""
    with ScriptedServer(echo) as server, \
            Telltale(Listener(server.target), prefix=("prlimit", f"--nofile={files}:{files}")) as telltale:
        telltale.expected_warnings = ["stops accepting for a while"]
        clients.exchange(telltale.address, PING, half_close=True)
        with unharmed(telltale), contextlib.ExitStack() as stack:
            waiting = [stack.enter_context(sockets.connect(telltale.address)) for _ in range(files)]
            for client in waiting:
                client.sendall(PING)
            until(lambda: telltale.metric("telltale_limit_reached_total", limit="connections") >= 1, telltale.describe)
            assert telltale.get("/ready")[0] == 200
            for client in waiting:
                assert receive_exactly(client, len(PING)) == PING
                client.close()


def test_at_the_connection_limit_each_that_leaves_lets_another_in():
    with ScriptedServer(echo) as server, \
            Telltale(Listener(server.target), extra="limits: {connections: 5}\n") as telltale:
        telltale.expected_warnings = ["stops accepting for a while: the connection limit of 5 is reached"]
        clients.exchange(telltale.address, PING, half_close=True)
        with unharmed(telltale), contextlib.ExitStack() as stack:
            waiting = [stack.enter_context(sockets.connect(telltale.address)) for _ in range(20)]
            for client in waiting:
                client.sendall(PING)
            until(lambda: telltale.metric("telltale_limit_reached_total", limit="connections") >= 1, telltale.describe)
            for client in waiting:
                assert receive_exactly(client, len(PING)) == PING
                assert telltale.active() <= 5
                client.close()
        assert server.connections == 21


def is_reset(address):
    """As fast as connect() returns, or later."""
    try:
        return clients.exchange(address, b"") == (b"", "reset")
    except ConnectionResetError:
        return True


def test_a_client_over_its_limit_is_reset_and_others_are_served():
    def from_second_address():
        sock = socket.create_connection(telltale.address, PATIENCE, ("127.0.0.2", 0))
        stack.callback(sock.close)
        return sock

    def says_hello(client):
        client.sendall(PING)
        return receive_exactly(client, len(PING)) == PING

    with ScriptedServer(echo) as server, \
            Telltale(Listener(server.target), extra="limits: {connections_per_client: 3}\n") as telltale:
        telltale.expected_warnings = ["it has 3 open (limits.connections_per_client)"]
        clients.exchange(telltale.address, PING, half_close=True)
        with unharmed(telltale), contextlib.ExitStack() as stack:
            mine = [stack.enter_context(sockets.connect(telltale.address)) for _ in range(3)]
            assert all(says_hello(client) for client in mine)
            for count in range(1, 6):
                assert is_reset(telltale.address)
                telltale.wait_for_metric(count, "telltale_limit_reached_total", limit="connections_per_client")
            assert all(says_hello(from_second_address()) for _ in range(3)), "another address has its own three"
            assert all(says_hello(client) for client in mine), "those that were there are left alone"
            mine.pop().close()
            until(lambda: telltale.active() == 5, telltale.describe)
            assert says_hello(stack.enter_context(sockets.connect(telltale.address)))
        assert server.connections == 1 + 3 + 3 + 1


def test_a_small_accept_rate_serves_everybody_in_the_end():
    with ScriptedServer(echo) as server, \
            Telltale(Listener(server.target), extra="limits: {accept_rate: 20}\n") as telltale:
        clients.exchange(telltale.address, PING, half_close=True)
        with unharmed(telltale), contextlib.ExitStack() as stack:
            waiting = [stack.enter_context(sockets.connect(telltale.address)) for _ in range(60)]
            for client in waiting:
                client.sendall(PING)
            for client in waiting:
                assert receive_exactly(client, len(PING)) == PING
            assert telltale.metric("telltale_limit_reached_total", limit="accept_rate") >= 1
            assert telltale.metric("telltale_limit_reached_total", limit="connections") == 0


# ---- clocks

FAKETIME = f"/usr/lib/{os.uname().machine}-linux-gnu/faketime/libfaketimeMT.so.1"


def test_a_wall_clock_that_jumps_ends_and_stalls_nothing(tmp_path):
    """Deadlines run on the steady clock; only the time in the records jumps: on by 400 days, then back by 399.
    It never is before the real time: libfaketime would then move the steady clock's timerfd as well."""
    if not os.path.exists(FAKETIME):
        process.missing(f"{FAKETIME} (faketime)")
    setting = tmp_path / "clock"

    def jump(text):
        new = tmp_path / "clock.new"
        new.write_text(text + "\n", encoding="ascii")
        new.rename(setting)

    jump("+0d")
    environment = {"LD_PRELOAD": FAKETIME, "FAKETIME_TIMESTAMP_FILE": str(setting), "FAKETIME_NO_CACHE": "1",
                   "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}
    extra = "timeouts: {idle: 1h, connect: 10s}\nsniff: {silent_after: 200ms}\n"
    with ScriptedServer(echo) as server, peers.silent() as silent, \
            Telltale(Listener(server.target), *[Listener(silent.target, name=name) for name in ("later", "earlier")],
                     extra=extra, environment=environment) as telltale:
        clients.exchange(telltale.address, PING, half_close=True)
        with unharmed(telltale), sockets.connect(telltale.address) as client:
            for name, offset in (("later", "+400d"), ("earlier", "+1d")):
                jump(offset)
                for _ in range(20):
                    client.sendall(PING)
                    assert receive_exactly(client, len(PING)) == PING
                listener = next(one for one in telltale.listeners if one.name == name)
                with sockets.connect(listener.address) as other:
                    other.sendall(REQUEST)
                    record = telltale.wait_for_incident(name)
                assert record["cause"] == "silent_upstream", "deadlines fire after the jump as before"
                faked = time.gmtime(time.time() + int(offset[:-1]) * 86400)
                assert record["ts"].startswith(time.strftime("%Y-%m-", faked)), "the clock has jumped"
                assert clients.exchange(telltale.address, PING, half_close=True) == (PING, "fin")
            assert telltale.metric("telltale_connections_active", listener="grpc") == 1
            rows = json.loads(telltale.get("/connections")[1])
            assert all(0 <= row["age_ms"] < 3_600_000 for row in rows), rows
            jump("+0d")


# ---- the admin server changes things while traffic goes on

def ask_admin(telltale, method, path, body=None):
    connection = http.client.HTTPConnection(*telltale.admin_address, timeout=PATIENCE)
    with contextlib.closing(connection):
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.read().decode().strip()


def test_the_log_level_changes_while_it_runs():
    with ScriptedServer(grpc_once) as server, Telltale(Listener(server.target)) as telltale:
        call(telltale)
        with unharmed(telltale):
            for level in ("debug", "error", "info"):
                assert ask_admin(telltale, "PUT", "/log-level", level)[0] == 200
                assert ask_admin(telltale, "GET", "/log-level") == (200, level)
                call(telltale)
            assert ask_admin(telltale, "PUT", "/log-level", "loud")[0] == 400
            assert ask_admin(telltale, "GET", "/log-level") == (200, "info")


def test_a_drain_by_the_admin_server_lets_the_open_call_finish_and_ends_with_0():
    with ScriptedServer(echo) as server, Telltale(Listener(server.target)) as telltale:
        with sockets.connect(telltale.address) as client:
            client.sendall(PING)
            assert receive_exactly(client, len(PING)) == PING
            assert ask_admin(telltale, "POST", "/drain")[0] == 200
            until(lambda: not sockets.accepts(telltale.address), "the listener to close")
            assert telltale.get("/ready")[0] == 503
            client.sendall(PING)
            assert receive_exactly(client, len(PING)) == PING
            client.shutdown(socket.SHUT_WR)
            assert receive_all(client) == (b"", "fin")
        assert telltale.wait() == 0
        telltale.assert_quiet()
        assert telltale.incidents() == []


def test_connections_shows_open_ones_and_how_others_ended():
    closed = peers.ClosedPort()
    with ScriptedServer(grpc_once) as server, \
            Telltale(Listener(server.target), Listener(closed.target, name="closed")) as telltale:
        call(telltale)
        with unharmed(telltale):
            with sockets.connect(telltale.address) as client:
                client.sendall(REQUEST)
                assert receive_exactly(client, len(ANSWER)) == ANSWER
                clients.exchange(telltale.listeners[1].address, REQUEST)

                def rows():
                    found = json.loads(telltale.get("/connections")[1])
                    return found if len(found) == 3 else None

                first, *ended = until(rows, "one open and two ended connections")
                assert (first["state"], first["ended_by"], first["verdict"]) == ("relaying", None, "match")
                assert first["bytes"] == {"from_client": len(REQUEST), "from_upstream": len(ANSWER)}
                codes = {row["listener"]: row["ended_by"]["code"] for row in ended}
                assert codes == {"grpc": "CR", "closed": "uC"}
                text = telltale.get("/connections?format=text")[1]
                assert "uC" in text and "CR" in text and "relaying" in text
