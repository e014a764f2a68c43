#include "sniff/rules.h"

#include <array>

namespace telltale::sniff {
namespace {

using enum Fact;
using enum HopPosition;
using enum Confidence;

// What spoils a connection on which both sides agree.
constexpr FactSet troubled = {cut_by_drain, upstream_broken};

// clang-format off: a row reads as a row.
// One row, one line or two: the formatter would make six of it.
// clang-format off
constexpr auto table = std::to_array<Rule>({
    // ---- the way to the upstream: nothing was spoken
    {"loop", {loop}, {}, Cause::loop, certain, proxy},
    {"local_limit", {local_limit}, {}, Cause::proxy_limit, certain, proxy},
    {"stale_refused", {refused, registry_other_service}, {},
     Cause::stale_endpoint, likely, upstream},
    {"stale_refused_by_dns", {refused, dns_other_service}, {},
     Cause::stale_endpoint, likely, upstream},
    {"refused", {refused}, {}, Cause::refused, certain, upstream},
    {"timed_out", {timed_out}, {}, Cause::connect_timeout, certain, upstream_leg},
    {"unreachable", {unreachable}, {}, Cause::unreachable, certain, upstream_leg},
    {"dns_failure", {dns_failure}, {}, Cause::dns_failure, certain, upstream_leg},
    {"no_endpoints", {no_endpoints}, {}, Cause::no_endpoints, certain, upstream},
    {"resolve_abandoned", {not_connected, client_ended, wait_long, address_unknown}, {},
     Cause::dns_failure, likely, upstream_leg},
    {"connect_abandoned", {not_connected, client_ended, wait_long}, {},
     Cause::connect_timeout, likely, upstream_leg},
    {"connect_left_early", {not_connected, client_ended}, {}, Cause::fine, certain, client},
    {"connect_drained", {not_connected, cut_by_drain}, {}, Cause::proxy_shutdown, certain, proxy},
    {"connect_open", {not_connected}, {ended}, Cause::fine, certain, upstream_leg},

    // ---- another Telltale stands nearer to the fault. Its cause is only known at run time:
    // diagnose() puts it in the place of the one in these rows.
    {"attributed_to_client", {attributed, attributed_to_client}, {},
     Cause::unexplained, likely, client},
    {"attributed", {attributed}, {}, Cause::unexplained, likely, upstream},

    // ---- both sides agree, or nothing can be said yet: no incident
    {"fine_upgrade", {opaque_upgrade}, troubled, Cause::fine, certain, upstream},
    {"fine_http2", {client_http2, upstream_http2},
     {answer_not_grpc, proxy_local_reply, goaway_http11, goaway_error, unanswered_end, cut_by_drain,
      upstream_broken},
     Cause::fine, certain, upstream},
    {"fine_draining", {client_http2, goaway_first}, troubled, Cause::fine, certain, upstream},
    {"fine_tls", {client_tls, upstream_tls},
     {tls_lost_h2, client_alert, upstream_later_alert, cut_by_drain, upstream_broken},
     Cause::fine, certain, upstream},
    {"fine_http1", {client_http1, upstream_http1},
     {expects_grpc, request_grpc, connect_refused, says_tls_required, cut_by_drain, upstream_broken},
     Cause::fine, certain, upstream},
    {"fine_grpc_web", {request_grpc_web, answer_grpc_web},
     {says_tls_required, cut_by_drain, upstream_broken},
     Cause::fine, certain, upstream},
    {"fine_connect", {request_connect, upstream_http1},
     {connect_refused, cut_by_drain, upstream_broken},
     Cause::fine, certain, upstream},
    // A protocol of its own, that nobody declared to be gRPC: only HTTP/2 cannot be its answer.
    {"fine_other", {client_other}, {expects_grpc, upstream_http2, cut_by_drain, upstream_broken},
     Cause::fine, certain, upstream},
    // RTSP, SIP and old text protocols have request lines, too.
    {"fine_like_http1", {client_http1, upstream_other},
     {expects_grpc, expects_http, request_grpc, request_connect, cut_by_drain, upstream_broken},
     Cause::fine, certain, upstream},
    {"fine_client_silent", {client_silent}, {upstream_named_protocol, upstream_broken},
     Cause::fine, certain, client},
    {"fine_server_first", {client_silent, upstream_named_protocol}, {expects_grpc, upstream_broken},
     Cause::fine, certain, client},
    {"fine_client_left_early", {client_ended, upstream_mute}, {silence_long},
     Cause::fine, certain, client},
    {"fine_client_cut", {client_ended, client_cut}, {}, Cause::fine, certain, client},
    {"fine_answer_cut", {client_ended, upstream_undecided}, {}, Cause::fine, certain, client},
    {"fine_waiting", {upstream_mute}, {ended, silence_long}, Cause::fine, certain, upstream},
    {"fine_answer_begins", {upstream_undecided}, {ended}, Cause::fine, certain, upstream},
    {"fine_client_begins", {client_cut}, {ended, silence_long}, Cause::fine, certain, client},

    // ---- the upstream spoke something else, most specific knowledge first
    {"connect_refused", {connect_refused}, {}, Cause::forward_proxy, certain, upstream},
    {"connect_to_http2", {request_connect, upstream_speaks_h2}, {},
     Cause::forward_proxy, certain, upstream},
    {"connect_not_understood", {request_connect}, {upstream_mute, cut_by_drain},
     Cause::forward_proxy, likely, upstream},
    {"stale_answered", {client_wants_h2, registry_other_service, upstream_foreign}, {},
     Cause::stale_endpoint, certain, upstream},
    {"stale_hung_up", {client_wants_h2, registry_other_service, upstream_hung_up}, {},
     Cause::stale_endpoint, likely, upstream},
    {"metrics_by_registry", {client_wants_h2, registry_metrics, upstream_http1}, {},
     Cause::metrics_port, certain, upstream},
    {"metrics_other_bytes", {client_wants_h2, registry_metrics, upstream_other}, {},
     Cause::metrics_port, likely, upstream},
    {"metrics_hung_up", {client_wants_h2, registry_metrics, upstream_hung_up}, {},
     Cause::metrics_port, likely, upstream},
    {"stale_by_dns", {client_wants_h2, dns_other_service, upstream_foreign}, {},
     Cause::stale_endpoint, likely, upstream},
    {"stale_hung_up_by_dns", {client_wants_h2, dns_other_service, upstream_hung_up}, {},
     Cause::stale_endpoint, possible, upstream},
    {"tls_alert_to_plaintext", {client_plaintext, upstream_alert}, {},
     Cause::tls_required, certain, upstream},
    {"tls_by_its_own_words", {client_plaintext, says_tls_required}, {},
     Cause::tls_required, certain, upstream},
    {"tls_confirmed", {client_http2, upstream_http1, confirmed_tls}, {},
     Cause::tls_required, certain, upstream},
    {"tls_confirmed_hung_up", {client_plaintext, upstream_hung_up, confirmed_tls}, {},
     Cause::tls_required, certain, upstream},
    {"tls_confirmed_silent", {client_plaintext, upstream_mute, silence_long, confirmed_tls}, {},
     Cause::tls_required, certain, upstream},
    {"tls_nginx_port", {client_http2, nginx_rejects_request, port_is_tls}, {},
     Cause::tls_required, likely, upstream},
    {"tls_client", {client_tls, upstream_speaks_h2}, {}, Cause::tls_client, certain, client},
    {"alpn_alert", {client_tls, upstream_alert_no_alpn}, {client_alpn_foreign},
     Cause::alpn_without_h2, certain, upstream},
    {"alpn_server_hello", {client_tls, tls_lost_h2}, {}, Cause::alpn_without_h2, likely, upstream},
    {"named_protocol", {upstream_named_protocol}, {}, Cause::other_protocol, certain, upstream},
    {"plaintext_http1", {client_tls, upstream_http1}, {},
     Cause::plaintext_upstream, certain, upstream},
    {"plaintext_text", {client_tls, upstream_other_text}, {},
     Cause::plaintext_upstream, certain, upstream},
    {"plaintext_confirmed", {client_tls, upstream_hung_up, confirmed_plaintext}, {},
     Cause::plaintext_upstream, certain, upstream},
    {"http1_forward_proxy", {client_http2, upstream_http1, software_forward_proxy}, {},
     Cause::forward_proxy, likely, upstream},
    // An application may serve its metrics on the port of its REST interface.
    {"metrics_beside_grpc",
     {client_http2, upstream_http1, confirmed_metrics, sibling_grpc}, {software_proxy},
     Cause::metrics_port, certain, upstream},
    {"exporter_confirmed",
     {client_http2, upstream_http1, confirmed_metrics, exporter_likely}, {software_proxy},
     Cause::metrics_port, certain, upstream},
    {"metrics_confirmed", {client_http2, upstream_http1, confirmed_metrics}, {software_proxy},
     Cause::metrics_port, likely, upstream},
    {"metrics_confirmed_hung_up", {client_http2, upstream_hung_up, confirmed_metrics}, {},
     Cause::metrics_port, likely, upstream},
    {"exporter_beside_grpc", {client_http2, upstream_http1, exporter_likely, sibling_grpc}, {},
     Cause::metrics_port, certain, upstream},
    {"exporter_likely", {client_http2, upstream_http1, exporter_likely}, {},
     Cause::metrics_port, likely, upstream},
    {"exporter_possible", {client_http2, upstream_http1, exporter_possible}, {},
     Cause::metrics_port, possible, upstream},
    {"http1_proxy", {client_http2, upstream_http1, software_proxy}, {},
     Cause::http1_proxy, likely, upstream},
    {"http1_beside_grpc", {client_http2, upstream_http1, confirmed_http1, sibling_grpc}, {},
     Cause::http1_application, certain, upstream},
    {"http1_confirmed_hung_up", {client_http2, upstream_hung_up, confirmed_http1}, {},
     Cause::http1_application, likely, upstream},
    {"http1_application", {client_http2, upstream_http1, software_application}, {},
     Cause::http1_application, likely, upstream},
    {"http1_unknown", {client_http2, upstream_http1}, {},
     Cause::http1_application, possible, upstream},
    {"unknown_bytes", {client_spoke, upstream_other}, {}, Cause::other_protocol, likely, upstream},

    // ---- HTTP/2 that is not gRPC
    {"goaway_http11", {client_http2, goaway_http11}, {}, Cause::http2_not_grpc, certain, upstream},
    {"neither_is_grpc", {client_http2, upstream_http2, answer_not_grpc, client_asked_not_grpc}, {},
     Cause::http2_not_grpc, likely, client},
    {"answer_not_grpc", {client_http2, upstream_http2, answer_not_grpc}, {},
     Cause::http2_not_grpc, certain, upstream},
    {"proxy_local_reply", {client_http2, upstream_http2, proxy_local_reply}, {},
     Cause::http2_not_grpc, likely, upstream},

    // ---- silence; before the client's own faults, which a silent upstream hides
    {"silent_upstream", {client_spoke, upstream_mute, silence_long}, {},
     Cause::silent_upstream, certain, upstream},

    // ---- the client spoke something else
    {"grpc_in_http1", {client_out_of_place, request_grpc}, {},
     Cause::downgraded_by_proxy, certain, client},
    {"scraper_agent", {client_out_of_place, request_scraper_agent}, {},
     Cause::metrics_scraper, certain, client},
    {"probe_agent", {client_out_of_place, request_probe_agent}, {},
     Cause::health_probe, certain, client},
    {"scraper_path", {client_out_of_place, request_scraper_path}, {},
     Cause::metrics_scraper, likely, client},
    {"probe_path", {client_out_of_place, request_probe_path}, {},
     Cause::health_probe, likely, client},
    {"forwarded_post", {client_out_of_place, request_forwarded_post}, {request_grpc_web},
     Cause::downgraded_by_proxy, likely, client},
    {"http1_client", {client_out_of_place}, {cut_by_drain}, Cause::http1_client, certain, client},

    // ---- the upstream hung up without a word: why is not on the wire
    {"closed_tls_port", {client_plaintext, upstream_closed, port_is_tls}, {},
     Cause::closed_before_preface, likely, upstream},
    {"closed", {client_spoke, upstream_closed}, {},
     Cause::closed_before_preface, possible, upstream},
    {"reset_tls_port", {client_plaintext, upstream_reset, port_is_tls}, {},
     Cause::reset_before_preface, likely, upstream},
    {"reset", {client_spoke, upstream_reset}, {}, Cause::reset_before_preface, possible, upstream},

    // ---- Telltale ended it, and nothing else was wrong
    {"drained", {cut_by_drain}, {goaway_error, unanswered_end},
     Cause::proxy_shutdown, certain, proxy},

    // ---- failed, and the wire does not say why; the hop is still known
    {"tls_alert", {client_tls, upstream_alert}, {}, Cause::unexplained, possible, upstream},
    {"tls_alert_of_client", {client_tls, client_alert}, {}, Cause::unexplained, possible, client},
    {"tls_alert_of_upstream", {client_tls, upstream_later_alert}, {},
     Cause::unexplained, possible, upstream},
    {"goaway_error", {client_http2, goaway_error}, {}, Cause::unexplained, possible, upstream},
    {"not_settings_first", {client_http2, upstream_h2_out_of_order}, {},
     Cause::unexplained, possible, upstream},
    {"unanswered_end", {unanswered_end}, {}, Cause::unexplained, possible, upstream},
    {"upstream_broken", {upstream_broken}, {}, Cause::unexplained, possible, upstream_leg},
    {"client_other", {client_other}, {}, Cause::unexplained, possible, client},
    {"unexplained", {}, {}, Cause::unexplained, possible, upstream},
});
// clang-format on
// clang-format on

// A row that another one above always beats would never speak.
constexpr bool shadows(const Rule& above, const Rule& below) {
    return below.need.includes(above.need) && below.forbid.includes(above.forbid);
}

constexpr bool every_row_reachable() {
    for (size_t below = 0; below < table.size(); ++below) {
        if (table[below].need.meets(table[below].forbid)) return false;
        for (size_t above = 0; above < below; ++above) {
            if (shadows(table[above], table[below])) return false;
        }
    }
    return true;
}

constexpr bool ids_differ() {
    for (size_t i = 0; i < table.size(); ++i) {
        for (size_t j = 0; j < i; ++j) {
            if (table[i].id == table[j].id) return false;
        }
    }
    return true;
}

constexpr bool every_cause_has_a_row() {
    for (size_t cause = 0; cause < cause_count; ++cause) {
        bool found = false;
        for (const Rule& rule : table) found = found || static_cast<size_t>(rule.cause) == cause;
        if (!found) return false;
    }
    return true;
}

static_assert(every_row_reachable());
static_assert(ids_differ());
static_assert(every_cause_has_a_row());
static_assert(table.back().need.empty() && table.back().forbid.empty() &&
              table.back().cause == Cause::unexplained);

}  // namespace

std::span<const Rule> rules() noexcept {
    return table;
}

const Rule& first_match(const FactSet& facts) noexcept {
    for (const Rule& rule : table) {
        if (facts.includes(rule.need) && !facts.meets(rule.forbid)) return rule;
    }
    return table.back();
}

}  // namespace telltale::sniff
