#include "proxy/ending_code.h"

#include <array>
#include <cctype>
#include <cerrno>
#include <system_error>

#include "sniff/protocol.h"

namespace telltale::proxy {

namespace {

using sniff::EndKind;
using sniff::Operation;

constexpr std::array<std::string_view, 10> operation_names = {
    "none",  "accept",   "resolve", "connect", "read",
    "write", "deadline", "drain",   "policy",  "limit"};
constexpr std::array<std::string_view, 6> end_kind_names = {"none",  "eof",     "reset",
                                                            "error", "timeout", "aborted"};
constexpr std::array<std::string_view, 4> phase_names = {"connecting", "before_verdict", "relaying",
                                                         "closing"};
static_assert(operation_names[static_cast<size_t>(Operation::limit)] == "limit");
static_assert(end_kind_names[static_cast<size_t>(EndKind::aborted)] == "aborted");
static_assert(phase_names[static_cast<size_t>(sniff::Phase::closing)] == "closing");
static_assert(ending_phases.size() == phase_names.size());

// "" for a value outside the list: evidence is plain data and may be made by hand.
template <typename Enum, size_t size>
std::string_view word(const std::array<std::string_view, size>& names, Enum value) {
    const auto index = static_cast<size_t>(value);
    return index < size ? names[index] : std::string_view();
}

// A socket could not be had, or not be bound: the peer has no part in it.
bool is_want_of_this_host(int error) {
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM ||
           error == EADDRNOTAVAIL;
}

char cause_of(const sniff::Ending& ending) {
    switch (ending.operation) {
        case Operation::policy:
            return 'P';
        case Operation::limit:
        case Operation::accept:
            return 'L';
        case Operation::deadline:
            return 'T';
        case Operation::drain:
            return 'D';
        case Operation::resolve:
        case Operation::connect:
            if (ending.side == sniff::Side::client) break;
            // Patience ends long before the kernel's own.
            if (ending.kind == EndKind::timeout) return 'T';
            return is_want_of_this_host(ending.error) ? 'L' : 'u';
        case Operation::none:
        case Operation::read:
        case Operation::write:
            break;
    }
    if (!ending.side) return ending.kind == EndKind::timeout ? 'T' : 'D';
    const bool closed = ending.kind == EndKind::eof;
    if (*ending.side == sniff::Side::client) return closed ? 'C' : 'c';
    return closed ? 'U' : 'u';
}

}  // namespace

std::string ending_code(const sniff::Ending& ending) {
    if (ending.kind == EndKind::none) return "--";
    const auto phase = static_cast<size_t>(ending.phase);
    return {cause_of(ending), phase < ending_phases.size() ? ending_phases[phase] : '-'};
}

EndingWords ending_words(const sniff::Ending& ending) {
    EndingWords words{.code = ending_code(ending),
                      .side = "telltale",
                      .operation = word(operation_names, ending.operation),
                      .error = std::string(word(end_kind_names, ending.kind)),
                      .phase = word(phase_names, ending.phase)};
    if (ending.side) words.side = word(sniff::side_names, *ending.side);
    if (ending.kind == EndKind::error && ending.error != 0) words.error = errno_text(ending.error);
    return words;
}

std::string errno_text(int error) {
    std::string text = std::generic_category().message(error);
    if (!text.empty()) {
        text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
    }
    return text;
}

}  // namespace telltale::proxy
