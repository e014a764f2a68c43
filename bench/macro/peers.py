"""What is measured: one class for a running proxy, one row for each kind. All listen and dial on 127.0.0.1."""
import os
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from tests.support.ports import free_port

from . import machine

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SBIN = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin", "/usr/local/bin"])


class Failed(Exception):
    """The benchmark can't go on; the text says what to do."""


def find(program):
    return shutil.which(program, path=SBIN)


def raise_file_limit():
    """For this process and what it starts: as far as the system lets it."""
    wanted = 65536
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
    except (ValueError, OSError):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def connections_max():
    """Through one proxy, which needs two descriptors for each, and a few of its own (HAProxy: some dozens)."""
    return (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 200) // 2


class Running:
    """A program in its own session and folder; ends with everything it started."""

    def __init__(self, name, command, folder=None, environment=None, stdin=subprocess.DEVNULL, stdout=None):
        self.name = name
        self.folder = folder or tempfile.mkdtemp(prefix=f"telltale-bench-{name.replace(' ', '-')}-")
        self.errors = os.path.join(self.folder, "stderr")
        with open(self.errors, "wb") as err:
            self.process = subprocess.Popen(command, stdin=stdin, stdout=stdout or err, stderr=err, cwd=self.folder,
                                            env={**os.environ, **(environment or {})}, start_new_session=True)

    @property
    def pid(self):
        return self.process.pid

    def wait_until_accepting(self, port):
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                with socket.create_connection(("127.0.0.1", port), 1) as probe:
                    # With a reset: nothing of this connection stays behind to be measured.
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                return self
            except OSError:
                time.sleep(0.02)
        raise Failed(f"{self.name} does not accept on port {port}:\n{machine.read(self.errors)[-2000:]}")

    def stop(self):
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in machine.members(self.pid):
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    pass
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                continue
            if not machine.members(self.pid):
                break
        shutil.rmtree(self.folder, ignore_errors=True)


# Each row: what to run and the configuration it reads. {listen} {upstream} {workers} {folder} {binaries} {connections} are
# filled in.
HAPROXY = """global
    nbthread {workers}
    maxconn {connections}
defaults
    timeout connect 5s
    timeout client 10m
    timeout server 10m
    mode {mode}
    {options}
frontend in
    bind 127.0.0.1:{listen} {proto}
    default_backend out
backend out
    server s 127.0.0.1:{upstream} {proto}
"""

NGINX = """worker_processes {workers};
daemon off;
pid nginx.pid;
error_log stderr crit;
events {{ worker_connections {twice}; }}
"""
NGINX_STREAM = "load_module /usr/lib/nginx/modules/ngx_stream_module.so;\n" + NGINX + """stream {{
    server {{
        listen 127.0.0.1:{listen} backlog=4096 reuseport;
        tcp_nodelay on;
        proxy_pass 127.0.0.1:{upstream};
    }}
}}
"""
NGINX_GRPC = NGINX + """http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    upstream out {{ server 127.0.0.1:{upstream}; keepalive 128; keepalive_requests 100000000; }}
    server {{
        listen 127.0.0.1:{listen} http2 backlog=4096 reuseport;
        keepalive_requests 100000000;
        http2_max_concurrent_streams 1024;
        location / {{ grpc_pass grpc://out; }}
    }}
}}
"""
ENVOY = """static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {listen}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.tcp_proxy
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: bench
          cluster: out
  clusters:
  - name: out
    connect_timeout: 5s
    load_assignment:
      cluster_name: out
      endpoints:
      - lb_endpoints:
        - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {upstream}}}}}}}
"""


def with_file(name, text, *command):
    return {"file": name, "text": text, "command": command}


def haproxy(mode, options="", proto=""):
    text = HAPROXY.replace("{mode}", mode).replace("{options}", options).replace("{proto}", proto)
    return with_file("haproxy.cfg", text, "haproxy", "-db", "-f", "haproxy.cfg")


