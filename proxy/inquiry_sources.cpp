#include "proxy/inquiry_sources.h"

#include <utility>

#include "proxy/probe/probe.h"

namespace telltale::proxy {

struct InquirySources::Probes {
    std::map<uint64_t, std::unique_ptr<probe::Probe>> open;
    uint64_t next = 0;
};

namespace {

probe::Options options_of(const ConfirmQuestion& question, std::chrono::milliseconds timeout) {
    probe::Options options;
    options.depth = probe::Depth::light;
    options.timeout = timeout;
    options.total = timeout;
    options.server_name = question.host;
    options.try_siblings =
        question.asks_port ? probe::TrySiblings::without_grpc : probe::TrySiblings::always;
    for (const uint16_t port : question.siblings)
        options.siblings.push_back({.port = port, .why = {}});
    return options;
}

Confirmation::Ports ports_of(const probe::Report& report) {
    Confirmation::Ports ports;
    ports.push_back(probe::confirmed(report.target.port, report.seen, report.verdict));
    for (const probe::PortReport& sibling : report.siblings)
        ports.push_back(probe::confirmed(sibling.port, sibling.seen, sibling.verdict));
    return ports;
}

}  // namespace

InquirySources::InquirySources(asio::io_context& context)
    : context_(context), dns_(context), probes_(std::make_unique<Probes>()) {}

InquirySources::~InquirySources() = default;

Inquiry::Sources InquirySources::functions() {
    return {.names =
                [this](const asio::ip::address& address, std::chrono::milliseconds timeout,
                       std::function<void(Names::Answer)> then) {
                    dns_.names_of(address, timeout, std::move(then));
                },
            .canonical =
                [this](const std::string& host, bool v6, std::chrono::milliseconds timeout,
                       std::function<void(std::string)> then) {
                    dns_.canonical_of(host, v6 ? DnsType::aaaa : DnsType::a, timeout,
                                      std::move(then));
                },
            .ports =
                [this](const ConfirmQuestion& question, std::chrono::milliseconds timeout,
                       std::function<void(Confirmation::Ports)> then) {
                    ask_ports(question, timeout, std::move(then));
                }};
}

// A port that could not be reached is not asked again: the first sibling stands in its place.
void InquirySources::ask_ports(const ConfirmQuestion& question, std::chrono::milliseconds timeout,
                               std::function<void(Confirmation::Ports)> then) {
    ConfirmQuestion asked = question;
    if (!asked.asks_port) {
        asked.port = asked.siblings.front();
        asked.siblings.erase(asked.siblings.begin());
    }
    const uint64_t number = probes_->next++;
    auto& open = probes_->open[number];
    open = std::make_unique<probe::Probe>(
        context_, probe::Target{.host = asked.address.to_string(), .port = asked.port},
        options_of(asked, timeout));
    open->start([this, number, then = std::move(then)](const probe::Report& report) {
        // It dies here, and what it owns with it.
        const auto keep = probes_->open.extract(number);
        then(ports_of(report));
    });
}

void InquirySources::stop() {
    dns_.stop();
    probes_->open.clear();
}

}  // namespace telltale::proxy
