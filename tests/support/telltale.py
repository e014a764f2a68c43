"""The proxy under test: started with a configuration, read by its records, its metrics and its admin pages."""
import contextlib
import http.client
import json
import os
import re
import signal

import pytest

from . import process
from .ports import free_port
from .process import Program
from .wait import PATIENCE, until

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def binary():
    chosen = os.environ.get("TELLTALE_BINARY")
    candidates = [chosen] if chosen else [os.path.join(ROOT, "build/release/telltale")]
    for candidate in candidates:
        if os.access(candidate, os.X_OK):
            return os.path.abspath(candidate)
    text = "the telltale binary is not built (set TELLTALE_BINARY)"
    if process.required():
        pytest.fail(text, pytrace=False)
    return pytest.skip(text)


class Listener:
    """One listener of the configuration. upstream is an address as Telltale's configuration writes it."""

    def __init__(self, upstream, *, name="grpc", expect=None, direction=None, listen=None, on_mismatch=None,
                 options=""):
        self.upstream = upstream  # one address, or a list of them
        self.on_mismatch = on_mismatch
        self.options = options  # further keys of `upstream`, as flow YAML: ", balance: least_connections"
        self.name = name
        self.expect = expect
        self.direction = direction
        self.listen = listen or f"127.0.0.1:{free_port()}"

    @property
    def address(self):
        """For sockets.connect()."""
        if self.listen.startswith("unix:"):
            return self.listen[len("unix:"):]
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]") or "127.0.0.1", int(port)  # ":port" listens on every address

    @property
    def target(self):
        """For gRPC clients."""
        return self.listen

    def yaml(self):
        lines = [f"  - name: {self.name}", f"    listen: \"{self.listen}\""]
        if self.expect:
            lines.append(f"    expect: {self.expect}")
        if self.direction:
            lines.append(f"    direction: {self.direction}")
        if self.on_mismatch:
            lines.append(f"    on_mismatch: {self.on_mismatch}")
        addresses = [self.upstream] if isinstance(self.upstream, str) else self.upstream
        quoted = ", ".join(f"\"{address}\"" for address in addresses)
        lines.append(f"    upstream: {{addresses: [{quoted}]{self.options}}}")
        return "\n".join(lines) + "\n"


