// Active confirmation: after an incident, what the address just seen and its sibling ports speak
// now. Which ports are asked, and how often; the asking itself is the caller's (proxy/probe). What
// was answered stands for a while, the same address and port is asked once at a time, so many are
// asked a minute and at once. On one thread; knows no clock and opens no connection.
#pragma once

#include <boost/asio/ip/address.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/config.h"
#include "proxy/rate.h"
#include "proxy/stats.h"
#include "sniff/diagnosis.h"
#include "sniff/evidence.h"

namespace telltale::proxy {

struct ConfirmQuestion {
    boost::asio::ip::address address;  // nothing else is connected to
    uint16_t port = 0;                 // as dialled
    bool asks_port = true;  // false: it could not be reached, and only its siblings are asked
    std::vector<uint16_t> siblings;
    std::string host;  // as configured, for SNI; empty: an IP address
};

// nullopt: this incident is not for the address to explain, or another Telltale has explained it.
[[nodiscard]] std::optional<ConfirmQuestion> confirm_question(
    const sniff::Evidence& evidence, const sniff::Diagnosis& diagnosis,
    const std::vector<config::Service>& services, const std::vector<uint16_t>& ports);
// The first part of the same: whether there is a question. Cheap.
[[nodiscard]] bool can_be_confirmed(const sniff::Evidence& evidence,
                                    const sniff::Diagnosis& diagnosis);

class Confirmation final {
   public:
    using Time = std::chrono::steady_clock::time_point;
    using Ports = std::vector<sniff::ConfirmedPort>;
    // Calls back once, not from within; at is the time then.
    using Asked = std::function<void(Ports, Time at)>;
    using Prober = std::function<void(const ConfirmQuestion&, Asked)>;
    using Then = std::function<void(const Ports&)>;

    static constexpr size_t kept_max = 256;
    static constexpr size_t at_once_max = 4;
    static constexpr size_t siblings_max = 16;  // of one question

    explicit Confirmation(Prober prober);

    void apply(const config::Confirm& settings);
    // Calls back at once with what is known, or when the answer comes; with nothing where it may
    // not be asked now.
    void ask(const ConfirmQuestion& question, Time now, Then then);
    [[nodiscard]] const InquiryCounts& counts() const noexcept { return counts_; }

   private:
    using Key = std::pair<boost::asio::ip::address, uint16_t>;
    struct Known {
        Key key;
        Ports ports;
        Time at;
    };

    void take(const Key& key, Ports ports, Time now);
    void count(InquiryResult result) noexcept { ++counts_[static_cast<size_t>(result)]; }

    Prober prober_;
    config::Confirm settings_;
    Rate rate_;
    std::list<Known> known_;  // the one that was asked last first
    std::map<Key, std::vector<Then>> asking_;
    InquiryCounts counts_{};
};

}  // namespace telltale::proxy
