"""docs/runbook.md is true: its snippets load, its commands print what it promises, clients say what its tables say."""
import contextlib
import json
import os
import re
import socket
import struct
import subprocess
import urllib.error
import urllib.request

import pytest

from support import clients, http2, netns, peers, process, runbook, sockets, tls
from support.ports import free_port
from support.telltale import Listener, Telltale, binary
from support.wait import until

DOCUMENT = runbook.text()
ENTRIES = {entry.cause: entry for entry in runbook.entries(DOCUMENT)}
NAMES = re.compile(r"\b(group-rpc-service|web-service)\b")  # hosts of the snippets, which resolve nowhere


# ---- the faults, each by a real program or by exactly its behaviour

class Static:
    """An address at which nothing has to run."""

    def __init__(self, target, namespace=None):
        self.target, self.namespace = target, namespace

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def answers(data):
    """Waits for the preface, sends data and FIN, and reads on."""
    def script(sock, number):
        sockets.receive_until(sock, lambda got: len(got) >= len(http2.PREFACE))
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        sockets.keep_open(sock, number)

    return sockets.ScriptedServer(script)


def resets_after(count):
    """A client that is reset while it still writes says so in other words: count is all that it writes at first."""
    def script(sock, _):
        sockets.receive_until(sock, lambda got: len(got) >= count)
        sockets.reset(sock)

    return sockets.ScriptedServer(script)


def accepts_calls_and_never_answers():
    def script(sock, number):
        sock.sendall(b"\0\0\0\x04\0\0\0\0\0" + b"\0\0\0\x04\x01\0\0\0\0")  # SETTINGS and their ACK
        sockets.keep_open(sock, number)

    return sockets.ScriptedServer(script)


def goaway(code, debug):
    """SETTINGS, then GOAWAY at once (RFC 9113 §6.8), then FIN."""
    payload = struct.pack(">II", 0, code) + debug
    return answers(b"\0\0\0\x04\0\0\0\0\0" + struct.pack(">I", len(payload))[1:] + b"\x07\0\0\0\0\0" + payload)


@contextlib.contextmanager
def nginx_before(backend, block, **options):
    with backend as behind, peers.Nginx(block.format(behind.target), listen="http2", **options) as nginx:
        yield nginx


@contextlib.contextmanager
def behind_telltale(server):
    """A connection that Telltale can't make ends with a reset of the client, whatever kept it from making it."""
    with server, Telltale(Listener(server.target)) as telltale:
        yield telltale


@contextlib.contextmanager
def loop(namespace):
    port = free_port()
    with Telltale(Listener(f"{netns.OWN_ADDRESS}:{port}", listen=f":{port}"), namespace=namespace) as telltale:
        yield Static(f"127.0.0.1:{port}", namespace)
        telltale.wait_for_incident()


class Squid(peers.Peer):
    """A forward proxy that opens no tunnel to anybody."""

    def __init__(self):
        super().__init__(process.find_program("squid"))
        os.chmod(self.folder, 0o777)  # it leaves root behind
        config = self.write("squid.conf", f"http_port {self.target}\nhttp_access deny all\naccess_log none\n"
                            f"cache_log {self.path('cache.log')}\npid_filename none\ncoredump_dir {self.folder}\n"
                            "cache deny all\nshutdown_lifetime 0 seconds\n")
        self.command("-N", "-f", config)


def grpc_server():
    return peers.Echo("python")


TLS_ALERT = bytes.fromhex("1503030002020a")  # unexpected_message, as GnuTLS and Java send it
PAGE_404 = b"HTTP/1.1 404 Not Found\r\nContent-Length: 19\r\nConnection: close\r\n\r\n404 page not found\n"
PAGE_200 = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nhi\n"
UNKNOWN_NAME = "group-rpc-service.invalid:10260"
GRPC_PASS, PROXY_PASS = "location / {{ grpc_pass grpc://{}; }}", "location / {{ proxy_pass http://{}; }}"


@pytest.fixture(scope="module")
def namespace():
    with netns.Namespace() as made:
        yield made