class Telltale(Program):
    """`telltale proxy` with a YAML file. Leaving the context stops it with SIGTERM and checks that the end was clean."""

    def __init__(self, *listeners, services=(), extra="", namespace=None, prefix=(), arguments=(), environment=None):
        program = binary()  # first: it may skip the test
        self.admin_address = ("127.0.0.1", free_port())
        self.listeners = listeners
        super().__init__(["telltale"], name="telltale", namespace=namespace, environment=environment)
        text = f"admin: {{listen: \"127.0.0.1:{self.admin_address[1]}\"}}\nlisteners:\n"
        text += "".join(listener.yaml() for listener in listeners)
        if services:
            text += "registry:\n  services:\n" + "".join(f"    - {_flow(service)}\n" for service in services)
        self.configuration = text + extra
        self.config_file = self.write("telltale.yaml", self.configuration)
        self.arguments = self.in_namespace([*prefix, program, "proxy", "--config", self.config_file,
                                            "--log-format", "json", *arguments])
        self.expected_warnings = []  # texts that may stand on stderr

    def __enter__(self):
        try:
            self.start()
            self.wait_until_ready()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None and self.process.poll() is None:
                self.wait_until_idle()
                self.stop_cleanly()
        finally:
            self.close()

    def wait_until_ready(self):
        def ready():
            if self.process.poll() is not None:
                raise AssertionError(f"telltale ended with {self.process.returncode} at start:\n"
                                     f"{self.configuration}\n{self.logs()}")
            return self.get("/ready", missing_is=(0, ""))[0] == 200

        until(ready, lambda: f"/ready\n{self.configuration}\n{self.logs()}")

    @property
    def target(self):
        return self.listeners[0].target

    @property
    def address(self):
        return self.listeners[0].address

    # ---- admin

    def get(self, path, missing_is=None):
        """(status, body). missing_is: what to return when nobody answers."""
        return self.call(self._get, path, missing_is)

    def _get(self, path, missing_is):
        connection = http.client.HTTPConnection(*self.admin_address, timeout=PATIENCE)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except OSError:
            if missing_is is None:
                raise
            return missing_is
        finally:
            connection.close()

    def metrics(self):
        """{(name, ((label, value), …)): value}"""
        status, text = self.get("/metrics")
        assert status == 200
        return parse_metrics(text)

    def metric(self, name, **labels):
        """The sum over every series that has these labels."""
        wanted = set(labels.items())
        return sum(value for (series, pairs), value in self.metrics().items()
                   if series == name and wanted <= set(pairs))

    def wait_for_metric(self, value, name, **labels):
        seen = {}

        def reached():
            seen["value"] = self.metric(name, **labels)
            return seen["value"] >= value

        until(reached, lambda: f"{name}{labels} to be {value}, it is {seen.get('value')}\n{self.describe()}")
        assert seen["value"] == value, f"{name}{labels} is {seen['value']}, expected {value}\n{self.describe()}"

    def describe(self):
        lines = [f"{name}{dict(pairs)} {value:g}" for (name, pairs), value in sorted(self.metrics().items())
                 if value and not name.endswith("_bucket")]
        return "\n".join(lines) + "\n" + self.logs()

    # ---- records

    def records(self):
        """Every JSON line that was printed; anything else on stdout is a fault."""
        found = []
        for line in self.output().splitlines(keepends=True):
            if not line.endswith("\n"):
                break  # still being written
            found.append(json.loads(line))
        return found

    def incidents(self):
        return [record for record in self.records() if record.get("event") == "incident"]

    def wait_for_incident(self, listener=None, patience=PATIENCE):
        """The first incident (of this listener); shows what there was instead."""

        def found():
            return [i for i in self.incidents() if listener is None or i["listener"] == listener]

        def instead():
            return (f"an incident {'of ' + listener if listener else ''}; there were "
                    f"{[(i['listener'], i['cause']) for i in self.incidents()]}\n{self.describe()}")

        return until(found, instead, patience)[0]

    def assert_no_incident(self):
        assert self.incidents() == [], f"an incident where there is none:\n{self.incidents()}"
        assert self.metric("telltale_incidents_total") == 0
        assert self.metric("telltale_mismatches_total") == 0

    # ---- the end

    def active(self):
        return self.metric("telltale_connections_active")

    def wait_until_idle(self):
        until(lambda: self.active() == 0, lambda: f"the last connection to end\n{self.get('/connections')[1]}")

    def stop_cleanly(self):
        """SIGTERM, exit 0, and nothing on stderr that a user would take for trouble."""
        self.send_signal(signal.SIGTERM)
        code = self.wait()
        assert code == 0, f"telltale ended with {code} after SIGTERM\n{self.logs()}"
        self.assert_quiet()

    def assert_quiet(self):
        noise = [line for line in self.output("stderr").splitlines() if not _harmless(line)
                 and not any(text in line for text in self.expected_warnings)]
        assert noise == [], "unexpected words on stderr:\n" + "\n".join(noise)

    def resident_bytes(self, kind="VmRSS"):
        """kind: VmRSS, or RssAnon without the pages of files, which are shared and differ between machines."""
        with open(f"/proc/{self.child_pid()}/status", encoding="ascii") as file:
            return int(re.search(rf"{kind}:\s+(\d+) kB", file.read()).group(1)) * 1024

    def open_files(self):
        return len(os.listdir(f"/proc/{self.child_pid()}/fd"))

    def child_pid(self):
        """The proxy itself, also when it was started through a wrapper that forks."""
        name = os.path.basename(binary())
        with contextlib.suppress(OSError), open(f"/proc/{self.pid}/comm", encoding="ascii") as file:
            if file.read().strip() == name[:15]:
                return self.pid
        children = process.run(["ps", "-o", "pid=", "--ppid", self.pid, "-C", name]).stdout.split()
        return int(children[0]) if children else self.pid


def parse_metrics(text):
    found = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            series, _, value = line.rpartition(" ")
            name, _, labels = series.partition("{")
            pairs = tuple(sorted(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels)))
            found[(name, pairs)] = float(value)
    return found


def _flow(service):
    return "{" + ", ".join(f"{key}: {value}" for key, value in service.items()) + "}"


def _harmless(line):
    """Start and stop are said on stderr; warnings and errors are not expected in a clean run."""
    lowered = line.lower()
    return not any(word in lowered for word in ("error", "warn", "sanitizer", "terminate", "assert", "exception",
                                                "leak", "abort"))
