#include "sniff/escape.h"
#include "sniff/sentences.h"
#include "sniff/service_name.h"
#include "sniff/words.h"

#include <algorithm>
#include <vector>

namespace telltale::sniff {
namespace {

constexpr size_t ports_shown_max = 6;

std::string ip_of(std::string_view address) {
    std::string host = host_of(address);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    return host;
}

std::string spoken_words(const ConfirmedPort& port) {
    if (port.metrics) return "serves Prometheus metrics";
    switch (port.spoken) {
        case Spoken::grpc:
            return "speaks gRPC";
        case Spoken::http2:
            return "speaks HTTP/2, not gRPC";
        case Spoken::tls_h2:
            return "speaks TLS with HTTP/2";
        case Spoken::tls:
            return "speaks TLS without HTTP/2";
        case Spoken::http1:
            return "speaks HTTP/1";
        case Spoken::other:
            return "speaks another protocol";
        case Spoken::nothing:
            return "takes connections and says nothing";
        case Spoken::refused:
            return "refuses connections";
        case Spoken::no_reply:
            return "does not answer";
        case Spoken::unknown:
            break;
    }
    return "could not be asked";
}

const ConfirmedPort* dialled_port(const Evidence& e) {
    const auto found =
        std::find_if(e.confirmed.begin(), e.confirmed.end(),
                     [&e](const ConfirmedPort& port) { return port.port == e.upstream_port; });
    return found == e.confirmed.end() ? nullptr : &*found;
}

std::vector<uint16_t> siblings_that_speak(const Evidence& e, Spoken spoken) {
    std::vector<uint16_t> ports;
    for (const ConfirmedPort& port : e.confirmed) {
        const bool wanted = port.port != e.upstream_port && port.spoken == spoken;
        if (wanted && ports.size() < ports_shown_max) ports.push_back(port.port);
    }
    return ports;
}

// " Port 10260 of the same address speaks gRPC."
std::string siblings_sentence(const Evidence& e, Spoken spoken) {
    const std::vector<uint16_t> ports = siblings_that_speak(e, spoken);
    if (ports.empty()) return {};
    std::string list;
    for (const uint16_t port : ports) {
        if (!list.empty()) list += port == ports.back() ? " and " : ", ";
        list += std::to_string(port);
    }
    const std::string what = spoken == Spoken::grpc ? "gRPC" : "TLS with HTTP/2";
    return ports.size() == 1 ? " Port " + list + " of the same address speaks " + what + "."
                             : " Ports " + list + " of the same address speak " + what + ".";
}

// The port that the fix names, if it does not serve gRPC at this address.
std::string right_port_sentence(const Evidence& e) {
    const RegistryFacts& r = e.registry;
    const uint16_t right = r.requested_grpc_port != 0 ? r.requested_grpc_port : r.grpc_port;
    for (const ConfirmedPort& port : e.confirmed) {
        if (port.port != right || port.port == e.upstream_port) continue;
        if (port.spoken == Spoken::grpc || port.spoken == Spoken::tls_h2 ||
            port.spoken == Spoken::unknown) {
            continue;
        }
        return " Port " + std::to_string(right) +
               " of this address, where the registry has gRPC, " + spoken_words(port) + ".";
    }
    return {};
}

std::string again_sentence(Cause cause, const Findings& f) {
    const ConfirmedPort* port = dialled_port(f.e);
    if (port == nullptr) return {};
    if (f.facts.has(Fact::confirmed_again)) {
        const std::string what = port->spoken == Spoken::grpc ? "gRPC" : "TLS with HTTP/2";
        const std::string start = " Asked again after the incident, this port speaks " + what;
        if (cause == Cause::http2_not_grpc)
            return start + ": only this route, or only some of the backends, are at fault.";
        return start +
               ": the fault has passed, or only some of what stands behind this address has it.";
    }
    if (!f.facts.has(Fact::upstream_hung_up)) return {};
    if (port->spoken == Spoken::nothing)
        return " Asked again, it answered neither HTTP/2 nor TLS nor HTTP/1.";
    if (port->spoken == Spoken::refused)
        return " Asked again, it refused the connection: what listened there has gone.";
    return {};
}

// What fails on the way names no other port by itself.
bool is_of_the_way(Cause cause) {
    return cause >= Cause::refused && cause <= Cause::silent_upstream;
}

bool no_h2(const Findings& f) {
    const ConfirmedPort* port = dialled_port(f.e);
    return port != nullptr && port->spoken == Spoken::tls;
}

void add_confirmed(Sentences& sentences, Cause cause, const Findings& f) {
    sentences.explanation += again_sentence(cause, f);
    sentences.explanation += siblings_sentence(f.e, Spoken::grpc);
    sentences.explanation += siblings_sentence(f.e, Spoken::tls_h2);
    sentences.explanation += right_port_sentence(f.e);
    if (cause == Cause::tls_required && no_h2(f)) {
        sentences.fix += " Its TLS does not select h2 by ALPN either: switch HTTP/2 on there.";
    }
    const std::string dial = dial_target(f);
    if (is_of_the_way(cause) && f.facts.has(Fact::sibling_grpc) && !dial.empty()) {
        sentences.fix = "If another port was meant, dial " + dial + ". " + sentences.fix;
    }
}

// The registry's name stands in the sentence already.
void add_dns(Sentences& sentences, std::string_view address, std::string_view dns_name) {
    if (!is_dns_name(dns_name)) return;
    sentences.explanation += " DNS calls " + ip_of(address) + " " + std::string(dns_name) + ".";
}

}  // namespace

std::string dns_words(std::string_view address, std::string_view dns_name) {
    if (!is_dns_name(dns_name)) return {};
    return "DNS: " + ip_of(address) + " is " + std::string(dns_name);
}

std::string confirmed_words(const Evidence& e) {
    std::string words;
    size_t shown_ports = 0;
    for (const ConfirmedPort& port : e.confirmed) {
        if (++shown_ports > ports_shown_max) break;
        words += (words.empty() ? "asked after the incident: " : ", ") + std::to_string(port.port) +
                 " " + spoken_words(port);
    }
    return words;
}

std::string dial_target(const Findings& f) {
    const std::string known = right_port_words(f.e);
    const std::vector<uint16_t> found = siblings_that_speak(f.e, Spoken::grpc);
    if (!known.empty() || found.empty() || f.facts.has(Fact::inside_tunnel)) return known;
    return host_of(f.e.upstream_address) + ":" + std::to_string(found.front()) +
           ", which speaks gRPC";
}

void add_learned(Sentences& sentences, Cause cause, HopPosition position,
                 const Findings& findings) {
    const Evidence& e = findings.e;
    if (cause == Cause::fine || findings.facts.has(Fact::inside_tunnel)) return;
    if (position == HopPosition::client || position == HopPosition::client_leg) {
        add_dns(sentences, e.client_address, e.client_dns_name);
        return;
    }
    if (position == HopPosition::proxy) return;
    if (e.registry.service.empty() && cause != Cause::stale_endpoint)
        add_dns(sentences, e.upstream_address, e.dns_name);
    add_confirmed(sentences, cause, findings);
}

}  // namespace telltale::sniff
