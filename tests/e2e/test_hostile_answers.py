"""Hostile texts from both sides: they go on unchanged, and wherever Telltale shows them they are text: one line, no
control characters, no label, no markup that anybody runs."""
import concurrent.futures
import contextlib
import http.client
import json
import threading
import unicodedata

import pytest

from support import clients, http2, process, sockets, tls
from support.sockets import ScriptedServer
from support.telltale import Listener, Telltale, binary, parse_metrics
from support.wait import until

RECORD_BYTES_MAX = 8192
MIB = 1 << 20
# In every hostile text: what must be found in a record, escaped, and in no metric.
MARK = "zq9"
MARKUP = f"<script>alert('{MARK}')</script><img src=x onerror=alert(1)>\"'--></style>".encode()
ANSI = f"\x1b[31m\x1b[2J\x1b]0;{MARK}\x07\x9b31m\x08\x7f".encode("latin-1")
BIDI = f"\u202e{MARK}\u2066\u2029\u200f\ufeff".encode()
BROKEN = b"\xff\xfe\xc0\xaf\xed\xa0\x80" + MARK.encode() + b"\xf5\x80"
TEXTS = {"markup": MARKUP, "ansi": ANSI, "bidi": BIDI, "broken_utf8": BROKEN,
         "nul": b"a\x00" + MARK.encode() + b"\x00b", "json": b'"},"cause":"fine","x":{"' + MARK.encode() + b'":"\\u0000\\',
         "template": f"{{{{{MARK}}}}}${{jndi:ldap://{MARK}/}}`id`$(id)%s%n%d".encode()}
TEN_PROGRAMS = (b"HTTP/1.1 400 Bad Request\r\nServer: nginx/1.25.3 Apache/2.4.57 (Debian) envoy istio-envoy Caddy HAProxy "
                b"squid/5.7 Jetty(9.4) Kestrel uvicorn gunicorn/20 " + MARK.encode() + b"\r\n"
                b"Via: 1.1 varnish, 1.1 squid (squid/5.7), 1.1 Caddy, 1.1 google, HTTP/1.1 linkerd\r\n"
                b"X-Squid-Error: ERR_INVALID_REQ 0\r\nX-Envoy-Upstream-Service-Time: 1\r\nX-Powered-By: Express\r\n"
                b"L5d-Proxy-Error: x\r\nCF-RAY: 1\r\nX-Amzn-Trace-Id: 1\r\nX-Kong-Response-Latency: 1\r\n"
                b"Content-Type: text/plain; version=0.0.4\r\nContent-Length: 281\r\n\r\n"
                b"<html><title>400 Bad Request</title><center>nginx</center><address>Apache/2.4</address>"
                b"<h1>HTTP Status 400 \xe2\x80\x93 Bad Request</h1>Apache Tomcat/10 # HELP go_goroutines x\n"
                b"Client sent an HTTP request to an HTTPS server. The proxy server received an invalid response; "
                b"Golang, Python http.server")


def http1(header, value, status=b"HTTP/1.1 400 Bad Request", body=b""):
    return status + b"\r\n" + header + b": " + value + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def length(number):
    """A string's length in HPACK, seven bits in the first byte (RFC 7541 §5.1)."""
    if number < 127:
        return bytes([number])
    out, number = b"\x7f", number - 127
    while number >= 128:
        out, number = out + bytes([number % 128 + 128]), number // 128
    return out + bytes([number])


def headers(stream, fields, end_stream=True):
    block = b"".join(b"\x00" + length(len(name)) + name + length(len(value)) + value for name, value in fields)
    return http2.frame(http2.HEADERS, http2.END_HEADERS | (http2.END_STREAM if end_stream else 0), stream, block)


def h2_answer(*fields):
    return http2.settings() + headers(1, fields)


def goaway(debug):
    return http2.settings() + http2.frame(http2.GOAWAY, payload=b"\0\0\0\0\0\0\0\x0b" + debug)


GRPC_CALL = http2.FIRST_FLIGHT + http2.grpc_request()


def h2_client(path, agent):
    fields = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", path), (b":authority", b"a"),
              (b"content-type", b"application/grpc"), (b"user-agent", agent)]
    return http2.FIRST_FLIGHT + headers(1, fields)


