// What a listener's policy does about one connection: a pure decision over what was seen. `observe`
// never does anything.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "config/config.h"
#include "sniff/cause.h"
#include "sniff/evidence.h"

namespace telltale::proxy {

// What was done about an incident; the record's "action".
enum class Action : uint8_t { forwarded, closed, answered, rerouted, reset };
inline constexpr std::array<std::string_view, 5> action_names = {"forwarded", "closed", "answered",
                                                                 "rerouted", "reset"};
[[nodiscard]] constexpr std::string_view name(Action action) {
    return action_names[static_cast<size_t>(action)];
}
[[nodiscard]] constexpr std::string_view name(config::Policy policy) {
    return config::policy_names[static_cast<size_t>(policy)];
}

struct PolicyCase {
    config::Policy policy = config::Policy::observe;
    sniff::Cause cause = sniff::Cause::fine;
    sniff::Outcome outcome = sniff::Outcome::connected;
    sniff::Protocol client = sniff::Protocol::undecided;
    sniff::Protocol upstream = sniff::Protocol::undecided;
    bool flight_whole = false;    // every byte of the client is kept
    bool other_endpoint = false;  // there is another endpoint, and an attempt left
};

// `forwarded` (or `closed`, where there is no upstream): the policy does not apply, the bytes go
// on as they came.
[[nodiscard]] Action decide(const PolicyCase& seen) noexcept;

}  // namespace telltale::proxy
