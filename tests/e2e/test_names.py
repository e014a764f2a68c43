"""Names of addresses by DNS: a real name server, its silence, its absence, and a storm of incidents."""
import os
import re
import socket
import threading
import time

import pytest

from support import dns, http2, netns, sockets
from support.ports import free_port
from support.sockets import ScriptedServer, receive_all
from support.telltale import Listener, Telltale
from support.wait import until

POD = "10.244.2.9"
CLIENT = "10.244.1.5"
FRIEND = f"10-244-2-9.friend-rpc-service.{dns.CLUSTER}"
GROUP = f"10-244-2-9.group-rpc-service.{dns.CLUSTER}"
REFUSAL = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n400 Bad Request"
SCRAPE = b"GET /metrics HTTP/1.1\r\nHost: group\r\nUser-Agent: Prometheus/2.42.0\r\n\r\n"
STORM_ADDRESSES = 1024


@pytest.fixture(scope="module")
def namespace():
    with netns.Namespace(f"telltale-{os.getpid()}-names") as made:
        made.run(["ip", "address", "add", f"{POD}/32", "dev", "lo"], check=True)
        made.run(["ip", "address", "add", f"{CLIENT}/32", "dev", "lo"], check=True)
        made.run(["ip", "route", "add", "local", "10.99.0.0/16", "dev", "lo"], check=True)
        yield made


@pytest.fixture(scope="module")
def resolving(namespace):
    with dns.resolv_conf(namespace):
        yield namespace


def refuse(sock, _):
    """Go's net/http, asked in HTTP/2."""
    sock.recv(65536)
    sock.sendall(REFUSAL)


def serve(namespace, host=POD, script=refuse):
    return namespace.call(ScriptedServer, script, (host, 0))


def call(telltale):
    """A gRPC client's first flight; returns when the connection is over."""

    def talk():
        with sockets.connect(telltale.address) as client:
            client.sendall(http2.FIRST_FLIGHT + http2.grpc_request())
            return receive_all(client)

    return telltale.call(talk)


def test_the_address_at_fault_is_called_by_its_name(resolving):
    with serve(resolving) as server, dns.NameServer(resolving, names={POD: ["squid.office.example"]}), \
            Telltale(Listener(server.target), namespace=resolving) as telltale:
        call(telltale)
        record = telltale.wait_for_incident()
        assert record["upstream"]["dns_name"] == "squid.office.example"
        assert record["hop"]["name"] == "squid.office.example"
        assert record["hop"]["address"] == server.target
        assert f"DNS: {POD} is squid.office.example" in record["hop"]["evidence"]
        assert f"DNS calls {POD} squid.office.example." in record["explanation"]
        telltale.wait_for_metric(1, "telltale_inquiries_total", kind="name", result="found")


def test_a_name_is_asked_for_once_for_many_incidents(resolving):
    with serve(resolving) as server, dns.NameServer(resolving, names={POD: ["squid.office.example"]}) as names, \
            Telltale(Listener(server.target), namespace=resolving) as telltale:
        for _ in range(20):
            call(telltale)
        telltale.wait_for_metric(20, "telltale_incidents_total")
        record = telltale.wait_for_incident()
        assert record["hop"]["name"] == "squid.office.example"
        assert names.questions() == ["9.2.244.10.in-addr.arpa"]
        telltale.stop_cleanly()
        assert [r.get("count", 1) for r in telltale.records()] == [1, 19], "one record, one line for the repeats"


def test_the_registry_knows_better_than_dns(resolving):
    with serve(resolving) as server, dns.NameServer(resolving, names={POD: [GROUP]}), \
            Telltale(Listener(server.target), namespace=resolving,
                     services=[{"name": "group-rpc-service", "metrics": server.address[1]}]) as telltale:
        call(telltale)
        record = telltale.wait_for_incident()
        assert (record["cause"], record["confidence"]) == ("metrics_port", "certain")
        assert record["hop"]["name"] == "group-rpc-service"
        assert record["upstream"]["dns_name"] == GROUP


def test_a_client_at_fault_is_called_by_its_name(resolving):
    def grpc(sock, _):
        sock.sendall(http2.settings())
        receive_all(sock)

    name = "prometheus-0.prometheus.monitoring.svc.cluster.local"
    port = free_port()
    listener = Listener("unset", listen=f"{POD}:{port}", expect="grpc")
    with serve(resolving, script=grpc) as server, dns.NameServer(resolving, names={CLIENT: [name]}):
        listener.upstream = server.target
        with Telltale(listener, namespace=resolving) as telltale:
            def scrape():
                with socket.create_connection((POD, port), source_address=(CLIENT, 0)) as client:
                    client.sendall(SCRAPE)
                    return telltale.wait_for_incident()

            record = resolving.call(scrape)
            assert record["cause"] == "metrics_scraper"
            assert record["hop"]["name"] == record["client"]["dns_name"] == name
            assert "dns_name" not in record["upstream"]


@pytest.mark.parametrize("names, aliases, cause", [
    ([FRIEND], {}, "stale_endpoint"),
    ([FRIEND, GROUP], {}, "http1_application"),  # one pod behind two Services
    ([f"10-244-2-9.group-rpc-headless.{dns.CLUSTER}"], {}, "http1_application"),
    (["node7.example"], {}, "http1_application"),
    ([FRIEND], {f"group-rpc-service.{dns.CLUSTER}": f"friend-rpc-service.{dns.CLUSTER}"}, "http1_application"),
], ids=["another_service", "both_services", "headless_service", "a_host", "an_alias"])
def test_an_endpoint_is_stale_where_dns_knows_it_as_another_service(resolving, names, aliases, cause):
    hosts = {(next(iter(aliases.values())) if aliases else f"group-rpc-service.{dns.CLUSTER}"): POD}
    with serve(resolving) as server, dns.NameServer(resolving, names={POD: names}, hosts=hosts, aliases=aliases), \
            Telltale(Listener(f"group-rpc-service:{server.address[1]}"), namespace=resolving) as telltale:
        call(telltale)
        record = telltale.wait_for_incident()
        assert record["upstream"]["address"] == server.target
        assert record["cause"] == cause, record["explanation"]
        assert record["runbook"].endswith("#" + cause)
        if cause == "stale_endpoint":
            assert record["confidence"] == "likely"
            assert "belongs to friend-rpc-service.openim, but group-rpc-service.openim was asked for" \
                in record["explanation"]