# What the commands of an entry are run against.
CONFIRMED = {
    "metrics_port": lambda _: peers.GoMux(),
    "http1_proxy": lambda _: peers.Nginx(),
    "http1_application": lambda _: peers.PythonHttp(),
    "forward_proxy": lambda _: Squid(),
    "tls_required": lambda _: nginx_before(grpc_server(), GRPC_PASS, ssl=True),
    "plaintext_upstream": lambda _: peers.Nginx(),
    "alpn_without_h2": lambda _: peers.Nginx(ssl=True),
    "http2_not_grpc": lambda _: nginx_before(peers.ClosedPort(), GRPC_PASS),
    "other_protocol": lambda _: peers.Sshd(),
    "stale_endpoint": lambda _: peers.Redis(),
    "refused": lambda _: peers.ClosedPort(),
    "connect_timeout": lambda inside: Static(f"{netns.BLACK_HOLE}:10260", inside),
    "unreachable": lambda inside: Static(f"{netns.UNREACHABLE}:10260", inside),
    "dns_failure": lambda _: Static(UNKNOWN_NAME),
    "no_endpoints": lambda _: Static(UNKNOWN_NAME),
    "closed_before_preface": lambda _: peers.Tomcat(),
    "reset_before_preface": lambda _: resets_after(len(http2.PREFACE)),
    "silent_upstream": lambda _: peers.silent(),
    "metrics_scraper": lambda _: grpc_server(),
    "health_probe": lambda _: grpc_server(),
    "http1_client": lambda _: grpc_server(),
    "downgraded_by_proxy": lambda _: nginx_before(grpc_server(), PROXY_PASS),
    "tls_client": lambda _: grpc_server(),
    "loop": loop,
    "proxy_limit": lambda _: grpc_server(),
    "proxy_shutdown": lambda _: grpc_server(),
    "unexplained": lambda _: grpc_server(),
}


# ---- commands

def run_command(command, fault, folder):
    """Runs it as an operator would; returns everything it printed, with $UP for the address again."""
    host, port = fault.target.rsplit(":", 1)
    environment = {"UP": fault.target, "HOST": host, "PORT": port, "NO_COLOR": "1",
                   "PATH": os.pathsep.join([folder, os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])}
    place = getattr(fault, "namespace", None)
    done = process.run(["bash", "-c", command], environment=environment, prefix=place.prefix if place else (),
                       patience=90)
    return (done.stdout + done.stderr).replace(fault.target, "$UP")


def check_promise(command, promised, printed):
    """Each line of the runbook, in its order, among what was printed; a line of … alone stands for any number."""
    rest = printed.splitlines()
    for line in promised:
        if line.strip() == "…":
            continue
        wanted = re.compile(runbook.pattern(line.rstrip()).pattern)
        place = next((index for index, one in enumerate(rest) if wanted.match(one)), None)
        assert place is not None, f"$ {command}\ndid not print\n{line}\nbut\n{printed}"
        rest = rest[place + 1:]


def test_every_cause_has_a_fault_to_be_confirmed():
    assert list(CONFIRMED) == runbook.causes()


@pytest.mark.parametrize("cause", list(CONFIRMED))
def test_the_commands_print_what_the_entry_promises(cause, namespace, tmp_path):
    os.symlink(binary(), tmp_path / "telltale")
    found = runbook.fences(ENTRIES[cause].parts["Confirm"] + "\n")
    consoles = [fence for fence in found if fence.language == "console"]
    with CONFIRMED[cause](namespace) as fault:
        for command, promised in runbook.commands(consoles[0]):
            check_promise(command, promised, run_command(command, fault, str(tmp_path)))


def test_the_commands_at_the_top_print_what_it_promises(tmp_path):
    os.symlink(binary(), tmp_path / "telltale")
    consoles = [fence for fence in runbook.fences(DOCUMENT[:DOCUMENT.index("\n# How to read an entry")])
                if fence.language == "console"]
    assert consoles
    for command, promised in runbook.commands(consoles[0]):
        printed = run_command(command, Static("127.0.0.1:10260"), str(tmp_path))
        check_promise(command, promised, printed)
        links = re.findall(r"runbook\.md#(\S+)", printed)
        assert links and set(links) <= set(ENTRIES), printed


