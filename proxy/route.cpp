#include "proxy/route.h"

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <limits>
#include <string>
#include <utility>

#include "proxy/endpoint.h"

namespace telltale::proxy {

namespace {

using Results = asio::ip::tcp::resolver::results_type;

// getaddrinfo does not tell the TTL; upstream.resolve stands for it. A failure is asked again soon.
constexpr TimeMs failure_kept_ms = 1000;
// A name server that is away for a while, or flaps, must not take away what it once told: so many
// times upstream.resolve the last answer stays.
constexpr TimeMs answer_outlives = 12;
constexpr size_t names_max = 65536;
constexpr TimeMs forever = std::numeric_limits<TimeMs>::max();

TimeMs steady_ms() {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

}  // namespace

struct Route::Lookup : std::enable_shared_from_this<Lookup> {
    struct Name {
        config::Address address;
        std::vector<Endpoint> endpoints;  // of its last good answer
        TimeMs answered = 0;
        ErrorCode error;  // of its last answer
    };

    Lookup(asio::io_context& names, NameMemory& shared_memory, Post post, size_t index,
           const config::Upstream& upstream, const OwnAddresses& own_addresses, Chains& all_chains)
        : memory(shared_memory),
          home(std::move(post)),
          listener(index),
          kept_ms(upstream.resolve.count()),
          own(own_addresses),
          chains(all_chains),
          resolver(names) {
        for (const config::Address& address : upstream.addresses) {
            entries.push_back({.address = address, .endpoints = {}, .answered = 0, .error = {}});
            if (auto endpoint = numeric_endpoint(address)) {
                entries.back().endpoints.push_back(*endpoint);
                entries.back().answered = forever;
            } else {
                asks = true;
            }
        }
        answer.candidates = new Candidates;
        if (!asks) assemble();
    }

    void ask();
    void ask_next(size_t from);
    void take(size_t entry, const ErrorCode& error, const Results& results);
    void finish();
    void assemble();
    void add(const Name& name, const Candidates* before);
    [[nodiscard]] bool leads_back(const Endpoint& endpoint);

