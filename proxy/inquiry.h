// The stage between the workers and the sink: keeps an incident for a moment, asks what the
// configuration wants asked (the name of the address at fault, what else the address speaks),
// diagnoses anew with what was learned, and hands it on. An incident that leaves nothing to ask
// goes straight on, on the thread that brought it: with everything off, this is one comparison.
//
// Bounded: so many incidents wait, each no longer than names.timeout or confirm.timeout; more go on
// unasked. Equal incidents that arrive meanwhile join the one that waits.
#pragma once

#include <array>
#include <atomic>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "config/config.h"
#include "proxy/confirmation.h"
#include "proxy/incident_sink.h"
#include "proxy/names.h"
#include "proxy/net.h"
#include "proxy/route.h"

namespace telltale::proxy {

class Inquiry final : public IncidentTaker {
   public:
    // How the outside is asked; tests bring their own.
    struct Sources {
        // Each calls back once, not from within.
        std::function<void(const asio::ip::address&, std::chrono::milliseconds timeout,
                           std::function<void(Names::Answer)>)>
            names;
        // Where the aliases of a host name end; "": it has no address of that family.
        std::function<void(const std::string& host, bool v6, std::chrono::milliseconds timeout,
                           std::function<void(std::string)>)>
            canonical;
        std::function<void(const ConfirmQuestion&, std::chrono::milliseconds timeout,
                           std::function<void(Confirmation::Ports)>)>
            ports;
    };
    static constexpr size_t waiting_max = 64;

    Inquiry(asio::io_context& control, IncidentTaker& next, Sources sources);

    // ---- any thread
    bool push(std::vector<IncidentRun> runs) noexcept override;
    void amend(IncidentEnd end) noexcept override;

    // ---- the control thread, or before it runs
    // own: where this process listens; it is not asked itself.
    void apply(const config::Config& config, OwnAddresses own);
    // Everything goes on as it is, from now on at once.
    void stop();
    [[nodiscard]] std::array<InquiryCounts, inquiry_kind_count> counts() const;

   private:
    struct Canonical {  // what DNS calls a host name that a listener asks for
        std::string name;
        std::chrono::steady_clock::time_point until;
    };
    struct Waiting {
        IncidentRun run;
        std::vector<IncidentEnd> ends;
        size_t missing = 0;  // answers
        std::unique_ptr<asio::steady_timer> deadline;
        std::string dns_name, requested_dns_name;
        std::vector<sniff::ConfirmedPort> confirmed;
    };
    using Number = uint64_t;

    [[nodiscard]] bool is_worth_asking(const Incident& incident) const;
    bool hand_over(std::vector<IncidentRun> asked) noexcept;
    void take(IncidentRun run);
    [[nodiscard]] bool join(IncidentRun& run);
    void begin(Number number);
    void ask_name(Number number);
    void on_names(Number number, const std::vector<std::string>& names);
    void ask_canonical(Number number, const std::string& host);
    void ask_ports(Number number);
    [[nodiscard]] bool is_own(const asio::ip::address& address, uint16_t port) const;
    void answered(Number number);
    void finish(Number number);
    void on_canonical(Number number, const std::string& name);
    void pass_on(IncidentRun run);

    asio::io_context& control_;
    IncidentTaker& next_;
    Sources sources_;
    std::atomic<bool> asks_names_{false};
    std::atomic<bool> asks_ports_{false};
    std::atomic<size_t> held_{0};  // on their way to the control thread, or waiting there
    std::atomic<uint64_t> unasked_names_{0}, unasked_ports_{0};

    // Of the control thread.
    config::Config config_;
    OwnAddresses own_;
    Names names_;
    Confirmation confirmation_;
    std::map<std::string, Canonical> canonical_;
    std::map<Number, Waiting> waiting_;
    Number next_number_ = 0;
    bool stopped_ = false;
};

}  // namespace telltale::proxy
