"""Policy `answer`: what real clients are told, in their own words, when the upstream is not what they need."""
import json

import pytest

from support import clients, h2spec, peers, process
from support.ports import free_port
from support.telltale import Listener, Telltale
from support.wait import until

STACKS = ["cpp", "python", "js", "go"]
UNAVAILABLE = ("UNAVAILABLE", "Unavailable")


def metrics_service(server, grpc_port):
    return {"name": "group-rpc-service", "grpc": grpc_port, "metrics": server.port}


@pytest.mark.parametrize("stack", STACKS)
def test_a_grpc_client_at_a_metrics_port_reads_the_cause_and_the_fix(stack):
    grpc_port = free_port()
    with peers.Prometheus() as server:
        listener = Listener(server.target, on_mismatch="answer")
        with Telltale(listener, services=[metrics_service(server, grpc_port)]) as telltale:
            shown = clients.call(stack, telltale.target)
            assert shown["code"] in UNAVAILABLE
            assert server.target in shown["text"] and "metrics port of group-rpc-service" in shown["text"], shown
            assert str(grpc_port) in shown["text"], "the fix is told too"
            record = telltale.wait_for_incident()
            assert (record["cause"], record["action"]) == ("metrics_port", "answered")
            assert record["explanation"] in shown["text"]


@pytest.mark.parametrize("stack", STACKS)
def test_a_grpc_client_whose_upstream_is_down_reads_that_and_recovers_when_it_is_back(stack):
    closed = peers.ClosedPort()
    command = peers.interop_program(stack, "client")
    with Telltale(Listener(closed.target, on_mismatch="answer")) as telltale:
        with process.Program([*command, telltale.target, "recover"], name=f"echo-{stack}-client") as client:
            client.start()

            def lines():
                return {line["scenario"]: line for line in map(json.loads, client.output().splitlines())}

            failing = until(lambda: lines().get("failing"), client.logs)
            assert failing["code"] in UNAVAILABLE
            assert closed.target in failing["text"] and "refused" in failing["text"], failing
            with peers.Echo("python", listen=closed.target, port=closed.port):
                assert client.wait() == 0, client.logs()
            assert lines()["recover"]["failures"] >= 1
        telltale.wait_for_metric(telltale.metric("telltale_policy_actions_total", action="answered"),
                                 "telltale_policy_actions_total", policy="answer")


@pytest.mark.parametrize("stack", STACKS)
def test_right_traffic_is_not_touched(stack):
    with peers.Echo("cpp") as server, Telltale(Listener(server.target, on_mismatch="answer")) as telltale:
        clients.scenarios(stack, telltale.target)
        telltale.assert_no_incident()


def test_addresses_can_be_kept_from_the_client():
    with peers.Prometheus() as server:
        with Telltale(Listener(server.target, on_mismatch="answer"), extra="answer: {show_addresses: false}\n") as telltale:
            code, text = clients.grpc_call(telltale.target)
            assert code == "UNAVAILABLE"
            assert "127.0.0.1" not in text and str(server.port) not in text and "the upstream" in text
            assert telltale.wait_for_incident()["upstream"]["address"] == server.target


def test_an_http2_client_that_is_not_grpc_gets_502_and_text():
    with peers.PythonHttp() as server, Telltale(Listener(server.target, on_mismatch="answer")) as telltale:
        done = process.run([process.find_program("curl"), "-sS", "-i", "--http2-prior-knowledge",
                            f"http://{telltale.target}/"])
        assert done.stdout.startswith("HTTP/2 502"), done.stdout
        assert "x-telltale-cause: " in done.stdout and server.target in done.stdout
        assert done.returncode == 0, done.stderr


def test_an_http1_client_whose_upstream_is_down_gets_502_and_text():
    closed = peers.ClosedPort()
    with Telltale(Listener(closed.target, on_mismatch="answer")) as telltale:
        done = process.run([process.find_program("curl"), "-sS", "-i", f"http://{telltale.target}/"])
        assert done.stdout.startswith("HTTP/1.1 502 "), done.stdout
        assert "x-telltale-cause: refused" in done.stdout and closed.target in done.stdout
        assert done.returncode == 0, done.stderr


def test_an_http1_client_at_a_grpc_port_gets_400_and_text():
    with peers.Echo("cpp") as server, Telltale(Listener(server.target, on_mismatch="answer")) as telltale:
        done = process.run([process.find_program("curl"), "-sS", "-i", "--http1.1", f"http://{telltale.target}/metrics"])
        assert done.stdout.startswith("HTTP/1.1 400 "), done.stdout
        assert "x-telltale-cause: " in done.stdout
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("outer_policy", ["observe", "answer", "reroute", "reset"])
def test_a_telltale_further_out_blames_the_hop_that_the_inner_one_named(outer_policy):
    grpc_port = free_port()
    with peers.Prometheus() as server:
        inner_listener = Listener(server.target, on_mismatch="answer", name="inner")
        with Telltale(inner_listener, services=[metrics_service(server, grpc_port)]) as inner, \
                Telltale(Listener(inner.target, name="outer", on_mismatch=outer_policy)) as outer:
            code, text = clients.grpc_call(outer.target)
            assert code == "UNAVAILABLE" and "group-rpc-service" in text
            record = outer.wait_for_incident()
            assert record["cause"] == "metrics_port"
            assert record["attributed_by"] == inner.target
            assert record["verdict"] == "match" and record["action"] == "forwarded"
            assert server.target in json.dumps(record["hop"]), record["hop"]
            assert outer.metric("telltale_mismatches_total") == 0, "the inner one has counted it"
            assert inner.metric("telltale_mismatches_total") == 1


def test_the_answering_side_is_as_strict_as_h2spec_wants_it():
    closed = peers.ClosedPort()
    extra = "answer: {linger: 10s}\n"
    with Telltale(Listener(closed.target, on_mismatch="answer"), extra=extra) as telltale:
        outcome = h2spec.run(telltale.address, strict=True)
        assert outcome.tests > 100
        # Without a preface it is no client of HTTP/2: it is not answered, but reset like the upstream did.
        assert set(outcome.failures) <= {"http2/3.5: Sends invalid connection preface"}, outcome.failures
