// What Telltale says when it answers a client itself (policy `answer`): the diagnosis as one
// sentence, as three header values and as a whole HTTP/1.1 response. Pure. Every text is fit for
// where it goes, whatever the evidence holds: header values are printable ASCII of bounded length,
// the sentence is UTF-8 without control characters.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "sniff/diagnosis.h"
#include "sniff/evidence.h"

namespace telltale::proxy {

inline constexpr size_t answer_sentence_max = 1024;      // bytes
inline constexpr size_t answer_hop_max = 256;            // bytes
inline constexpr size_t answer_proxy_status_max = 512;   // bytes
inline constexpr size_t answer_grpc_message_max = 1024;  // bytes, after percent-encoding

struct AnswerText {
    // What happened and what to change.
    std::string sentence;
    // A word of the closed list of causes; the value of x-telltale-cause.
    std::string_view cause;
    // Which hop, as an item with parameters (RFC 8941 §3.3); the value of x-telltale-hop:
    // upstream;name="group-rpc-service";role=metrics;address="10.244.2.9:12260"
    std::string hop;
    // RFC 9209 §2; the value of proxy-status:
    // telltale;error=http_protocol_error;next-hop="10.244.2.9:12260";details="metrics_port"
    std::string proxy_status;
    // The client spoke something else: what it sent was no good request, the way behind is fine.
    bool clients_fault = false;
};

// Without `show_addresses` no text holds an IP address, or the host and port of a peer: a word
// stands there instead. Names of services in the registry and bare port numbers stay.
[[nodiscard]] AnswerText answer_text(const sniff::Evidence& evidence,
                                     const sniff::Diagnosis& diagnosis, bool show_addresses);

// The value of grpc-message, percent-encoded as gRPC over HTTP/2 wants it; cut between characters,
// at most answer_grpc_message_max bytes.
[[nodiscard]] std::string grpc_message(std::string_view sentence);

// A complete HTTP/1.1 response that closes the connection: 502, or 400 where the fault is the
// client's. `head_only` is for HEAD: the same fields and no body (RFC 9110 §9.3.2).
[[nodiscard]] std::string http1_answer(const AnswerText& text, bool head_only);

}  // namespace telltale::proxy
