#include "sniff/fingerprint.h"

#include "sniff/escape.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace telltale::sniff {
namespace {

constexpr size_t name_bytes_max = 48;
constexpr size_t reason_bytes_max = 64;
constexpr std::string_view no_status_line = "none";

using Settings = std::span<const Http2Setting>;

// First SETTINGS as the programs send them by default: ids, values and order (RFC 9113 §6.5.2 for
// the ids).
constexpr std::array<Http2Setting, 3> nginx_settings = {{{3, 128}, {4, 65536}, {5, 16777215}}};
constexpr std::array<Http2Setting, 2> haproxy_settings = {{{8, 1}, {3, 100}}};
constexpr std::array<Http2Setting, 3> netty_settings = {{{3, 2147483647}, {4, 1048576}, {6, 8192}}};
constexpr std::array<Http2Setting, 1> grpc_go_settings = {{{5, 16384}}};
constexpr std::array<Http2Setting, 5> go_settings = {
    {{5, 1048576}, {3, 250}, {6, 1048896}, {1, 4096}, {4, 1048576}}};
constexpr std::array<Http2Setting, 5> lighttpd_settings = {
    {{3, 8}, {4, 65536}, {6, 65535}, {8, 1}, {9, 1}}};
constexpr std::array<Http2Setting, 2> h2o_settings = {{{3, 100}, {4, 16777216}}};
constexpr std::array<Http2Setting, 4> nghttpx_settings = {{{3, 100}, {4, 65535}, {9, 1}, {8, 1}}};
constexpr std::array<Http2Setting, 4> jetty_settings = {
    {{1, 4096}, {3, 128}, {4, 524288}, {6, 8192}}};
constexpr uint16_t grpc_core_private_setting = 0xfe03;

using enum Confidence;

// Products of the Server header come first: they say the name. Shapes follow, for those that do
// not.
constexpr auto rows = std::to_array<FingerprintRow>({
    {.id = "squid", .software = "Squid", .role = Role::forward_proxy, .product = "squid"},
    {.id = "squid_error",
     .software = "Squid",
     .role = Role::forward_proxy,
     .header = "x-squid-error"},
    {.id = "tinyproxy",
     .software = "tinyproxy",
     .role = Role::forward_proxy,
     .product = "tinyproxy"},
    {.id = "privoxy", .software = "Privoxy", .role = Role::forward_proxy, .product = "Privoxy"},
    {.id = "openresty", .software = "OpenResty", .role = Role::proxy, .product = "openresty"},
    {.id = "nginx", .software = "nginx", .role = Role::proxy, .product = "nginx"},
    {.id = "istio_envoy",
     .software = "Envoy (Istio)",
     .role = Role::mesh,
     .product = "istio-envoy"},
    {.id = "envoy", .software = "Envoy", .role = Role::proxy, .product = "envoy"},
    {.id = "linkerd", .software = "Linkerd", .role = Role::mesh, .header = "l5d-*"},
    {.id = "traefik", .software = "Traefik", .role = Role::ingress, .product = "Traefik"},
    {.id = "caddy", .software = "Caddy", .role = Role::proxy, .product = "Caddy"},
    {.id = "apache", .software = "Apache httpd", .role = Role::proxy, .product = "Apache"},
    {.id = "varnish", .software = "Varnish", .role = Role::proxy, .product = "Varnish"},
    {.id = "varnish_header", .software = "Varnish", .role = Role::proxy, .header = "x-varnish"},
    {.id = "ats", .software = "Apache Traffic Server", .role = Role::proxy, .product = "ATS"},
    {.id = "awselb",
     .software = "AWS load balancer",
     .role = Role::load_balancer,
     .product = "awselb"},
    {.id = "cloudflare",
     .software = "Cloudflare",
     .role = Role::load_balancer,
     .product = "cloudflare"},
    {.id = "google",
     .software = "Google front end",
     .role = Role::load_balancer,
     .header = "via",
     .header_value = "1.1 google"},
    {.id = "nghttpx", .software = "nghttpx", .role = Role::proxy, .product = "nghttpx"},
    {.id = "h2o", .software = "H2O", .role = Role::proxy, .product = "h2o"},
    {.id = "lighttpd", .software = "lighttpd", .role = Role::proxy, .product = "lighttpd"},
    {.id = "kestrel",
     .software = "Kestrel (ASP.NET)",
     .role = Role::application,
     .product = "Kestrel"},
    {.id = "http_sys",
     .software = "Windows HTTP.sys",
     .role = Role::application,
     .product = "Microsoft-HTTPAPI"},
    {.id = "jetty", .software = "Jetty", .role = Role::application, .product = "Jetty"},
    {.id = "coyote", .software = "Tomcat", .role = Role::application, .product = "Apache-Coyote"},
    {.id = "gunicorn", .software = "gunicorn", .role = Role::application, .product = "gunicorn"},
    {.id = "uvicorn", .software = "uvicorn", .role = Role::application, .product = "uvicorn"},
    {.id = "werkzeug", .software = "Werkzeug", .role = Role::application, .product = "Werkzeug"},
    {.id = "waitress", .software = "waitress", .role = Role::application, .product = "waitress"},
    {.id = "tornado", .software = "Tornado", .role = Role::application, .product = "TornadoServer"},
    {.id = "aiohttp", .software = "aiohttp", .role = Role::application, .product = "aiohttp"},
    {.id = "python_simple",
     .software = "Python http.server",
     .role = Role::application,
     .product = "SimpleHTTP"},
    {.id = "python_base",
     .software = "Python http.server",
     .role = Role::application,
     .product = "BaseHTTP"},
    {.id = "python_wsgi",
     .software = "Python wsgiref",
     .role = Role::application,
     .product = "WSGIServer"},

    {.id = "haproxy_400",
     .software = "HAProxy",
     .role = Role::load_balancer,
     .header_order = "content-length,cache-control,content-type,connection",
     .body_prefix = "<html><body><h1>400 Bad request</h1>\nYour browser sent an invalid "
                    "request.\n</body></html>"},
    {.id = "haproxy_400_close",
     .software = "HAProxy",
     .role = Role::load_balancer,
     .header_order = "content-length,cache-control,connection,content-type",
     .body_prefix = "<html><body><h1>400 Bad request</h1>\nYour browser sent an invalid "
                    "request.\n</body></html>"},
    {.id = "haproxy_503",
     .software = "HAProxy",
     .role = Role::load_balancer,
     .header = "cache-control",
     .header_value = "no-cache",
     .status = 503,
     .body_prefix = "<html><body><h1>503 Service Unavailable</h1>\nNo server is available to "
                    "handle this request.\n</body></html>"},
    {.id = "haproxy_502",
     .software = "HAProxy",
     .role = Role::load_balancer,
     .header = "cache-control",
     .header_value = "no-cache",
     .status = 502,
     .body_prefix = "<html><body><h1>502 Bad Gateway</h1>\nThe server returned an invalid or "
                    "incomplete response.\n</body></html>"},
    {.id = "prometheus_cpp",
     .software = "prometheus-cpp (civetweb)",
     .role = Role::metrics,
     .header = "cache-control",
     .header_value = "no-cache, no-store, must-revalidate, private, max-age=0",
     .version = "HTTP/2.0",
     .status = 400},
    {.id = "jdk_http_server",
     .software = "JDK HttpServer",
     .role = Role::metrics,
     .confidence = possible,
     .header_order = "content-length,content-type,connection",
     .status = 404,
     .body_prefix = "<h1>404 Not Found</h1>No context found for request"},
    {.id = "go_mux_400",
     .software = "Go net/http ServeMux",
     .role = Role::application,
     .header = "content-length",
     .header_value = "0",
     .header_order = "connection,date,content-length",
     .version = "HTTP/1.1",
     .status = 400},
    {.id = "go_parser_400",
     .software = "Go net/http",
     .role = Role::application,
     .header_order = "content-type,connection",
     .version = "HTTP/1.1",
     .status = 400,
     .body_prefix = "400 Bad Request"},
    {.id = "go_not_found",
     .software = "Go net/http",
     .role = Role::application,
     .header = "x-content-type-options",
     .header_value = "nosniff",
     .header_order = "content-type,x-content-type-options,date,content-length,connection",
     .status = 404,
     .body_prefix = "404 page not found\n"},
    {.id = "node_400",
     .software = "Node.js http",
     .role = Role::application,
     .confidence = possible,
     .header = "connection",
     .header_value = "close",
     .header_order = "connection",
     .version = "HTTP/1.1",
     .status = 400},
    {.id = "fastify",
     .software = "Fastify (Node.js)",
     .role = Role::application,
     .header_order = "content-length,content-type",
     .status = 400,
     .body_prefix = "{\"error\":\"Bad Request\",\"message\":\"Client Error\",\"statusCode\":400}"},
    {.id = "tomcat_page",
     .software = "Tomcat",
     .role = Role::application,
     .body_prefix = "<!doctype html><html lang=\"en\"><head><title>HTTP Status 4"},
    {.id = "python_page",
     .software = "Python http.server",
     .role = Role::application,
     .version = no_status_line,
     .body_prefix = "<!DOCTYPE HTML",
     .body_line = "<title>Error response</title>"},

    {.id = "grpc_core",
     .software = "gRPC C-core",
     .role = Role::application,
     .setting_id = grpc_core_private_setting},
    {.id = "grpc_go",
     .software = "grpc-go",
     .role = Role::application,
     .settings = Settings(grpc_go_settings)},
    {.id = "netty",
     .software = "Netty (grpc-java)",
     .role = Role::application,
     .settings = Settings(netty_settings)},
    {.id = "nginx_settings",
     .software = "nginx",
     .role = Role::proxy,
     .settings = Settings(nginx_settings)},
    {.id = "haproxy_settings",
     .software = "HAProxy",
     .role = Role::load_balancer,
     .settings = Settings(haproxy_settings)},
    {.id = "go_settings",
     .software = "Go net/http (HTTP/2)",
     .role = Role::application,
     .settings = Settings(go_settings)},
    {.id = "lighttpd_settings",
     .software = "lighttpd",
     .role = Role::proxy,
     .settings = Settings(lighttpd_settings)},
    {.id = "h2o_settings",
     .software = "H2O",
     .role = Role::proxy,
     .settings = Settings(h2o_settings)},
    {.id = "nghttpx_settings",
     .software = "nghttpx",
     .role = Role::proxy,
     .settings = Settings(nghttpx_settings)},
    {.id = "jetty_settings",
     .software = "Jetty",
     .role = Role::application,
     .settings = Settings(jetty_settings)},
});

char lower(char c) {
    return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
}

bool same_no_case(std::string_view a, std::string_view b) {
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                              [](char x, char y) { return lower(x) == lower(y); });
}

