"""`telltale hops`: what several sidecars saw, joined into paths, with real programs at both ends and between."""
import concurrent.futures
import contextlib
import json
import os
import pty
import subprocess

import pytest

from support import clients, http2, netns, peers, process, sockets
from support.ports import free_port
from support.sockets import ScriptedServer, receive_until
from support.telltale import Listener, Telltale, binary
from support.wait import until


def hops(*arguments, data=None, prefix=()):
    """The window is wide: on a busy machine a proxy may take its time between two sidecars."""
    return process.run([binary(), "hops", "--window", "60", *arguments], data=data, prefix=prefix)


def joined(*sources, data=None, prefix=()):
    """The JSON of a run that must succeed."""
    done = hops(*sources, "-o", "json", data=data, prefix=prefix)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def admin(telltale):
    return f"http://127.0.0.1:{telltale.admin_address[1]}"


def node(name):
    return ["--node-name", name]


def labels(path):
    return [(place["kind"], place["address"]) for place in path["places"]]


def only_path(result):
    assert len(result["paths"]) == 1, json.dumps(result["paths"], indent=1)
    return result["paths"][0]


def guilty(path):
    return path["places"][path["fault"]]


def first_seen_by(path):
    return path["places"][path["first_seen_by"]]


def call(address, path="/telltale.test.Echo/Unary"):
    """One gRPC call by hand; returns when it was answered, or the connection ended."""
    with sockets.connect(address) as sock:
        sock.sendall(http2.FIRST_FLIGHT + http2.grpc_request(path=path))
        receive_until(sock, lambda data: any(kind == http2.HEADERS for kind, *_ in http2.frames(data)))


def wait_for_incidents(telltale, count):
    until(lambda: telltale.metric("telltale_incidents_total") >= count, telltale.describe)
    until(lambda: sum(group["count"] for group in groups(telltale)) >= count, telltale.describe)


def groups(telltale):
    return json.loads(telltale.get("/incidents")[1])


def ingress(back, **options):
    """nginx that dials `back` from its own address, as a pod does."""
    host = options.setdefault("host", "127.0.0.7")
    return peers.Nginx(f"location / {{ grpc_bind {host}; grpc_pass grpc://{back}; }}", listen="http2", **options)


