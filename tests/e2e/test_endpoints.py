"""Several upstreams for one listener: turns, fewest connections, the next one when one is down, active checks."""
import contextlib
import json

from support import clients, http2, peers, sockets
from support.telltale import Listener, Telltale
from support.wait import until

ONE_WORKER = "workers: 1\n"  # each worker takes turns by itself


@contextlib.contextmanager
def named_servers(*names):
    """Servers that speak HTTP/2 and keep their connections open; count them by name."""
    counts = {name: 0 for name in names}

    def script_of(name):
        def script(sock, _number):
            counts[name] += 1
            sock.sendall(http2.settings())
            sockets.keep_open(sock, _number)
        return script

    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(sockets.ScriptedServer(script_of(name))) for name in names]
        yield counts, [server.target for server in servers]


def open_connection(telltale, stack):
    sock = stack.enter_context(sockets.connect(telltale.address))
    sock.sendall(http2.FIRST_FLIGHT)
    sockets.receive_until(sock, lambda got: len(got) >= 9)
    return sock


def test_connections_take_turns():
    with named_servers("a", "b", "c") as (counts, targets), Telltale(Listener(targets), extra=ONE_WORKER) as telltale:
        with contextlib.ExitStack() as stack:
            for _ in range(9):
                open_connection(telltale, stack)
            assert counts == {"a": 3, "b": 3, "c": 3}


def test_least_connections_fills_up_the_one_that_lost_some():
    with named_servers("a", "b") as (counts, targets):
        listener = Listener(targets, options=", balance: least_connections")
        with Telltale(listener, extra=ONE_WORKER) as telltale, contextlib.ExitStack() as stack:
            held = [open_connection(telltale, stack) for _ in range(6)]
            assert counts == {"a": 3, "b": 3}
            before = dict(counts)
            for sock in held[0::2]:  # those of one server
                sock.close()
            until(lambda: telltale.active() == 3, telltale.describe)
            for _ in range(3):
                open_connection(telltale, stack)
            gained = {name: counts[name] - before[name] for name in counts}
            assert sorted(gained.values()) == [0, 3], gained


def test_an_upstream_that_is_down_costs_nothing_but_an_attempt():
    closed = peers.ClosedPort()
    with peers.Echo("cpp") as server, Telltale(Listener([closed.target, server.target])) as telltale:
        for _ in range(6):
            assert clients.grpc_call(telltale.target) == ("OK", "")
        telltale.assert_no_incident()
        assert telltale.metric("telltale_upstream_attempts_total", result="refused") >= 1
        assert telltale.metric("telltale_upstream_attempts_total", result="connected") == 6


def test_when_all_are_down_the_record_has_each_with_its_errno():
    first, second = peers.ClosedPort(), peers.ClosedPort()
    with Telltale(Listener([first.target, second.target])) as telltale:
        assert clients.grpc_call(telltale.target)[0] == "UNAVAILABLE"
        record = telltale.wait_for_incident()
        assert record["cause"] == "refused"
        attempts = record["upstream"].get("attempts") or record.get("attempts")
        assert {first.target, second.target} <= set(json.dumps(attempts).replace('"', " ").split()), record
        assert "ECONNREFUSED" in json.dumps(attempts) or "refused" in json.dumps(attempts)


def test_active_checks_tell_what_each_upstream_speaks_and_traffic_does_not_depend_on_them():
    with peers.Echo("cpp") as right, peers.Exporter() as wrong:
        listener = Listener([right.target, wrong.target], options=", check: 200ms")
        with Telltale(listener) as telltale:
            telltale.expected_warnings.append("checked upstream " + wrong.target)
            until(lambda: telltale.metric("telltale_upstream_checks_total", result="http2") >= 2
                  and telltale.metric("telltale_upstream_checks_total", result="other_protocol") >= 2,
                  telltale.describe)
            assert telltale.metric("telltale_upstream_check_up", upstream=right.target) == 1
            assert telltale.metric("telltale_upstream_check_up", upstream=wrong.target) == 0
            status, text = telltale.get("/ready?verbose")
            assert status == 200, "a sidecar is ready whatever its upstream is"
            assert f"{right.target}: speaks HTTP/2" in text and wrong.target in text, text
            telltale.assert_no_incident()


def test_policy_reroute_finds_the_grpc_server_among_the_wrong_ones():
    with peers.Exporter() as wrong, peers.Echo("cpp") as right:
        listener = Listener([wrong.target, right.target], on_mismatch="reroute")
        with Telltale(listener, extra=ONE_WORKER) as telltale:
            for stack in ("cpp", "python", "js", "go"):
                clients.scenarios(stack, telltale.target)
            record = telltale.wait_for_incident()
            assert record["action"] == "rerouted"
            assert (record["upstream"]["address"], record["rerouted_to"]) == (wrong.target, right.target)
            assert telltale.metric("telltale_policy_actions_total", action="rerouted") == 1, "it was ejected then"
            assert telltale.metric("telltale_endpoints_ejected") == 1


def test_policy_reroute_corrects_a_metrics_port_of_the_registry():
    with peers.Exporter() as metrics, peers.Echo("cpp") as grpc:
        service = {"name": "group-rpc-service", "grpc": grpc.port, "metrics": metrics.port}
        with Telltale(Listener(metrics.target, on_mismatch="reroute"), services=[service],
                      extra="reroute: {correct_port: true}\n") as telltale:
            for _ in range(3):
                assert clients.grpc_call(telltale.target) == ("OK", "")
            record = telltale.wait_for_incident()
            assert (record["cause"], record["rerouted_to"]) == ("metrics_port", grpc.target)
            assert telltale.metric("telltale_policy_actions_total", action="rerouted") == 3


def test_policy_reset_fails_fast():
    with peers.Exporter() as wrong, Telltale(Listener(wrong.target, on_mismatch="reset")) as telltale:
        got, ending = clients.exchange(telltale.address, http2.FIRST_FLIGHT)
        assert (got, ending) == (b"", "reset")
        assert telltale.wait_for_incident()["action"] == "reset"