# The first table of the page: what one curl says of each kind of upstream.
CURL = {"(52)": lambda _: peers.Nginx(), "(18)": lambda _: peers.ends_at_once(),
        "(56)": lambda _: resets_after(100),  # curl sends 104 bytes
        "(28) Operation": lambda _: peers.silent(),
        "(28) Connection": lambda inside: Static(f"{netns.BLACK_HOLE}:10260", inside),
        "(7)": lambda _: peers.ClosedPort(), "(6)": lambda _: Static(UNKNOWN_NAME)}


@pytest.mark.parametrize("begins", list(CURL))
def test_one_curl_tells_the_kinds_of_upstreams_apart(begins, namespace, tmp_path):
    table = re.search(r"^\| `(curl [^`]+)` \|.*\n\|[-|]+\n((?:\|.*\n)+)", DOCUMENT, re.M)
    promised = [runbook.spans(line)[0] for line in table.group(2).splitlines() if line.startswith(f"| `{begins}")]
    assert len(promised) == 1
    with CURL[begins](namespace) as fault:
        printed = run_command(table.group(1), fault, str(tmp_path))
    assert runbook.pattern("curl: " + promised[0]).search(printed), printed


@pytest.mark.parametrize("fence", [fence for fence in runbook.fences(DOCUMENT) if fence.language == "sh"],
                         ids=lambda fence: f"line{fence.line}")
def test_other_commands_are_good_shell(fence):
    done = process.run(["bash", "-n"], data=fence.text.encode())
    assert done.returncode == 0, done.stderr


# ---- what clients say

LANGUAGES = {"go": "grpc-go", "js": "grpc-js", "python": "C-core", "cpp": "C-core"}
PLAIN, TLS, PROXY = "plain", "TLS", "HTTPS_PROXY"
SAID = [
    ("metrics_port", PLAIN, lambda _: peers.GoMux()),
    ("http1_proxy", PLAIN, lambda _: peers.Nginx()),
    ("http1_application", PLAIN, lambda _: answers(PAGE_404)),
    ("http1_application", PLAIN, lambda _: answers(PAGE_200)),
    ("http1_application", PLAIN, lambda _: peers.PythonHttp()),
    ("forward_proxy", PROXY, lambda _: Squid()),
    ("tls_required", PLAIN, lambda _: peers.OpensslServer()),
    ("tls_required", PLAIN, lambda _: answers(TLS_ALERT)),
    ("plaintext_upstream", TLS, lambda _: peers.Nginx()),
    ("alpn_without_h2", TLS, lambda _: peers.Nginx(ssl=True)),
    ("alpn_without_h2", TLS, lambda _: peers.OpensslServer()),
    ("http2_not_grpc", PLAIN, lambda _: nginx_before(peers.ClosedPort(), GRPC_PASS)),
    ("other_protocol", PLAIN, lambda _: peers.Redis()),
    ("other_protocol", PLAIN, lambda _: peers.Sshd()),
    ("refused", PLAIN, lambda _: peers.ClosedPort()),
    ("connect_timeout", PLAIN, lambda inside: Static(f"{netns.BLACK_HOLE}:10260", inside)),
    ("unreachable", PLAIN, lambda inside: Static(f"{netns.UNREACHABLE}:10260", inside)),
    ("dns_failure", PLAIN, lambda _: Static(UNKNOWN_NAME)),
    ("closed_before_preface", PLAIN, lambda _: peers.ends_at_once()),
    ("reset_before_preface", PLAIN, lambda _: resets_after(len(http2.FIRST_FLIGHT))),
    ("silent_upstream", PLAIN, lambda _: peers.silent()),
    ("downgraded_by_proxy", PLAIN, lambda _: nginx_before(grpc_server(), PROXY_PASS)),
    ("tls_client", TLS, lambda _: grpc_server()),
    ("loop", PLAIN, loop),
    ("proxy_limit", PLAIN, lambda _: behind_telltale(peers.ClosedPort())),
    ("unexplained", PLAIN, lambda _: goaway(11, b"too_many_pings")),
]