bool is_token_char(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '.';
}

// Where `product` stands as a whole token outside comments, e.g. "aiohttp" in "Python/3.11
// aiohttp/3.8.4".
size_t find_product(std::string_view server, std::string_view product) {
    for (size_t at = 0; at < server.size();) {
        size_t end = at;
        while (end < server.size() && is_token_char(server[end])) ++end;
        if (same_no_case(server.substr(at, end - at), product)) return at;
        // A version or a comment belongs to the token before it: skip to the next word.
        at = std::min(server.find(' ', end), server.size());
        while (at < server.size() && server[at] == ' ') ++at;
    }
    return std::string_view::npos;
}

// "1.22.1" after "nginx/", "9.4.57.v20241219" in "Jetty(9.4.57.v20241219)".
std::string version_after(std::string_view text, size_t name_end) {
    if (name_end >= text.size() || (text[name_end] != '/' && text[name_end] != '(')) return {};
    size_t end = name_end + 1;
    while (end < text.size() && (is_token_char(text[end]) || text[end] == '+')) ++end;
    return escape_wire(text.substr(name_end + 1, end - name_end - 1), name_bytes_max);
}

const std::string* find_header(const Http1Response& response, std::string_view name) {
    for (const auto& [key, value] : response.headers) {
        const bool prefix = name.ends_with('*');
        const std::string_view want = prefix ? name.substr(0, name.size() - 1) : name;
        const std::string_view got = prefix ? std::string_view(key).substr(0, want.size()) : key;
        if (same_no_case(got, want)) return &value;
    }
    return nullptr;
}

