#include "sniff/sentences.h"

#include "sniff/words.h"

namespace telltale::sniff {

std::string software_words(const Fingerprint& software) {
    return software.version.empty() ? software.software
                                    : software.software + " " + software.version;
}

std::string right_port_words(const Evidence& e) {
    const RegistryFacts& r = e.registry;
    if (!r.requested_service.empty() && r.requested_grpc_port != 0) {
        return shown(r.requested_service) + " on port " + std::to_string(r.requested_grpc_port);
    }
    if (!r.service.empty() && r.grpc_port != 0) {
        return shown(r.service) + " on port " + std::to_string(r.grpc_port);
    }
    return {};
}

Sentences write_sentences(Cause cause, const Findings& findings) {
    switch (cause) {
        case Cause::fine:
            return {};
        case Cause::metrics_port:
            return metrics_port_sentences(findings);
        case Cause::http1_proxy:
            return http1_proxy_sentences(findings);
        case Cause::http1_application:
            return http1_application_sentences(findings);
        case Cause::forward_proxy:
            return forward_proxy_sentences(findings);
        case Cause::tls_required:
            return tls_required_sentences(findings);
        case Cause::plaintext_upstream:
            return plaintext_upstream_sentences(findings);
        case Cause::alpn_without_h2:
            return alpn_without_h2_sentences(findings);
        case Cause::http2_not_grpc:
            return http2_not_grpc_sentences(findings);
        case Cause::other_protocol:
            return other_protocol_sentences(findings);
        case Cause::stale_endpoint:
            return stale_endpoint_sentences(findings);
        case Cause::refused:
            return refused_sentences(findings);
        case Cause::connect_timeout:
            return connect_timeout_sentences(findings);
        case Cause::unreachable:
            return unreachable_sentences(findings);
        case Cause::dns_failure:
            return dns_failure_sentences(findings);
        case Cause::no_endpoints:
            return no_endpoints_sentences(findings);
        case Cause::closed_before_preface:
        case Cause::reset_before_preface:
            return hung_up_sentences(findings);
        case Cause::silent_upstream:
            return silent_upstream_sentences(findings);
        case Cause::metrics_scraper:
            return metrics_scraper_sentences(findings);
        case Cause::health_probe:
            return health_probe_sentences(findings);
        case Cause::http1_client:
            return http1_client_sentences(findings);
        case Cause::downgraded_by_proxy:
            return downgraded_by_proxy_sentences(findings);
        case Cause::tls_client:
            return tls_client_sentences(findings);
        case Cause::loop:
            return loop_sentences(findings);
        case Cause::proxy_limit:
            return proxy_limit_sentences(findings);
        case Cause::proxy_shutdown:
            return proxy_shutdown_sentences(findings);
        case Cause::unexplained:
            return unexplained_sentences(findings);
    }
    return {};
}

}  // namespace telltale::sniff
