#include "proxy/client_counts.h"

#include <random>

namespace telltale::proxy {

namespace {

uint64_t secret() {
    std::random_device device;
    return (uint64_t{device()} << 32U) | device();
}

}  // namespace

ClientCounts::ClientCounts(uint32_t limit) : limit_(limit), counts_(0, Hash{secret()}) {}

bool ClientCounts::enter(const PeerAddress& client) {
    if (limit_ == 0) return true;
    const auto [entry, added] = counts_.try_emplace(client, 0);
    if (entry->second >= limit_) return false;
    ++entry->second;
    return true;
}

void ClientCounts::leave(const PeerAddress& client) noexcept {
    const auto entry = counts_.find(client);
    if (entry == counts_.end()) return;
    if (--entry->second == 0) counts_.erase(entry);
}

void ClientCounts::set_limit(uint32_t limit) {
    limit_ = limit;
    if (limit_ == 0) counts_.clear();
}

}  // namespace telltale::proxy
