#include "sniff/escape.h"
#include "sniff/sentences.h"
#include "sniff/words.h"

namespace telltale::sniff {
namespace {

constexpr size_t debug_bytes_max = 120;
constexpr size_t names_max = 6;
constexpr uint32_t enhance_your_calm = 0xb;

std::string client_address(const Evidence& e) {
    return e.client_address.empty() ? "The client" : shown(e.client_address);
}

// "10.0.0.7:5123 (Prometheus 2.42.0) asked GET /metrics over HTTP/1.1"
std::string asked(const Findings& f) {
    std::string words = client_address(f.e);
    if (!f.e.client.http1_request) return words + " asked over HTTP/1";
    const Http1Request& request = *f.e.client.http1_request;
    const Product agent = first_product(request.user_agent);
    if (!agent.name.empty()) {
        words += " (" + agent.name + (agent.version.empty() ? "" : " " + agent.version) + ")";
    }
    const std::string version = request.version.empty() ? "HTTP/1" : shown(request.version);
    return words + " asked " + opening_words(f.e) + " over " + version;
}

std::string of_whom(const Findings& f) {
    if (f.facts.has(Fact::upstream_speaks_h2))
        return " of " + upstream_words(f.e) + ", which speaks HTTP/2";
    if (!f.facts.has(Fact::expects_grpc)) return " of " + upstream_words(f.e);
    return " of " + upstream_words(f.e) + " through a listener that is declared to be gRPC";
}

std::string joined(const std::vector<std::string>& names) {
    std::string words;
    for (size_t i = 0; i < names.size() && i < names_max; ++i) {
        if (i > 0) words += ", ";
        words += shown(names[i]);
    }
    return words;
}

}  // namespace

Sentences metrics_scraper_sentences(const Findings& f) {
    return {asked(f) + of_whom(f) + ": a metrics scraper is pointed at a gRPC port.",
            "Point the scrape job (its port, the prometheus.io/port annotation or the "
            "ServiceMonitor's port name) at the metrics port "
            "of the service, not at " +
                requested_words(f.e) + "."};
}

Sentences health_probe_sentences(const Findings& f) {
    return {asked(f) + of_whom(f) + ": a health check asks a gRPC port for HTTP/1.",
            "Let the check speak gRPC (a grpc probe in Kubernetes, grpc_health_probe, GRPC health "
            "checks of the load balancer), give it "
            "an HTTP port of its own, or make it a TCP check."};
}

Sentences http1_client_sentences(const Findings& f) {
    if (f.facts.has(Fact::request_grpc_web)) {
        return {
            asked(f) + of_whom(f) +
                ": the client speaks gRPC-Web, which a gRPC server does not understand by itself.",
            "Put a gRPC-Web translator between them (Envoy's grpc_web filter, or the server "
            "library's own gRPC-Web support)."};
    }
    return {asked(f) + of_whom(f) + ": the client speaks HTTP/1, not gRPC.",
            "Use a gRPC client for " + requested_words(f.e) +
                ", or dial the HTTP port of the service."};
}

Sentences downgraded_by_proxy_sentences(const Findings& f) {
    const bool known = f.e.client.http1_request && !f.e.client.http1_request->forwarded.empty();
    const std::string trail =
        known ? " (it left " + joined(f.e.client.http1_request->forwarded) + ")" : std::string();
    const std::string what = f.facts.has(Fact::request_grpc) ? ", a gRPC call inside HTTP/1" : "";
    return {
        asked(f) + of_whom(f) + what + ": a proxy in front" + trail + " turned gRPC into HTTP/1.",
        "Let the proxy at " + shown(f.e.client_address) +
            " speak gRPC to its backend: nginx grpc_pass, ingress-nginx backend-protocol: "
            "GRPC, HAProxy proto h2 on the server line, Envoy http2_protocol_options, Istio a port "
            "named grpc-….",
    };
}

Sentences tls_client_sentences(const Findings& f) {
    const auto& hello = f.e.client.tls_hello;
    const std::string name =
        hello && !hello->sni.empty() ? " for " + shown(hello->sni) : std::string();
    return {client_address(f.e) + " began TLS" + name + ", and " + upstream_words(f.e) +
                " answered HTTP/2 without TLS: the right kind of server, the wrong credentials.",
            "Use insecure (plaintext) credentials in the client for " + requested_words(f.e) +
                ", or serve TLS there; a gateway that ends TLS must not encrypt again towards a "
                "plaintext port."};
}

namespace {

Sentences goaway_error_sentences(const Findings& f) {
    const Http2Goaway& goaway = *f.e.upstream.goaway;
    const std::string debug = goaway.debug.empty()
                                  ? std::string()
                                  : ", saying " + quote_wire(goaway.debug, debug_bytes_max);
    const bool pings = goaway.error_code == enhance_your_calm;
    return {upstream_words(f.e) + " ended the connection with GOAWAY " +
                http2_error_words(goaway.error_code) + debug +
                "; both sides speak HTTP/2, so this is a quarrel inside the protocol.",
            pings ? "Ping less often from the client (keepalive time), or let the server permit it "
                    "(its keepalive enforcement policy)."
                  : "Look into the server's log at this time; the text above is its own reason."};
}

Sentences tls_alert_sentences(const Findings& f) {
    const bool client = f.facts.has(Fact::client_alert) && !f.facts.has(Fact::upstream_alert);
    const auto& alert = client ? f.e.client.tls_alert : f.e.upstream.tls_alert;
    const std::string who = client ? client_address(f.e) : upstream_words(f.e);
    const std::string words = alert ? "alert " + alert_words(*alert) : std::string("an alert");
    const std::string hello = f.e.client.tls_hello && !f.e.client.tls_hello->sni.empty()
                                  ? " (server name " + shown(f.e.client.tls_hello->sni) + ")"
                                  : std::string();
    return {who + " broke the TLS handshake off with " + words + hello +
                "; both sides do speak TLS, why it failed is not on the wire.",
            "Compare versions, server name, certificates and client certificates of both sides: "
            "openssl s_client -alpn h2 -connect " +
                upstream_words(f.e) + " shows what the server offers."};
}

Sentences client_other_sentences(const Findings& f) {
    return {"The client " + client_address(f.e) + " sent neither HTTP/2, HTTP/1 nor TLS: " +
                quote_wire(f.e.client.first_bytes, debug_bytes_max / 2) + "; " +
                upstream_words(f.e) + " answered " + answer_words(f.e) + ".",
            "Find out what runs at this client address: a port scanner, or a program that should "
            "dial another port."};
}

}  // namespace

Sentences unexplained_sentences(const Findings& f) {
    const FactSet& facts = f.facts;
    if (facts.has(Fact::client_tls) &&
        (facts.has(Fact::upstream_alert) || facts.has(Fact::client_alert) ||
         facts.has(Fact::upstream_later_alert))) {
        return tls_alert_sentences(f);
    }
    if (facts.has(Fact::client_http2) && facts.has(Fact::goaway_error))
        return goaway_error_sentences(f);
    const std::string look = "Look into the log of " + upstream_words(f.e) +
                             " at this time, and capture the connection if it happens again.";
    if (facts.has(Fact::client_http2) && facts.has(Fact::upstream_h2_out_of_order)) {
        return {upstream_words(f.e) +
                    " speaks HTTP/2, but did not begin with SETTINGS as it must; why is not known.",
                look};
    }
    if (facts.has(Fact::unanswered_end)) {
        return {upstream_words(f.e) +
                    " greeted with HTTP/2 SETTINGS and then ended the connection before it "
                    "answered the first call; why is not "
                    "known.",
                look};
    }
    if (facts.has(Fact::upstream_broken)) {
        return {"The connection to " + upstream_words(f.e) + " broke with " +
                    errno_words(f.e.ended_by.error) + " after " +
                    std::to_string(f.e.upstream.bytes) + " bytes from it; neither side ended it.",
                "Look at the network between Telltale and " + upstream_words(f.e) +
                    ": a node that went away, a firewall or NAT that forgot the connection."};
    }
    if (facts.has(Fact::client_other)) return client_other_sentences(f);
    return {client_address(f.e) + " sent " + opening_words(f.e) + " and " + upstream_words(f.e) +
                " answered " + answer_words(f.e) + "; why the connection failed is not known.",
            look};
}

}  // namespace telltale::sniff