def tls_client(text):
    """A real ClientHello in which the name and the protocol are replaced by others of their length."""
    name, protocol = b"n" * len(text), b"p" * len(text)
    hello = tls.client_hello(name.decode(), (protocol.decode(), "h2"))
    assert name in hello and protocol in hello
    return hello.replace(name, text).replace(protocol, text)


BAD_REQUEST = http1(b"Server", b"x")


def cases():
    """name: (what the client sends, what the server answers)"""
    found = {"ten_programs": (GRPC_CALL, TEN_PROGRAMS),
             "server_of_a_mebibyte": (GRPC_CALL, http1(b"Server", MARKUP * (MIB // len(MARKUP)))),
             "a_thousand_headers": (GRPC_CALL, b"HTTP/1.1 400 x\r\n" + b"".join(
                 b"X-%d-%s: %s\r\n" % (i, MARK.encode(), MARKUP) for i in range(1000)) + b"\r\n"),
             "bare_newlines": (GRPC_CALL, b"HTTP/1.1 400 x\nServer: a\n " + MARK.encode() + b"\n\n{\"ts\":\"2\"}\n"),
             "bare_returns": (GRPC_CALL, b"HTTP/1.1 400 x\rServer: a\rb " + MARK.encode() + b"\r\r\n\r\n"),
             "a_status_that_can_not_be": (GRPC_CALL, b"HTTP/1.1 99999999999999999999 " + MARKUP + b"\r\n\r\n"),
             "settings_without_end": (GRPC_CALL, http2.settings(*[(0x7A71, i) for i in range(2000)])
                                      + headers(1, [(b":status", b"404"), (b"server", MARKUP)])),
             "grpc_message_percent": (GRPC_CALL, h2_answer(
                 (b":status", b"502"), (b"content-type", b"text/html"),
                 (b"grpc-message", b"%1b[31m%0d%0a%00%ff" + MARK.encode()))),
             "forged_trail": (GRPC_CALL, h2_answer(
                 (b":status", b"200"), (b"content-type", b"application/grpc"), (b"grpc-status", b"14"),
                 (b"grpc-message", b"%3Cscript%3E%1b[31m%0a" + MARK.encode()),
                 (b"x-telltale-cause", b"metrics_port"),
                 (b"x-telltale-hop", b'upstream;name="<script>' + MARK.encode() + b'";address="<b>";role=metrics'))),
             "ssh": (GRPC_CALL, b"SSH-2.0-" + ANSI + MARKUP + b"\r\n"),
             "smtp": (GRPC_CALL, b"220 " + ANSI + MARKUP + b" ESMTP\r\n"),
             "noise": (GRPC_CALL, ANSI + MARKUP + bytes(range(256))),
             "mysql": (GRPC_CALL, b"\x4a\x00\x00\x00\x0a" + ANSI + b"\x00" + b"\x01" * 60),
             "redis": (GRPC_CALL, b"-ERR " + ANSI + MARKUP + b"\r\n"),
             "tls_alert": (tls_client(BROKEN), b"\x15\x03\x03\x00\x02\x02\x99")}
    for name, text in TEXTS.items():
        found[f"server_header_{name}"] = (GRPC_CALL, http1(b"Server", text))
        found[f"all_headers_{name}"] = (GRPC_CALL, b"HTTP/1.1 302 " + text + b"\r\nVia: " + text + b"\r\nLocation: "
                                        + text + b"\r\nContent-Type: " + text + b"\r\n" + text + b": x\r\n\r\n" + text)
        found[f"h2_headers_{name}"] = (GRPC_CALL, h2_answer((b":status", b"404"), (b"content-type", text),
                                                            (b"server", text), (b"via", text), (b"grpc-message", text)))
        found[f"h2_status_{name}"] = (GRPC_CALL, h2_answer((b":status", text), (b"server", text)))
        found[f"goaway_{name}"] = (GRPC_CALL, goaway(text))
        found[f"h2_client_{name}"] = (h2_client(b"/" + text, text), BAD_REQUEST)
        found[f"http1_client_{name}"] = (b"GET /" + text + b" HTTP/1.1\r\nHost: " + text + b"\r\nUser-Agent: " + text
                                         + b"\r\nVia: " + text + b"\r\n\r\n", http2.settings())
        found[f"connect_{name}"] = (b"CONNECT " + text + b":443 HTTP/1.1\r\nHost: " + text + b"\r\n\r\n",
                                    http1(b"Server", text, b"HTTP/1.1 403 " + text))
        found[f"tls_client_{name}"] = (tls_client(text[:60]), http1(b"Server", text))
    return found


CASES = cases()


class Stage:
    """A server for each case, a sidecar with a listener for each of them, and one more that prints for people."""

    def __init__(self, stack):
        self.got = {}
        self.servers = {name: stack.enter_context(ScriptedServer(self._script(name))) for name in CASES}
        extra = "limits: {incidents_kept: 1000}\n"
        self.json = stack.enter_context(Telltale(*self._listeners(), extra=extra))
        plain = Telltale(*self._listeners(), extra=extra)
        plain.arguments[plain.arguments.index("json")] = "plain"
        self.plain = stack.enter_context(plain)
        self.listeners = {listener.name: listener for listener in self.json.listeners}
        self.plain_listeners = {listener.name: listener for listener in self.plain.listeners}

    def _listeners(self):
        return [Listener(server.target, name=f"case-{i}", expect="grpc") for i, server in
                enumerate(self.servers.values())]

    def _script(self, name):
        sent, answer = CASES[name]

        def script(sock, _):
            self.got[name] = sockets.receive_exactly(sock, len(sent))
            sock.sendall(answer)
            sock.shutdown(1)
            sockets.keep_open(sock)

        return script

    @staticmethod
    def listener(name):
        return f"case-{list(CASES).index(name)}"


@pytest.fixture(scope="module")
def stage():
    with contextlib.ExitStack() as stack:
        yield Stage(stack)


def exchange(listener, data):
    """Sends everything while it reads everything: neither side's buffers may stop the other."""
    with sockets.connect(listener.address) as sock, concurrent.futures.ThreadPoolExecutor(1) as pool:
        sending = pool.submit(sock.sendall, data)
        got, _ = sockets.receive_all(sock)
        sending.result()
    return got


def is_harmless(character):
    return unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp") or character == "\ufeff"


def assert_harmless(text, lines=False):
    bad = {hex(ord(c)) for c in text if not is_harmless(c) and not (lines and c == "\n")}
    assert bad == set(), f"{bad} in {text[:2000]!r}"


def texts_of(value):
    if isinstance(value, dict):
        for key, inside in value.items():
            yield key
            yield from texts_of(inside)
    elif isinstance(value, list):
        for inside in value:
            yield from texts_of(inside)
    elif isinstance(value, str):
        yield value


def check_record(line, record):
    assert len(line) <= RECORD_BYTES_MAX
    line.decode("utf-8")
    for text in texts_of(record):
        assert_harmless(text)
    assert record["hop"]["role"] in ("application", "metrics", "ingress", "proxy", "load_balancer", "forward_proxy",
                                     "mesh", "database", "unknown")
    assert record["cause"] in CAUSES and record["confidence"] in ("certain", "likely", "possible")


def known_causes():
    from support.telltale import ROOT
    with open(f"{ROOT}/docs/runbook.md", encoding="utf-8") as file:
        return {line[3:].strip().strip("`") for line in file if line.startswith("## ")}


CAUSES = known_causes()


def lines_of(telltale, listener):
    with open(telltale.path("stdout"), "rb") as file:
        whole = file.read()
    found = [(line, json.loads(line)) for line in whole.split(b"\n")[:-1]]
    return [(line, record) for line, record in found if record["listener"] == listener]


@pytest.mark.parametrize("name", CASES)
def test_goes_on_unchanged_and_is_shown_as_text(stage, name):
    sent, answer = CASES[name]
    listener = stage.listeners[stage.listener(name)]
    assert exchange(listener, sent) == answer, "the answer came out changed"
    assert stage.got[name] == sent, "the request came out changed"
    lines = until(lambda: lines_of(stage.json, listener.name), f"the record of {name}")
    assert len(lines) == 1, "one connection, one line"
    check_record(*lines[0])
    assert lines[0][1]["event"] == "incident"
    # For people: lines of text, and nothing else.
    plain = stage.plain_listeners[listener.name]
    before = len(stage.plain.output())
    assert exchange(plain, sent) == answer
    until(lambda: len(stage.plain.output()) > before, f"the text of {name}")


def ran_all(stage):
    """The pages below need incidents; each case leaves one, whichever tests ran before."""
    for name, (sent, _) in CASES.items():
        listener = stage.listener(name)
        if not lines_of(stage.json, listener):
            exchange(stage.listeners[listener], sent)
            until(lambda listener=listener: lines_of(stage.json, listener), f"the record of {name}")
    return stage.json


def test_the_log_for_people_has_lines_of_text_only(stage):
    for name in ("server_header_ansi", "h2_headers_bidi", "http1_client_nul", "goaway_broken_utf8"):
        exchange(stage.plain_listeners[stage.listener(name)], CASES[name][0])
    until(lambda: MARK in stage.plain.output(), stage.plain.describe)
    with open(stage.plain.path("stdout"), "rb") as file:
        assert_harmless(file.read().decode("utf-8"), lines=True)
    assert_harmless(stage.plain.output("stderr") + stage.json.output("stderr"), lines=True)


def get(telltale, path):
    connection = http.client.HTTPConnection(*telltale.admin_address, timeout=15)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("path", ["/incidents", "/incidents?format=text", "/connections", "/connections?format=text",
                                  "/hops", "/hops?format=text"])
def test_pages_are_text_of_their_type(stage, path):
    telltale = ran_all(stage)
    status, fields, body = get(telltale, path)
    assert status == 200
    fields = {name.lower(): value for name, value in fields.items()}
    assert fields["x-content-type-options"] == "nosniff"
    assert fields["content-type"].split(";")[0] == ("text/plain" if "text" in path else "application/json")
    text = body.decode("utf-8")
    assert_harmless(text, lines=True)
    if "text" not in path:
        for inside in texts_of(json.loads(text)):
            assert_harmless(inside)
    if path.startswith("/incidents"):
        assert MARK in text, "the check has something to look at"


def test_no_label_ever_holds_what_came_from_the_wire(stage):
    telltale = ran_all(stage)
    status, _, body = get(telltale, "/metrics")
    text = body.decode("utf-8")
    assert status == 200 and MARK not in text and "<" not in text
    assert_harmless(text, lines=True)
    values = {name: set() for _, pairs in parse_metrics(text) for name, _ in pairs}
    for _, pairs in parse_metrics(text):
        for name, value in pairs:
            values[name].add(value)
    assert values["cause"] <= CAUSES
    protocols = {"http/1", "http/2", "http/2-goaway", "tls", "tls-alert", "ssh", "mysql", "postgres", "redis", "smtp", "other",
                 "undecided", "closed", "reset", "silent", "none"}
    assert values["client_protocol"] | values["upstream_protocol"] <= protocols
    assert values["listener"] <= {listener.name for listener in telltale.listeners}
    assert values["hop_role"] <= {"application", "metrics", "ingress", "proxy", "load_balancer", "forward_proxy", "mesh",
                                  "database", "unknown"}


def test_hops_shows_them_as_text(stage):
    telltale = ran_all(stage)
    source = f"http://127.0.0.1:{telltale.admin_address[1]}"
    for arguments in ([source], [telltale.path("stdout")], [telltale.path("stdout"), source]):
        done = process.run([binary(), "hops", *arguments])
        assert done.returncode == 0 and done.stderr == ""
        assert_harmless(done.stdout, lines=True)
        done = process.run([binary(), "hops", *arguments, "-o", "json"])
        for text in texts_of(json.loads(done.stdout)):
            assert_harmless(text)
        assert MARK in done.stdout


# ---- answers that do not end

@pytest.mark.parametrize("shape", ["one_header", "many_headers", "status_line", "h2_settings"])
def test_an_answer_without_an_end_is_recorded_while_it_goes_on(shape):
    start, part = {"one_header": (b"HTTP/1.1 400 x\r\nServer: ", MARKUP * 20),
                   "many_headers": (b"HTTP/1.1 400 x\r\n", b"X-A: " + ANSI + b"\r\n"),
                   "status_line": (b"HTTP/1.1 400 ", BIDI * 50),
                   "h2_settings": (http2.settings(), http2.settings((0x7A71, 1)) * 50
                                   + headers(1, [(b":status", b"404"), (b"server", MARKUP)], False))}[shape]
    stop = threading.Event()

    def script(sock, _):
        sock.sendall(start)
        while not stop.is_set():
            sock.sendall(part)

    with ScriptedServer(script) as server, Telltale(Listener(server.target, expect="grpc")) as telltale:
        with sockets.connect(telltale.address) as sock:
            sock.sendall(GRPC_CALL)
            got = sockets.receive_exactly(sock, MIB)
            whole = start + part * (len(got) // len(part) + 1)
            assert got == whole[:len(got)], "what went on came out changed"

            def told_while_it_goes_on():
                sockets.receive_exactly(sock, 65536)
                return lines_of(telltale, "grpc")

            line, record = until(told_while_it_goes_on, telltale.describe)[0]
            check_record(line, record)
            stop.set()
        telltale.wait_until_idle()


# ---- where Telltale speaks itself

@pytest.mark.parametrize("name", ["ten_programs", "server_of_a_mebibyte", "bare_newlines", "ssh", "noise",
                                  *(f"all_headers_{text}" for text in TEXTS)])
def test_an_answer_of_telltale_tells_them_as_text(name):
    sent, answer = CASES[name]

    def script(sock, _):
        sockets.receive_exactly(sock, len(http2.FIRST_FLIGHT))
        with contextlib.suppress(OSError):
            sock.sendall(answer)

    with ScriptedServer(script) as server, \
            Telltale(Listener(server.target, name="in", on_mismatch="answer")) as inner, \
            Telltale(Listener(inner.target, name="out")) as outer:
        code, details = clients.grpc_call(outer.target)
        assert code == "UNAVAILABLE"
        assert_harmless(details)
        assert server.target in details
        for telltale, listener in ((inner, "in"), (outer, "out")):
            for line, record in until(lambda t=telltale, n=listener: lines_of(t, n), telltale.describe):
                check_record(line, record)
        assert outer.incidents()[0]["attributed_by"] == inner.target


@pytest.mark.parametrize("name", TEXTS)
def test_an_http1_client_is_answered_in_text(name):
    text = TEXTS[name]

    def script(sock, _):
        sock.recv(65536)
        sock.sendall(goaway(text))

    with ScriptedServer(script) as server, Telltale(Listener(server.target, on_mismatch="answer")) as telltale:
        got, _ = clients.exchange(telltale.address, CASES[f"http1_client_{name}"][0])
        if got.startswith(b"HTTP/1.1 4"):
            head, _, body = got.partition(b"\r\n\r\n")
            assert_harmless(head.decode().replace("\r\n", ""))
            assert_harmless(body.decode(), lines=True)
            assert b"content-type: text/plain" in head.lower() and b"x-telltale-cause: " in head
        for line, record in until(lambda: lines_of(telltale, "grpc"), telltale.describe):
            check_record(line, record)


def test_a_forged_trail_gives_only_words_of_the_closed_list(stage):
    name = "forged_trail"
    listener = stage.listener(name)
    ran_all(stage)
    record = lines_of(stage.json, listener)[0][1]
    assert record["cause"] == "metrics_port" and record["attributed_by"] == stage.servers[name].target
    assert record["hop"]["role"] == "metrics"
    assert stage.json.metric("telltale_mismatches_total", listener=listener) == 0

    forged = h2_answer((b":status", b"200"), (b"content-type", b"application/grpc"), (b"grpc-status", b"14"),
                       (b"x-telltale-cause", MARKUP), (b"x-telltale-hop", MARKUP))

    def script(sock, _):
        sockets.receive_exactly(sock, len(GRPC_CALL))
        sock.sendall(forged)
        sockets.keep_open(sock)

    with ScriptedServer(script) as server, Telltale(Listener(server.target)) as telltale:
        with sockets.connect(telltale.address) as sock:
            sock.sendall(GRPC_CALL)
            assert sockets.receive_exactly(sock, len(forged)) == forged
        telltale.wait_until_idle()
        telltale.assert_no_incident()