def version(language):
    """The library's version, as far as the runbook tells versions: "1.85"."""
    if language in ("python", "cpp"):
        import grpc
        return ".".join(grpc.__version__.split(".")[:2])
    names = {"go": ("go/go.mod", r"google\.golang\.org/grpc v(\d+\.\d+)"),
             "js": ("js/package-lock.json", r'"node_modules/@grpc/grpc-js": \{\s*"version": "(\d+\.\d+)')}
    path, wanted = names[language]
    with open(os.path.join(runbook.ROOT, "tests/interop", path), encoding="utf-8") as file:
        return re.search(wanted, file.read()).group(1)


def row_of(cause, language):
    name = f"{LANGUAGES[language]} {version(language)}"
    rows = [row for row in runbook.rows(ENTRIES[cause].parts["How it looks in the client"])
            if re.match(re.escape(name) + r"\b", row.client)]
    assert len(rows) == 1, f"{cause} has {len(rows)} rows for {name}"
    return rows[0]


def check_row(cause, language, told):
    row = row_of(cause, language)
    texts = [shown for shown in runbook.spans(row.prints) if len(shown) > 7 and " " in shown]
    assert any(runbook.pattern(shown).search(told["text"]) for shown in texts), (row, told)
    # The C++ program knows only some names.
    assert told["code"].upper().replace("_", "") in {code.replace("_", "") for code in row.codes} | {"12"}, (row, told)


def call(language, fault, how):
    target, environment = fault.target, {}
    if how == TLS:
        environment["ECHO_CA"] = tls.certificate()[0]
    if how == PROXY:
        environment.update(HTTPS_PROXY=f"http://{target}", https_proxy=f"http://{target}")
        target = "group-rpc-service:10260"
    place = getattr(fault, "namespace", None)
    command = [*(place.prefix if place else ()), *peers.interop_program(language, "client"), target, "call"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True,
                          env=process.clean_environment(environment)) as client:
        line = client.stdout.readline()
        client.kill()  # Node lives on while a connect is under way
    return json.loads(line)


@pytest.mark.parametrize("language", list(LANGUAGES))
@pytest.mark.parametrize("cause, how, fault", SAID, ids=[f"{one[0]}-{index}" for index, one in enumerate(SAID)])
def test_clients_say_what_the_table_says(cause, how, fault, language, namespace):
    with fault(namespace) as server:
        check_row(cause, language, call(language, server, how))


@pytest.mark.parametrize("language", list(LANGUAGES))
def test_a_call_that_a_stop_of_telltale_cuts(language):
    with accepts_calls_and_never_answers() as server, \
            Telltale(Listener(server.target), extra="timeouts: {drain: 100ms}\n") as telltale:
        telltale.expected_warnings += ["draining: 1 connections", "stopped: open connections were cut"]
        command = [*peers.interop_program(language, "client"), telltale.target, "call"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=process.clean_environment()) as client:
            # More than preface, SETTINGS and their ACK: the call is on its way.
            until(lambda: telltale.metric("telltale_bytes_total", side="client") > 110, telltale.describe)
            telltale.send_signal(15)
            telltale.wait()
            told = json.loads(client.communicate(timeout=30)[0])
        assert telltale.incidents()[0]["cause"] == "proxy_shutdown"
    check_row("proxy_shutdown", language, told)


def test_prometheus_says_what_the_table_says():
    with peers.Echo("python") as echo, peers.Prometheus(scrape=echo.target) as prometheus:
        def error():
            with contextlib.suppress(urllib.error.HTTPError):  # 503 until its database is open
                with urllib.request.urlopen(f"http://{prometheus.target}/api/v1/targets", timeout=10) as answer:
                    targets = json.load(answer)["data"]["activeTargets"]
                return targets and targets[0]["lastError"]
            return None

        told = until(error, prometheus.logs)
    rows = runbook.rows(ENTRIES["metrics_scraper"].parts["How it looks in the client"])
    shown = [text for row in rows if row.client.startswith("Prometheus") for text in runbook.spans(row.prints)]
    assert any(runbook.pattern(text).search(told) for text in shown), told


