#include "proxy/inquiry.h"

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <optional>
#include <utility>

#include "config/address.h"
#include "proxy/endpoint.h"
#include "sniff/diagnosis.h"
#include "sniff/service_name.h"
#include "sniff/words.h"

namespace telltale::proxy {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds canonical_for{30};
constexpr size_t canonical_max = 256;

bool is_at_client(const Incident& incident) {
    return incident.diagnosis.hop.position <= sniff::HopPosition::client_leg;
}

// The address whose name would help: of the hop at fault, if others can know it.
std::optional<asio::ip::address> address_to_name(const Incident& incident) {
    const sniff::Evidence& e = incident.evidence;
    if (!incident.diagnosis.attributed_by.empty()) return std::nullopt;
    if (incident.diagnosis.hop.position == sniff::HopPosition::proxy) return std::nullopt;
    const bool client = is_at_client(incident);
    if (!client && sniff::has_layer(e, sniff::Layer::connect_tunnel)) return std::nullopt;
    const auto parts = config::split_host_port(client ? e.client_address : e.upstream_address);
    if (!parts) return std::nullopt;
    ErrorCode error;
    const auto address = asio::ip::make_address(parts->host, error);
    if (error || address.is_loopback() || address.is_unspecified()) return std::nullopt;
    if (address.is_v6() && address.to_v6().is_link_local()) return std::nullopt;
    return address;
}

std::string requested_host(const sniff::Evidence& e) {
    const auto parts = config::split_host_port(e.requested);
    return parts && !config::canonical_ip(parts->host) ? parts->host : std::string();
}

std::string_view first_label(std::string_view name) {
    return name.substr(0, name.find('.'));
}

// A pod may stand behind several Services: the one asked for, if it is among them.
std::string choose_name(const std::vector<std::string>& names, std::string_view host) {
    for (const std::string& name : names) {
        const auto service = sniff::service_of(name);
        if (service && service->service == first_label(host)) return name;
    }
    return names.empty() ? std::string() : names.front();
}

// As it was diagnosed before: what a policy did then is in the record, and no part of the question.
sniff::Diagnosis diagnose_as_seen(const sniff::Evidence& evidence) {
    if (evidence.ended_by.operation != sniff::Operation::policy) return sniff::diagnose(evidence);
    sniff::Evidence seen = evidence;
    seen.ended = false;
    seen.ended_by = {};
    return sniff::diagnose(seen);
}

void diagnose_anew(Incident& incident) {
    sniff::Diagnosis anew = diagnose_as_seen(incident.evidence);
    if (anew.cause == sniff::Cause::fine) return;
    incident.diagnosis = std::move(anew);
    const size_t anchor = incident.runbook.rfind('#');
    if (anchor == std::string::npos) return;
    incident.runbook.resize(anchor + 1);
    incident.runbook += sniff::name(incident.diagnosis.cause);
}

}  // namespace

Inquiry::Inquiry(asio::io_context& control, IncidentTaker& next, Sources sources)
    : control_(control),
      next_(next),
      sources_(std::move(sources)),
      names_(
          [this](const asio::ip::address& address, Names::Asked then) {
              sources_.names(address, config_.names.timeout,
                             [then = std::move(then)](Names::Answer answer) {
                                 then(std::move(answer), Clock::now());
                             });
          },
          config_.names.per_second),
      confirmation_([this](const ConfirmQuestion& question, Confirmation::Asked then) {
          sources_.ports(question, config_.confirm.timeout,
                         [then = std::move(then)](Confirmation::Ports ports) {
                             then(std::move(ports), Clock::now());
                         });
      }) {}

// ---- any thread

bool Inquiry::is_worth_asking(const Incident& incident) const {
    if (asks_names_.load(std::memory_order_relaxed) && address_to_name(incident)) return true;
    return asks_ports_.load(std::memory_order_relaxed) &&
           can_be_confirmed(incident.evidence, incident.diagnosis);
}

bool Inquiry::push(std::vector<IncidentRun> runs) noexcept {
    try {
        const auto asked = std::stable_partition(
            runs.begin(), runs.end(),
            [this](const IncidentRun& run) { return !is_worth_asking(run.newest); });
        if (asked == runs.end()) return next_.push(std::move(runs));
        std::vector<IncidentRun> held(std::make_move_iterator(asked),
                                      std::make_move_iterator(runs.end()));
        runs.erase(asked, runs.end());
        const bool straight = runs.empty() || next_.push(std::move(runs));
        return hand_over(std::move(held)) && straight;
    } catch (...) {  // out of memory: next_ counts those that it is not given, too
        return next_.push(std::move(runs));
    }
}

