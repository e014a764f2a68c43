#include "sniff/escape.h"
#include "sniff/sentences.h"
#include "sniff/service_name.h"
#include "sniff/words.h"

#include <array>

namespace telltale::sniff {
namespace {

constexpr int status_nothing = 0;   // nginx writes 000 when it read the backend's bytes as HTTP/0.9
constexpr int status_http_0_9 = 9;  // and logs 009
constexpr int status_alb_grpc = 464;  // only AWS's application load balancer has it
constexpr size_t message_bytes_max = 120;

struct Hint {
    std::string_view software;
    std::string_view text;
};
// What makes the common proxies speak HTTP/2 on the client's side and gRPC to the backend.
constexpr std::array<Hint, 10> proxy_hints = {{
    {"nginx",
     "turn HTTP/2 on for this listener (listen … http2) and route the calls with grpc_pass; in "
     "ingress-nginx use "
     "the TLS port and the annotation backend-protocol: GRPC"},
    {"OpenResty",
     "turn HTTP/2 on for this listener (listen … http2) and route the calls with grpc_pass"},
    {"HAProxy",
     "remove option disable-h2-upgrade or set proto h2 on the bind line, and proto h2 on the "
     "server line"},
    {"Envoy",
     "let the listener take HTTP/2 (codec_type AUTO) and give the cluster http2_protocol_options"},
    {"Envoy (Istio)", "name the Service port grpc or set its appProtocol to grpc"},
    {"Linkerd",
     "mark the port's protocol alike on the Service and the workload (opaque ports), and use a "
     "named gRPC port"},
    {"Caddy", "allow h2c in the server's protocols and proxy to h2c://…"},
    {"Apache httpd", "load mod_http2 and set Protocols h2c http/1.1"},
    {"AWS load balancer",
     "use an HTTPS listener and a target group with protocol version GRPC, or a network load "
     "balancer"},
    {"Cloudflare", "switch gRPC on for the zone and serve TLS with h2 at the origin"},
}};

std::string_view proxy_hint(const std::string& software) {
    for (const Hint& hint : proxy_hints) {
        if (hint.software == software) return hint.text;
    }
    return "turn HTTP/2 on for this listener and for its backend";
}

std::string answered(const Findings& f) {
    return upstream_words(f.e) + " answered " + answer_words(f.e) + " to " + client_words(f.e);
}

// "answered HTTP/1.1 400 to a gRPC client", "closed the connection to a gRPC client without a
// byte".
std::string did(const Findings& f) {
    if (f.facts.has(Fact::refused)) return "refused the connection";
    if (f.facts.has(Fact::upstream_closed))
        return "closed the connection of " + client_words(f.e) + " without a byte";
    if (f.facts.has(Fact::upstream_reset))
        return "reset the connection of " + client_words(f.e) + " without a byte";
    return "answered " + answer_words(f.e) + " to " + client_words(f.e);
}

std::string dial_words(const Findings& f, std::string_view otherwise) {
    const std::string right = dial_target(f);
    return right.empty() ? std::string(otherwise) : "Dial " + right;
}

std::string status_words(const Http2Headers& answer) {
    if (answer.status < 0) return "no :status";
    std::string digits = std::to_string(answer.status);
    return ":status " + std::string(digits.size() < 3 ? 3 - digits.size() : 0, '0') + digits;
}

}  // namespace

Sentences metrics_port_sentences(const Findings& f) {
    const std::string port = std::to_string(f.e.upstream_port);
    if (f.facts.has(Fact::registry_metrics)) {
        const std::string service =
            f.e.registry.service.empty() ? "the service" : shown(f.e.registry.service);
        const std::string right = right_port_words(f.e);
        const std::string dial =
            right.empty() ? "Dial the gRPC port of " + service : "Dial " + right;
        return {upstream_words(f.e) + " " + did(f) + ": it is the metrics port of " + service + ".",
                dial + "; " + port +
                    " is its metrics port. A client that resolves the Service without naming a "
                    "port may be "
                    "given any of its ports: name the port in the target, or move the metrics port "
                    "to a Service of its own."};
    }
    const std::string fix = dial_words(f, "Dial the port on which this service serves gRPC") +
                            "; curl http://" + upstream_words(f.e) +
                            "/metrics shows whose metrics these are.";
    if (f.facts.has(Fact::confirmed_metrics)) {
        return {upstream_words(f.e) + " " + did(f) +
                    ", and GET /metrics there gives Prometheus metrics: it is a metrics port, not "
                    "a gRPC port.",
                fix};
    }
    return {answered(f) + ", as " + software_words(f.software) +
                " does: it looks like a metrics port, not a gRPC port.",
            fix};
}

Sentences http1_proxy_sentences(const Findings& f) {
    const std::string software =
        f.software.software.empty() ? "a proxy" : software_words(f.software);
    const std::string direct = dial_words(f, "Dial the gRPC service itself");
    if (f.facts.has(Fact::nginx_rejects_request)) {
        return {answered(f) + ": it is " + software +
                    ", and either this port has no HTTP/2 or it is a TLS port reached "
                    "without TLS (both give the same bytes).",
                direct +
                    " if nginx has no business on this path; if it has, use TLS in the client on "
                    "its TLS port, or " +
                    std::string(proxy_hint(f.software.software)) + "."};
    }
    return {answered(f) + ": " + software + " stands there, and this port of it speaks HTTP/1.",
            direct + " if no proxy belongs on this path; if it does, " +
                std::string(proxy_hint(f.software.software)) + "."};
}

Sentences http1_application_sentences(const Findings& f) {
    std::string what = ": an HTTP/1 server answers there, not a gRPC server.";
    if (f.software.id == "go_mux_400") {
        what =
            ": it is Go's net/http, and the metrics and web ports of Prometheus, Alertmanager, "
            "node_exporter, etcd and most "
            "Go services answer exactly like this.";
    } else if (f.software.id == "python_page") {
        what =
            ": it is Python's http.server, on which prometheus_client exporters and Flask's "
            "development server run, too.";
    } else if (!f.software.software.empty()) {
        what = ": it is " + software_words(f.software) + ", an HTTP/1 server, not a gRPC server.";
    }
    const std::string dial = dial_words(f, "Dial the port on which the service serves gRPC");
    if (f.facts.has(Fact::upstream_hung_up))
        what = ", but answers HTTP/1: an HTTP/1 server is there, not a gRPC server.";
    return {upstream_words(f.e) + " " + did(f) + what,
            dial + ", not " + upstream_words(f.e) +
                "; look for this port in the client's target, in the Service's "
                "targetPort and in what the client's discovery hands out (curl -v http://" +
                upstream_words(f.e) + "/ shows what lives there)."};
}

Sentences forward_proxy_sentences(const Findings& f) {
    const auto& request = f.e.client.http1_request;
    const std::string target = request ? shown(request->target) : std::string();
    const std::string host = request ? host_of(request->target) : std::string();
    const std::string exempt =
        "Add " + host + " to NO_PROXY (and no_proxy) in the client's environment";
    if (f.facts.has(Fact::connect_refused)) {
        return {
            upstream_words(f.e) + " answered " + answer_words(f.e) + " to CONNECT " + target +
                ": the client goes through a forward proxy, and the proxy opens no tunnel to it.",
            exempt + ", or let the proxy at " + upstream_words(f.e) + " open tunnels to " + target +
                "."};
    }
    if (f.facts.has(Fact::request_connect)) {
        return {upstream_words(f.e) + " was asked by CONNECT for a tunnel to " + target +
                    " and answered " + answer_words(f.e) + ": it is not a forward proxy.",
                exempt + ", or correct HTTPS_PROXY, HTTP_PROXY or grpc_proxy there: they name " +
                    upstream_words(f.e) + "."};
    }
    return {
        answered(f) + ": " + software_words(f.software) + " is a forward proxy, not the service.",
        dial_words(f, "Dial the service itself") + "; " + upstream_words(f.e) +
            " belongs into HTTPS_PROXY at most, and in-cluster names belong into NO_PROXY."};
}

Sentences tls_required_sentences(const Findings& f) {
    const std::string fix =
        "Use TLS credentials in the client for " + upstream_words(f.e) +
        " (not insecure or plaintext), or dial a port that serves gRPC without TLS.";
    if (f.facts.has(Fact::upstream_alert)) {
        return {answered(f) + " that sent no TLS: it is a TLS port.", fix};
    }
    if (f.facts.has(Fact::says_tls_required)) {
        return {answered(f) + " and says in it that it wants TLS: it is a TLS port.", fix};
    }
    if (f.facts.has(Fact::confirmed_tls)) {
        const std::string did_what =
            f.facts.has(Fact::upstream_mute) ? "said nothing to " + client_words(f.e) : did(f);
        return {upstream_words(f.e) + " " + did_what +
                    ", and a TLS handshake with it succeeds: it is a TLS port.",
                fix};
    }
    return {answered(f) + ": it is " + software_words(f.software) + " on port " +
                std::to_string(f.e.upstream_port) +
                ", and on a TLS port nginx answers so to a client without TLS.",
            fix};
}

Sentences plaintext_upstream_sentences(const Findings& f) {
    const std::string up = upstream_words(f.e);
    const std::string who = f.software.software.empty() ? "it" : software_words(f.software);
    // Servers of both HTTP versions answer a TLS hello in HTTP/1, so gRPC may still live there.
    if (f.facts.has(Fact::upstream_hung_up)) {
        return {
            up + " " + did(f) + ", but answers HTTP without TLS: it is a plaintext port.",
            dial_words(f, "Use plaintext credentials in the client for " + up +
                              " if it serves gRPC, else dial the port that serves it over TLS") +
                "."};
    }
    return {answered(f) + ": " + who + " speaks no TLS on this port.",
            dial_words(f, "Dial the port on which the service serves gRPC over TLS") +
                "; if curl --http2-prior-knowledge http://" + up + "/ gets an HTTP/2 answer, " +
                up + " serves gRPC without TLS: use plaintext credentials in the client."};
}

Sentences alpn_without_h2_sentences(const Findings& f) {
    const std::string fix = "Enable h2 in the ALPN list of the TLS server at " +
                            upstream_words(f.e) +
                            " (nginx: http2 on the listener; HAProxy: alpn h2 on the bind line), "
                            "or let the load balancer pass TCP "
                            "through to the gRPC server.";
    if (f.facts.has(Fact::upstream_alert_no_alpn)) {
        return {upstream_words(f.e) + " ended the TLS handshake with the alert " +
                    alert_words(*f.e.upstream.tls_alert) +
                    ": it does not offer h2, which gRPC needs.",
                fix};
    }
    const auto& hello = f.e.upstream.tls_hello;
    const bool chose = hello && !hello->alpn.empty();
    return {upstream_words(f.e) + " answered the TLS hello " +
                (chose ? "with ALPN " + shown(hello->alpn.front()) : "without ALPN") +
                " although the client offered h2: gRPC clients give up on such a connection.",
            fix};
}

namespace {

Sentences goaway_sentences(const Findings& f) {
    return {upstream_words(f.e) +
                " ended the connection with GOAWAY HTTP_1_1_REQUIRED: by its own words it does not "
                "serve this "
                "over HTTP/2.",
            dial_words(f, "Dial the gRPC port of the service") +
                ", or switch HTTP/2 on at the front end (for example the HTTP/2 or gRPC setting of "
                "the hosting platform)."};
}

Sentences local_reply_sentences(const Findings& f) {
    const std::string message =
        quote_wire(f.e.upstream.first_headers->grpc_message, message_bytes_max);
    const std::string who = f.software.software.empty() ? "a proxy" : software_words(f.software);
    return {upstream_words(f.e) + " answered for its backend, grpc-message " + message + ": " +
                who + " got no HTTP/2 from the server behind it.",
            "Check the protocol between this proxy and its backend: name the Service port grpc or "
            "set appProtocol, give an Envoy "
            "cluster http2_protocol_options only for backends that speak HTTP/2, and check the "
            "backend's port."};
}

Sentences http09_sentences(const std::string& what) {
    return {
        what +
            ": nginx passed the call on as HTTP/1 (proxy_pass) and could not read the gRPC "
            "server's answer.",
        "Use grpc_pass instead of proxy_pass for this route; in ingress-nginx set the annotation "
        "nginx.ingress.kubernetes.io/backend-protocol to GRPC."};
}

Sentences neither_sentences(const Findings& f, const std::string& what) {
    const Http2Headers& request = *f.e.client.first_headers;
    return {
        what + ": the client asked " + shown(request.method) + " " + shown(request.path) +
            " over HTTP/2, which is no gRPC call either, through a listener declared to be gRPC.",
        "Send plain HTTP/2 requests (health checks, browsers) to an HTTP port, or set expect: any "
        "on listener " +
            shown(f.e.listener) + "."};
}

Sentences gateway_error_sentences(const Findings& f, const std::string& what) {
    const std::string who = f.software.software.empty() ? "this hop" : software_words(f.software);
    return {what + ": " + who +
                " speaks HTTP/2, but the server behind it is down or speaks another protocol.",
            "Look at " + who +
                " and its backend: is a backend up, and does the route speak gRPC to it (nginx: "
                "grpc_pass; HAProxy: "
                "proto h2 on the server line; Envoy: http2_protocol_options; AWS: target group "
                "version GRPC)?"};
}

}  // namespace

Sentences http2_not_grpc_sentences(const Findings& f) {
    if (f.facts.has(Fact::goaway_http11)) return goaway_sentences(f);
    if (!f.e.upstream.first_headers)
        return {upstream_words(f.e) + " speaks HTTP/2, but not gRPC.", "Dial the gRPC port."};
    const Http2Headers& answer = *f.e.upstream.first_headers;
    if (!f.facts.has(Fact::answer_not_grpc)) return local_reply_sentences(f);
    const std::string type = answer.content_type.empty()
                                 ? "no content-type"
                                 : "content-type " + shown(answer.content_type);
    const std::string server = answer.server.empty() ? "" : ", server " + shown(answer.server);
    const std::string what = upstream_words(f.e) + " answered the call with " +
                             status_words(answer) + ", " + type + server;
    if (f.facts.has(Fact::client_asked_not_grpc)) return neither_sentences(f, what);
    if (answer.status == status_nothing || answer.status == status_http_0_9)
        return http09_sentences(what);
    if (answer.status >= 502 && answer.status <= 504) return gateway_error_sentences(f, what);
    if (answer.status == status_alb_grpc) {
        return {what +
                    ": an AWS load balancer refused the call because its target group is not of "
                    "version GRPC.",
                "Give the target group the protocol version GRPC and a gRPC health check."};
    }
    if (answer.status == 404) {
        return {what + ": this HTTP/2 server has no route for the call.",
                "Check host name and path rules of the ingress or gateway at " +
                    upstream_words(f.e) + ", or dial the gRPC server itself."};
    }
    return {what + ": it speaks HTTP/2, but it is no gRPC server.",
            dial_words(f, "Dial the gRPC port of the service") +
                ", or route this path to a gRPC backend at the proxy that answered."};
}

Sentences other_protocol_sentences(const Findings& f) {
    const std::string software = software_words(f.software);
    std::string what = ", which is neither HTTP nor TLS.";
    if (!software.empty()) what = ": it is " + software + ", not a gRPC server.";
    if (f.e.upstream.first_bytes.starts_with("INFO {\"server_id\""))
        what = ": it is a NATS server, not a gRPC server.";
    return {answered(f) + what, dial_words(f, "Dial the gRPC server") + "; find out why " +
                                    upstream_words(f.e) +
                                    " is dialled: a Service selector that matches other pods, a "
                                    "reused IP address, a wrong port in the target."};
}

namespace {

std::string service_words(std::string_view dns_name) {
    const auto name = service_of(dns_name);
    return name ? shown(name->service) + "." + shown(name->name_space) : std::string();
}

Sentences stale_by_dns_sentences(const Findings& f) {
    const std::string requested = service_words(f.e.requested_dns_name);
    return {upstream_words(f.e) + " " + did(f) + ": by DNS the address belongs to " +
                service_words(f.e.dns_name) + ", but " + requested + " was asked for.",
            "Refresh what the client resolves " + requested +
                " with (Service selector, endpoints, cached DNS): kubectl get endpointslices "
                "shows whether the address is still one of its own."};
}

}  // namespace

Sentences stale_endpoint_sentences(const Findings& f) {
    if (!f.facts.has(Fact::registry_other_service)) return stale_by_dns_sentences(f);
    const RegistryFacts& r = f.e.registry;
    const std::string role = r.port_role == PortRole::metrics ? "the metrics port of " : "";
    std::string dial =
        "Refresh what the client resolves " + shown(r.requested_service) +
        " with (Service selector, endpoints, entries in etcd, Consul or Nacos, cached DNS)";
    if (r.requested_grpc_port != 0)
        dial += "; it serves gRPC on port " + std::to_string(r.requested_grpc_port);
    return {upstream_words(f.e) + " " + did(f) + ": it belongs to " + role + shown(r.service) +
                ", but " + shown(r.requested_service) + " was asked for.",
            dial + "."};
}

namespace {

constexpr size_t told_bytes_max = 240;

// Where the other one cut a text stands the only character of ours that is not ASCII.
std::string quoted_sentence(const std::string& sentence) {
    constexpr std::string_view escaped_mark = "\\xe2\\x80\\xa6";
    std::string quoted = quote_wire(sentence, told_bytes_max);
    for (size_t at = 0; (at = quoted.find(escaped_mark, at)) != std::string::npos;) {
        quoted.replace(at, escaped_mark.size(), "…");
    }
    return quoted;
}

}  // namespace

std::string attribution_words(const Attribution& attribution) {
    std::string words(name(attribution.cause));
    if (!attribution.hop) return words;
    const ToldHop& hop = *attribution.hop;
    words += " at " + std::string(name(hop.position));
    const std::string& called = hop.name.empty() ? hop.address : hop.name;
    if (!called.empty()) words += " " + shown(called);
    if (!hop.name.empty() && !hop.address.empty()) words += " (" + shown(hop.address) + ")";
    return words;
}

Sentences attributed_sentences(const Findings& f) {
    const std::string up = upstream_words(f.e);
    const std::string what = up +
                             " is, or leads to, another Telltale, which already attributed this: " +
                             attribution_words(*f.attribution);
    const std::string record = "the incident that the Telltale behind " + up + " recorded";
    if (f.attribution->sentence.empty()) {
        return {what + ".", "Read " + record +
                                " at this time: it stands next to the fault and says "
                                "what to change."};
    }
    return {what + "; it told the client " + quoted_sentence(f.attribution->sentence) + ".",
            "Do what it says; " + record + " at this time has the evidence."};
}

}  // namespace telltale::sniff
