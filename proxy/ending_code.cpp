#include "proxy/ending_code.h"

#include <cerrno>

namespace telltale::proxy {

namespace {

using sniff::EndKind;
using sniff::Operation;

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

}  // namespace telltale::proxy
