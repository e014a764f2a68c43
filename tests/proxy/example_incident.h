// The incident of the documentation: a gRPC client that was sent to a metrics port.
#pragma once

#include <chrono>
#include <string>

#include "proxy/incident.h"

namespace telltale::proxy {

inline Incident example_incident() {
    Incident incident;
    incident.id = "18f0-0-1";
    incident.at = std::chrono::system_clock::time_point(std::chrono::milliseconds(1795384897396));
    incident.node = "openim-api-7c9/openim";
    incident.runbook = "https://example.test/runbook.md#metrics_port";

    auto& evidence = incident.evidence;
    evidence.listener = "outbound";
    evidence.direction = sniff::Direction::outbound;
    evidence.client_address = "10.244.1.5:43210";
    evidence.upstream_address = "10.244.2.9:12260";
    evidence.upstream_port = 12260;
    evidence.requested = "group-rpc-service:12260";
    evidence.client.protocol = sniff::Protocol::http2;
    evidence.client.first_bytes = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    evidence.client.bytes = 93;
    evidence.upstream.protocol = sniff::Protocol::http1;
    evidence.upstream.first_bytes = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
    evidence.upstream.bytes = 103;
    evidence.upstream.first_byte_at = 1;
    sniff::Http1Response response;
    response.version = "HTTP/1.1";
    response.status = 400;
    evidence.upstream.http1_response = response;
    evidence.verdict = sniff::Verdict::mismatch;
    evidence.outcome = sniff::Outcome::connected;
    evidence.connected_at = 0;
    evidence.ended = true;
    evidence.ended_by = {.side = sniff::Side::upstream,
                         .operation = sniff::Operation::read,
                         .kind = sniff::EndKind::eof,
                         .error = 0,
                         .phase = sniff::Phase::before_verdict};
    evidence.now = 2;

    auto& diagnosis = incident.diagnosis;
    diagnosis.cause = sniff::Cause::metrics_port;
    diagnosis.confidence = sniff::Confidence::certain;
    diagnosis.hop.position = sniff::HopPosition::upstream;
    diagnosis.hop.address = "10.244.2.9:12260";
    diagnosis.hop.name = "group-rpc-service";
    diagnosis.hop.role = sniff::Role::metrics;
    diagnosis.hop.software = "Go net/http";
    diagnosis.hop.evidence = {"registry: 12260 is the metrics port of group-rpc-service"};
    diagnosis.explanation = "10.244.2.9:12260 answered HTTP/1.1 400 to a gRPC client.";
    diagnosis.fix = "Dial group-rpc-service on port 10260.";
    diagnosis.envoy_flag = "UPE";
    return incident;
}

}  // namespace telltale::proxy