def test_nothing_is_asked_when_it_is_switched_off_or_of_loopback(resolving):
    with serve(resolving) as pod, serve(resolving, "127.0.0.1") as near, \
            dns.NameServer(resolving, names={POD: ["a.example"]}) as names:
        with Telltale(Listener(pod.target), namespace=resolving, extra="names: {dns: false}\n") as telltale:
            call(telltale)
            assert "dns_name" not in telltale.wait_for_incident()["upstream"]
        with Telltale(Listener(near.target), namespace=resolving) as telltale:
            call(telltale)
            assert "dns_name" not in telltale.wait_for_incident()["upstream"]
            assert telltale.metric("telltale_inquiries_total") == 0
        assert names.questions() == []


class SilentNameServer:
    """Takes questions and answers none."""

    def __init__(self):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((dns.SERVER, 53))
        self.questions = 0
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()

    def _take(self):
        while self.sock.recv(4096):
            self.questions += 1

    def close(self):
        # A datagram without content ends the thread.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", (dns.SERVER, 53))
        self._thread.join()  # its recv() would keep the port
        self.sock.close()


@pytest.fixture
def silence(resolving):
    server = resolving.call(SilentNameServer)
    yield server
    resolving.call(server.close)


def test_a_record_comes_without_a_name_where_the_name_server_is_silent(resolving, silence):
    with serve(resolving) as server, Telltale(Listener(server.target), namespace=resolving) as telltale:
        call(telltale)
        record = telltale.wait_for_incident()
        assert record["hop"]["name"] == record["hop"]["address"] == server.target
        assert "dns_name" not in record["upstream"]
        telltale.wait_for_metric(1, "telltale_inquiries_total", kind="name", result="no_answer")
        assert 1 <= silence.questions <= 3, "one question, repeated within its time"


def test_a_silent_name_server_is_left_alone_after_a_while(resolving, silence):
    upstreams = [f"10.99.0.{i}" for i in range(1, 9)]
    with serve(resolving, "0.0.0.0") as server, \
            Telltale(Listener([f"{host}:{server.address[1]}" for host in upstreams]),
                     namespace=resolving, extra="workers: 1\nnames: {timeout: 30ms}\n") as telltale:
        for count in range(1, len(upstreams) + 1):
            call(telltale)
            until(lambda: len(telltale.incidents()) == count, telltale.describe)
        assert telltale.metric("telltale_inquiries_total", kind="name", result="no_answer") == 3
        assert telltale.metric("telltale_inquiries_total", kind="name", result="limited") == 5


def test_what_waits_for_its_name_is_written_when_telltale_stops(resolving, silence):
    with serve(resolving) as server, \
            Telltale(Listener(server.target), namespace=resolving, extra="names: {timeout: 5s}\n") as telltale:
        call(telltale)
        until(lambda: silence.questions, "the question")
        assert telltale.incidents() == []
        telltale.stop_cleanly()
        assert [record["cause"] for record in telltale.incidents()] == ["http1_application"]
        assert telltale.incidents()[0]["ended_by"] is not None


def test_a_storm_of_incidents_at_a_thousand_addresses_asks_a_few_questions(resolving):
    listeners = []
    per_second = 5
    # Each worker takes turns for itself.
    extra = (f"workers: 1\nnames: {{per_second: {per_second}}}\n"
             "limits: {incident_queue: 10000, incidents_kept: 2000}\n")
    with serve(resolving, "0.0.0.0") as server, dns.NameServer(resolving, names={"10.99.0.1": ["a.example"]}) as names:
        for first in range(0, STORM_ADDRESSES, 64):
            hosts = [f"10.99.{(first + i) // 250}.{(first + i) % 250 + 1}" for i in range(64)]
            listeners.append(Listener([f"{host}:{server.address[1]}" for host in hosts], name=f"storm-{first}"))
        with Telltale(*listeners, namespace=resolving, extra=extra) as telltale:
            begun = time.monotonic()

            def storm():
                for listener in listeners:
                    for _ in range(64):
                        with sockets.connect(listener.address) as client:
                            client.sendall(http2.FIRST_FLIGHT + http2.grpc_request())
                            receive_all(client)

            telltale.call(storm)
            until(lambda: len(telltale.incidents()) == STORM_ADDRESSES, telltale.describe)
            seconds = time.monotonic() - begun
            assert telltale.metric("telltale_incident_records_dropped_total") == 0
            upstreams = {record["upstream"]["address"] for record in telltale.incidents()}
            assert len(upstreams) == STORM_ADDRESSES
            # So many a second, and as many at once; each may be sent again on a busy machine.
            asked = set(names.questions())
            assert 1 <= len(asked) <= per_second * (seconds + 1)
            limited = telltale.metric("telltale_inquiries_total", kind="name", result="limited")
            assert len(asked) + limited >= STORM_ADDRESSES
            assert re.match(r"\d+\.\d+\.99\.10\.in-addr\.arpa$", asked.pop())
