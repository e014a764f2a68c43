// Sightings of the deployment that the documentation draws: openim-api dials group-rpc, directly or
// through an ingress; group-rpc's sidecar stands before a metrics port.
#pragma once

#include <string>

#include "proxy/hops/sighting.h"

namespace telltale::proxy::hops {

inline constexpr UnixMillis noon = 1795348800000;  // 2026-11-22T12:00:00.000Z

inline void set_times(Sighting& seen, UnixMillis at, UnixMillis first = 0, UnixMillis last = 0) {
    seen.at = at;
    seen.first = first == 0 ? at : first;
    seen.last = last == 0 ? at : last;
}

// Of the sidecar beside the application that answers: its upstream is wrong.
inline Sighting inner_sighting() {
    Sighting seen;
    seen.source = 1;
    seen.id = "inner-0-1";
    seen.node = "group-rpc-0";
    seen.listener = "grpc";
    seen.direction = "inbound";
    set_times(seen, noon);
    seen.client = {.address = "10.244.1.5:51234",
                   .reached = "10.244.2.9:15260",
                   .protocol = "http/2",
                   .path = "/openim.group.group/getGroupsInfo",
                   .user_agent = "grpc-go/1.71.0"};
    seen.upstream = {.address = "127.0.0.1:12260",
                     .from = "127.0.0.1:40000",
                     .requested = "127.0.0.1:12260",
                     .protocol = "http/1",
                     .status = 400};
    seen.cause = "metrics_port";
    seen.confidence = sniff::Confidence::certain;
    seen.hop = {.position = sniff::HopPosition::upstream,
                .address = "127.0.0.1:12260",
                .name = "group-rpc-service",
                .role = "metrics",
                .software = "Go net/http",
                .version = "",
                .evidence = {"registry: 12260 is the metrics port of group-rpc-service"}};
    seen.action = "forwarded";
    seen.explanation =
        "127.0.0.1:12260 answered HTTP/1.1 400 to a gRPC client: it is the metrics port of "
        "group-rpc-service.";
    seen.fix = "Dial group-rpc-service on port 10260.";
    seen.runbook = "https://example.test/runbook.md#metrics_port";
    return seen;
}

// Of the sidecar beside the client, which dials the inner one.
inline Sighting outer_sighting() {
    Sighting seen = inner_sighting();
    seen.source = 0;
    seen.id = "outer-0-1";
    seen.node = "openim-api";
    seen.listener = "outbound";
    seen.direction = "outbound";
    set_times(seen, noon + 3);
    seen.client.address = "127.0.0.1:43210";
    seen.client.reached = "127.0.0.1:15971";
    seen.upstream = {.address = "10.244.2.9:15260",
                     .from = "10.244.1.5:51234",
                     .requested = "group-rpc-service:15260",
                     .protocol = "http/1",
                     .status = 400};
    seen.cause = "http1_application";
    seen.confidence = sniff::Confidence::likely;
    seen.hop.address = seen.hop.name = "10.244.2.9:15260";
    seen.hop.role = "application";
    seen.explanation = "10.244.2.9:15260 answered HTTP/1.1 400 to a gRPC client.";
    return seen;
}

// The same two with an ingress between: it dials the inner one, and says 502.
inline Sighting outer_of_ingress() {
    Sighting seen = outer_sighting();
    seen.upstream = {.address = "10.244.3.7:80",
                     .from = "10.244.1.5:51234",
                     .requested = "ingress-nginx:80",
                     .protocol = "http/2",
                     .status = 502};
    seen.cause = "http2_not_grpc";
    seen.confidence = sniff::Confidence::certain;
    seen.hop = {.position = sniff::HopPosition::upstream,
                .address = "10.244.3.7:80",
                .name = "10.244.3.7:80",
                .role = "ingress",
                .software = "ingress-nginx",
                .version = "1.22.1",
                .evidence = {"first response: :status 502, text/html"}};
    seen.explanation = "10.244.3.7:80 answered the call with :status 502.";
    return seen;
}

inline Sighting inner_of_ingress() {
    Sighting seen = inner_sighting();
    seen.client.address = "10.244.3.7:33000";
    return seen;
}

}  // namespace telltale::proxy::hops
