"""Real programs as children of the test: own folder, captured output, ready when they answer, gone at the end."""
import contextlib
import glob
import os
import shutil
import signal
import subprocess
import tempfile

import pytest

from . import sockets
from .wait import PATIENCE, until

_running = {}  # pid -> Program; the session checks that it is empty at the end


def required():
    """True where a missing program is a failure and not a skip."""
    return bool(os.environ.get("CI")) or os.environ.get("TELLTALE_REQUIRE_PEERS") == "1"


def missing(what):
    """A peer is not installed: a failure in CI, a loud skip elsewhere."""
    text = f"MISSING PEER: {what} (see tests/e2e/packages.txt)"
    if required():
        pytest.fail(text, pytrace=False)
    pytest.skip(text)


def find_program(name, *extra_folders):
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin", "/usr/local/go/bin", *extra_folders])
    return shutil.which(name, path=path) or missing(name)


class Program:
    """One child process in its own process group and folder. Use it as a context manager."""

    def __init__(self, arguments, *, name=None, environment=None, folder=None, stop_signal=signal.SIGTERM,
                 namespace=None):
        self.name = name or os.path.basename(arguments[0])
        self._own_folder = folder is None
        self.folder = folder or tempfile.mkdtemp(prefix=f"telltale-{self.name}-")
        self.stop_signal = stop_signal
        self.namespace = namespace
        self.arguments = self.in_namespace(arguments)
        self.environment = clean_environment(environment)
        self.process = None

    @property
    def pid(self):
        return self.process.pid

    def in_namespace(self, arguments):
        return [*(self.namespace.prefix if self.namespace else ()), *[str(a) for a in arguments]]

    def call(self, function, *arguments):
        """Calls a function where this program's network is."""
        return self.namespace.call(function, *arguments) if self.namespace else function(*arguments)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def start(self):
        with open(self.path("stdout"), "wb") as out, open(self.path("stderr"), "wb") as err:
            self.process = subprocess.Popen(self.arguments, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                            cwd=self.folder, env=self.environment, start_new_session=True)
        _running[self.pid] = self
        return self

    def output(self, name="stdout"):
        with open(self.path(name), encoding="utf-8", errors="backslashreplace") as file:
            return file.read()

    def wait_until_accepting(self, address, patience=PATIENCE):
        """Ready means that it accepts a connection."""

        def ready():
            if self.process.poll() is not None:
                raise AssertionError(f"{self.name} ended with {self.process.returncode} at start:\n{self.logs()}")
            return self.call(sockets.accepts, address)

        until(ready, lambda: f"{self.name} on {address}\n{self.logs()}", patience)
        return self

    def wait(self, patience=PATIENCE):
        try:
            code = self.process.wait(patience)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} still runs after {patience:g} s:\n{self.logs()}") from None
        _running.pop(self.pid, None)
        return code

    def send_signal(self, number):
        self.process.send_signal(number)

    @contextlib.contextmanager
    def stopped(self):
        """By SIGSTOP: the kernel goes on accepting connections and bytes for it, and nobody answers."""
        self.send_signal(signal.SIGSTOP)
        try:
            until(self._every_thread_stopped, lambda: f"{self.name} to stop")
            yield
        finally:
            self.send_signal(signal.SIGCONT)

    def _every_thread_stopped(self):
        """kill returns before the first thread has seen the signal, and the others go on until then (proc(5): state T)."""
        states = []
        for path in glob.glob(f"/proc/{self.pid}/task/*/stat"):
            with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
                states.append(file.read().rpartition(")")[2].split()[0])
        return states and set(states) == {"T"}

    def logs(self):
        return f"--- stdout\n{self.output()[-4000:]}\n--- stderr\n{self.output('stderr')[-4000:]}"

    def stop(self):
        """Ends the child and whatever it started; its whole group goes, by id."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self._signal_group(self.stop_signal)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                pass
        self._signal_group(signal.SIGKILL)
        self.process.wait(5)
        _running.pop(self.pid, None)

    def _signal_group(self, number):
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):
            pass

    def close(self):
        self.stop()
        if self._own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def clean_environment(extra=None):
    """The tests' own proxies and settings must not leak into a child."""
    drop = {"http_proxy", "https_proxy", "grpc_proxy", "all_proxy", "no_proxy", "no_grpc_proxy"}
    kept = {k: v for k, v in os.environ.items() if k.lower() not in drop and not k.startswith("TELLTALE_")}
    kept.update({"LC_ALL": "C.UTF-8", **(extra or {})})
    return kept


def run(arguments, *, patience=60, environment=None, prefix=(), check=False, data=None):
    """Runs a short program to its end; returns subprocess.CompletedProcess with text output."""
    done = subprocess.run([*prefix, *[str(a) for a in arguments]], capture_output=True, timeout=patience,
                          env=clean_environment(environment), input=data, check=False)
    done.stdout = done.stdout.decode("utf-8", "backslashreplace")
    done.stderr = done.stderr.decode("utf-8", "backslashreplace")
    if check and done.returncode != 0:
        raise AssertionError(f"{arguments} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def leftovers():
    """Children that a test forgot; ends them and returns what they were."""
    found = [program for program in list(_running.values())]
    for program in found:
        program.stop()
    return [f"{program.name} (pid {program.process.pid})" for program in found]
