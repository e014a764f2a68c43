"""What can be broken, one row each: the story, the change, and what Telltale and Prometheus have to say about it."""
import dataclasses
import typing

import world


class Unknown(world.Trouble):
    """Wrong usage."""


GROUP = "group-rpc-service:10260"
USER = "grpc-ingress:8081"


@dataclasses.dataclass(frozen=True)
class Scenario:
    name: str
    story: str
    change: typing.Callable[[], None]
    alert: str
    sidecar: str = "api"  # the one next to the fault: its incident is the one to read
    cause: str = ""  # "" where no connection is at fault
    position: str = ""
    role: str = ""
    hop: str = ""  # what the hop's address or name contains
    fix: str = ""  # what the fix contains
    severity: str = "ticket"
    page: str = ""  # the alert that follows when it goes on
    fails: tuple = ("group-rpc-service",)  # whose calls do not work
    stops: str = ""  # the container to stop, which only the engine can do


def dial(instead_of, address):
    return lambda: world.edit("api", instead_of, address)


SCENARIOS = (
    Scenario("wrong-port", "the client's sidecar dials group-rpc-service on port 12260, its metrics port",
             dial(GROUP, "group-rpc-service:12260"), "TelltaleProtocolMismatch",
             cause="metrics_port", position="upstream", role="metrics", hop=":12260",
             fix="Dial group-rpc-service on port 10260",
             page="TelltaleUpstreamOnlyMismatches"),
    Scenario("http1-ingress", "group-rpc-service is dialled through an nginx that speaks only HTTP/1.1",
             dial(GROUP, "web-ingress:8080"), "TelltaleProtocolMismatch",
             cause="http1_proxy", position="upstream", role="proxy", hop=":8080", fix="Dial the gRPC service itself",
             page="TelltaleUpstreamOnlyMismatches"),
    Scenario("stale-address", "the client's pod keeps an old address of group-rpc-service, which user-rpc-service has now",
             lambda: world.pin(world.address_of("user-rpc"), "group-rpc-service"), "TelltaleProtocolMismatch",
             cause="stale_endpoint", position="upstream", hop=":10260",
             fix="Refresh what the client resolves group-rpc-service with",
             page="TelltaleUpstreamOnlyMismatches"),
    Scenario("gone-address", "the client's pod keeps an old address of group-rpc-service, which nobody has any longer",
             lambda: world.pin(world.nobody_has(), "group-rpc-service"), "TelltaleUpstreamUnreachable",
             cause="unreachable", position="upstream_leg", hop=":10260", fix="Check routes",
             page="TelltaleUpstreamUnreachableSustained"),
    Scenario("network-drop", "packets to port 10260 of group-rpc-service are dropped, as by a NetworkPolicy",
             lambda: world.drop(10260), "TelltaleUpstreamUnreachable",
             cause="connect_timeout", position="upstream_leg", hop=":10260", fix="Look for what drops packets",
             page="TelltaleUpstreamUnreachableSustained"),
    Scenario("tls", "the client speaks plaintext to the TLS port of the gRPC ingress",
             dial(USER, "grpc-ingress:8443"), "TelltaleProtocolMismatch",
             cause="tls_required", position="upstream", hop=":8443", fix="Use TLS credentials",
             fails=("user-rpc-service",),
             page="TelltaleUpstreamOnlyMismatches"),
    Scenario("forward-proxy", "group-rpc-service is dialled at a forward proxy (squid)",
             dial(GROUP, "forward-proxy:3128"), "TelltaleProtocolMismatch",
             cause="forward_proxy", position="upstream", role="forward_proxy", hop=":3128", fix="NO_PROXY",
             page="TelltaleUpstreamOnlyMismatches"),
    Scenario("proxy-pass", "the gRPC ingress has proxy_pass where grpc_pass belongs",
             dial(USER, "grpc-ingress:8082"), "TelltaleProtocolMismatch",
             cause="http2_not_grpc", position="upstream", hop=":8082", fix="grpc_pass", fails=("user-rpc-service",),
             page="TelltaleUpstreamOnlyMismatches"),
    Scenario("refused", "the process of group-rpc-service is stopped; its pod and its sidecar stay",
             lambda: world.order("group-rpc", "stop"), "TelltaleUpstreamUnreachable",
             sidecar="group-rpc", cause="refused", position="upstream", hop="127.0.0.1:10260", fix="Start the service",
             page="TelltaleUpstreamUnreachableSustained"),
    Scenario("silent", "the process of group-rpc-service hangs (SIGSTOP): it takes connections and says nothing",
             lambda: world.order("group-rpc", "pause"), "TelltaleSilentUpstream",
             sidecar="group-rpc", cause="silent_upstream", position="upstream", hop="127.0.0.1:10260",
             fix="Check that the process behind",
             page="TelltaleSilentUpstreamSustained"),
    Scenario("scrape-grpc-port", "Prometheus scrapes port 10260 of group-rpc-service, its gRPC port",
             lambda: world.scrape_by_hand(GROUP), "TelltaleGrpcPortScrapedOrProbed",
             sidecar="group-rpc", cause="metrics_scraper", position="client", hop="", fix="Point the scrape job", fails=()),
    Scenario("bad-config", "somebody writes a mistake into the configuration of the client's sidecar",
             lambda: world.edit("api", "expect: grpc\n    upstream: {address: \"group", "expect: gprc\n    upstream: {address: \"group"),
             "TelltaleConfigReloadFailed", fails=()),
    Scenario("sidecar-down", "the Telltale beside user-rpc-service is gone", lambda: None, "TelltaleDown",
             sidecar="user-rpc", fails=("user-rpc-service",), stops="telltale-user-rpc"),
)


def find(name):
    for scenario in SCENARIOS:
        if scenario.name == name:
            return scenario
    raise Unknown(f"there is no scenario {name!r}: one of {', '.join(each.name for each in SCENARIOS)}")
