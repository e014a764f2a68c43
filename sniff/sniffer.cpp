#include "sniff/sniffer.h"

#include <algorithm>
#include <cstddef>

namespace telltale::sniff {

Sniffer::Sniffer(Side speaker, uint32_t window_max) noexcept
    : speaker_(speaker),
      window_max_(window_max),
      candidates_(static_cast<uint32_t>((uint64_t{1} << probes(speaker).size()) - 1U)) {}

Protocol Sniffer::look(Bytes prefix) noexcept {
    if (protocol_ != Protocol::undecided || prefix.empty()) return protocol_;
    const Bytes window = prefix.first(std::min<size_t>(prefix.size(), window_max_));
    const auto rows = probes(speaker_);
    for (size_t row = 0; row < rows.size(); ++row) {
        const uint32_t bit = uint32_t{1} << row;
        if ((candidates_ & bit) == 0) continue;
        const Match match = rows[row].match(window);
        if (match == Match::no) candidates_ &= ~bit;
        // A row may win only when no row before it is open: so the answer is the same for every
        // split.
        if (match == Match::yes && (candidates_ & (bit - 1U)) == 0) {
            return protocol_ = rows[row].protocol;
        }
    }
    if (candidates_ == 0 || prefix.size() >= window_max_) protocol_ = Protocol::other;
    return protocol_;
}

Protocol Sniffer::finish(Bytes prefix) noexcept {
    if (look(prefix) != Protocol::undecided || prefix.empty()) return protocol_;
    const Bytes window = prefix.first(std::min<size_t>(prefix.size(), window_max_));
    for (const Probe& row : probes(speaker_)) {
        if (row.match(window) == Match::yes) return protocol_ = row.protocol;
    }
    return protocol_ = Protocol::other;
}

}  // namespace telltale::sniff
