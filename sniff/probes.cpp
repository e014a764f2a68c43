#include <array>

#include "sniff/greetings.h"
#include "sniff/http1.h"
#include "sniff/http2.h"
#include "sniff/probe.h"
#include "sniff/tls.h"

namespace telltale::sniff {

namespace {

constexpr std::array upstream_rows = {
    Probe{"http2_settings", Protocol::http2, Side::upstream, http2_first_frame_window,
          http2_settings_probe},
    Probe{"http2_goaway", Protocol::http2_goaway, Side::upstream, http2_first_frame_window,
          http2_goaway_probe},
    Probe{"tls_server_hello", Protocol::tls, Side::upstream, tls_hello_window,
          tls_server_hello_probe},
    Probe{"tls_alert", Protocol::tls_alert, Side::upstream, tls_alert_window, tls_alert_probe},
    Probe{"http1_status_line", Protocol::http1, Side::upstream, http1_response_window,
          http1_response_probe},
    Probe{"html", Protocol::http1, Side::upstream, html_window, html_probe},
    Probe{"ssh", Protocol::ssh, Side::upstream, ssh_window, ssh_probe},
    Probe{"mysql", Protocol::mysql, Side::upstream, mysql_window, mysql_probe},
    Probe{"postgres", Protocol::postgres, Side::upstream, postgres_window, postgres_probe},
    Probe{"redis", Protocol::redis, Side::upstream, redis_window, redis_probe},
    Probe{"smtp", Protocol::smtp, Side::upstream, smtp_window, smtp_probe},
};

constexpr std::array client_rows = {
    Probe{"http2_preface", Protocol::http2, Side::client, http2_preface.size(),
          http2_preface_probe},
    Probe{"tls_client_hello", Protocol::tls, Side::client, tls_hello_window,
          tls_client_hello_probe},
    Probe{"http1_request", Protocol::http1, Side::client, http1_request_window,
          http1_request_probe},
};

// Sniffer keeps one bit per row.
static_assert(upstream_rows.size() <= 32 && client_rows.size() <= 32);

}  // namespace

std::span<const Probe> probes(Side speaker) noexcept {
    if (speaker == Side::client) return client_rows;
    return upstream_rows;
}

Match match_literal(Bytes prefix, std::string_view literal) noexcept {
    const std::string_view text = as_text(prefix);
    // Bytes that nobody knows are compared with every literal of the table, and mostly differ at
    // once: without this, their verdict costs twice as much.
    if (!text.empty() && text[0] != literal[0]) return Match::no;
    if (text.size() >= literal.size()) {
        return text.starts_with(literal) ? Match::yes : Match::no;
    }
    return literal.starts_with(text) ? Match::more : Match::no;
}

}  // namespace telltale::sniff
