#include "proxy/ended_ring.h"

#include <algorithm>
#include <type_traits>

namespace telltale::proxy {

static_assert(std::is_trivially_copyable_v<EndedConnection>);

namespace {

ConnectionRow row_of(const EndedConnection& ended, TimeMs now) {
    ConnectionRow row;
    row.id = ended.id;
    row.listener = ended.listener;
    row.client_address = ended.client_address.text();
    if (ended.reached) row.upstream_address = ended.upstream_address.text();
    row.client = ended.client;
    row.upstream = ended.upstream;
    row.verdict = ended.verdict;
    row.cause = ended.cause;
    row.state = "ended";
    row.bytes = ended.bytes;
    row.age_ms = ended.age_ms;
    row.ended_by = ended.ended_by;
    row.ended_ms_ago = std::max<TimeMs>(now - ended.ended_at_ms, 0);
    row.policy = ended.policy;
    row.action = ended.action;
    return row;
}

}  // namespace

void EndedRing::push(const EndedConnection& ended) noexcept {
    ring_[pushed_++ % capacity] = ended;
}

std::vector<ConnectionRow> EndedRing::rows(TimeMs now) const {
    std::vector<ConnectionRow> rows;
    const uint64_t kept = std::min<uint64_t>(pushed_, capacity);
    rows.reserve(kept);
    for (uint64_t i = 1; i <= kept; ++i)
        rows.push_back(row_of(ring_[(pushed_ - i) % capacity], now));
    return rows;
}

}  // namespace telltale::proxy