bool has_header_order(const Http1Response& response, std::string_view order) {
    for (const auto& [key, value] : response.headers) {
        const std::string_view want = order.substr(0, order.find(','));
        if (!same_no_case(key, want)) return false;
        order.remove_prefix(std::min(order.size(), want.size() + 1));
    }
    return order.empty() && !response.headers.empty();
}

bool has_line(std::string_view body, std::string_view line) {
    while (!body.empty()) {
        const size_t end = std::min(body.find('\n'), body.size());
        std::string_view here = body.substr(0, end);
        here.remove_prefix(std::min(here.find_first_not_of(" \t"), here.size()));
        if (here.ends_with('\r')) here.remove_suffix(1);
        if (here == line) return true;
        body.remove_prefix(std::min(end + 1, body.size()));
    }
    return false;
}

bool is_http2_row(const FingerprintRow& row) {
    return !row.settings.empty() || row.setting_id != 0;
}

bool status_line_fits(const FingerprintRow& row, const Http1Response& response) {
    if (row.status != 0 && row.status != response.status) return false;
    if (row.version.empty()) return true;
    if (row.version == no_status_line) return response.version.empty() && response.status == 0;
    return row.version == response.version;
}

bool headers_fit(const FingerprintRow& row, const Http1Response& response) {
    if (!row.product.empty() &&
        find_product(response.server, row.product) == std::string_view::npos) {
        return false;
    }
    if (!row.header.empty()) {
        const std::string* value = find_header(response, row.header);
        if (value == nullptr) return false;
        if (!row.header_value.empty() && *value != row.header_value) return false;
    }
    return row.header_order.empty() || has_header_order(response, row.header_order);
}

