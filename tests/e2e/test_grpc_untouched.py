"""gRPC passes through untouched: every kind of call, four stacks, the same bytes on both legs, no incident."""
import json
import os
import tempfile

import pytest

from support import clients, http2, peers, sockets
from support.ports import free_port
from support.recorder import Recorder, assert_same_bytes
from support.telltale import Listener, Telltale

STACKS = ("cpp", "python", "go", "js")


def assert_untouched(telltale, connections):
    telltale.assert_no_incident()
    telltale.wait_for_metric(connections, "telltale_connections_total", listener="grpc", client_protocol="http/2",
                             upstream_protocol="http/2", verdict="match")
    assert telltale.metric("telltale_connections_total") == connections


@pytest.mark.parametrize("server", STACKS)
@pytest.mark.parametrize("client", STACKS)
def test_every_kind_of_call_passes_with_the_same_bytes_on_both_legs(client, server):
    with peers.Echo(server) as echo, Recorder(echo.address) as inner, \
            Telltale(Listener(inner.target, expect="grpc")) as telltale, Recorder(telltale.address) as outer:
        done = clients.scenarios(client, outer.target)
        assert len(done) == 8
        assert_same_bytes(outer, inner)
        assert sum(len(r.from_client) for r in outer.recordings) > 16 << 20, "the large messages went elsewhere"
        assert_untouched(telltale, len(outer.recordings))


@pytest.mark.parametrize("stack", STACKS)
def test_unix_sockets_on_both_sides(stack):
    with tempfile.TemporaryDirectory(prefix="telltale-") as folder:
        upstream, listen = (f"unix:{os.path.join(folder, name)}" for name in ("up.sock", "in.sock"))
        with peers.Echo(stack, listen=upstream), \
                Telltale(Listener(upstream, listen=listen, expect="grpc")) as telltale:
            clients.scenarios(stack, listen)
            assert_untouched(telltale, 1)
        assert not os.path.exists(listen[len("unix:"):]), "the socket file was left behind"


@pytest.mark.parametrize("stack", STACKS)
def test_ipv6_on_both_sides(stack):
    with peers.Echo(stack, host="::1") as echo, \
            Telltale(Listener(echo.target, listen=f"[::1]:{free_port()}", expect="grpc")) as telltale:
        clients.scenarios(stack, telltale.target)
        assert_untouched(telltale, 1)


def test_one_port_number_for_both_address_families():
    with peers.Echo("python") as echo:
        port = free_port()
        with Telltale(Listener(echo.target, listen=f":{port}")) as telltale:
            clients.scenarios("python", f"127.0.0.1:{port}", "unary")
            clients.scenarios("python", f"[::1]:{port}", "unary")
            assert_untouched(telltale, 2)


def test_an_upstream_given_by_name_is_resolved():
    with peers.Echo("python") as echo, Telltale(Listener(f"localhost:{echo.port}")) as telltale:
        clients.scenarios("python", telltale.target, "unary")
        assert_untouched(telltale, 1)


def test_an_open_connection_is_listed_with_what_both_sides_speak():
    with peers.Echo("python") as echo, Telltale(Listener(echo.target)) as telltale, \
            sockets.connect(telltale.address) as client:
        client.sendall(http2.FIRST_FLIGHT + http2.grpc_request())
        sockets.receive_until(client, lambda got: any(f[0] == http2.DATA for f in http2.frames(got)))
        status, body = telltale.get("/connections")
        assert status == 200
        rows = json.loads(body)
        assert len(rows) == 1, rows
        assert rows[0]["client"]["protocol"] == rows[0]["upstream"]["protocol"] == "http/2"
        assert rows[0]["upstream"]["address"] == echo.target
        assert rows[0]["verdict"] == "match" and rows[0]["cause"] == "fine"
        assert telltale.active() == 1
