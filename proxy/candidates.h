// The endpoints that a listener's connections may go to, as one worker knows them, and the choice
// among them. Pure but for what is remembered of each endpoint: time comes in as a value.
#pragma once

#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "config/config.h"
#include "proxy/deadlines.h"
#include "proxy/net.h"

namespace telltale::proxy {

// One endpoint. Outlives the answer of the resolver that named it while a session uses it.
struct Candidate : boost::intrusive_ref_counter<Candidate, boost::thread_unsafe_counter> {
    Endpoint endpoint;
    config::Address requested;   // as configured: the name or address that led here
    bool second_family = false;  // its name also has addresses of the family that is preferred
    bool loops = false;          // dialling it would reach this listener again
    uint32_t active = 0;         // sessions of this worker
    uint32_t ejections = 0;      // in a row, without a healthy connection in between
    TimeMs ejected_until = 0;    // left out: it spoke the wrong protocol
    TimeMs avoided_until = 0;    // comes after the others: it could not be reached a moment ago
};
using CandidatePtr = boost::intrusive_ptr<Candidate>;

// What was tried already, by index.
using Tried = uint64_t;

class Candidates final
    : public boost::intrusive_ref_counter<Candidates, boost::thread_unsafe_counter> {
   public:
    static constexpr size_t count_max = 64;  // more addresses of a name are left out

    void add(CandidatePtr candidate);
    [[nodiscard]] const std::vector<CandidatePtr>& all() const noexcept { return all_; }
    [[nodiscard]] const CandidatePtr* find(const Endpoint& endpoint) const;

    // Where a new connection goes, or where it goes next when `last` could not be reached: first
    // those that are in good standing, then those that were out of reach, ejected ones last. The
    // family changes from one try to the next (RFC 8305 §4). nullptr: all were tried.
    [[nodiscard]] CandidatePtr choose(config::Balance balance, Tried& tried, const Candidate* last,
                                      TimeMs now);
    // Where a connection goes that met the wrong protocol: only where nothing bad is known.
    [[nodiscard]] CandidatePtr choose_other(config::Balance balance, Tried& tried, TimeMs now);
    [[nodiscard]] bool has_other(Tried tried, TimeMs now) const noexcept;

    // Leaves it out for the time, longer each time in a row. Not the last that is left: false then.
    bool eject(Candidate& candidate, uint32_t seconds, TimeMs now) noexcept;
    [[nodiscard]] size_t ejected(TimeMs now) const noexcept;

   private:
    enum class Standing : uint8_t { good, avoided, ejected };
    [[nodiscard]] static Standing standing(const Candidate& candidate, TimeMs now) noexcept;
    template <typename Fits>
    [[nodiscard]] CandidatePtr pick(config::Balance balance, Tried& tried, Fits fits);

    std::vector<CandidatePtr> all_;
    size_t cursor_ = 0;  // where the next round begins
};
using CandidatesPtr = boost::intrusive_ptr<Candidates>;

}  // namespace telltale::proxy
