#include "tests/sniff/corpus.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace telltale::sniff::test {

namespace {

constexpr Side up = Side::upstream;
constexpr Side cl = Side::client;

constexpr Capture all[] = {
    {up, "apache_http2_settings", Protocol::http2},
    {up, "apache_plain_400", Protocol::http1},
    {up, "apache_upgrade_101_then_http2", Protocol::http1},
    {up, "go_http2_404_headers", Protocol::http2},
    {up, "go_http2_settings", Protocol::http2},
    {up, "go_not_found_handler_404", Protocol::http1},
    {up, "go_plain_request_to_tls_port", Protocol::http1},
    {up, "go_servemux_400", Protocol::http1},
    {up, "go_servemux_400_to_client_hello", Protocol::http1},
    {up, "go_servemux_metrics_200", Protocol::http1},
    {up, "go_tls13_server_hello", Protocol::tls},
    {up, "grpc_core_settings", Protocol::http2},
    {up, "grpc_core_speaks_first", Protocol::http2},
    {up, "grpc_core_unary_answer", Protocol::http2},
    {up, "grpc_core_unimplemented_trailers", Protocol::http2},
    {up, "grpc_go_settings", Protocol::http2},
    {up, "grpc_go_unimplemented_trailers", Protocol::http2},
    {up, "gunicorn_http20_text_200", Protocol::http1},
    {up, "haproxy_dead_backend_503", Protocol::http1},
    {up, "haproxy_http2_dead_backend_503_headers", Protocol::http2},
    {up, "haproxy_http2_settings", Protocol::http2},
    {up, "haproxy_plain_400", Protocol::http1},
    {up, "lighttpd_http10_505", Protocol::http1},
    {up, "lighttpd_http2_settings", Protocol::http2},
    {up, "mariadb_handshake", Protocol::mysql},
    {up, "mariadb_too_many_connections", Protocol::mysql},
    {up, "nghttpd_http2_404_headers", Protocol::http2},
    {up, "nghttpd_settings", Protocol::http2},
    {up, "nginx_get_200", Protocol::http1},
    {up, "nginx_grpc_pass_to_http1_502_headers", Protocol::http2},
    {up, "nginx_http2_404_headers", Protocol::http2},
    {up, "nginx_http2_settings", Protocol::http2},
    {up, "nginx_plain_400", Protocol::http1},
    {up, "nginx_plain_request_to_tls_port", Protocol::http1},
    {up, "nginx_proxy_pass_relays_settings_and_goaway", Protocol::http2},
    {up, "nginx_redirect_301", Protocol::http1},
    {up, "nginx_tls12_server_hello_alpn_h2", Protocol::tls},
    {up, "nginx_tls_no_application_protocol_alert", Protocol::tls_alert},
    {up, "node_http2_404_headers", Protocol::http2},
    {up, "node_http2_goaway_to_http1", Protocol::http2},
    {up, "node_http2_settings", Protocol::http2},
    {up, "node_http_400", Protocol::http1},
    {up, "openssh_banner", Protocol::ssh},
    {up, "openssl_hello_retry_request", Protocol::tls},
    {up, "openssl_no_application_protocol_alert", Protocol::tls_alert},
    {up, "openssl_protocol_version_alert", Protocol::tls_alert},
    {up, "openssl_tls12_server_hello_alpn_h2", Protocol::tls},
    {up, "openssl_tls13_server_hello", Protocol::tls},
    {up, "postgres_authentication", Protocol::postgres},
    {up, "postgres_error", Protocol::postgres},
    {up, "prometheus_400", Protocol::http1},
    {up, "prometheus_cpp_http20_text_400", Protocol::http1},
    {up, "prometheus_metrics_200", Protocol::http1},
    {up, "python_http_server_html", Protocol::http1},
    {up, "python_http_server_http10_200", Protocol::http1},
    {up, "redis_error", Protocol::redis},
    {up, "squid_400", Protocol::http1},
    {up, "squid_connect_200_then_settings", Protocol::http1},
    {up, "squid_connect_refused_503", Protocol::http1},
    {up, "tinyproxy_http10_400", Protocol::http1},
    {up, "vsftpd_greeting", Protocol::smtp},
    {cl, "curl_connect", Protocol::http1},
    {cl, "curl_get", Protocol::http1},
    {cl, "curl_grpc_web_post", Protocol::http1},
    {cl, "curl_http2_prior_knowledge", Protocol::http2},
    {cl, "curl_tls_client_hello", Protocol::tls},
    {cl, "curl_upgrade_h2c", Protocol::http1},
    {cl, "curl_websocket_upgrade", Protocol::http1},
    {cl, "go_client_hello", Protocol::tls},
    {cl, "grpc_core_connect", Protocol::http1},
    {cl, "grpc_core_first_flight", Protocol::http2},
    {cl, "grpc_go_first_flight", Protocol::http2},
    {cl, "grpc_js_first_flight", Protocol::http2},
    // A PROXY header is no protocol of its own: without the layer that takes it off, these are
    // unknown bytes.
    {cl, "haproxy_proxy_header_v1_then_http2", Protocol::other},
    {cl, "haproxy_proxy_header_v2_then_http2", Protocol::other},
    {cl, "nginx_grpc_pass_first_flight", Protocol::http2},
    {cl, "nginx_proxied_get", Protocol::http1},
    {cl, "node_http2_first_flight", Protocol::http2},
    {cl, "openssl_client_hello", Protocol::tls},
    {cl, "openssl_tls12_client_hello_without_alpn", Protocol::tls},
    {cl, "prometheus_scrape", Protocol::http1},
};

std::filesystem::path folder(Side speaker) {
    return std::filesystem::path(TELLTALE_CORPUS) / name(speaker);
}

uint64_t chosen_seed() {
    if (const char* given = std::getenv("TELLTALE_SEED")) return std::strtoull(given, nullptr, 10);
    return std::random_device{}();
}

}  // namespace

std::span<const Capture> captures() {
    return all;
}

std::string bytes_of(const Capture& capture) {
    const auto path = folder(capture.speaker) / (std::string(capture.name) + ".bin");
    std::ifstream file(path, std::ios::binary);
    EXPECT_TRUE(file.good()) << path;
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::string upstream_bytes(std::string_view name) {
    return bytes_of({.speaker = up, .name = name, .protocol = Protocol::other});
}

std::string client_bytes(std::string_view name) {
    return bytes_of({.speaker = cl, .name = name, .protocol = Protocol::other});
}

std::vector<std::string> files_of(Side speaker) {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder(speaker))) {
        names.push_back(entry.path().stem().string());
    }
    std::sort(names.begin(), names.end());
    return names;
}

Random::Random() : seed_(chosen_seed()), engine_(seed_) {}

size_t Random::below(size_t limit) {
    return static_cast<size_t>(engine_() % limit);
}

std::string Random::bytes(size_t size) {
    std::string text(size, '\0');
    for (char& c : text) c = static_cast<char>(below(256));
    return text;
}

std::string Random::mutate(std::string text) {
    for (size_t round = 1 + below(4); round > 0 && !text.empty(); --round) {
        const size_t at = below(text.size());
        const size_t choice = below(4);
        if (choice == 0) text[at] = static_cast<char>(below(256));
        if (choice == 1) text.insert(at, bytes(1 + below(3)));
        if (choice == 2) text.erase(at, 1 + below(3));
        if (choice == 3) text.insert(at, text.substr(at, 1 + below(16)));
    }
    return text;
}

}  // namespace telltale::sniff::test
