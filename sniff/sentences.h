// The two sentences of a diagnosis, made from the evidence: what happened and which hop that is;
// what to change. For an operator at 3 a.m.: addresses, ports and names, no jargon of this program.
// One writer per cause; `fine` has none.
#pragma once

#include <optional>
#include <string>

#include "sniff/attribution.h"
#include "sniff/cause.h"
#include "sniff/evidence.h"
#include "sniff/facts.h"
#include "sniff/fingerprint.h"

namespace telltale::sniff {

struct Sentences {
    std::string explanation;
    std::string fix;
};

// What a writer may look at.
struct Findings {
    const Evidence& e;
    const FactSet& facts;
    const Fingerprint& software;
    std::optional<Attribution> attribution;  // there with Fact::attributed
};

[[nodiscard]] Sentences write_sentences(Cause cause, const Findings& findings);

// sentences_learned.cpp: adds what was asked after the incident, if anything was.
void add_learned(Sentences& sentences, Cause cause, HopPosition position, const Findings& findings);
// "asked after the incident: 12260 serves Prometheus metrics, 10260 speaks gRPC"; empty: nothing
// was.
[[nodiscard]] std::string confirmed_words(const Evidence& e);
// "DNS: 10.244.2.9 is 10-244-2-9.friend-rpc-service.openim.svc.cluster.local"; empty: it has no
// usable name.
[[nodiscard]] std::string dns_words(std::string_view address, std::string_view dns_name);
// Where gRPC is to be had, for a fix: what the registry knows, else what was found on the same
// address. "group-rpc-service on port 10260", "10.244.2.9:10260, which speaks gRPC"; empty:
// neither.
[[nodiscard]] std::string dial_target(const Findings& f);

// sentences_answered.cpp: the upstream spoke something else.
[[nodiscard]] Sentences metrics_port_sentences(const Findings& f);
[[nodiscard]] Sentences http1_proxy_sentences(const Findings& f);
[[nodiscard]] Sentences http1_application_sentences(const Findings& f);
[[nodiscard]] Sentences forward_proxy_sentences(const Findings& f);
[[nodiscard]] Sentences tls_required_sentences(const Findings& f);
[[nodiscard]] Sentences plaintext_upstream_sentences(const Findings& f);
[[nodiscard]] Sentences alpn_without_h2_sentences(const Findings& f);
[[nodiscard]] Sentences http2_not_grpc_sentences(const Findings& f);
[[nodiscard]] Sentences other_protocol_sentences(const Findings& f);
[[nodiscard]] Sentences stale_endpoint_sentences(const Findings& f);
// Of any cause that another Telltale named.
[[nodiscard]] Sentences attributed_sentences(const Findings& f);

// sentences_way.cpp: the upstream did not speak, or Telltale ended it.
[[nodiscard]] Sentences refused_sentences(const Findings& f);
[[nodiscard]] Sentences connect_timeout_sentences(const Findings& f);
[[nodiscard]] Sentences unreachable_sentences(const Findings& f);
[[nodiscard]] Sentences dns_failure_sentences(const Findings& f);
[[nodiscard]] Sentences no_endpoints_sentences(const Findings& f);
[[nodiscard]] Sentences hung_up_sentences(const Findings& f);
[[nodiscard]] Sentences silent_upstream_sentences(const Findings& f);
[[nodiscard]] Sentences loop_sentences(const Findings& f);
[[nodiscard]] Sentences proxy_limit_sentences(const Findings& f);
[[nodiscard]] Sentences proxy_shutdown_sentences(const Findings& f);

// sentences_client.cpp: the client spoke something else; and what nobody can explain.
[[nodiscard]] Sentences metrics_scraper_sentences(const Findings& f);
[[nodiscard]] Sentences health_probe_sentences(const Findings& f);
[[nodiscard]] Sentences http1_client_sentences(const Findings& f);
[[nodiscard]] Sentences downgraded_by_proxy_sentences(const Findings& f);
[[nodiscard]] Sentences tls_client_sentences(const Findings& f);
[[nodiscard]] Sentences unexplained_sentences(const Findings& f);

// "metrics_port at upstream group-rpc-service (10.244.2.9:12260)"
[[nodiscard]] std::string attribution_words(const Attribution& attribution);
// "nginx 1.22.1"; empty when the software is not known.
[[nodiscard]] std::string software_words(const Fingerprint& software);
// "group-rpc-service on port 10260" when the registry knows where its gRPC is; empty otherwise.
[[nodiscard]] std::string right_port_words(const Evidence& e);

}  // namespace telltale::sniff
