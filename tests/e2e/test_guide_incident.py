"""The troubleshooting guide's incident: a gRPC client sent to a service's metrics port."""
import contextlib
import json

import pytest

from support import clients, peers
from support.ports import free_port
from support.telltale import Listener, Telltale

HEADER_TEXT = "HTTP/1.1 header"  # grpc-go's users read "the frame header looked like an HTTP/1.1 header"


@contextlib.contextmanager
def metrics_port_behind_telltale(peer):
    grpc_port = free_port()
    with peer() as server:
        service = {"name": "group-rpc-service", "grpc": grpc_port, "metrics": server.port}
        with Telltale(Listener(server.target, name="group-rpc"), services=[service]) as telltale:
            yield telltale, server, grpc_port


@pytest.mark.parametrize("peer", [peers.Prometheus, peers.GoMux], ids=["prometheus", "go_mux"])
def test_the_newest_grpc_go_reads_http1_and_telltale_names_the_metrics_port(peer):
    with metrics_port_behind_telltale(peer) as (telltale, server, grpc_port):
        shown = clients.call("go", telltale.target)
        assert shown["code"] == "Unavailable"
        assert HEADER_TEXT in shown["text"], shown

        record = telltale.wait_for_incident()
        assert record["cause"] == "metrics_port"
        assert record["confidence"] == "certain"
        assert record["verdict"] == "mismatch"
        assert record["client"]["protocol"] == "http/2" and record["upstream"]["protocol"] == "http/1"
        assert record["upstream"]["address"] == server.target
        assert record["upstream"]["status"] == 400
        assert record["upstream"]["first_bytes"].startswith("HTTP/1.1 400 Bad Request\\r\\n")
        hop = record["hop"]
        assert (hop["position"], hop["role"]) == ("upstream", "metrics")
        assert hop["name"] == "group-rpc-service" and hop["address"] == server.target
        assert any("group-rpc-service" in sentence for sentence in hop["evidence"])
        assert "group-rpc-service" in record["fix"] and str(grpc_port) in record["fix"]
        assert str(server.port) in record["explanation"]
        assert record["runbook"].endswith("#metrics_port")
        assert record["policy"] == "observe" and record["action"] == "forwarded"
        assert record["envoy_flag"] == "UPE"
        # grpc-go writes its 24-byte preface and its SETTINGS apart: the answer may come in between.
        assert record["bytes"]["from_upstream"] == 103 and record["bytes"]["from_client"] >= 24


def test_the_counter_moves_by_exactly_one_per_connection_and_repeats_are_counted_not_repeated():
    calls = 7
    with metrics_port_behind_telltale(peers.Prometheus) as (telltale, server, _):
        for _ in range(calls):
            code, _text = clients.grpc_call(telltale.target)
            assert code == "UNAVAILABLE"
        telltale.wait_for_metric(calls, "telltale_mismatches_total", listener="group-rpc", direction="inbound",
                                 client_protocol="http/2", upstream_protocol="http/1", cause="metrics_port",
                                 hop_role="metrics")
        assert telltale.metric("telltale_connections_total", verdict="mismatch") == calls
        assert telltale.metric("telltale_incidents_total", cause="metrics_port", hop="upstream") == calls
        assert telltale.metric("telltale_incidents_total") == calls
        assert telltale.metric("telltale_mismatches_total") == calls
        telltale.wait_until_idle()
        assert len(telltale.incidents()) == 1, "one full line per listener, upstream and cause"

        status, body = telltale.get("/incidents")
        assert status == 200
        groups = json.loads(body)
        assert [group["count"] for group in groups] == [calls]
        assert groups[0]["incident"]["upstream"]["address"] == server.target

        telltale.stop_cleanly()
        summaries = [r for r in telltale.records() if r["event"] == "incident_repeated"]
        assert sum(r["count"] for r in summaries) == calls - 1
        assert all(r["cause"] == "metrics_port" for r in summaries)


def test_without_a_registry_the_answer_of_go_is_named_and_the_metrics_port_is_said_to_be_possible():
    """Every Go ServeMux answers alike: only the registry makes it certain that this one serves metrics."""
    with peers.Prometheus() as server, Telltale(Listener(server.target)) as telltale:
        clients.grpc_call(telltale.target)
        record = telltale.wait_for_incident()
        assert record["cause"] in ("metrics_port", "http1_application")
        assert record["confidence"] in ("likely", "possible")
        assert "Go net/http" in record["hop"]["software"]
        assert "metrics" in record["explanation"]


def test_the_built_in_openim_data_set_knows_the_ports_of_the_guide():
    # Nobody listens on 12260 here: the refusal is enough to ask the registry for the name.
    extra = "registry:\n  include: [openim]\n"
    with Telltale(Listener("127.0.0.1:12260"), extra=extra) as telltale:
        status, body = telltale.get("/config")
        assert status == 200
        assert "group" in body and "12260" in body and "10260" in body


@pytest.mark.parametrize("stack", ["cpp", "python", "js"])
def test_other_stacks_get_the_same_record(stack):
    with metrics_port_behind_telltale(peers.Prometheus) as (telltale, _server, grpc_port):
        assert clients.call(stack, telltale.target)["code"] == "UNAVAILABLE"
        record = telltale.wait_for_incident()
        assert (record["cause"], record["confidence"]) == ("metrics_port", "certain")
        assert str(grpc_port) in record["fix"]


def test_a_scrape_of_the_metrics_port_through_telltale_is_no_incident():
    with metrics_port_behind_telltale(peers.Prometheus) as (telltale, _server, _):
        answer, _ = clients.http1_get(telltale.address, "/metrics", "Prometheus/2.42.0")
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n") and b"# HELP" in answer
        telltale.wait_for_metric(1, "telltale_connections_total", client_protocol="http/1",
                                 upstream_protocol="http/1", verdict="match")
        telltale.assert_no_incident()