# ---- snippets

def of_kind(language, *kinds):
    found = [fence for fence in runbook.fences(DOCUMENT)
             if fence.language == language and (not kinds or fence.kind in kinds)]
    return pytest.mark.parametrize("fence", found, ids=lambda fence: f"line{fence.line}")


def documents(fence):
    yaml = pytest.importorskip("yaml") if not process.required() else __import__("yaml")
    found = list(yaml.safe_load_all(fence.text))
    assert found and all(isinstance(one, dict) for one in found)
    return found


def with_files(text, folder):
    """Paths of certificates lead to real ones; ports become free ones of loopback, hosts loopback."""
    certificate, key = tls.certificate()
    pem = folder / "both.pem"
    with open(certificate, encoding="ascii") as first, open(key, encoding="ascii") as second:
        pem.write_text(first.read() + second.read())
    for suffix, path in (("tls.crt", certificate), ("ca.crt", certificate), ("tls.key", key), ("tls.pem", pem),
                         ("ca.pem", certificate)):
        text = re.sub(rf"/etc/\w+/{re.escape(suffix)}", str(path), text)
    return NAMES.sub("127.0.0.1", text)


@of_kind("nginx")
def test_nginx_loads_the_snippet(fence, tmp_path):
    text = re.sub(r"listen \d+", lambda _: f"listen 127.0.0.1:{free_port()}", with_files(fence.text, tmp_path))
    config = tmp_path / "nginx.conf"
    config.write_text(f"pid {tmp_path}/pid; error_log {tmp_path}/log; events {{}}\n"
                      f"http {{ access_log off;\n{text}\n}}\n")
    done = process.run([process.find_program("nginx"), "-t", "-p", tmp_path, "-c", config])
    # Newer ones take `listen … http2` and call it deprecated, as the page says.
    warnings = [line for line in done.stderr.splitlines() if "[warn]" in line and "deprecated" not in line]
    assert done.returncode == 0 and warnings == [], done.stderr


@of_kind("haproxy")
def test_haproxy_loads_the_snippet(fence, tmp_path):
    config = tmp_path / "haproxy.cfg"
    config.write_text(with_files(fence.text, tmp_path))
    done = process.run([process.find_program("haproxy"), "-c", "-f", config])
    assert done.returncode == 0 and "WARNING" not in done.stderr, done.stdout + done.stderr


@of_kind("yaml", "kubernetes", "istio", "linkerd")
def test_objects_have_what_every_object_has(fence):
    for one in documents(fence):
        assert re.fullmatch(r"([a-z0-9.-]+/)?v\d+((alpha|beta)\d+)?", one["apiVersion"]), one
        assert re.fullmatch(r"[A-Z]\w+", one["kind"]) and isinstance(one["spec"], dict), one
        for name in (one["metadata"]["name"], one["metadata"]["namespace"]):
            assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name), one
        for port in one["spec"].get("ports", []) if one["kind"] == "Service" else []:
            assert re.fullmatch(r"[a-z0-9-]{1,15}", port["name"]) and 0 < port["port"] < 65536, port


@of_kind("yaml", "compose")
def test_compose_files_name_only_services_they_have(fence):
    for one in documents(fence):
        for service in one["services"].values():
            assert isinstance(service["image"], str)
            assert set(service.get("depends_on", ())) <= set(one["services"]), service


@of_kind("yaml", "envoy")
def test_envoy_snippets_type_every_extension(fence):
    """There is no Envoy here to load it: every extension must say its type, every cluster where it is."""
    for one in documents(fence):
        resources = one["static_resources"]
        typed = [value for value in _mappings(resources) if "typed_config" in value]
        assert typed and all(value["name"].startswith("envoy.") and
                             value["typed_config"]["@type"].startswith("type.googleapis.com/envoy.extensions.")
                             for value in typed)
        for cluster in resources.get("clusters", ()):
            assert cluster["load_assignment"]["cluster_name"] == cluster["name"]


def _mappings(value):
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _mappings(inner)
