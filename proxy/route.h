// Where a listener's connections go, as one worker sees it: the endpoints of the configured
// upstreams. Names are looked up when first needed and again when the answer is older than
// upstream.resolve, while connections go on with the old one; numeric addresses and Unix paths need
// no resolver.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "config/config.h"
#include "proxy/candidates.h"
#include "proxy/net.h"

namespace telltale::proxy {

struct ResolvedUpstream {
    CandidatesPtr candidates;  // never null; may be empty
    ErrorCode error;           // of the resolver, when there is no candidate
};

// What the process itself listens on; filled once before a generation is used.
struct OwnAddresses {
    std::vector<Endpoint> bound;  // index = listener
    std::vector<Endpoint> local;
};

// Which listeners of this process each listener's upstreams were last seen to be, if any: chains
// are legal, cycles are not.
class Chains final {
   public:
    explicit Chains(size_t listeners) : next_(listeners) {}
    void clear(size_t listener) { next_[listener].clear(); }
    void add(size_t listener, size_t next) { next_[listener].push_back(next); }
    // Whether what enters at `from` arrives at `listener`.
    [[nodiscard]] bool lead_to(size_t listener, size_t from) const;

   private:
    std::vector<std::vector<size_t>> next_;
};

// The last good answer to each name, of whichever worker asked: a name server that is away must not
// fail one worker's connections while another still has its answer. Any thread; locked only when a
// lookup has ended.
class NameMemory final {
   public:
    void keep(const std::string& name, const std::vector<Endpoint>& endpoints, TimeMs now);
    // Empty: there is none, or it is older than this.
    [[nodiscard]] std::vector<Endpoint> recall(const std::string& name, TimeMs now,
                                               TimeMs age_max) const;

   private:
    struct Answer {
        std::vector<Endpoint> endpoints;
        TimeMs at = 0;
    };
    mutable std::mutex mutex_;
    std::map<std::string, Answer> answers_;
};

class Route final {
   public:
    using Ready = std::function<void(const ResolvedUpstream&)>;
    // Runs a task on the thread that the route belongs to.
    using Post = std::function<void(std::function<void()>)>;

    // names: where the resolver answers, on whatever thread runs it; home: brings the answer here.
    // memory, own and chains outlive the route; chains is shared by the routes of one generation.
    Route(asio::io_context& names, NameMemory& memory, Post home, size_t listener,
          const config::Upstream& upstream, const OwnAddresses& own, Chains& chains);
    ~Route();
    Route(const Route&) = delete;
    Route& operator=(const Route&) = delete;

    // The present answer, or nullptr while it must be asked for. Asks again in the background when
    // the answer is getting old.
    [[nodiscard]] const ResolvedUpstream* current(TimeMs now);
    // Calls back when there is an answer; one question is under way at a time, all who wait share
    // it.
    void resolve(Ready ready);
    // Of another generation with the same addresses: what it has learned.
    void inherit(const Route& other);
    [[nodiscard]] size_t ejected(TimeMs now) const noexcept;

   private:
    struct Lookup;
    std::shared_ptr<Lookup> lookup_;
};

}  // namespace telltale::proxy
