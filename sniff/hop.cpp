#include "sniff/hop.h"

#include "sniff/escape.h"
#include "sniff/words.h"

#include <algorithm>

namespace telltale::sniff {
namespace {

constexpr size_t agent_bytes_max = 64;
constexpr size_t reason_bytes_max = 400;

void add(Hop& hop, std::string reason) {
    if (!reason.empty() && hop.evidence.size() < hop_evidence_max) {
        hop.evidence.push_back(cut_text(std::move(reason), reason_bytes_max));
    }
}

std::string registry_reason(const Evidence& e) {
    const RegistryFacts& r = e.registry;
    if (r.service.empty()) return {};
    const std::string source = r.source.empty() ? "" : " (" + shown(r.source) + ")";
    switch (r.port_role) {
        case PortRole::metrics:
            return "registry: " + std::to_string(e.upstream_port) + " is the metrics port of " +
                   shown(r.service) + source;
        case PortRole::grpc:
            return "registry: " + std::to_string(e.upstream_port) + " is the gRPC port of " +
                   shown(r.service) + source;
        case PortRole::unknown:
            break;
    }
    return "registry: the address belongs to " + shown(r.service) + source;
}

std::string http1_reason(const Http1Response& answer) {
    std::string reason = http1_answer_words(answer);
    if (answer.version.empty()) return reason;
    if (answer.body.empty()) reason += ", empty body";
    if (!answer.server.empty())
        return reason + ", Server " + quote_wire(answer.server, agent_bytes_max);
    return answer.head_complete ? reason + ", no Server header" : reason;
}

std::string http2_reason(const SideEvidence& upstream) {
    if (!upstream.first_headers) return "HTTP/2 SETTINGS";
    const Http2Headers& answer = *upstream.first_headers;
    const std::string type =
        answer.content_type.empty() ? "no content-type" : shown(answer.content_type);
    return "first response: :status " + std::to_string(std::max(answer.status, 0)) + ", " + type;
}

std::string answer_reason(const Evidence& e) {
    switch (e.upstream.protocol) {
        case Protocol::http1:
            return e.upstream.http1_response ? http1_reason(*e.upstream.http1_response)
                                             : std::string();
        case Protocol::http2:
        case Protocol::http2_goaway:
            return http2_reason(e.upstream);
        case Protocol::none:
            return {};
        case Protocol::undecided:
            if (e.upstream.bytes == 0) return {};
            break;
        default:
            break;
    }
    return "its answer: " + answer_words(e);
}

std::string way_reason(const Evidence& e) {
    if (!e.attempts.empty() && e.outcome != Outcome::connected)
        return "connect: " + attempts_words(e);
    return e.resolve_error.empty() ? std::string() : "name look-up: " + shown(e.resolve_error);
}

std::string silence_reason(const Findings& f) {
    if (!f.facts.has(Fact::upstream_mute) || !f.e.silent_for) return {};
    return "no byte for " + duration_words(*f.e.silent_for) + " after " + opening_words(f.e);
}

std::string goaway_reason(const Evidence& e) {
    if (!e.upstream.goaway) return {};
    return "GOAWAY " + http2_error_words(e.upstream.goaway->error_code);
}

Role role_of_database(Protocol protocol) {
    const bool database = protocol == Protocol::mysql || protocol == Protocol::postgres ||
                          protocol == Protocol::redis;
    return database ? Role::database : Role::unknown;
}

Role upstream_role(const Rule& rule, const Findings& f) {
    switch (rule.cause) {
        case Cause::metrics_port:
            return Role::metrics;
        case Cause::forward_proxy:
            return f.facts.has(Fact::connect_refused) ? Role::forward_proxy : f.software.role;
        case Cause::http1_application:
            return Role::application;
        case Cause::http1_proxy:
            return f.software.role == Role::unknown ? Role::proxy : f.software.role;
        case Cause::other_protocol: {
            const Role role = role_of_database(f.e.upstream.protocol);
            return role == Role::unknown ? f.software.role : role;
        }
        default:
            break;
    }
    if (f.facts.has(Fact::registry_metrics)) return Role::metrics;
    if (f.software.role != Role::unknown) return f.software.role;
    const bool grpc = f.e.registry.port_role == PortRole::grpc && !f.facts.has(Fact::inside_tunnel);
    return grpc ? Role::application : Role::unknown;
}

void name_upstream(Hop& hop, const Rule& rule, const Findings& f) {
    hop.address = upstream_words(f.e);
    hop.name = hop.address;
    hop.role = upstream_role(rule, f);
    hop.software = f.software.software;
    hop.version = f.software.version;
    if (f.facts.has(Fact::inside_tunnel)) {
        add(hop, "inside a CONNECT tunnel of the forward proxy " + shown(f.e.upstream_address));
    } else {
        const std::string dns = dns_words(f.e.upstream_address, f.e.dns_name);
        if (!dns.empty()) hop.name = f.e.dns_name;
        if (!f.e.registry.service.empty()) hop.name = shown(f.e.registry.service);
        add(hop, registry_reason(f.e));
        add(hop, dns);
        add(hop, confirmed_words(f.e));
    }
    add(hop, answer_reason(f.e));
    if (!f.software.reason.empty()) add(hop, software_words(f.software) + ": " + f.software.reason);
    add(hop, goaway_reason(f.e));
    add(hop, way_reason(f.e));
    add(hop, silence_reason(f));
    if (f.facts.has(Fact::port_is_tls)) add(hop, "the port is one that usually serves TLS");
}

Role client_role(const Rule& rule, const Evidence& e) {
    if (rule.cause == Cause::metrics_scraper) return Role::metrics;
    if (rule.cause != Cause::downgraded_by_proxy || !e.client.http1_request) return Role::unknown;
    // Ingress controllers add these; plain proxies are content with Via or Forwarded.
    const auto& names = e.client.http1_request->forwarded;
    const bool ingress = std::any_of(names.begin(), names.end(), [](const std::string& name) {
        return name == "x-real-ip" || name.starts_with("x-forwarded-") ||
               name.starts_with("x-original-");
    });
    return ingress ? Role::ingress : Role::proxy;
}

void name_request(Hop& hop, const Http1Request& request) {
    add(hop, "request: " + shown(request.method) + " " + shown(request.target) + " " +
                 shown(request.version));
    if (!request.user_agent.empty()) {
        add(hop, "User-Agent " + quote_wire(request.user_agent, agent_bytes_max));
        const Product agent = first_product(request.user_agent);
        hop.software = agent.name;
        hop.version = agent.version;
    }
    if (!request.content_type.empty())
        add(hop, "Content-Type " + quote_wire(request.content_type, agent_bytes_max));
    for (const std::string& name : request.forwarded) add(hop, "header " + shown(name));
}

void name_client(Hop& hop, const Rule& rule, const Findings& f) {
    hop.address = shown(f.e.client_address);
    hop.name = hop.address.empty() ? "client" : hop.address;
    hop.role = client_role(rule, f.e);
    const std::string dns = dns_words(f.e.client_address, f.e.client_dns_name);
    if (!dns.empty()) hop.name = f.e.client_dns_name;
    add(hop, dns);
    if (f.e.client.http1_request) name_request(hop, *f.e.client.http1_request);
    if (f.e.client.protocol == Protocol::tls) {
        const bool named = f.e.client.tls_hello && !f.e.client.tls_hello->sni.empty();
        add(hop,
            named ? "TLS hello for " + shown(f.e.client.tls_hello->sni) : std::string("TLS hello"));
    }
    if (f.e.client.protocol == Protocol::other)
        add(hop, "its first bytes: " + quote_wire(f.e.client.first_bytes, 32));
    add(hop, answer_reason(f.e));
}

void name_proxy(Hop& hop, const Findings& f) {
    hop.address = upstream_words(f.e);
    hop.name = f.e.listener.empty() ? "telltale" : shown(f.e.listener);
    hop.role = Role::proxy;
    hop.software = "Telltale";
    add(hop, way_reason(f.e));
}

// The hop that another Telltale named; it stands further in, so what this one knows of the way is
// only how to get there.
void name_told(Hop& hop, const Findings& f) {
    const ToldHop told = f.attribution->hop.value_or(ToldHop{});
    hop.address = told.address.empty() ? upstream_words(f.e) : shown(told.address);
    hop.name = told.name.empty() ? hop.address : shown(told.name);
    hop.role = told.role;
    add(hop, answer_reason(f.e));
}

}  // namespace

Hop name_hop(const Rule& rule, const Findings& findings) {
    Hop hop;
    hop.position = rule.position;
    if (rule.need.has(Fact::attributed)) {
        add(hop, "a Telltale behind " + upstream_words(findings.e) +
                     " attributed this: " + attribution_words(*findings.attribution));
        if (rule.position == HopPosition::upstream) {
            name_told(hop, findings);
            return hop;
        }
    }
    switch (rule.position) {
        case HopPosition::client:
        case HopPosition::client_leg:
            name_client(hop, rule, findings);
            break;
        case HopPosition::proxy:
            name_proxy(hop, findings);
            break;
        case HopPosition::upstream_leg:
        case HopPosition::upstream:
            name_upstream(hop, rule, findings);
            break;
    }
    return hop;
}

}  // namespace telltale::sniff