    NameMemory& memory;
    Post home;
    size_t listener;
    TimeMs kept_ms;
    const OwnAddresses& own;
    Chains& chains;
    asio::ip::tcp::resolver resolver;
    std::vector<Name> entries;
    bool asks = false;  // there are names
    bool asking = false;
    bool gone = false;  // the route is, and with it what own and chains refer to
    ResolvedUpstream answer;
    TimeMs fresh_until = 0;   // 0: never asked
    TimeMs usable_until = 0;  // the old answer may be used while a new one is asked for
    std::vector<Ready> waiting;
};

void NameMemory::keep(const std::string& name, const std::vector<Endpoint>& endpoints, TimeMs now) {
    const std::lock_guard lock(mutex_);
    // Names of configurations that are long gone.
    if (answers_.size() >= names_max && !answers_.contains(name)) answers_.clear();
    answers_[name] = {.endpoints = endpoints, .at = now};
}

std::vector<Endpoint> NameMemory::recall(const std::string& name, TimeMs now,
                                         TimeMs age_max) const {
    const std::lock_guard lock(mutex_);
    const auto found = answers_.find(name);
    if (found == answers_.end() || now - found->second.at > age_max) return {};
    return found->second.endpoints;
}

bool Chains::lead_to(size_t listener, size_t from) const {
    std::vector<bool> visited(next_.size());
    std::vector<size_t> open = {from};
    while (!open.empty()) {
        const size_t at = open.back();
        open.pop_back();
        if (at == listener) return true;
        if (visited[at]) continue;
        visited[at] = true;
        open.insert(open.end(), next_[at].begin(), next_[at].end());
    }
    return false;
}

// ---- names, one after the other

void Route::Lookup::ask() {
    if (asking) return;
    asking = true;
    ask_next(0);
}

void Route::Lookup::ask_next(size_t from) {
    const auto next = std::find_if(entries.begin() + static_cast<ptrdiff_t>(from), entries.end(),
                                   [](const Name& name) { return name.answered != forever; });
    if (next == entries.end()) {
        finish();
        return;
    }
    const auto entry = static_cast<size_t>(next - entries.begin());
    resolver.async_resolve(
        next->address.host, std::to_string(next->address.port),
        asio::ip::tcp::resolver::numeric_service,
        [self = shared_from_this(), entry](const ErrorCode& error, const Results& results) {
            self->home([self, entry, error, results] { self->take(entry, error, results); });
        });
}

void Route::Lookup::take(size_t entry, const ErrorCode& error, const Results& results) {
    if (gone) return;
    Name& name = entries[entry];
    const TimeMs now = steady_ms();
    name.error = error;
    if (!error) {
        name.endpoints.clear();
        for (const auto& result : results) name.endpoints.emplace_back(result.endpoint());
        name.answered = now;
        memory.keep(name.address.text(), name.endpoints, now);
    } else {
        name.endpoints = memory.recall(name.address.text(), now, kept_ms * answer_outlives);
    }
    ask_next(entry + 1);
}

void Route::Lookup::finish() {
    asking = false;
    assemble();
    for (auto& ready : std::exchange(waiting, {})) ready(answer);
}

void Route::Lookup::assemble() {
    const CandidatesPtr before = std::exchange(answer.candidates, new Candidates);
    chains.clear(listener);
    answer.error = {};
    bool failed = false;
    for (const Name& name : entries) {
        add(name, before.get());
        failed = failed || name.error;
        if (name.error && !answer.error) answer.error = name.error;
    }
    if (!answer.candidates->all().empty()) answer.error = {};
    const TimeMs now = steady_ms();
    fresh_until = asks ? now + (failed ? std::min(failure_kept_ms, kept_ms) : kept_ms) : forever;
    usable_until = answer.error ? fresh_until : now + kept_ms * answer_outlives;
    if (!asks) usable_until = forever;
}

// getaddrinfo sorts by RFC 6724: the family of the first address is the one to try first.
void Route::Lookup::add(const Name& name, const Candidates* before) {
    for (const Endpoint& endpoint : name.endpoints) {
        const int preferred = name.endpoints.front().protocol().family();
        const CandidatePtr* known = before->find(endpoint);
        CandidatePtr candidate = known != nullptr ? *known : CandidatePtr(new Candidate);
        candidate->endpoint = endpoint;
        candidate->requested = name.address;
        candidate->second_family = endpoint.protocol().family() != preferred;
        candidate->loops = leads_back(endpoint);
        if (answer.candidates->find(endpoint) == nullptr) answer.candidates->add(candidate);
    }
}

bool Route::Lookup::leads_back(const Endpoint& endpoint) {
    const auto reached =
        std::find_if(own.bound.begin(), own.bound.end(),
                     [&](const Endpoint& bound) { return reaches(endpoint, bound, own.local); });
    if (reached == own.bound.end()) return false;
    const auto next = static_cast<size_t>(reached - own.bound.begin());
    chains.add(listener, next);
    return chains.lead_to(listener, next);
}

// ---- the public face

Route::Route(asio::io_context& names, NameMemory& memory, Post home, size_t listener,
             const config::Upstream& upstream, const OwnAddresses& own, Chains& chains)
    : lookup_(std::make_shared<Lookup>(names, memory, std::move(home), listener, upstream, own,
                                       chains)) {}

Route::~Route() {
    lookup_->gone = true;
}

const ResolvedUpstream* Route::current(TimeMs now) {
    if (now < lookup_->fresh_until) return &lookup_->answer;
    if (now >= lookup_->usable_until) return nullptr;
    lookup_->ask();
    return &lookup_->answer;
}

void Route::resolve(Ready ready) {
    lookup_->waiting.push_back(std::move(ready));
    lookup_->ask();
}

void Route::inherit(const Route& other) {
    Lookup& mine = *lookup_;
    const Lookup& theirs = *other.lookup_;
    bool complete = true;
    for (Lookup::Name& name : mine.entries) {
        const auto same =
            std::find_if(theirs.entries.begin(), theirs.entries.end(),
                         [&](const Lookup::Name& known) { return known.address == name.address; });
        if (same != theirs.entries.end()) name = *same;
        complete = complete && name.answered != 0;
    }
    mine.answer.candidates = theirs.answer.candidates;
    mine.assemble();
    if (mine.asks) mine.fresh_until = complete ? theirs.fresh_until : 0;
    if (mine.asks && !complete) mine.usable_until = 0;
}

size_t Route::ejected(TimeMs now) const noexcept {
    return lookup_->answer.candidates->ejected(now);
}

}  // namespace telltale::proxy