bool Inquiry::hand_over(std::vector<IncidentRun> asked) noexcept {
    const size_t count = asked.size();
    if (held_.fetch_add(count) + count > waiting_max) {
        held_ -= count;
        if (asks_names_) unasked_names_ += count;
        if (asks_ports_) unasked_ports_ += count;
        return next_.push(std::move(asked));
    }
    std::shared_ptr<std::vector<IncidentRun>> shared;
    try {
        shared = std::make_shared<std::vector<IncidentRun>>(std::move(asked));
        asio::post(control_, [this, shared] {
            for (IncidentRun& run : *shared) take(std::move(run));
        });
    } catch (...) {  // out of memory
        held_ -= count;
        return next_.push(std::move(shared ? *shared : asked));
    }
    return true;
}

// The record first: what was handed over before waits here, or has been passed on.
void Inquiry::amend(IncidentEnd end) noexcept {
    if (held_ == 0) {
        next_.amend(std::move(end));
        return;
    }
    try {
        asio::post(control_, [this, end = std::move(end)]() mutable {
            const auto waits = std::find_if(
                waiting_.begin(), waiting_.end(),
                [&end](const auto& entry) { return entry.second.run.newest.id == end.id; });
            if (waits == waiting_.end()) {
                next_.amend(std::move(end));
            } else {
                waits->second.ends.push_back(std::move(end));
            }
        });
    } catch (...) {  // out of memory: the record keeps the state in which it was made
        return;
    }
}

// ---- the control thread

void Inquiry::apply(const config::Config& config, OwnAddresses own) {
    config_.names = config.names;
    config_.confirm = config.confirm;
    config_.services = config.services;
    own_ = std::move(own);
    names_.set_rate(config.names.per_second);
    confirmation_.apply(config.confirm);
    if (stopped_) return;
    asks_names_ = config.names.dns;
    asks_ports_ = config.confirm.enabled;
}

void Inquiry::stop() {
    stopped_ = true;
    asks_names_ = false;
    asks_ports_ = false;
    while (!waiting_.empty()) finish(waiting_.begin()->first);
}

std::array<InquiryCounts, inquiry_kind_count> Inquiry::counts() const {
    constexpr auto limited = static_cast<size_t>(InquiryResult::limited);
    std::array<InquiryCounts, inquiry_kind_count> counts = {names_.counts(),
                                                            confirmation_.counts()};
    counts[static_cast<size_t>(InquiryKind::name)][limited] += unasked_names_;
    counts[static_cast<size_t>(InquiryKind::confirmation)][limited] += unasked_ports_;
    return counts;
}

void Inquiry::take(IncidentRun run) {
    if (stopped_) {
        pass_on(std::move(run));
        --held_;
        return;
    }
    if (join(run)) {
        --held_;
        return;
    }
    const Number number = next_number_++;
    waiting_[number].run = std::move(run);
    begin(number);
}

bool Inquiry::join(IncidentRun& run) {
    const auto equal = std::find_if(waiting_.begin(), waiting_.end(), [&run](const auto& entry) {
        return same_group(entry.second.run.newest, run.newest);
    });
    if (equal == waiting_.end()) return false;
    IncidentRun& waits = equal->second.run;
    waits.count += run.count;
    // Another client has another name than the one that is being asked for.
    const bool same =
        !is_at_client(run.newest) || address_to_name(waits.newest) == address_to_name(run.newest);
    if (same) {
        waits.newest = std::move(run.newest);
        equal->second.ends.clear();
    }
    return true;
}

void Inquiry::begin(Number number) {
    waiting_[number].missing = 1;  // until everything is under way
    const auto longest = std::max(asks_names_ ? config_.names.timeout : Clock::duration::zero(),
                                  asks_ports_ ? config_.confirm.timeout : Clock::duration::zero());
    ask_name(number);
    ask_ports(number);
    const auto waits = waiting_.find(number);
    if (waits->second.missing > 1) {
        auto& deadline = waits->second.deadline;
        deadline = std::make_unique<asio::steady_timer>(control_, longest);
        deadline->async_wait([this, number](const ErrorCode& error) {
            if (!error) finish(number);
        });
    }
    answered(number);
}

