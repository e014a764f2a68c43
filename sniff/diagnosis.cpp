#include "sniff/diagnosis.h"

#include "sniff/escape.h"
#include "sniff/facts.h"
#include "sniff/fingerprint.h"
#include "sniff/hop.h"
#include "sniff/rules.h"
#include "sniff/sentences.h"
#include "sniff/words.h"

namespace telltale::sniff {
namespace {

// Two sentences and the reasons must fit into one record with room for the rest.
constexpr size_t sentence_bytes_max = 900;

// The response flag that Envoy's access log would show for the same fault.
std::string_view envoy_flag_of(Cause cause) {
    switch (cause) {
        case Cause::metrics_port:
        case Cause::http1_proxy:
        case Cause::http1_application:
        case Cause::forward_proxy:
        case Cause::tls_required:
        case Cause::alpn_without_h2:
        case Cause::http2_not_grpc:
        case Cause::other_protocol:
        case Cause::stale_endpoint:
            return "UPE";
        case Cause::plaintext_upstream:  // Envoy's own TLS handshake fails: the connect fails
        case Cause::refused:
        case Cause::connect_timeout:
        case Cause::unreachable:
            return "UF";
        case Cause::dns_failure:
            return "DF";
        case Cause::no_endpoints:
            return "UH";
        case Cause::closed_before_preface:
        case Cause::reset_before_preface:
            return "UC";
        case Cause::silent_upstream:
            return "UT";
        case Cause::metrics_scraper:
        case Cause::health_probe:
        case Cause::http1_client:
        case Cause::downgraded_by_proxy:
        case Cause::tls_client:
            return "DPE";
        case Cause::loop:
        case Cause::proxy_limit:
        case Cause::proxy_shutdown:
        case Cause::unexplained:
        case Cause::fine:
            break;
    }
    return "";
}

// A stale endpoint that only refused the connection is a failed connect for Envoy, and one that
// hung up a closed one.
std::string_view envoy_flag_of(const Rule& rule, const FactSet& facts) {
    if (rule.cause == Cause::stale_endpoint && facts.has(Fact::refused)) return "UF";
    const bool hung_up =
        rule.cause != Cause::closed_before_preface && facts.has(Fact::upstream_hung_up);
    if (rule.position == HopPosition::upstream && hung_up) return "UC";
    return envoy_flag_of(rule.cause);
}

// What is well when it is asked again was not wrong for good. The answer of a proxy to one call is
// no less wrong because it has another for a method that nobody serves.
Confidence confidence_of(const Rule& rule, const FactSet& facts) {
    const bool doubted = facts.has(Fact::confirmed_again) && !rule.need.has(Fact::attributed) &&
                         rule.position == HopPosition::upstream && rule.cause != Cause::fine &&
                         rule.cause != Cause::http2_not_grpc;
    return doubted ? Confidence::possible : rule.confidence;
}

}  // namespace

Diagnosis diagnose(const Evidence& evidence) {
    const Fingerprint software = fingerprint(evidence.upstream);
    const FactSet facts = find_facts(evidence, software);
    const Rule& rule = first_match(facts);
    const Findings findings{.e = evidence,
                            .facts = facts,
                            .software = software,
                            .attribution = find_attribution(evidence)};
    const bool attributed = rule.need.has(Fact::attributed);
    const Cause cause = attributed ? findings.attribution->cause : rule.cause;
    Sentences sentences =
        attributed ? attributed_sentences(findings) : write_sentences(cause, findings);
    if (!attributed) add_learned(sentences, cause, rule.position, findings);
    return {.cause = cause,
            .confidence = confidence_of(rule, facts),
            .hop = name_hop(rule, findings),
            .explanation = cut_text(std::move(sentences.explanation), sentence_bytes_max),
            .fix = cut_text(std::move(sentences.fix), sentence_bytes_max),
            .envoy_flag = attributed ? std::string_view() : envoy_flag_of(rule, facts),
            .attributed_by = attributed ? upstream_words(evidence) : std::string()};
}

}  // namespace telltale::sniff
