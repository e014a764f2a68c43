// What another Telltale further in says in its answer: the fields x-telltale-cause and
// x-telltale-hop of a response that it gave in place of its upstream. A Telltale that relays such
// an answer must not search for the fault again next to itself. Wire text: anybody may send it, so
// only words of the closed lists are taken from it, and texts escaped and cut.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "sniff/cause.h"
#include "sniff/evidence.h"

namespace telltale::sniff {

// A cause of the closed list by its name, except `fine`; nullopt for anything else.
[[nodiscard]] std::optional<Cause> attributed_cause(std::string_view word) noexcept;

// The hop of x-telltale-hop: an item with parameters (RFC 8941 §3.3), as
//   upstream;name="group-rpc-service";role=metrics;address="10.244.2.9:12260"
struct ToldHop {
    HopPosition position = HopPosition::upstream;
    Role role = Role::unknown;
    std::string name;     // raw; "" when it was not told
    std::string address;  // the same
};
// nullopt when the text is no such item or its position is no word of ours. Parameters that are not
// known are passed over.
[[nodiscard]] std::optional<ToldHop> parse_told_hop(std::string_view text);

struct Attribution {
    Cause cause = Cause::unexplained;
    std::optional<ToldHop> hop;
    std::string sentence;  // grpc-message decoded, or the first line of an HTTP/1 body; raw
};
// Only of an exchange that both sides understand, HTTP/2 with HTTP/2 or HTTP/1 with HTTP/1: where
// the two do not match, this Telltale stands next to the fault itself.
[[nodiscard]] std::optional<Attribution> find_attribution(const Evidence& evidence);

}  // namespace telltale::sniff
