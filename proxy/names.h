// Names of addresses for incidents, by a resolver that the caller brings: what was asked is
// remembered, the same question is asked once at a time, and so many a second. A name server that
// does not answer is left alone for a while, so that records go on without delay. On one thread;
// knows no clock.
#pragma once

#include <boost/asio/ip/address.hpp>
#include <chrono>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "proxy/rate.h"
#include "proxy/stats.h"

namespace telltale::proxy {

class Names final {
   public:
    using Time = std::chrono::steady_clock::time_point;
    using Address = boost::asio::ip::address;
    // nullopt: nobody answered. Empty: the address has no name.
    using Answer = std::optional<std::vector<std::string>>;
    // Calls back once, not from within; at is the time then.
    using Asked = std::function<void(Answer, Time at)>;
    using Resolver = std::function<void(const Address&, Asked)>;
    using Then = std::function<void(const std::vector<std::string>&)>;

    static constexpr size_t kept_max = 1024;
    static constexpr std::chrono::seconds found_for{300};
    static constexpr std::chrono::seconds nothing_for{60};
    // So many questions in a row without an answer, and none is asked for so long.
    static constexpr uint32_t failures_max = 3;
    static constexpr std::chrono::seconds rest{30};

    Names(Resolver resolver, uint32_t per_second);

    void set_rate(uint32_t per_second);
    // Calls back at once with what is known, or when the answer comes; with nothing where it may
    // not be asked now.
    void look_up(const Address& address, Time now, Then then);
    [[nodiscard]] const InquiryCounts& counts() const noexcept { return counts_; }

   private:
    struct Known {
        Address address;
        std::vector<std::string> names;
        Time until;
    };
    using Kept = std::list<Known>;  // the one that was asked last first

    void take(const Address& address, Answer answer, Time now);
    void keep(const Address& address, std::vector<std::string> names, Time until);
    void count(InquiryResult result) noexcept { ++counts_[static_cast<size_t>(result)]; }

    Resolver resolver_;
    Rate rate_;
    Kept kept_;
    std::map<Address, Kept::iterator> by_address_;
    std::map<Address, std::vector<Then>> asking_;
    uint32_t failures_ = 0;
    Time rests_until_;
    InquiryCounts counts_{};
};

}  // namespace telltale::proxy
