"""telltale explain reads what real programs print, as their users paste it."""
import contextlib
import json
import os
import signal
import subprocess

import pytest

from support import clients, peers, process
from support.telltale import binary
from support.wait import PATIENCE, until

HTTP1_CAUSES = {"metrics_port", "http1_proxy", "http1_application"}


def explain(*arguments, data=None):
    """(exit code, stdout, stderr)"""
    environment = process.clean_environment({"NO_COLOR": "1"})
    done = subprocess.run([binary(), "explain", *arguments], input=data if data is not None else b"", env=environment,
                          capture_output=True, timeout=120, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def findings(*arguments, data=None):
    code, out, err = explain(*arguments, "-o", "json", data=data)
    assert code == 0, (arguments, out, err)
    return [json.loads(line) for line in out.splitlines()]


def first_cause(finding):
    return finding["causes"][0]["cause"]


# ---- fresh texts of real clients

@pytest.mark.parametrize("language, expected", [
    ("go", "grpc_go_http1_header"), ("cpp", "core_http1x"), ("python", "core_http1x"), ("js", "js_protocol_error")])
def test_a_grpc_client_on_a_metrics_port(language, expected):
    with peers.Prometheus() as server:
        text = clients.call(language, server.target)["text"]
    found = findings(text)
    # A newer C-core says the status, too.
    assert found[0]["id"].startswith(expected), text
    assert HTTP1_CAUSES & {cause["cause"] for cause in found[0]["causes"]}
    assert all("runbook.md#" in cause["runbook"] for cause in found[0]["causes"])
    if server.target in text:
        assert f"telltale probe {server.target}" in found[0]["next"]


@pytest.mark.parametrize("language", ["go", "cpp", "python", "js"])
def test_a_grpc_client_whose_connection_is_refused(language):
    with peers.ClosedPort() as port:
        found = findings(clients.call(language, port.target)["text"])
    assert len(found) == 1 and first_cause(found[0]) == "refused", found
    assert f"telltale probe {port.target}" in found[0]["next"]


@pytest.mark.parametrize("language", ["go", "cpp", "js"])
def test_a_plaintext_client_on_a_tls_port(language):
    with peers.OpensslServer("-alpn", "h2") as server:
        text = clients.call(language, server.target)["text"]
    causes = {cause["cause"] for cause in findings(text)[0]["causes"]}
    assert "tls_required" in causes, (text, causes)


@pytest.mark.parametrize("language", ["go", "cpp", "js"])
def test_a_client_of_a_proxy_whose_backend_is_no_grpc(language):
    with peers.PythonHttp() as backend, \
            peers.Nginx(f"location / {{ grpc_pass grpc://{backend.target}; }}", listen="http2") as proxy:
        text = clients.call(language, proxy.target)["text"]
        log = proxy.path("error.log")
        until(lambda: "http2 frame" in read(log), lambda: f"nginx's error log:\n{read(log)}")
        found = findings("--file", log)
    assert first_cause(findings(text)[0]) == "http2_not_grpc", text
    frames = [finding for finding in found if finding["id"] == "nginx_h2_frame"]
    assert len(frames) == 1 and first_cause(frames[0]) == "metrics_port", found
    assert "<!D" in " ".join(frames[0]["notes"]), "Python's http.server begins with HTML"
    assert frames[0]["addresses"][0]["address"] == backend.target
    assert frames[0]["first_time"] and frames[0]["first_line"] >= 1


def read(path):
    with contextlib.suppress(FileNotFoundError), open(path, encoding="utf-8", errors="replace") as file:
        return file.read()
    return ""


def test_nginx_that_asks_a_grpc_server_in_http1():
    with peers.Echo("go") as backend, \
            peers.Nginx(f"location / {{ proxy_pass http://{backend.target}; }}", listen="http2") as proxy:
        clients.grpc_call(proxy.target)
        log = proxy.path("error.log")
        until(lambda: "no valid HTTP/1.0 header" in read(log), lambda: f"nginx's error log:\n{read(log)}")
        found = {finding["id"]: finding for finding in findings("--file", log)}
    assert first_cause(found["nginx_no_valid_header"]) == "downgraded_by_proxy"


@pytest.mark.parametrize("arguments, expected", [
    ((), "curl_http09"), (("--insecure", "https"), "openssl_wrong_version")])
def test_curl_on_a_grpc_port(arguments, expected):
    with peers.Echo("go") as server:
        scheme = "https" if "https" in arguments else "http"
        done = process.run([process.find_program("curl"), "--silent", "--show-error", "--insecure",
                            f"{scheme}://{server.target}/"])
    assert findings(data=done.stderr.encode())[0]["id"] == expected, done.stderr


def test_haproxy_that_asks_a_grpc_server_in_http1_shows_a_page_that_is_known():
    with peers.Echo("go") as backend, peers.Haproxy(backend.target) as proxy:
        text = clients.call("go", proxy.target)["text"]
    assert first_cause(findings(text)[0]) == "http2_not_grpc", text
    # The termination state of the same call, as HAProxy's own log has it.
    line = ('haproxy[7]: 127.0.0.1:54378 [23/Nov/2026:10:00:19.373] in out/one 0/0/1/-1/1 502 209 - - PH-- '
            '1/1/0/0/0 0/0 "POST /telltale.test.Echo/Unary HTTP/2.0"\n')
    assert first_cause(findings(data=line.encode())[0]) == "downgraded_by_proxy"


# ---- hex, numbers, logs

@pytest.mark.parametrize("text, said", [
    ("4740180", "HTT"), ("1503030002022a", "TLS alert"), ("485454502f312e3120343030", "HTTP/1.1 400"),
    ("UNAVAILABLE", "gRPC status 14"), ("HTTP status 464", "AWS"), ("UPE", "protocol")])
def test_numbers_bytes_and_codes(text, said):
    code, out, _ = explain(text)
    assert code == 0 and said in out, out
    assert "\x1b" not in out


def test_several_words_are_one_text():
    assert findings("frame", "with", "invalid", "size")[0]["id"] == "h2_invalid_size"


def test_a_dump_on_standard_input():
    dump = (b"00000000: 5353 482d 322e 302d 4f70 656e 5353 485f  SSH-2.0-OpenSSH_\n"
            b"00000010: 392e 320d 0a                             9.2..\n")
    assert first_cause(findings(data=dump)[0]) == "other_protocol"


def test_a_log_gives_each_finding_once_with_its_lines():
    line = b'{"ts":"2026-11-23T10:00:0%dZ","err":"dial tcp 10.0.0.1:50051: connect: connection refused"}\n'
    log = b"started\n" + b"".join(line % (i % 10) for i in range(1000)) + b"\xff\xfe\x00 junk \x1b[31m\n"
    found = findings(data=log)
    assert [(f["id"], f["count"], f["first_line"], f["last_line"]) for f in found] == [("go_refused", 1000, 2, 1001)]
    assert found[0]["first_time"] == "2026-11-23T10:00:00Z"


def resident_peak(pid):
    for line in read(f"/proc/{pid}/status").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def test_an_endless_line_does_not_fill_the_memory():
    chunk = b"x" * 65536
    with subprocess.Popen([binary(), "explain"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as child:
        for _ in range(64 * 16):  # 64 MiB
            child.stdin.write(chunk)
        child.stdin.flush()
        peak = resident_peak(child.pid)
        child.stdin.write(b" error reading server preface: http2: frame too large")
        out, err = child.communicate(timeout=120)
    assert child.returncode == 0, err
    assert b"frame too large" in out
    assert 0 < peak < 48 << 20, peak


def test_ctrl_c_tells_what_was_found_until_then():
    with subprocess.Popen([binary(), "explain"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as child:
        child.stdin.write(b"curl: (52) Empty reply from server\n")
        child.stdin.flush()
        until(lambda: waits_for_input(child), "the line to be read")
        child.send_signal(signal.SIGINT)
        out = child.stdout.read()
        assert child.wait(PATIENCE) == 0
    assert b"curl" in out


def waits_for_input(child):
    """Its pipe is empty and it sleeps: everything was read."""
    import array
    import fcntl
    import termios
    waiting = array.array("i", [0])
    fcntl.ioctl(child.stdin, termios.FIONREAD, waiting)
    return waiting[0] == 0 and "\nState:\tS" in read(f"/proc/{child.pid}/status")


# ---- the ends

def test_nothing_recognised():
    code, out, err = explain("all is well")
    assert (code, out) == (1, "") and "telltale explain --list" in err
    code, out, err = explain(data=b"all is well\n")
    assert (code, out) == (1, "") and "nothing recognised" in err


def test_an_empty_and_a_closed_standard_input():
    assert explain(data=b"")[0] == 1
    done = subprocess.run(f"exec '{binary()}' explain <&-", shell=True, capture_output=True, timeout=60, check=False)
    assert done.returncode == 1 and b"nothing recognised" in done.stderr


def test_wrong_usage():
    assert explain("--frobnicate")[0] == 64
    assert explain("-o", "xml", "14")[0] == 64
    assert explain("--file", "/dev/null", "14")[0] == 64
    assert explain("--file", "/nonexistent/app.log")[0] == 66


def test_on_a_terminal_without_a_text_it_shows_examples():
    controller, terminal = os.openpty()
    try:
        done = subprocess.run([binary(), "explain"], stdin=terminal, capture_output=True, timeout=60, check=False)
    finally:
        os.close(controller)
        os.close(terminal)
    assert done.returncode == 64 and b"telltale explain 4740180" in done.stderr


def test_the_list_has_every_text_and_each_is_recognised_from_the_list_itself():
    code, out, _ = explain("--list")
    assert code == 0
    ids = [line.split("\t")[0] for line in out.splitlines()]
    assert len(ids) >= 90 and len(set(ids)) == len(ids)
    assert len(findings(data=out.encode())) >= 90


def test_hostile_text_is_escaped_and_stays_one_line_of_json():
    hostile = b'Failed parsing HTTP/2 \x1b]0;pwned\x07<script>\xff"\\ ipv4:$(reboot):80 \x00'
    found = findings(data=hostile)
    assert len(found) == 1
    assert found[0]["next"] == ["telltale probe HOST:PORT"]
    code, out, _ = explain(data=hostile)
    assert code == 0 and "\x1b" not in out and "\x07" not in out


def test_a_record_of_telltale_in_a_log_is_known():
    record = (b'{"ts":"2026-11-22T22:01:37.396Z","level":"warning","event":"incident","id":"7","cause":"metrics_port",'
              b'"confidence":"certain"}\n')
    found = findings(data=record)
    assert found[0]["id"] == "telltale_incident" and first_cause(found[0]) == "metrics_port"


def test_the_runbook_may_lie_elsewhere():
    found = findings("--runbook-url", "https://runbooks.example/telltale", "4740180")
    assert found[0]["causes"][0]["runbook"] == "https://runbooks.example/telltale#metrics_port"