bool fits(const FingerprintRow& row, const Http1Response& response) {
    return !is_http2_row(row) && status_line_fits(row, response) && headers_fit(row, response) &&
           std::string_view(response.body).starts_with(row.body_prefix) &&
           (row.body_line.empty() || has_line(response.body, row.body_line));
}

bool settings_fit(const FingerprintRow& row, const std::vector<Http2Setting>& sent) {
    if (!is_http2_row(row)) return false;
    if (row.setting_id != 0) {
        return std::any_of(sent.begin(), sent.end(),
                           [&row](const Http2Setting& s) { return s.id == row.setting_id; });
    }
    return std::equal(sent.begin(), sent.end(), row.settings.begin(), row.settings.end(),
                      [](const Http2Setting& a, const Http2Setting& b) {
                          return a.id == b.id && a.value == b.value;
                      });
}

Fingerprint name_of(const FingerprintRow& row) {
    return {.id = row.id,
            .software = std::string(row.software),
            .version = {},
            .role = row.role,
            .confidence = row.confidence,
            .reason = {}};
}

Fingerprint by_server_text(const FingerprintRow& row, std::string_view server) {
    Fingerprint found = name_of(row);
    const size_t at = find_product(server, row.product);
    found.version = version_after(server, at + row.product.size());
    found.reason = "Server header " + quote_wire(server, reason_bytes_max);
    return found;
}

Fingerprint of_http1(const Http1Response& response) {
    for (const FingerprintRow& row : rows) {
        if (!fits(row, response)) continue;
        if (!row.product.empty()) return by_server_text(row, response.server);
        Fingerprint found = name_of(row);
        const bool by_header = row.header_order.empty() && row.body_prefix.empty();
        found.reason = by_header ? "a header that only " + found.software + " sends"
                                 : "shape of the answer as " + found.software + " sends it";
        return found;
    }
    return {};
}

