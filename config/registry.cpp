#include "config/registry.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "config/address.h"

namespace telltale::config {
namespace {

using Candidates = std::vector<const Service*>;

std::string lower(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return out;
}

// The host is the service's name, or one of the names that Kubernetes gives it: name.namespace,
// name.namespace.svc, name.namespace.svc.<cluster domain>.
bool is_name_of(const std::string& service, const std::string& host) {
    if (host == service) return true;
    if (host.compare(0, service.size() + 1, service + ".") != 0) return false;
    const std::string rest = host.substr(service.size() + 1);
    const size_t dot = rest.find('.');
    if (dot == std::string::npos) return !rest.empty();
    const std::string after_namespace = rest.substr(dot + 1);
    return after_namespace == "svc" || after_namespace.compare(0, 4, "svc.") == 0;
}

sniff::PortRole role_of(const Service& service, uint16_t port) {
    if (port == 0) return sniff::PortRole::unknown;
    if (port == service.grpc) return sniff::PortRole::grpc;
    if (port == service.metrics) return sniff::PortRole::metrics;
    return sniff::PortRole::unknown;
}

template <typename Condition>
Candidates keep(const Candidates& from, Condition condition) {
    Candidates kept;
    std::copy_if(from.begin(), from.end(), std::back_inserter(kept), condition);
    return kept;
}

// The one that was asked for, when it is among them; else the only one; several say nothing.
const Service* choose(const Candidates& candidates, const Service* requested) {
    const auto found = std::find(candidates.begin(), candidates.end(), requested);
    if (requested != nullptr && found != candidates.end()) return requested;
    return candidates.size() == 1 ? candidates.front() : nullptr;
}

struct Target {
    std::string host;
    uint16_t port = 0;
};

Target parse_target(const std::string& text) {
    if (text.compare(0, 5, "unix:") == 0) return {};
    const auto parts = split_host_port(text);
    if (!parts) return {.host = text};
    const auto port = parse_number(parts->port);
    const bool fits = port && *port <= UINT16_MAX;
    return {.host = parts->host, .port = fits ? static_cast<uint16_t>(*port) : uint16_t{0}};
}

}  // namespace

Registry::Registry(std::vector<Service> services) : services_(std::move(services)) {
    for (Service& service : services_) {
        for (std::string& address : service.addresses) {
            address = canonical_ip(address).value_or(address);
        }
    }
}

const Service* Registry::find_named(const std::string& host) const {
    std::string wanted = lower(host);
    if (!wanted.empty() && wanted.back() == '.') wanted.pop_back();
    if (wanted.empty() || canonical_ip(wanted)) return nullptr;
    // "group" and "group.rpc" may both be services: the longer name is the closer one.
    const Service* best = nullptr;
    for (const Service& service : services_) {
        if (!is_name_of(lower(service.name), wanted)) continue;
        if (best == nullptr || service.name.size() > best->name.size()) best = &service;
    }
    return best;
}

const Service* Registry::find_owner(const std::string& ip, uint16_t port,
                                    const Service* requested) const {
    Candidates all;
    for (const Service& service : services_) all.push_back(&service);
    const auto has_port = [port](const Service* service) {
        return role_of(*service, port) != sniff::PortRole::unknown;
    };
    const Candidates at_address = keep(all, [&ip](const Service* service) {
        const auto& known = service->addresses;
        return std::find(known.begin(), known.end(), ip) != known.end();
    });
    if (!at_address.empty()) {
        // Several services may share a host; the port tells them apart.
        const Candidates with_port = keep(at_address, has_port);
        return choose(with_port.empty() ? at_address : with_port, requested);
    }
    return choose(keep(all, has_port), requested);
}

sniff::RegistryFacts Registry::look_up(const std::string& address,
                                       const std::string& requested) const {
    const Target wanted = parse_target(requested);
    const Target dialled = address.empty() ? wanted : parse_target(address);
    const Service* const named = find_named(wanted.host);
    const std::string ip = canonical_ip(dialled.host).value_or("");
    const Service* const owner = find_owner(ip, dialled.port, named);

    sniff::RegistryFacts facts;
    if (named != nullptr) {
        facts.requested_service = named->name;
        facts.requested_grpc_port = named->grpc;
        facts.source = named->source;
    }
    if (owner != nullptr) {
        facts.service = owner->name;
        facts.port_role = role_of(*owner, dialled.port);
        facts.grpc_port = owner->grpc;
        facts.source = owner->source;
    }
    return facts;
}

}  // namespace telltale::config
