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
    {up, "actix_400", Protocol::http1},
    {up, "aiohttp_http10_400", Protocol::http1},
    {up, "aiosmtpd_1_4_2_greeting", Protocol::smtp},
    {up, "aiosmtpd_greeting", Protocol::smtp},
    {up, "alertmanager_400", Protocol::http1},
    {up, "alertmanager_root", Protocol::http1},
    {up, "apache_dead_upstream_503", Protocol::http1},
    {up, "apache_http2_404", Protocol::http2},
    {up, "apache_http2_settings", Protocol::http2},
    {up, "apache_http2_settings_tuned", Protocol::http2},
    {up, "apache_plain_400", Protocol::http1},
    {up, "apache_tokens_prod_400", Protocol::http1},
    {up, "apache_upgrade_101_then_http2", Protocol::http1},
    {up, "armeria_1_9_http2_404", Protocol::http2},
    {up, "armeria_1_9_http2_settings", Protocol::http2},
    {up, "armeria_400_to_client_hello", Protocol::http1},
    {up, "armeria_404", Protocol::http1},
    {up, "armeria_http2_404", Protocol::http2},
    {up, "asyncssh_banner", Protocol::ssh},
    {up, "axum_400_to_client_hello", Protocol::http1},
    {up, "axum_http2_settings", Protocol::http2},
    {up, "caddy_2_6_http1_200", Protocol::http1},
    {up, "caddy_2_6_http2_dead_upstream_502", Protocol::http2},
    {up, "caddy_2_6_two_server_headers", Protocol::http1},
    {up, "caddy_2_8_dead_upstream_502", Protocol::http1},
    {up, "caddy_dead_upstream_502", Protocol::http1},
    {up, "caddy_http2_dead_upstream_502", Protocol::http2},
    {up, "caddy_http2_settings", Protocol::http2},
    {up, "caddy_passes_server_on", Protocol::http1},
    {up, "cherrypy_18_8_505", Protocol::http1},
    {up, "cherrypy_400_to_client_hello", Protocol::http1},
    {up, "cherrypy_404", Protocol::http1},
    {up, "cherrypy_505", Protocol::http1},
    {up, "chi_404", Protocol::http1},
    {up, "cups_404", Protocol::http1},
    {up, "daphne_http20_text_200", Protocol::http1},
    {up, "daphne_new_200", Protocol::http1},
    {up, "docker_registry_301", Protocol::http1},
    {up, "docker_registry_404", Protocol::http1},
    {up, "dropbear_banner", Protocol::ssh},
    {up, "echo_404", Protocol::http1},
    {up, "envoy_1_36_http2_dead_upstream_grpc_14", Protocol::http2},
    {up, "envoy_1_36_http2_settings", Protocol::http2},
    {up, "envoy_1_36_http2_settings_connect", Protocol::http2},
    {up, "envoy_1_36_http2_settings_small_windows", Protocol::http2},
    {up, "envoy_admin_stats", Protocol::http1},
    {up, "envoy_dead_upstream_503", Protocol::http1},
    {up, "envoy_http1_only_400", Protocol::http1},
    {up, "envoy_http2_dead_upstream_grpc_14", Protocol::http2},
    {up, "envoy_http2_server_header_passed_on", Protocol::http2},
    {up, "envoy_http2_settings", Protocol::http2},
    {up, "envoy_http2_settings_connect", Protocol::http2},
    {up, "envoy_http2_settings_small_windows", Protocol::http2},
    {up, "envoy_named_istio_503", Protocol::http1},
    {up, "envoy_named_istio_http2_grpc_14", Protocol::http2},
    {up, "envoy_no_route_404", Protocol::http1},
    {up, "envoy_server_header_passed_on", Protocol::http1},
    {up, "etcd_404", Protocol::http1},
    {up, "etcd_http2_settings", Protocol::http2},
    {up, "exim_greeting", Protocol::smtp},
    {up, "express_400", Protocol::http1},
    {up, "express_404", Protocol::http1},
    {up, "express_4_without_routes_404", Protocol::http1},
    {up, "fasthttp_400", Protocol::http1},
    {up, "fastify_3_404", Protocol::http1},
    {up, "fastify_400", Protocol::http1},
    {up, "fastify_404", Protocol::http1},
    {up, "fiber_400", Protocol::http1},
    {up, "fiber_404", Protocol::http1},
    {up, "gin_404", Protocol::http1},
    {up, "go_h2c_settings_tuned", Protocol::http2},
    {up, "go_http2_404_headers", Protocol::http2},
    {up, "go_http2_settings", Protocol::http2},
    {up, "go_http2_settings_tuned", Protocol::http2},
    {up, "go_not_found_handler_404", Protocol::http1},
    {up, "go_plain_request_to_tls_port", Protocol::http1},
    {up, "go_servemux_400", Protocol::http1},
    {up, "go_servemux_400_to_client_hello", Protocol::http1},
    {up, "go_servemux_metrics_200", Protocol::http1},
    {up, "go_tls13_server_hello", Protocol::tls},
    {up, "granian_1_3_http2_200", Protocol::http2},
    {up, "granian_200", Protocol::http1},
    {up, "granian_http2_200", Protocol::http2},
    {up, "grpc_core_new_settings", Protocol::http2},
    {up, "grpc_core_new_settings_tuned", Protocol::http2},
    {up, "grpc_core_settings", Protocol::http2},
    {up, "grpc_core_settings_tuned", Protocol::http2},
    {up, "grpc_core_speaks_first", Protocol::http2},
    {up, "grpc_core_unary_answer", Protocol::http2},
    {up, "grpc_core_unimplemented_trailers", Protocol::http2},
    {up, "grpc_go_1_40_settings_max_streams", Protocol::http2},
    {up, "grpc_go_behind_cmux", Protocol::http2},
    {up, "grpc_go_settings", Protocol::http2},
    {up, "grpc_go_settings_connection_window", Protocol::http2},
    {up, "grpc_go_settings_max_streams", Protocol::http2},
    {up, "grpc_go_settings_tuned", Protocol::http2},
    {up, "grpc_go_to_get", Protocol::http2},
    {up, "grpc_go_unimplemented_trailers", Protocol::http2},
    {up, "grpc_js_settings", Protocol::http2},
    {up, "grpc_netty_1_30_settings", Protocol::http2},
    {up, "grpc_netty_1_40_settings", Protocol::http2},
    {up, "grpc_netty_settings", Protocol::http2},
    {up, "grpc_netty_settings_small_window", Protocol::http2},
    {up, "grpc_netty_settings_tuned", Protocol::http2},
    {up, "grpc_netty_to_client_hello", Protocol::http2},
    {up, "grpc_netty_to_get", Protocol::http2},
    {up, "grpc_okhttp_settings", Protocol::http2},
    {up, "grpc_okhttp_settings_tuned", Protocol::http2},
    {up, "grpclib_settings", Protocol::http2},
    {up, "gunicorn_20_0_200", Protocol::http1},
    {up, "gunicorn_20_0_gthread_200", Protocol::http1},
    {up, "gunicorn_gevent_200", Protocol::http1},
    {up, "gunicorn_http20_text_200", Protocol::http1},
    {up, "gunicorn_new_400", Protocol::http1},
    {up, "gunicorn_new_400_to_client_hello", Protocol::http1},
    {up, "h2o_400_to_client_hello", Protocol::http1},
    {up, "h2o_404", Protocol::http1},
    {up, "h2o_http2_other_name", Protocol::http2},
    {up, "h2o_http2_settings", Protocol::http2},
    {up, "hapi_20_404", Protocol::http1},
    {up, "hapi_404", Protocol::http1},
    {up, "haproxy_400_to_client_hello", Protocol::http1},
    {up, "haproxy_dead_backend_503", Protocol::http1},
    {up, "haproxy_deny_403", Protocol::http1},
    {up, "haproxy_http2_dead_backend_503_headers", Protocol::http2},
    {up, "haproxy_http2_deny_403", Protocol::http2},
    {up, "haproxy_http2_settings", Protocol::http2},
    {up, "haproxy_http2_settings_tuned", Protocol::http2},
    {up, "haproxy_plain_400", Protocol::http1},
    {up, "haproxy_stats_page", Protocol::http1},
    {up, "haproxy_timeout_408", Protocol::http1},
    {up, "hitch_tls13_server_hello", Protocol::tls},
    {up, "hyper_h2_settings", Protocol::http2},
    {up, "hypercorn_0_13_http2_200", Protocol::http2},
    {up, "hypercorn_200", Protocol::http1},
    {up, "hypercorn_http2_200", Protocol::http2},
    {up, "hypercorn_http2_settings", Protocol::http2},
    {up, "icecast_404", Protocol::http1},
    {up, "jdk_http_server_404", Protocol::http1},
    {up, "jetty_11_http2_404", Protocol::http2},
    {up, "jetty_11_http2_settings", Protocol::http2},
    {up, "jetty_426", Protocol::http1},
    {up, "jetty_9_426", Protocol::http1},
    {up, "jetty_9_http2_settings", Protocol::http2},
    {up, "jetty_http2_settings", Protocol::http2},
    {up, "jetty_http2_settings_tuned", Protocol::http2},
    {up, "jsse_unexpected_message_alert", Protocol::tls_alert},
    {up, "koa_400", Protocol::http1},
    {up, "lighttpd_400_to_client_hello", Protocol::http1},
    {up, "lighttpd_http10_505", Protocol::http1},
    {up, "lighttpd_http2_404", Protocol::http2},
    {up, "lighttpd_http2_settings", Protocol::http2},
    {up, "lighttpd_http2_settings_tag_off", Protocol::http2},
    {up, "lighttpd_tag_off_404", Protocol::http1},
    {up, "mariadb_handshake", Protocol::mysql},
    {up, "mariadb_too_many_connections", Protocol::mysql},
    {up, "memcached_error_to_client_hello", Protocol::other},
    {up, "mini_httpd_http20_text_501", Protocol::http1},
    {up, "monit_http10_400", Protocol::http1},
    {up, "nats_info", Protocol::other},
    {up, "nats_monitor_400", Protocol::http1},
    {up, "nghttpd_http2_404_headers", Protocol::http2},
    {up, "nghttpd_settings", Protocol::http2},
    {up, "nghttpd_settings_tuned", Protocol::http2},
    {up, "nghttpx_dead_upstream_502", Protocol::http1},
    {up, "nghttpx_http2_via", Protocol::http2},
    {up, "nghttpx_settings", Protocol::http2},
    {up, "nghttpx_settings_tuned", Protocol::http2},
    {up, "nghttpx_via", Protocol::http1},
    {up, "nginx_dead_upstream_502", Protocol::http1},
    {up, "nginx_get_200", Protocol::http1},
    {up, "nginx_grpc_pass_to_http1_502_headers", Protocol::http2},
    {up, "nginx_http2_404_headers", Protocol::http2},
    {up, "nginx_http2_settings", Protocol::http2},
    {up, "nginx_http2_settings_tuned", Protocol::http2},
    {up, "nginx_plain_400", Protocol::http1},
    {up, "nginx_plain_request_to_tls_port", Protocol::http1},
    {up, "nginx_proxy_pass_relays_settings_and_goaway", Protocol::http2},
    {up, "nginx_redirect_301", Protocol::http1},
    {up, "nginx_tls12_server_hello_alpn_h2", Protocol::tls},
    {up, "nginx_tls_no_application_protocol_alert", Protocol::tls_alert},
    {up, "nginx_tokens_off_400", Protocol::http1},
    {up, "nginx_tokens_off_http2_200", Protocol::http2},
    {up, "node_exporter_400", Protocol::http1},
    {up, "node_exporter_root", Protocol::http1},
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
    {up, "paramiko_2_12_banner", Protocol::ssh},
    {up, "paramiko_banner", Protocol::ssh},
    {up, "pgbouncer_error", Protocol::postgres},
    {up, "pgbouncer_startup_error", Protocol::postgres},
    {up, "php_server_200", Protocol::http1},
    {up, "postgres_authentication", Protocol::postgres},
    {up, "postgres_error", Protocol::postgres},
    {up, "privoxy_400", Protocol::http1},
    {up, "privoxy_connect_500", Protocol::http1},
    {up, "prometheus_400", Protocol::http1},
    {up, "prometheus_client_python_0_11_metrics", Protocol::http1},
    {up, "prometheus_client_python_html", Protocol::http1},
    {up, "prometheus_client_python_metrics", Protocol::http1},
    {up, "prometheus_cpp_http20_text_400", Protocol::http1},
    {up, "prometheus_java_404", Protocol::http1},
    {up, "prometheus_java_root", Protocol::http1},
    {up, "prometheus_metrics_200", Protocol::http1},
    {up, "prometheus_root_302", Protocol::http1},
    {up, "proxy_py_400", Protocol::http1},
    {up, "proxy_py_connect_502", Protocol::http1},
    {up, "puma_http10_200", Protocol::http1},
    {up, "pushgateway_root", Protocol::http1},
    {up, "pyftpdlib_1_5_greeting", Protocol::smtp},
    {up, "pyftpdlib_greeting", Protocol::smtp},
    {up, "python_http_server_html", Protocol::http1},
    {up, "python_http_server_http10_200", Protocol::http1},
    {up, "rabbitmq_amqp_header", Protocol::other},
    {up, "redis_error", Protocol::redis},
    {up, "restify_404", Protocol::http1},
    {up, "sanic_400", Protocol::http1},
    {up, "sanic_404", Protocol::http1},
    {up, "squid_400", Protocol::http1},
    {up, "squid_connect_200_then_settings", Protocol::http1},
    {up, "squid_connect_refused_503", Protocol::http1},
    {up, "squid_deny_403", Protocol::http1},
    {up, "squid_version_off_400", Protocol::http1},
    {up, "thin_200", Protocol::http1},
    {up, "tinyproxy_connect_500", Protocol::http1},
    {up, "tinyproxy_http10_400", Protocol::http1},
    {up, "tomcat_10_404", Protocol::http1},
    {up, "tomcat_10_http2_settings", Protocol::http2},
    {up, "tomcat_10_tls_port_400", Protocol::http1},
    {up, "tomcat_7_404", Protocol::http1},
    {up, "tomcat_8_400_to_client_hello", Protocol::http1},
    {up, "tomcat_8_http2_settings", Protocol::http2},
    {up, "tomcat_9_400_to_client_hello", Protocol::http1},
    {up, "tomcat_9_http2_settings", Protocol::http2},
    {up, "tomcat_9_http2_settings_tuned", Protocol::http2},
    {up, "tonic_settings", Protocol::http2},
    {up, "tonic_settings_tuned", Protocol::http2},
    {up, "tornado_404", Protocol::http1},
    {up, "tornado_6_1_404", Protocol::http1},
    {up, "tornado_bare_400", Protocol::http1},
    {up, "traefik_3_4_dead_upstream_502", Protocol::http1},
    {up, "traefik_3_4_no_server_503", Protocol::http1},
    {up, "traefik_dead_upstream_502", Protocol::http1},
    {up, "traefik_http2_settings", Protocol::http2},
    {up, "traefik_no_route_404", Protocol::http1},
    {up, "traefik_no_server_503", Protocol::http1},
    {up, "twisted_http20_text_405", Protocol::http1},
    {up, "twisted_new_200", Protocol::http1},
    {up, "undertow_2_0_400", Protocol::http1},
    {up, "undertow_2_0_http2_settings_tuned", Protocol::http2},
    {up, "undertow_400", Protocol::http1},
    {up, "undertow_http2_settings", Protocol::http2},
    {up, "unicorn_200", Protocol::http1},
    {up, "uvicorn_0_17_200", Protocol::http1},
    {up, "uvicorn_h11_400_to_client_hello", Protocol::http1},
    {up, "uvicorn_httptools_400", Protocol::http1},
    {up, "uwsgi_http20_text_200", Protocol::http1},
    {up, "valkey_error", Protocol::redis},
    {up, "varnish_dead_backend_503", Protocol::http1},
    {up, "varnish_http2_dead_backend_503", Protocol::http2},
    {up, "varnish_http2_settings", Protocol::http2},
    {up, "varnish_passes_server_on", Protocol::http1},
    {up, "vertx_400_to_client_hello", Protocol::http1},
    {up, "vertx_4_1_http2_settings", Protocol::http2},
    {up, "vertx_http2_settings", Protocol::http2},
    {up, "vertx_http2_settings_tuned", Protocol::http2},
    {up, "vsftpd_greeting", Protocol::smtp},
    {up, "waitress_1_4_200", Protocol::http1},
    {up, "waitress_200", Protocol::http1},
    {up, "warp_400_to_client_hello", Protocol::http1},
    {up, "warp_http2_settings", Protocol::http2},
    {up, "webdis_http10_400", Protocol::http1},
    {up, "webfs_400", Protocol::http1},
    {up, "webrick_404", Protocol::http1},
    {up, "werkzeug_200", Protocol::http1},
    {up, "werkzeug_2_0_200", Protocol::http1},
    {up, "werkzeug_html", Protocol::http1},
    {up, "wsgiref_200", Protocol::http1},
    {up, "yaws_400", Protocol::http1},
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
