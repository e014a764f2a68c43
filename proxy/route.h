// Where a listener's connections go, as one worker sees it: the endpoints of the configured
// upstream, resolved when needed and kept for a short time. Numeric addresses and Unix paths need
// no resolver and are answered at once.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "proxy/net.h"

namespace telltale::proxy {

struct ResolvedUpstream {
    std::vector<Endpoint> endpoints;  // in the order to try
    std::vector<bool> loops;          // same index: dialling it would reach this process again
    ErrorCode error;                  // of the resolver
};

// What the process itself listens on; filled once before the workers start.
struct OwnAddresses {
    std::vector<Endpoint> bound;  // index = listener
    std::vector<Endpoint> local;
};

// Which listener of this process each listener's upstream was last seen to be, if any: chains are
// legal, cycles are not.
class Chains final {
   public:
    explicit Chains(size_t listeners) : next_(listeners) {}
    void set(size_t listener, std::optional<size_t> next) { next_[listener] = next; }
    // Whether what enters at `from` arrives at `listener`.
    [[nodiscard]] bool lead_to(size_t listener, size_t from) const;

   private:
    std::vector<std::optional<size_t>> next_;
};

class Route final {
   public:
    using Ready = std::function<void(const ResolvedUpstream&)>;
    // Runs a task on the thread that the route belongs to.
    using Post = std::function<void(std::function<void()>)>;

    // names: where the resolver answers, on whatever thread runs it; home: brings the answer here.
    // own and chains outlive the route; chains is shared by the routes of one worker.
    Route(asio::io_context& names, Post home, size_t listener, const config::Address& upstream,
          const OwnAddresses& own, Chains& chains);
    ~Route();
    Route(const Route&) = delete;
    Route& operator=(const Route&) = delete;

    // The present answer, or nullptr while it must be asked for.
    [[nodiscard]] const ResolvedUpstream* current() const noexcept;
    // Calls back when there is an answer; one question is under way at a time, all who wait share
    // it.
    void resolve(Ready ready);

   private:
    struct Lookup;
    std::shared_ptr<Lookup> lookup_;
};

}  // namespace telltale::proxy
