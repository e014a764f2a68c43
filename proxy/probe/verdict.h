// Observations of one port in, a verdict out: what can be spoken there, in one word for programs
// and in sentences for people. Pure: no input, no output, no clock. Texts of the verdict are fit to
// print.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/probe/observations.h"
#include "proxy/probe/target.h"
#include "sniff/evidence.h"
#include "sniff/fingerprint.h"

namespace telltale::proxy::probe {

enum class Finding : uint8_t {
    grpc,      // plaintext, proven
    grpc_tls,  // inside TLS only
    grpc_both,
    grpc_tls_without_alpn,  // inside TLS whose ALPN selects nothing: newer clients refuse that
    http2_not_grpc,         // plaintext
    http2_not_grpc_tls,     // inside TLS
    http2_silent,           // SETTINGS, but the unknown method was never answered
    tls_without_h2,
    tls_client_certificate,  // it wants one before anything can be said
    tls_wrong_name,          // alert unrecognized_name
    tls_failed,              // speaks TLS, but no handshake came about
    metrics,                 // HTTP/1 that serves the Prometheus text format
    http1_application,
    http1_proxy,
    forward_proxy,
    other_protocol,  // ssh, a database, …
    silent,
    closes,  // accepts and hangs up
    refused,
    no_answer,  // SYNs are dropped
    unreachable,
    dns_failure,
    not_asked,  // this host could not, or the time was over
};
inline constexpr std::array<std::string_view, 23> finding_names = {"grpc",
                                                                   "grpc_tls",
                                                                   "grpc_both",
                                                                   "grpc_tls_without_alpn",
                                                                   "http2_not_grpc",
                                                                   "http2_not_grpc_tls",
                                                                   "http2_silent",
                                                                   "tls_without_h2",
                                                                   "tls_client_certificate",
                                                                   "tls_wrong_name",
                                                                   "tls_failed",
                                                                   "metrics",
                                                                   "http1_application",
                                                                   "http1_proxy",
                                                                   "forward_proxy",
                                                                   "other_protocol",
                                                                   "silent",
                                                                   "closes",
                                                                   "refused",
                                                                   "no_answer",
                                                                   "unreachable",
                                                                   "dns_failure",
                                                                   "not_asked"};
[[nodiscard]] constexpr std::string_view name(Finding finding) {
    return finding_names[static_cast<size_t>(finding)];
}

// Whether a gRPC client that does the right thing gets through.
enum class Outlook : uint8_t { works, does_not, unreachable };

struct Verdict {
    Finding finding = Finding::not_asked;
    Outlook outlook = Outlook::unreachable;
    sniff::Spoken spoken = sniff::Spoken::unknown;
    std::string sentence;           // "127.0.0.1:12260 cannot serve gRPC: it speaks …"
    std::vector<std::string> next;  // what to do, most useful first
    sniff::Fingerprint by;          // who answered, by the clearest answer; id empty: unknown
};

[[nodiscard]] Verdict judge(const Target& target, const Observations& seen);

}  // namespace telltale::proxy::probe
