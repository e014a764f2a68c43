// One row per text that a gRPC stack, a proxy or an HTTP client prints when the other side does not
// speak what it reads: what the reader saw, who prints it, the likely causes and the next command.
// Data only; pattern.h says how a row is matched, explain.h what is made of it.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "sniff/cause.h"

namespace telltale::sniff::explain {

// Which side of the hop printed the text.
enum class Reader : uint8_t {
    client,  // the program that dialled
    proxy,   // a proxy, about its upstream
    server,  // a server or proxy, about its client
};

// Which of several rows on one line explains it.
enum class Weight : uint8_t {
    wrapper,   // says only that something failed; gives way to anything else near by
    general,   // names the kind of failure
    specific,  // names what was read
};

struct Likely {
    Cause cause = Cause::unexplained;
    std::string_view why = {};  // one sentence
};

struct ErrorText {
    std::string_view id = {};
    Weight weight = Weight::general;
    Reader reader = Reader::client;
    std::string_view pattern = {};  // pattern.h
    std::string_view printed_by = {};
    std::string_view saw = {};            // what the reader saw on the wire: one sentence
    std::span<const Likely> causes = {};  // likeliest first; empty: what the captured bytes say, or
                                          // no fault between protocols at all
    std::string_view is_not = {};         // the wrong turn that this text invites
    std::string_view versions = {};       // what the text tells about versions
    std::string_view next = {};           // a command; {address} is replaced by the one in the text
    std::string_view source = {};         // a public page, or "measured: PROGRAM VERSION"
    std::string_view example = {};        // a real text; the row must match it
};

// The tables, in no order that matters.
[[nodiscard]] std::span<const std::span<const ErrorText>> error_texts() noexcept;

[[nodiscard]] std::span<const ErrorText> grpc_texts() noexcept;    // gRPC libraries as clients
[[nodiscard]] std::span<const ErrorText> server_texts() noexcept;  // servers about their clients
[[nodiscard]] std::span<const ErrorText> proxy_texts() noexcept;   // nginx, Envoy, HAProxy, …
[[nodiscard]] std::span<const ErrorText> http_texts() noexcept;  // HTTP clients, TLS libraries, OS

}  // namespace telltale::sniff::explain
