// Codes that stand alone: gRPC and HTTP statuses, TLS alerts, HTTP/2 error codes, errno, nghttp2,
// Envoy's response flags, HAProxy's ends of a session. One table; the same number may mean several
// things, and all of them are said.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sniff/explain/error_text.h"

namespace telltale::sniff::explain {

enum class CodeKind : uint8_t {
    grpc_status,
    http_status,
    tls_alert,
    http2_error,
    os_error,
    nghttp2,
    envoy_flag,
    haproxy_end,
};

struct Code {
    CodeKind kind = CodeKind::grpc_status;
    int number = -1;  // -1: it has none
    std::string_view name = {};
    std::string_view means = {};
    std::span<const Likely> causes = {};
};

[[nodiscard]] std::string_view words(CodeKind kind) noexcept;
[[nodiscard]] const Code* find_code(CodeKind kind, int number) noexcept;
// "14 UNAVAILABLE", "502 Bad Gateway", "UPE"
[[nodiscard]] std::string code_words(const Code& code);

// The codes that a whole text names: "14", "UNAVAILABLE", "HTTP status 464", ":status 000",
// "alert 120", "0xd", "UPE", "PH--", "ECONNREFUSED", "-536". Likeliest first, at most eight; empty
// when it is something else.
[[nodiscard]] std::vector<const Code*> find_codes(std::string_view text);

}  // namespace telltale::sniff::explain