@contextlib.contextmanager
def around_an_ingress():
    """outer sidecar, nginx, inner sidecar, a server of HTTP/1."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(peers.PythonHttp())
        inner = stack.enter_context(Telltale(Listener(server.target, name="inner",
                                                      listen=f"127.0.0.2:{free_port()}"), arguments=node("host")))
        nginx = stack.enter_context(ingress(inner.target))
        outer = stack.enter_context(Telltale(Listener(nginx.target, name="outer", direction="outbound"),
                                             arguments=node("host")))
        yield outer, nginx, inner, server


# ---- one after the other

@pytest.mark.parametrize("outer_policy", ["observe", "answer"])
@pytest.mark.parametrize("inner_policy", ["observe", "answer"])
def test_two_sidecars_in_a_row_are_joined_by_their_connection(outer_policy, inner_policy):
    with peers.PythonHttp() as server, \
            Telltale(Listener(server.target, name="in", on_mismatch=inner_policy), arguments=node("b")) as inner, \
            Telltale(Listener(inner.target, name="out", direction="outbound", on_mismatch=outer_policy),
                     arguments=node("a")) as outer:
        code, _ = clients.grpc_call(outer.target)
        assert code != "OK"
        wait_for_incidents(inner, 1)
        wait_for_incidents(outer, 1)
        path = only_path(joined(admin(outer), admin(inner)))
        assert [place["kind"] for place in path["places"]] == ["client", "telltale", "telltale", "upstream"]
        assert [place["label"] for place in path["places"][:3]] == ["a", "a/out", "b/in"]
        assert guilty(path)["address"] == server.target
        assert first_seen_by(path)["label"] == "b/in"
        assert path["passed_on_by"] == [1]
        assert path["cause"] == inner.incidents()[0]["cause"]
        assert [(link["by"], link["confidence"]) for link in path["links"]] == [("connection", "certain")]
        told = outer.incidents()[0].get("attributed_by")
        assert (told == inner.target) == (inner_policy == "answer"), outer.incidents()
        text = hops(admin(outer), admin(inner))
        assert text.returncode == 0 and text.stderr == ""
        assert text.stdout.startswith(path["verdict"] + "\n")
        assert "\x1b" not in text.stdout


def test_the_order_of_the_sources_does_not_matter():
    with peers.PythonHttp() as server, Telltale(Listener(server.target), arguments=node("b")) as inner, \
            Telltale(Listener(inner.target), arguments=node("a")) as outer:
        clients.grpc_call(outer.target)
        wait_for_incidents(inner, 1)
        wait_for_incidents(outer, 1)
        one = joined(admin(outer), admin(inner))
        other = joined(admin(inner), admin(outer))
        assert one["paths"][0]["verdict"] == other["paths"][0]["verdict"]
        assert labels(one["paths"][0]) == labels(other["paths"][0])


def test_three_sidecars_and_a_trail_that_the_middle_one_hands_on():
    closed = peers.ClosedPort()
    with Telltale(Listener(closed.target, on_mismatch="answer"), arguments=node("c")) as inner, \
            Telltale(Listener(inner.target), arguments=node("b")) as middle, \
            Telltale(Listener(middle.target), arguments=node("a")) as outer:
        clients.grpc_call(outer.target)
        for telltale in (inner, middle, outer):
            wait_for_incidents(telltale, 1)
        path = only_path(joined(admin(inner), admin(outer), admin(middle)))
        assert [place["name"] for place in path["places"][1:4]] == ["a", "b", "c"]
        assert path["cause"] == "refused" and guilty(path)["address"] == closed.target

        # Without the middle one the trail still leads to the inner one, but not by a connection.
        path = only_path(joined(admin(outer), admin(inner)))
        assert [place["name"] for place in path["places"] if place["kind"] == "telltale"] == ["a", "c"]
        assert path["links"][0]["by"] == "trail" and path["confidence"] != "certain"

        # The outer one alone knows who was blamed, and that another Telltale said so.
        path = only_path(joined(admin(outer)))
        assert [place["kind"] for place in path["places"]] == ["client", "telltale", "unread", "upstream"]
        assert guilty(path)["address"] == closed.target


def test_a_client_at_fault_is_found_by_the_outermost_sidecar():
    with peers.Echo("python") as server, Telltale(Listener(server.target), arguments=node("b")) as inner, \
            Telltale(Listener(inner.target), arguments=node("a")) as outer:
        clients.http1_get(outer.address, "/metrics", user_agent="Prometheus/2.42.0")
        wait_for_incidents(inner, 1)
        wait_for_incidents(outer, 1)
        path = only_path(joined(admin(outer), admin(inner)))
        assert path["cause"] == "metrics_scraper" and path["position"] == "client"
        assert guilty(path)["kind"] == "client" and first_seen_by(path)["label"].startswith("a/")


def test_unix_sockets_join_sidecars_of_one_node(tmp_path):
    between = f"unix:{tmp_path}/between.sock"
    with peers.PythonHttp() as server, \
            Telltale(Listener(server.target, listen=between, name="in"), arguments=node("a")) as inner, \
            Telltale(Listener(between, name="out"), arguments=node("a")) as outer:
        clients.grpc_call(outer.target)
        wait_for_incidents(inner, 1)
        wait_for_incidents(outer, 1)
        assert inner.incidents()[0]["client"]["reached"] == between
        assert "from" not in outer.incidents()[0]["upstream"]
        path = only_path(joined(admin(outer), admin(inner)))
        assert path["links"][0]["by"] == "listener"
        assert guilty(path)["address"] == server.target


# ---- through a proxy that is no Telltale

def test_a_path_through_nginx_is_joined_by_address_time_and_request(tmp_path):
    with around_an_ingress() as (outer, nginx, inner, server):
        code, _ = clients.grpc_call(outer.target)
        assert code == "UNAVAILABLE"
        wait_for_incidents(inner, 1)
        wait_for_incidents(outer, 1)
        path = only_path(joined(admin(outer), admin(inner)))
        assert labels(path)[2:] == [("hop", nginx.target), ("telltale", inner.target), ("upstream", server.target)]
        hop = path["places"][2]
        assert (hop["software"], hop["status"]) == ("nginx", 502)
        assert guilty(path)["address"] == server.target
        assert path["passed_on_by"] == [1, 2]
        link = path["links"][0]
        assert (link["by"], link["confidence"], link["direct"]) == ("host", "likely", False)
        assert path["confidence"] == "likely", "it is never certain without the connection"
        assert "nginx only passed it on as 502." in path["verdict"]

        # The same from logs, from saved pages, from standard input, and from a mixture.
        page = tmp_path / "incidents.json"
        page.write_text(inner.get("/incidents")[1])
        log = tmp_path / "outer.log"
        log.write_text("starting\n" + "".join(f"2026-01-01T00:00:00Z stdout F {line}\n"
                                              for line in outer.output().splitlines()) + "{\"level\": \"info\"}\n")
        for sources in ((log, page), (log, admin(inner)), (outer.path("stdout"), inner.path("stdout")),
                        ("-", page)):
            data = outer.output().encode() if "-" in sources else None
            again = only_path(joined(*sources, data=data))
            assert again["verdict"] == path["verdict"], sources
            assert labels(again) == labels(path)


def test_three_hosts_with_addresses_of_their_own():
    with netns.Namespace() as namespace, contextlib.ExitStack() as stack:
        for address in ("198.51.100.2", "198.51.100.3", "198.51.100.4"):
            namespace.run(["ip", "address", "add", address + "/24", "dev", "veth-in"], check=True)
        server = stack.enter_context(peers.Nginx(host="198.51.100.4", namespace=namespace))
        inner = stack.enter_context(Namespaced(namespace, Listener(server.target, name="in",
                                                                   listen="198.51.100.4:15260"), "group-rpc"))
        nginx = stack.enter_context(ingress(inner.target, host="198.51.100.3", namespace=namespace))
        outer = stack.enter_context(Namespaced(namespace, Listener(nginx.target, name="out", direction="outbound",
                                                                   listen="198.51.100.2:15971"), "openim-api"))
        namespace.call(call, outer.address)
        wait_for_incidents(inner, 1)
        wait_for_incidents(outer, 1)
        path = only_path(joined(admin(outer), admin(inner), prefix=namespace.prefix))
        assert labels(path)[1:] == [("telltale", outer.target), ("hop", nginx.target), ("telltale", inner.target),
                                    ("upstream", server.target)]
        assert path["confidence"] == "likely" and path["cause"] == "http1_proxy"
        assert path["verdict"].startswith(f"openim-api → nginx {nginx.target} → nginx {server.target}: "
                                          "the fault is probably at the last hop")


class Namespaced(Telltale):
    """A sidecar in a network namespace, asked from inside it."""

    def __init__(self, namespace, listener, name):
        super().__init__(listener, namespace=namespace, arguments=node(name))


def test_an_ingress_behind_another_address_is_found_when_it_is_told(tmp_path):
    with around_an_ingress() as (outer, nginx, inner, _):
        call(outer.address)
        wait_for_incidents(inner, 1)
        wait_for_incidents(outer, 1)
        # As if the client had dialled a Service's address: the kernel translates it, both ends keep their own.
        page = tmp_path / "outer.json"
        page.write_text(outer.get("/incidents")[1].replace(nginx.target, f"127.0.0.77:{nginx.port}"))
        assert len(joined(page, admin(inner))["paths"]) == 2
        path = only_path(joined(page, admin(inner), "--alias", "127.0.0.99=127.0.0.98", "--alias",
                                "127.0.0.77=127.0.0.7"))
        assert path["links"][0]["by"] == "host" and path["places"][2]["address"].startswith("127.0.0.77:")


def test_a_proxy_that_turns_grpc_into_http1_is_at_fault_itself():
    with peers.Echo("python") as echo, \
            Telltale(Listener(echo.target, name="in", listen=f"127.0.0.2:{free_port()}"), arguments=node("a")) as inner, \
            peers.Nginx(f"location / {{ proxy_bind 127.0.0.7; proxy_pass http://{inner.target}; }}", listen="http2",
                        host="127.0.0.7") as nginx, \
            Telltale(Listener(nginx.target, name="out"), arguments=node("a")) as outer:
        clients.grpc_call_through_proxy_pass(outer.target, inner, "in", echo)
        wait_for_incidents(inner, 1)
        wait_for_incidents(outer, 1)
        path = only_path(joined(admin(outer), admin(inner)))
        assert path["cause"] == "downgraded_by_proxy"
        assert guilty(path)["address"] == nginx.target and guilty(path)["kind"] == "hop"


# ---- several at once

def test_faults_of_two_clients_behind_one_ingress_are_kept_apart_and_healthy_calls_stay_out():
    with contextlib.ExitStack() as stack:
        enter = stack.enter_context
        echo, server, closed = enter(peers.Echo("python")), enter(peers.PythonHttp()), peers.ClosedPort()
        inner = enter(Telltale(*(Listener(target, name=name, listen=f"127.0.0.2:{free_port()}")
                                 for name, target in (("healthy", echo.target), ("group", server.target),
                                                      ("friend", closed.target))), arguments=node("host")))
        healthy, group, friend = inner.listeners
        locations = "".join(f"location {path} {{ grpc_bind 127.0.0.7; grpc_pass grpc://{listener.target}; }}"
                            for path, listener in (("/telltale.test.Echo/", healthy), ("/group/", group),
                                                   ("/friend/", friend)))
        nginx = enter(peers.Nginx(locations, listen="http2", host="127.0.0.7"))
        api = enter(Telltale(Listener(nginx.target, name="api"), arguments=node("host")))
        chat = enter(Telltale(Listener(nginx.target, name="chat"), arguments=node("host")))
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            calls = [pool.submit(call, api.address, "/group/Get"), pool.submit(call, chat.address, "/friend/Get")]
            assert clients.grpc_call(api.target)[0] == "OK"
            assert clients.grpc_call(chat.target)[0] == "OK"
            for one in calls:
                one.result()
        wait_for_incidents(inner, 2)
        wait_for_incidents(api, 1)
        wait_for_incidents(chat, 1)
        result = joined(admin(api), admin(chat), admin(inner))
        found = {path["places"][1]["label"]: path for path in result["paths"]}
        assert sorted(found) == ["host/api", "host/chat"]
        assert guilty(found["host/api"])["address"] == server.target
        assert guilty(found["host/chat"])["address"] == closed.target
        assert found["host/chat"]["cause"] == "refused"
        assert found["host/api"]["confidence"] == "likely"
        assert found["host/chat"]["confidence"] != "certain", "who is refused is not asked for the path any more"
        assert echo.target not in json.dumps(result), "who is healthy is in no path"


def test_what_fits_twice_is_only_possible():
    """Two clients ask the same of one ingress at the same time; one of them is answered by itself."""
    with contextlib.ExitStack() as stack:
        enter = stack.enter_context
        server = enter(peers.PythonHttp())
        inner = enter(Telltale(Listener(server.target, name="in", listen=f"127.0.0.2:{free_port()}"),
                               arguments=node("host")))
        nginx = enter(ingress(inner.target))
        outer = [enter(Telltale(Listener(nginx.target, name=name), arguments=node("host"))) for name in ("one", "two")]
        call(outer[0].address)
        wait_for_incidents(inner, 1)
        dead = enter(peers.ClosedPort())
        other = enter(ingress(dead.target))
        # The second client's ingress never asks the inner sidecar, and has the same address.
        lonely = enter(Telltale(Listener(other.target, name="three"), arguments=node("host")))
        call(lonely.address)
        wait_for_incidents(lonely, 1)
        wait_for_incidents(outer[0], 1)
        result = joined(admin(outer[0]), admin(lonely), admin(inner))
        for path in result["paths"]:
            assert path["confidence"] == "possible" or not path["links"], path["verdict"]
        assert any("may be" in path["verdict"] for path in result["paths"])


def test_repeats_are_one_path_with_a_count():
    with peers.PythonHttp() as server, Telltale(Listener(server.target), arguments=node("b")) as inner, \
            Telltale(Listener(inner.target), arguments=node("a")) as outer:
        for _ in range(5):
            call(outer.address)
        wait_for_incidents(inner, 5)
        wait_for_incidents(outer, 5)
        path = only_path(joined(admin(outer), admin(inner)))
        assert path["count"] == 5 and first_seen_by(path)["count"] == 5
        assert path["places"][0]["address"] == "127.0.0.1", "each call had a port of its own"
        assert path["links"][0]["by"] == "connection"


# ---- sources that are not as they should be

def test_a_sidecar_that_is_down_is_told_and_the_rest_is_joined():
    with peers.PythonHttp() as server, Telltale(Listener(server.target)) as telltale, peers.silent() as silent:
        clients.grpc_call(telltale.target)
        wait_for_incidents(telltale, 1)
        closed = peers.ClosedPort()
        done = hops(f"http://{closed.target}", admin(telltale), f"http://{silent.target}", f"http://{server.target}",
                    "--timeout", "0.5", "-o", "json")
        assert done.returncode == 0
        assert f"http://{closed.target}: can't be reached: Connection refused" in done.stderr
        assert f"http://{silent.target}: no answer within 0.5 s" in done.stderr
        assert f"http://{server.target}: answered 404 to GET /incidents" in done.stderr
        result = json.loads(done.stdout)
        assert [source["read"] for source in result["sources"]] == [False, True, False, False]
        assert guilty(only_path(result))["address"] == server.target


def test_nothing_that_can_be_read_is_an_error():
    closed = peers.ClosedPort()
    done = hops(f"http://{closed.target}", "/does/not/exist.log")
    assert done.returncode == 1 and done.stdout == ""
    assert "can't be reached" in done.stderr and "/does/not/exist.log: can't be opened" in done.stderr


def test_no_incidents_is_no_error_and_said(tmp_path):
    with peers.Echo("python") as server, Telltale(Listener(server.target)) as telltale:
        assert clients.grpc_call(telltale.target)[0] == "OK"
        done = hops(admin(telltale))
        assert (done.returncode, done.stdout) == (0, "no incidents in 1 of 1 source\n")
    empty = tmp_path / "empty.log"
    empty.write_text("")
    assert hops(empty).returncode == 0


def test_a_file_without_json_is_bad_input_and_the_rest_is_joined(tmp_path):
    plain = tmp_path / "plain.log"
    plain.write_text("2026-11-22T22:01:37.396Z metrics_port (certain): 10.244.2.9:12260 answered HTTP/1.1 400\n")
    good = tmp_path / "good.log"
    good.write_text('{"event":"incident","cause":"refused","upstream":{"address":"10.0.0.1:80"}}\n')
    done = hops(plain, good)
    assert done.returncode == 65
    assert "plain.log: no JSON in it" in done.stderr
    assert "10.0.0.1:80" in done.stdout
    assert hops(tmp_path).returncode == 1, "a folder"


def test_hostile_files_are_bounded_and_told(tmp_path):
    file = tmp_path / "hostile.log"
    bad = "\\u001b[31m<script>\\u202e\\u0000" + "\u202e\u009b" + "x" * 3000
    file.write_bytes(b"\xff\x00\x1b[2J\n" + b"{" * 1000000 + b"\n" + b"[" * 1000000 + b"\n"
                     + b'{"event":"incident","a":' + b"[" * 100000 + b"\n"
                     + b'{"event":"incident","cause":"' + b"y" * 2000000 + b'"}\n'
                     + b'{"event":"incident","cause":[],"client":7,"upstream":{"status":"x"},"ts":-1}\n'
                     + json.dumps({"event": "incident", "cause": "B", "node": "B", "explanation": "B",
                                   "hop": {"evidence": ["B"] * 1000, "software": "B", "position": "upstream"},
                                   "upstream": {"address": "B"}}).replace("B", bad).encode() + b"\n")
    done = hops(file)
    assert done.returncode == 0, done.stderr
    assert "2 records are broken" in done.stderr and "another type" in done.stderr
    assert_clean(done.stdout + done.stderr)
    assert len(done.stdout) < 65536
    assert_clean(hops(file, "-o", "json").stdout)


def assert_clean(text):
    bad = [hex(ord(c)) for c in text if (ord(c) < 32 and c != "\n") or 127 <= ord(c) < 160 or c in "\u202e\u2066"]
    assert bad == [], bad


def test_wrong_usage():
    assert hops().returncode == 64
    assert hops("-", "--output", "yaml", data=b"").returncode == 64
    assert hops("-", "--skew", "-1", data=b"").returncode == 64
    assert hops("-", "--alias", "10.96.0.7", data=b"").returncode == 64
    done = hops("--help")
    assert done.returncode == 0 and "telltale hops http://" in done.stdout


def test_colours_only_on_a_terminal(tmp_path):
    log = tmp_path / "a.log"
    log.write_text('{"event":"incident","cause":"refused","upstream":{"address":"10.0.0.1:80"}}\n')

    def on_terminal(**environment):
        ours, theirs = pty.openpty()
        with os.fdopen(ours, "rb", buffering=0) as screen:
            with subprocess.Popen([binary(), "hops", str(log)], stdout=theirs, stderr=theirs,
                                  env={**process.clean_environment(), **environment}) as child:
                os.close(theirs)
                shown = b""
                with contextlib.suppress(OSError):  # EIO: the other side is closed
                    while part := screen.read(4096):
                        shown += part
            assert child.returncode == 0
        return shown

    assert b"\x1b[1;31m" in on_terminal()
    assert b"\x1b" not in on_terminal(NO_COLOR="1")


# ---- the records, and the process's own view

def test_a_record_tells_both_ends_of_both_connections():
    ends = {}

    def script(sock, _):
        ends["upstream"] = sock.getpeername()
        sock.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")

    with ScriptedServer(script) as server, \
            Telltale(Listener(server.target, listen=f"0.0.0.0:{free_port()}")) as telltale:
        with sockets.connect(("127.0.0.5", telltale.address[1])) as sock:
            ends["client"] = sock.getsockname()
            sock.sendall(http2.FIRST_FLIGHT)
            sockets.receive_all(sock)
        record = telltale.wait_for_incident()
        assert record["client"]["address"] == "%s:%d" % ends["client"]
        assert record["client"]["reached"] == f"127.0.0.5:{telltale.address[1]}", "not 0.0.0.0"
        assert record["upstream"]["from"] == "%s:%d" % ends["upstream"]
        assert record["upstream"]["address"] == server.target


@pytest.mark.parametrize("policy", ["observe", "answer", "reset"])
def test_a_record_tells_them_also_when_both_sides_reset(policy):
    with peers.resets_at_once() as server, Telltale(Listener(server.target, on_mismatch=policy)) as telltale:
        with contextlib.suppress(OSError), sockets.connect(telltale.address) as sock:
            sock.sendall(http2.FIRST_FLIGHT)
            sockets.receive_until(sock, lambda data: len(data) >= 9)
            sockets.reset(sock)
        record = telltale.wait_for_incident()
        assert record["client"]["reached"] == telltale.target
        assert record["upstream"]["from"].startswith("127.0.0.1:")
        assert record["upstream"]["from"] != record["client"]["address"]


def test_an_upstream_that_was_not_reached_was_dialled_from_nowhere():
    with Telltale(Listener(peers.ClosedPort().target)) as telltale:
        clients.grpc_call(telltale.target)
        record = telltale.wait_for_incident()
        assert "from" not in record["upstream"] and record["client"]["reached"] == telltale.target


def test_the_admin_server_shows_the_paths_of_its_own_process():
    with peers.PythonHttp() as server:
        inner = Listener(server.target, name="inner")
        with Telltale(Listener(inner.target, name="outer"), inner) as telltale:
            clients.grpc_call(telltale.listeners[0].target)
            wait_for_incidents(telltale, 2)
            status, page = telltale.get("/hops")
            path = only_path(json.loads(page))
            assert status == 200 and path["links"][0]["by"] == "connection"
            assert path == only_path(joined(admin(telltale)))
            status, text = telltale.get("/hops?format=text")
            assert status == 200 and text.startswith(path["verdict"] + "\n")