def nginx(text):
    return with_file("nginx.conf", text, "nginx", "-p", "{folder}", "-c", "nginx.conf")


PEERS = {
    "direct": {"without": ("idle",)},
    "floor": {"command": ("{binaries}/floor_relay", "{listen}", "{upstream}", "{workers}")},
    "telltale": {"command": ("{telltale}", "proxy", "--listen", "127.0.0.1:{listen}", "--upstream",
                             "127.0.0.1:{upstream}", "--admin", "127.0.0.1:{admin}", "--expect", "grpc",
                             "--workers", "{workers}", "--log-format", "json")},
    "haproxy": haproxy("tcp"),
    "haproxy splice": {**haproxy("tcp", "option splice-auto"), "without": ("idle",)},
    "nginx stream": nginx(NGINX_STREAM),
    "sslh": {"command": ("sslh-select", "-f", "-n", "-p", "127.0.0.1:{listen}", "--anyprot", "127.0.0.1:{upstream}"),
             "workers_max": 1},
    "haproxy h2": {**haproxy("http", proto="proto h2"), "layer": 7},
    "nginx grpc": {**nginx(NGINX_GRPC), "layer": 7},
    "nghttpx": {"command": ("nghttpx", "--single-process", "--workers={workers}", "--conf=/dev/null",
                            "--frontend=127.0.0.1,{listen};no-tls", "--backend=127.0.0.1,{upstream};;proto=h2",
                            "--worker-read-rate=0", "--errorlog-file=/dev/null"), "layer": 7},
    "envoy": {**with_file("envoy.yaml", ENVOY, "envoy", "-c", "envoy.yaml", "--concurrency", "{workers}",
                          "--disable-hot-restart", "-l", "error"), "optional": True},
    "linkerd2-proxy": {"command": ("linkerd2-proxy",), "optional": True, "environment": {
        "LINKERD2_PROXY_INBOUND_LISTEN_ADDR": "127.0.0.1:{listen}", "LINKERD2_PROXY_CORES": "{workers}"}},
}


class Peer:
    """One proxy of the table, between `listen` and the upstream. "direct" is none: its port is the upstream's."""

    def __init__(self, name, upstream_port, workers, binaries, wrapper=(), environment=None, connections=2000):
        spec = PEERS[name]
        self.name, self.running, self.port, self.start_bytes = name, None, upstream_port, 0
        if "command" not in spec:
            return
        self.port = free_port()
        names = {"connections": connections, "twice": 2 * connections + 50, "listen": self.port,
                 "upstream": upstream_port, "workers": workers, "admin": free_port(), "binaries": binaries.bench, "telltale": binaries.telltale,
                 "folder": tempfile.mkdtemp(prefix=f"telltale-bench-{name.replace(' ', '-')}-")}
        if "file" in spec:
            with open(os.path.join(names["folder"], spec["file"]), "w", encoding="ascii") as file:
                file.write(spec["text"].format(**names))
        command = [part.format(**names) for part in spec["command"]]
        command[0] = find(command[0]) or command[0]
        settings = {key: value.format(**names) for key, value in spec.get("environment", {}).items()}
        with open(os.devnull, "wb") as nowhere:  # records are rendered and written, as to a log collector
            self.running = Running(name, [*wrapper, *command], names["folder"], {**settings, **(environment or {})},
                                   stdout=nowhere)
        try:
            self.running.wait_until_accepting(self.port)
        except BaseException:
            self.running.stop()
            raise
        self.start_bytes = machine.resident_bytes(self.pid)

    @property
    def pid(self):
        return self.running.pid if self.running else None

    def resident_bytes(self):
        return machine.resident_bytes(self.pid) if self.pid else 0

    def stop(self):
        if self.running:
            self.running.stop()


def missing(name):
    command = PEERS[name].get("command")
    return bool(command) and not command[0].startswith("{") and find(command[0]) is None


def present(name):
    return not (PEERS[name].get("optional") and missing(name))