void Inquiry::ask_name(Number number) {
    Waiting& waits = waiting_[number];
    if (!asks_names_) return;
    const auto address = address_to_name(waits.run.newest);
    if (!address) return;
    ++waits.missing;
    names_.look_up(*address, Clock::now(), [this, number](const std::vector<std::string>& names) {
        on_names(number, names);
    });
}

void Inquiry::on_names(Number number, const std::vector<std::string>& names) {
    const auto waits = waiting_.find(number);
    if (waits == waiting_.end()) return;
    const Incident& incident = waits->second.run.newest;
    const std::string host = requested_host(incident.evidence);
    waits->second.dns_name = choose_name(names, host);
    const auto service = sniff::service_of(waits->second.dns_name);
    // Who answers to the name that was asked for matters where it may be another service.
    const bool other = service && !is_at_client(incident) && !host.empty() &&
                       service->service != first_label(host);
    if (other) ask_canonical(number, host);
    answered(number);
}

// The same host is asked for by many incidents of a storm.
void Inquiry::ask_canonical(Number number, const std::string& host) {
    Waiting& waits = waiting_[number];
    const auto known = canonical_.find(host);
    if (known != canonical_.end() && Clock::now() < known->second.until) {
        waits.requested_dns_name = known->second.name;
        return;
    }
    const auto address = address_to_name(waits.run.newest);
    ++waits.missing;
    sources_.canonical(host, address && address->is_v6(), config_.names.timeout,
                       [this, number, host](const std::string& name) {
                           if (canonical_.size() >= canonical_max) canonical_.clear();
                           canonical_[host] = {.name = name, .until = Clock::now() + canonical_for};
                           on_canonical(number, name);
                       });
}

void Inquiry::on_canonical(Number number, const std::string& name) {
    const auto waits = waiting_.find(number);
    if (waits == waiting_.end()) return;
    waits->second.requested_dns_name = name;
    answered(number);
}

void Inquiry::ask_ports(Number number) {
    Waiting& waits = waiting_[number];
    if (!asks_ports_) return;
    auto question = confirm_question(waits.run.newest.evidence, waits.run.newest.diagnosis,
                                     config_.services, config_.confirm.ports);
    if (!question || is_own(question->address, question->port)) return;
    std::erase_if(question->siblings,
                  [&](uint16_t port) { return is_own(question->address, port); });
    if (!question->asks_port && question->siblings.empty()) return;
    ++waits.missing;
    confirmation_.ask(*question, Clock::now(),
                      [this, number](const std::vector<sniff::ConfirmedPort>& ports) {
                          const auto found = waiting_.find(number);
                          if (found == waiting_.end()) return;
                          found->second.confirmed = ports;
                          answered(number);
                      });
}

// A question to a listener of this process would be an incident of its own.
bool Inquiry::is_own(const asio::ip::address& address, uint16_t port) const {
    const Endpoint target = asio::ip::tcp::endpoint(address, port);
    return std::any_of(own_.bound.begin(), own_.bound.end(),
                       [&](const Endpoint& bound) { return reaches(target, bound, own_.local); });
}

void Inquiry::answered(Number number) {
    if (--waiting_[number].missing == 0) finish(number);
}

void Inquiry::finish(Number number) {
    auto entry = waiting_.extract(number);
    if (entry.empty()) return;
    Waiting& waits = entry.mapped();
    sniff::Evidence& evidence = waits.run.newest.evidence;
    const bool learned = !waits.dns_name.empty() || !waits.confirmed.empty();
    (is_at_client(waits.run.newest) ? evidence.client_dns_name : evidence.dns_name) =
        std::move(waits.dns_name);
    evidence.requested_dns_name = std::move(waits.requested_dns_name);
    evidence.confirmed = std::move(waits.confirmed);
    if (learned) diagnose_anew(waits.run.newest);
    pass_on(std::move(waits.run));
    for (IncidentEnd& end : waits.ends) next_.amend(std::move(end));
    --held_;
}

void Inquiry::pass_on(IncidentRun run) {
    std::vector<IncidentRun> one;
    one.push_back(std::move(run));
    // What a full queue drops is counted by the sink.
    static_cast<void>(next_.push(std::move(one)));
}

}  // namespace telltale::proxy
