// Evidence for tests: small builders, and one example for every row of the table of rules.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sniff/evidence.h"

namespace telltale::sniff::test {

// A gRPC client that reached 10.244.2.9:12260 and said nothing more than the preface.
[[nodiscard]] Evidence connected();
[[nodiscard]] SideEvidence side(Protocol protocol);
// "POST /a.B/C" with a content type, a User-Agent and forwarding headers.
[[nodiscard]] SideEvidence http1_client(std::string_view method, std::string_view target,
                                        std::string_view user_agent = {},
                                        std::string_view content_type = {});
[[nodiscard]] SideEvidence http2_client(std::string_view content_type);
[[nodiscard]] SideEvidence tls_client(std::vector<std::string> alpn);
// An HTTP/1 answer read from the corpus, and one from the text of its head.
[[nodiscard]] SideEvidence http1_capture(std::string_view name);
[[nodiscard]] SideEvidence http1_answer(std::string_view text);
[[nodiscard]] SideEvidence http2_answer(int status, std::string_view content_type);
void end(Evidence& evidence, Side side, EndKind kind);
void know_group_rpc_metrics(Evidence& evidence);

struct Example {
    std::string_view rule;
    Evidence evidence;
};
[[nodiscard]] std::vector<Example> examples();

}  // namespace telltale::sniff::test