const FingerprintRow* row_by_server(std::string_view server) {
    for (const FingerprintRow& row : rows) {
        if (row.product.empty()) continue;
        if (find_product(server, row.product) != std::string_view::npos) return &row;
    }
    return nullptr;
}

const FingerprintRow* row_by_settings(const std::vector<Http2Setting>& sent) {
    for (const FingerprintRow& row : rows) {
        if (settings_fit(row, sent)) return &row;
    }
    return nullptr;
}

bool is_middle(Role role) {
    return role == Role::ingress || role == Role::proxy || role == Role::load_balancer ||
           role == Role::mesh;
}

// SETTINGS are of the next hop itself; a Server header may have been passed on from behind it. So a
// proxy's SETTINGS win, and the header only adds the version when it names the same software.
Fingerprint of_http2(const SideEvidence& upstream) {
    const std::string server =
        upstream.first_headers ? upstream.first_headers->server : std::string();
    const FingerprintRow* by_settings = row_by_settings(upstream.settings);
    const FingerprintRow* by_server = row_by_server(server);
    const bool same = by_settings != nullptr && by_server != nullptr &&
                      by_settings->software == by_server->software;
    if (by_server != nullptr && (same || by_settings == nullptr || !is_middle(by_settings->role))) {
        return by_server_text(*by_server, server);
    }
    if (by_settings == nullptr) return {};
    Fingerprint found = name_of(*by_settings);
    found.reason = "HTTP/2 SETTINGS as " + found.software + " sends them";
    return found;
}

Fingerprint of_named(Protocol protocol, std::string_view greeting) {
    Fingerprint found{.id = name(protocol),
                      .software = {},
                      .version = {},
                      .role = Role::database,
                      .confidence = Confidence::likely,
                      .reason = {}};
    const bool maria = greeting.find("MariaDB") != std::string_view::npos;
    constexpr std::string_view openssh = "SSH-2.0-OpenSSH_";
    if (protocol == Protocol::ssh || protocol == Protocol::smtp) found.role = Role::application;
    if (protocol == Protocol::ssh) {
        found.software = greeting.starts_with(openssh) ? "OpenSSH" : "SSH server";
        const size_t end = greeting.find_first_of(" \r\n");
        if (greeting.starts_with(openssh)) {
            found.version =
                escape_wire(greeting.substr(0, end).substr(openssh.size()), name_bytes_max);
        }
    }
    if (protocol == Protocol::mysql) {
        found.software = maria ? "MariaDB" : "MySQL";
        found.version = escape_wire(greeting, name_bytes_max);
    }
    if (protocol == Protocol::postgres) found.software = "PostgreSQL";
    if (protocol == Protocol::redis) found.software = "Redis";
    if (protocol == Protocol::smtp) found.software = "SMTP or FTP server";
    found.reason =
        greeting.empty() ? "its first bytes" : "greeting " + quote_wire(greeting, reason_bytes_max);
    return found;
}

}  // namespace

std::span<const FingerprintRow> fingerprint_rows() noexcept {
    return rows;
}

Fingerprint fingerprint(const SideEvidence& upstream) {
    switch (upstream.protocol) {
        case Protocol::http1:
            return upstream.http1_response ? of_http1(*upstream.http1_response) : Fingerprint{};
        case Protocol::http2:
        case Protocol::http2_goaway:
            return of_http2(upstream);
        case Protocol::ssh:
        case Protocol::mysql:
        case Protocol::postgres:
        case Protocol::redis:
        case Protocol::smtp:
            return of_named(upstream.protocol, upstream.greeting);
        case Protocol::undecided:
        case Protocol::none:
        case Protocol::silent:
        case Protocol::tls:
        case Protocol::tls_alert:
        case Protocol::other:
        case Protocol::closed:
        case Protocol::reset:
            break;
    }
    return {};
}

Product first_product(std::string_view text) {
    size_t end = 0;
    while (end < text.size() && is_token_char(text[end])) ++end;
    return {.name = escape_wire(text.substr(0, end), name_bytes_max),
            .version = version_after(text, end)};
}

}  // namespace telltale::sniff
