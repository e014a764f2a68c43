"""Restarts under load: the successor takes the sockets over, and no call fails."""
import contextlib
import os
import signal
import stat
import threading

from support import clients, http2, peers, process, sockets
from support.repeated import Repeated
from support.telltale import Listener, Telltale
from support.wait import until

RESTARTS = 20


class Load(Repeated):
    """Threads that call without a pause, each call on a connection of its own; counts what fails."""

    def __init__(self, target, address, threads=3):
        self.target, self.address = target, address
        self.calls, self.failures = 0, []
        self._lock = threading.Lock()
        super().__init__(*[self._grpc] * threads, self._raw)

    def _grpc(self):
        code, text = clients.grpc_call(self.target, timeout=10)
        self._count(code == "OK", f"{code} {text}")

    def _raw(self):
        try:
            got, ending = clients.http2_first_answer(self.address, http2.FIRST_FLIGHT)
            self._count(len(got) >= 9, f"{got!r} {ending}")
        except OSError as error:
            self._count(False, repr(error))

    def _count(self, fine, text):
        with self._lock:
            self.calls += 1
            if not fine:
                self.failures.append(text)


@contextlib.contextmanager
def generations(telltale):
    """Starts a successor each time it is called; ends the last one."""
    started = [telltale]

    def next_one():
        program = process.Program(telltale.arguments, name="telltale-next").start()
        started.append(program)
        code = started[-2].wait()
        assert code == 0, f"the predecessor ended with {code}\n{started[-2].logs()}\n{program.logs()}"
        return program

    try:
        yield next_one
        if len(started) > 1:
            started[-1].send_signal(signal.SIGTERM)
            assert started[-1].wait() == 0, started[-1].logs()
    finally:
        for program in started[1:]:
            program.close()


def handover_to(tmp_path):
    path = os.path.join(tmp_path, "handover.sock")
    return path, f"handover: unix:{path}\n"


def test_no_call_fails_in_twenty_restarts_under_load(tmp_path):
    path, extra = handover_to(tmp_path)
    with peers.Echo("cpp") as server, Telltale(Listener(server.target), extra=extra) as telltale:
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        with generations(telltale) as restart:
            with Load(telltale.target, telltale.address) as load:
                for _ in range(RESTARTS):
                    before = load.calls
                    restart()
                    # Each generation has served something before the next one comes.
                    until(lambda before=before: load.calls >= before + 5, "calls after the restart")
            assert load.failures == []
            assert load.calls >= 5 * RESTARTS
            assert telltale.get("/ready")[0] == 200, "the admin port went along"
            assert telltale.metric("telltale_connections_total") > 0
        assert not os.path.exists(path), "the last one removes the path"


def test_an_open_stream_stays_with_its_process_and_ends_there(tmp_path):
    _, extra = handover_to(tmp_path)
    with peers.Echo("cpp") as server, Telltale(Listener(server.target), extra=extra) as telltale:
        with sockets.connect(telltale.address) as old:
            old.sendall(http2.FIRST_FLIGHT)
            assert len(sockets.receive_until(old, lambda got: len(got) >= 9)[0]) >= 9
            successor = process.Program(telltale.arguments, name="telltale-next").start()
            with successor:
                until(lambda: "took over" in successor.output("stderr"), successor.logs)
                until(lambda: "a successor accepts" in telltale.output("stderr"), telltale.logs)
                assert telltale.process.poll() is None, "an open connection keeps it"
                old.sendall(http2.PING_FRAME)
                assert sockets.receive_until(old, lambda got: http2.PING_ANSWER in got)
                old.close()
                assert telltale.wait() == 0, telltale.logs()
                assert clients.grpc_call(telltale.target) == ("OK", "")
                successor.send_signal(signal.SIGTERM)
                assert successor.wait() == 0


def test_a_successor_that_can_not_start_changes_nothing(tmp_path):
    _, extra = handover_to(tmp_path)
    with sockets.listen() as taken, peers.Echo("cpp") as server:
        with Telltale(Listener(server.target), extra=extra) as telltale:
            telltale.expected_warnings.append("this process goes on")
            wrong = telltale.configuration + "limits: {connections: many}\n"
            file = telltale.write("wrong.yaml", wrong)
            arguments = [file if a == telltale.config_file else a for a in telltale.arguments]
            done = process.run(arguments)
            assert done.returncode == 65, done.stderr

            port = taken.getsockname()[1]
            second = Listener(server.target, name="second", listen=f"127.0.0.1:{port}")
            head, rest = telltale.configuration.split("listeners:\n")
            file = telltale.write("taken.yaml", head + "listeners:\n" + second.yaml() + rest)
            arguments = [file if a == telltale.config_file else a for a in telltale.arguments]
            done = process.run(arguments)
            assert done.returncode == 1 and "Address already in use" in done.stderr, done.stderr

            assert clients.grpc_call(telltale.target) == ("OK", "")
            assert telltale.get("/ready")[0] == 200


def test_the_first_process_starts_although_nobody_is_there_to_take_over_from(tmp_path):
    path, extra = handover_to(tmp_path)
    with sockets.listen(path):
        pass  # a socket file that nobody listens on any more
    with peers.Echo("cpp") as server, Telltale(Listener(server.target), extra=extra) as telltale:
        assert clients.grpc_call(telltale.target) == ("OK", "")
