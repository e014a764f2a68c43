#include "proxy/route.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "proxy/endpoint.h"

namespace telltale::proxy {

namespace {

using Clock = std::chrono::steady_clock;
// getaddrinfo does not tell the TTL. Kubernetes' DNS answers with 5 to 30 s; a failure is asked
// again soon.
constexpr std::chrono::seconds answer_kept{5};
constexpr std::chrono::seconds failure_kept{1};

}  // namespace

struct Route::Lookup : std::enable_shared_from_this<Lookup> {
    Lookup(asio::io_context& names, Post post, size_t index, config::Address address,
           const OwnAddresses& own_addresses, Chains& all_chains)
        : home(std::move(post)),
          listener(index),
          upstream(std::move(address)),
          own(own_addresses),
          chains(all_chains),
          resolver(names) {}

    void finish(ErrorCode error, const asio::ip::tcp::resolver::results_type& results) {
        answer = {};
        answer.error = error;
        chains.set(listener, std::nullopt);
        for (const auto& result : results) add(Endpoint(result.endpoint()));
        fresh_until = Clock::now() + (error ? failure_kept : answer_kept);
        for (auto& ready : std::exchange(waiting, {})) ready(answer);
    }

    void add(const Endpoint& endpoint) {
        answer.endpoints.push_back(endpoint);
        const auto reached = std::find_if(
            own.bound.begin(), own.bound.end(),
            [&](const Endpoint& bound) { return reaches(endpoint, bound, own.local); });
        if (reached == own.bound.end()) {
            answer.loops.push_back(false);
            return;
        }
        const auto next = static_cast<size_t>(reached - own.bound.begin());
        chains.set(listener, next);
        answer.loops.push_back(chains.lead_to(listener, next));
    }

    Post home;
    size_t listener;
    config::Address upstream;
    const OwnAddresses& own;
    Chains& chains;
    asio::ip::tcp::resolver resolver;
    ResolvedUpstream answer;
    Clock::time_point fresh_until{};
    std::vector<Ready> waiting;
};

bool Chains::lead_to(size_t listener, size_t from) const {
    size_t at = from;
    // A chain that passes more listeners than there are goes in a circle further on: not through
    // this one.
    for (size_t step = 0; step <= next_.size(); ++step) {
        if (at == listener) return true;
        if (!next_[at]) return false;
        at = *next_[at];
    }
    return false;
}

Route::Route(asio::io_context& names, Post home, size_t listener, const config::Address& upstream,
             const OwnAddresses& own, Chains& chains)
    : lookup_(std::make_shared<Lookup>(names, std::move(home), listener, upstream, own, chains)) {
    if (const auto endpoint = numeric_endpoint(upstream)) {
        lookup_->add(*endpoint);
        lookup_->fresh_until = Clock::time_point::max();
    }
}

Route::~Route() = default;

const ResolvedUpstream* Route::current() const noexcept {
    if (lookup_->fresh_until == Clock::time_point::max()) return &lookup_->answer;
    if (lookup_->fresh_until == Clock::time_point{} || Clock::now() > lookup_->fresh_until) {
        return nullptr;
    }
    return &lookup_->answer;
}

void Route::resolve(Ready ready) {
    lookup_->waiting.push_back(std::move(ready));
    if (lookup_->waiting.size() > 1) return;
    lookup_->resolver.async_resolve(
        lookup_->upstream.host, std::to_string(lookup_->upstream.port),
        asio::ip::tcp::resolver::numeric_service,
        [self = lookup_](ErrorCode error, const asio::ip::tcp::resolver::results_type& results) {
            self->home([self, error, results] { self->finish(error, results); });
        });
}

}  // namespace telltale::proxy
