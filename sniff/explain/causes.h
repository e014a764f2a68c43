// Lists of causes that many texts share, likeliest first, each with its reason in one sentence.
#pragma once

#include <array>

#include "sniff/explain/error_text.h"

namespace telltale::sniff::explain {

// An HTTP/1 answer where HTTP/2 was due.
inline constexpr auto http1_answered = std::to_array<Likely>({
    {Cause::metrics_port,
     "the address is the service's metrics port: it often lies beside the gRPC port (OpenIM: 12260 "
     "beside 10260)"},
    {Cause::http1_proxy,
     "an ingress, proxy or load balancer listens there without HTTP/2; nginx says the same on a "
     "TLS "
     "port that is spoken to without TLS"},
    {Cause::http1_application,
     "another port of the same program, or another program: REST, web pages, OTLP over HTTP"},
    {Cause::stale_endpoint, "the address belongs to another service by now"},
    {Cause::forward_proxy, "HTTPS_PROXY or HTTP_PROXY sends the client to a proxy of the office"},
});

inline constexpr auto html_answered = std::to_array<Likely>({
    {Cause::metrics_port,
     "Python's http.server answers so, and with it prometheus_client: the metrics port of a Python "
     "service"},
    {Cause::http1_application, "a development server (wsgiref, Werkzeug) or another web page"},
    {Cause::http1_proxy, "a proxy that answers with a page and no status line"},
});

// A TLS alert or handshake where HTTP/2 was due, or an end that TLS servers prefer.
inline constexpr auto tls_answered = std::to_array<Likely>({
    {Cause::tls_required, "the port speaks TLS and the client does not: give it TLS credentials"},
    {Cause::stale_endpoint, "the address belongs to another service by now"},
});

inline constexpr auto foreign_answered = std::to_array<Likely>({
    {Cause::other_protocol,
     "another service owns the address: a selector, a registry entry or a "
     "port number is wrong"},
    {Cause::stale_endpoint, "the address was the service's once and was given to another"},
});

// Something that is no HTTP/2, and the text does not say what.
inline constexpr auto not_http2 = std::to_array<Likely>({
    {Cause::metrics_port, "the service's metrics port answers HTTP/1"},
    {Cause::http1_proxy, "an ingress or proxy listens there without HTTP/2"},
    {Cause::http1_application, "another HTTP/1 server: the REST or web port"},
    {Cause::other_protocol, "a server of something else (SSH, Redis, MySQL) owns the address"},
    {Cause::tls_required, "the port speaks TLS and the client does not"},
});

// The connection ended before a byte came.
inline constexpr auto ended_unanswered = std::to_array<Likely>({
    {Cause::tls_required,
     "most TLS servers (Go, Node, HAProxy, Apache, OpenSSL) hang up on a plaintext client without "
     "a word"},
    {Cause::closed_before_preface,
     "a server that hangs up on what it does not know (Tomcat, Varnish, PHP, PostgreSQL), a proxy "
     "without a backend, or a listener that expects the PROXY protocol"},
    {Cause::reset_before_preface,
     "the process behind the port was ending, or something in between refuses the connection"},
    {Cause::forward_proxy, "the client was sent through a forward proxy that hung up"},
});

// The same, of a text that clients with TLS print too.
inline constexpr auto ended_perhaps_in_tls = std::to_array<Likely>({
    {Cause::tls_required,
     "most TLS servers (Go, Node, HAProxy, Apache, OpenSSL) hang up on a plaintext client without "
     "a word"},
    {Cause::closed_before_preface,
     "a server that hangs up on what it does not know (Tomcat, Varnish, PHP, PostgreSQL), a proxy "
     "without a backend, or a listener that expects the PROXY protocol"},
    {Cause::reset_before_preface,
     "the process behind the port was ending, or something in between refuses the connection"},
    {Cause::alpn_without_h2,
     "if the client speaks TLS: the server chose no h2 by ALPN and hung up on HTTP/2"},
    {Cause::forward_proxy, "the client was sent through a forward proxy that hung up"},
});

inline constexpr auto connection_reset = std::to_array<Likely>({
    {Cause::reset_before_preface,
     "a TLS server (stunnel, Python), a listener that expects the PROXY protocol, or a firewall "
     "reset the connection"},
    {Cause::tls_required, "the port speaks TLS and the client does not"},
    {Cause::proxy_shutdown, "the other side was being restarted: it happens once and goes away"},
});

// A TLS client read something that is no TLS.
inline constexpr auto no_tls_there = std::to_array<Likely>({
    {Cause::plaintext_upstream,
     "the port speaks plaintext: use insecure credentials or http://, or dial the TLS port"},
    {Cause::tls_client,
     "the plaintext port is the right gRPC one, and a sidecar beside the server says so of the "
     "client: leave TLS out, or give the server a certificate"},
    {Cause::metrics_port, "the port is an HTTP/1 one, such as the service's metrics port"},
    {Cause::forward_proxy, "a forward proxy is dialled with https:// that speaks http://"},
});

// A TLS client read an HTTP/1 answer.
inline constexpr auto http1_to_tls = std::to_array<Likely>({
    {Cause::plaintext_upstream,
     "the port speaks plaintext HTTP/1: use http://, or dial the TLS port"},
    {Cause::metrics_port, "the port is an HTTP/1 one, such as the service's metrics port"},
    {Cause::forward_proxy, "a forward proxy is dialled with https:// that speaks http://"},
});

inline constexpr auto no_h2_in_tls = std::to_array<Likely>({
    {Cause::alpn_without_h2,
     "the TLS server does not offer h2: nginx without http2, HAProxy without `alpn h2`, a TLS "
     "load balancer or inspecting proxy that knows HTTP/1.1 only"},
    {Cause::http1_proxy, "the TLS port belongs to an HTTP/1 proxy or load balancer"},
});

// HTTP/2, but the answer is a page of a proxy.
inline constexpr auto answer_of_a_proxy = std::to_array<Likely>({
    {Cause::http2_not_grpc,
     "a proxy or ingress answered instead of the service: its backend is dead, speaks another "
     "protocol, or no route fits"},
    {Cause::downgraded_by_proxy, "the proxy speaks HTTP/1 to a gRPC backend"},
    {Cause::no_endpoints, "the proxy knows no healthy server behind that route"},
});

// A server of HTTP/2 that hears HTTP/1.
inline constexpr auto http1_asked = std::to_array<Likely>({
    {Cause::metrics_scraper, "Prometheus, or whatever scrapes, was given the gRPC port"},
    {Cause::health_probe, "an HTTP health check of the kubelet or a load balancer is aimed at it"},
    {Cause::http1_client, "a browser, curl or a REST client calls the gRPC port"},
    {Cause::downgraded_by_proxy, "a proxy turns gRPC into HTTP/1 in front of the service"},
});

inline constexpr auto post_asked = std::to_array<Likely>({
    {Cause::downgraded_by_proxy,
     "a POST to /package.Service/Method over HTTP/1: an ingress or mesh took the HTTP/2 away "
     "(proxy_pass for grpc_pass, a port named http-…)"},
    {Cause::http1_client, "a client without HTTP/2 calls the gRPC port"},
});

inline constexpr auto tls_asked = std::to_array<Likely>({
    {Cause::tls_client, "the client dials with TLS and the port speaks plaintext"},
});

inline constexpr auto answered_not_grpc = std::to_array<Likely>({
    {Cause::http2_not_grpc, "what answered speaks HTTP/2, but not gRPC as it is due at this point"},
});

inline constexpr auto refused_there = std::to_array<Likely>({
    {Cause::refused,
     "nobody listens on that address and port: the process is down, not yet up, or bound to "
     "another address"},
    {Cause::stale_endpoint, "the address is an old one: the pod moved"},
});

inline constexpr auto timed_out_there = std::to_array<Likely>({
    {Cause::connect_timeout, "packets are dropped: a NetworkPolicy, a firewall or a dead host"},
    {Cause::silent_upstream, "the connection stands and the other side says nothing"},
});

inline constexpr auto no_way_there = std::to_array<Likely>({
    {Cause::unreachable, "there is no route to that address from here"},
});

inline constexpr auto no_name = std::to_array<Likely>({
    {Cause::dns_failure,
     "the name does not resolve: a wrong name or namespace, a Service that does not exist, or DNS "
     "is down"},
    {Cause::no_endpoints, "the Service is headless and has no ready pod"},
});

inline constexpr auto nobody_healthy = std::to_array<Likely>({
    {Cause::no_endpoints, "no ready endpoint: pods not ready, a wrong selector, failed checks"},
});

inline constexpr auto tunnel_refused = std::to_array<Likely>({
    {Cause::forward_proxy,
     "HTTPS_PROXY, HTTP_PROXY or grpc_proxy sends the client to a forward proxy that opens no "
     "tunnel: add the name to NO_PROXY"},
});

}  // namespace telltale::sniff::explain
