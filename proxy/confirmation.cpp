#include "proxy/confirmation.h"

#include <algorithm>
#include <boost/system/error_code.hpp>
#include <iterator>

#include "config/address.h"
#include "proxy/probe/siblings.h"
#include "sniff/words.h"

namespace telltale::proxy {

namespace {

using sniff::Cause;

std::optional<std::pair<boost::asio::ip::address, uint16_t>> dialled(const sniff::Evidence& e) {
    const auto parts = config::split_host_port(e.upstream_address);
    if (!parts) return std::nullopt;
    const auto port = config::parse_number(parts->port);
    boost::system::error_code error;
    const auto address = boost::asio::ip::make_address(parts->host, error);
    if (error || !port || *port == 0 || *port > UINT16_MAX) return std::nullopt;
    return std::pair(address, static_cast<uint16_t>(*port));
}

// Those that say something about what stands at the address.
bool is_of_the_address(Cause cause) {
    switch (cause) {
        case Cause::fine:
        case Cause::dns_failure:
        case Cause::no_endpoints:
        case Cause::loop:
        case Cause::proxy_limit:
        case Cause::proxy_shutdown:
            return false;
        default:
            return true;
    }
}

}  // namespace

bool can_be_confirmed(const sniff::Evidence& evidence, const sniff::Diagnosis& diagnosis) {
    const bool upstream = diagnosis.hop.position == sniff::HopPosition::upstream ||
                          diagnosis.hop.position == sniff::HopPosition::upstream_leg;
    if (!upstream || !diagnosis.attributed_by.empty()) return false;
    if (!is_of_the_address(diagnosis.cause)) return false;
    // Inside a tunnel the address is that of the forward proxy.
    if (sniff::has_layer(evidence, sniff::Layer::connect_tunnel)) return false;
    const auto at = dialled(evidence);
    return at && at->second == evidence.upstream_port;
}

std::optional<ConfirmQuestion> confirm_question(const sniff::Evidence& evidence,
                                                const sniff::Diagnosis& diagnosis,
                                                const std::vector<config::Service>& services,
                                                const std::vector<uint16_t>& ports) {
    if (!can_be_confirmed(evidence, diagnosis)) return std::nullopt;
    const auto at = dialled(evidence);
    ConfirmQuestion question{.address = at->first,
                             .port = at->second,
                             .asks_port = evidence.outcome == sniff::Outcome::connected,
                             .siblings = {},
                             .host = {}};
    const auto requested = config::split_host_port(evidence.requested);
    const std::string host = requested ? requested->host : std::string();
    if (!config::canonical_ip(host)) question.host = host;
    std::vector<uint16_t> wanted = ports;
    wanted.push_back(evidence.registry.grpc_port);
    wanted.push_back(evidence.registry.requested_grpc_port);
    for (const auto& sibling : probe::siblings_of(host, question.port, services, wanted)) {
        if (question.siblings.size() == Confirmation::siblings_max) break;
        question.siblings.push_back(sibling.port);
    }
    if (!question.asks_port && question.siblings.empty()) return std::nullopt;
    return question;
}

Confirmation::Confirmation(Prober prober)
    : prober_(std::move(prober)), rate_(settings_.per_minute, std::chrono::minutes(1)) {}

void Confirmation::apply(const config::Confirm& settings) {
    // The rate goes on: a reload is no way around it.
    if (settings.per_minute != settings_.per_minute)
        rate_ = Rate(settings.per_minute, std::chrono::minutes(1));
    if (settings.ports != settings_.ports) known_.clear();
    settings_ = settings;
}

void Confirmation::ask(const ConfirmQuestion& question, Time now, Then then) {
    const Key key{question.address, question.port};
    const auto known = std::find_if(known_.begin(), known_.end(),
                                    [&](const Known& one) { return one.key == key; });
    if (known != known_.end() && now < known->at + settings_.again_after) {
        count(InquiryResult::known);
        then(known->ports);
        return;
    }
    if (const auto asking = asking_.find(key); asking != asking_.end()) {
        count(InquiryResult::known);
        asking->second.push_back(std::move(then));
        return;
    }
    if (asking_.size() >= at_once_max || !rate_.take(now)) {
        count(InquiryResult::limited);
        then({});
        return;
    }
    asking_[key].push_back(std::move(then));
    prober_(question, [this, key](Ports ports, Time at) { take(key, std::move(ports), at); });
}

void Confirmation::take(const Key& key, Ports ports, Time now) {
    const bool found = std::any_of(ports.begin(), ports.end(), [](const auto& port) {
        return port.spoken != sniff::Spoken::unknown;
    });
    count(ports.empty() ? InquiryResult::nothing
                        : (found ? InquiryResult::found : InquiryResult::no_answer));
    known_.remove_if([&](const Known& one) { return one.key == key; });
    if (known_.size() == kept_max) known_.pop_back();
    known_.push_front({.key = key, .ports = ports, .at = now});
    const auto asking = asking_.extract(key);
    if (asking.empty()) return;
    for (const Then& then : asking.mapped()) then(ports);
}

}  // namespace telltale::proxy
