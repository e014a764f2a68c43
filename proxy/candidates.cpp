#include "proxy/candidates.h"

#include <algorithm>
#include <utility>

namespace telltale::proxy {

namespace {

constexpr uint32_t doublings_max = 5;  // 32 times as long

bool was_tried(Tried tried, size_t index) noexcept {
    return (tried >> index & 1U) != 0;
}

}  // namespace

void Candidates::add(CandidatePtr candidate) {
    if (all_.size() < count_max) all_.push_back(std::move(candidate));
}

const CandidatePtr* Candidates::find(const Endpoint& endpoint) const {
    const auto found = std::find_if(all_.begin(), all_.end(), [&](const CandidatePtr& candidate) {
        return candidate->endpoint == endpoint;
    });
    return found == all_.end() ? nullptr : &*found;
}

Candidates::Standing Candidates::standing(const Candidate& candidate, TimeMs now) noexcept {
    if (now < candidate.ejected_until) return Standing::ejected;
    return now < candidate.avoided_until ? Standing::avoided : Standing::good;
}

template <typename Fits>
CandidatePtr Candidates::pick(config::Balance balance, Tried& tried, Fits fits) {
    size_t best = all_.size();
    for (size_t step = 0; step < all_.size(); ++step) {
        const size_t at = (cursor_ + step) % all_.size();
        if (was_tried(tried, at) || !fits(*all_[at])) continue;
        if (best == all_.size() || all_[at]->active < all_[best]->active) best = at;
        if (balance == config::Balance::round_robin) break;
    }
    if (best == all_.size()) return nullptr;
    cursor_ = (best + 1) % all_.size();
    tried |= Tried{1} << best;
    return all_[best];
}

CandidatePtr Candidates::choose(config::Balance balance, Tried& tried, const Candidate* last,
                                TimeMs now) {
    for (const Standing wanted : {Standing::good, Standing::avoided, Standing::ejected}) {
        const auto stands = [&](const Candidate& candidate) {
            return standing(candidate, now) == wanted;
        };
        // The first try goes to the preferred family of each name, the next to the other one.
        const bool other_family = last != nullptr && !last->second_family;
        auto found = pick(balance, tried, [&](const Candidate& candidate) {
            return stands(candidate) && candidate.second_family == other_family;
        });
        if (!found) found = pick(balance, tried, stands);
        if (found) return found;
    }
    return nullptr;
}

CandidatePtr Candidates::choose_other(config::Balance balance, Tried& tried, TimeMs now) {
    return pick(balance, tried, [now](const Candidate& candidate) {
        return standing(candidate, now) == Standing::good && !candidate.loops;
    });
}

bool Candidates::has_other(Tried tried, TimeMs now) const noexcept {
    for (size_t at = 0; at < all_.size(); ++at) {
        if (!was_tried(tried, at) && !all_[at]->loops &&
            standing(*all_[at], now) == Standing::good) {
            return true;
        }
    }
    return false;
}

bool Candidates::eject(Candidate& candidate, uint32_t seconds, TimeMs now) noexcept {
    const bool another = std::any_of(all_.begin(), all_.end(), [&](const CandidatePtr& other) {
        return other.get() != &candidate && standing(*other, now) != Standing::ejected;
    });
    if (!another || seconds == 0) return false;
    const uint32_t times = uint32_t{1} << std::min(candidate.ejections, doublings_max);
    // Connections that were under way to it at the same time say nothing new.
    if (standing(candidate, now) == Standing::ejected) return true;
    candidate.ejected_until = now + TimeMs{seconds} * 1000 * times;
    ++candidate.ejections;
    return true;
}

size_t Candidates::ejected(TimeMs now) const noexcept {
    return static_cast<size_t>(
        std::count_if(all_.begin(), all_.end(), [now](const CandidatePtr& candidate) {
            return standing(*candidate, now) == Standing::ejected;
        }));
}

}  // namespace telltale::proxy
