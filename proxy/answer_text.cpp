#include "proxy/answer_text.h"

#include <algorithm>
#include <array>

#include "proxy/hide_addresses.h"
#include "proxy/incident.h"
#include "sniff/escape.h"
#include "sniff/tls.h"

namespace telltale::proxy {

namespace {

using sniff::Cause;
using sniff::Diagnosis;
using sniff::Evidence;
using sniff::Protocol;

// ---- structured fields (RFC 8941)

constexpr bool is_printable(char c) {
    return c >= 0x20 && c < 0x7f;
}

// An sf-string (§3.3.3) of at most `max` bytes with its quotes. Only printable ASCII may stand in
// it; a cut shows as "...".
std::string sf_string(std::string_view text, size_t max) {
    constexpr std::string_view ellipsis = "…";
    constexpr std::string_view dots = "...";
    std::string out = "\"";
    const size_t room = max - 1 - dots.size();
    while (!text.empty()) {
        const bool cut = text.starts_with(ellipsis);
        const char c = text.front();
        text.remove_prefix(cut ? ellipsis.size() : 1);
        std::string next(1, is_printable(c) ? c : '?');
        if (cut) next = dots;
        if (c == '"' || c == '\\') next.insert(0, 1, '\\');
        if (out.size() + next.size() > room) {
            out += dots;
            break;
        }
        out += next;
    }
    return out + '"';
}

constexpr bool is_token_char(char c) {  // RFC 8941 §3.3.4
    const bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return alnum || std::string_view("!#$%&'*+-.^_`|~:/").find(c) != std::string_view::npos;
}

constexpr bool is_token(std::string_view text) {
    if (text.empty()) return false;
    const char first = text.front();
    const bool starts_well =
        (first >= 'a' && first <= 'z') || (first >= 'A' && first <= 'Z') || first == '*';
    return starts_well && std::all_of(text.begin(), text.end(), is_token_char);
}

constexpr bool all_are_tokens(const auto& words) {
    return std::all_of(words.begin(), words.end(), [](auto word) { return is_token(word); });
}
static_assert(all_are_tokens(sniff::hop_position_names) && all_are_tokens(sniff::role_names));

// ---- the hop

constexpr size_t hop_name_max = 90;
constexpr size_t hop_address_max = 100;
static_assert(std::string_view("upstream_leg;name=;role=forward_proxy;address=").size() +
                  hop_name_max + hop_address_max <=
              answer_hop_max);

std::string hop_item(const sniff::Hop& hop, const Evidence& evidence, bool show_addresses) {
    std::string item(sniff::name(hop.position));
    // A name that has to be hidden was no more than an address.
    const bool speaks = show_addresses || hide_addresses(hop.name, evidence) == hop.name;
    if (!hop.name.empty() && hop.name != hop.address && speaks) {
        item += ";name=" + sf_string(hop.name, hop_name_max);
    }
    if (hop.role != sniff::Role::unknown) item += ";role=" + std::string(sniff::name(hop.role));
    if (!hop.address.empty() && show_addresses) {
        item += ";address=" + sf_string(hop.address, hop_address_max);
    }
    return item;
}

// ---- Proxy-Status

// The type of a cause that the sockets do not tell more exactly (RFC 9209 §2.3).
constexpr std::string_view proxy_error_of(Cause cause) {
    switch (cause) {
        case Cause::metrics_port:
        case Cause::http1_proxy:
        case Cause::http1_application:
        case Cause::forward_proxy:
        case Cause::tls_required:
        case Cause::http2_not_grpc:
        case Cause::other_protocol:
        case Cause::stale_endpoint:
        case Cause::unexplained:
            return "http_protocol_error";
        case Cause::plaintext_upstream:
        case Cause::alpn_without_h2:
            return "tls_protocol_error";
        case Cause::refused:
            return "connection_refused";
        case Cause::connect_timeout:
            return "connection_timeout";
        case Cause::unreachable:
            return "destination_ip_unroutable";
        case Cause::dns_failure:
            return "dns_error";
        case Cause::no_endpoints:
            return "destination_unavailable";
        case Cause::closed_before_preface:
        case Cause::reset_before_preface:
            return "connection_terminated";
        case Cause::silent_upstream:
            return "connection_read_timeout";
        case Cause::metrics_scraper:
        case Cause::health_probe:
        case Cause::http1_client:
        case Cause::downgraded_by_proxy:
        case Cause::tls_client:
            return "http_request_error";
        case Cause::loop:
            return "proxy_loop_detected";
        // connection_limit_reached is for a configured limit of one next hop; this is the host's.
        case Cause::proxy_limit:
        case Cause::proxy_shutdown:
            return "proxy_internal_error";
        case Cause::fine:
            return "proxy_internal_response";
    }
    return {};
}

constexpr bool every_cause_has_an_error() {
    for (size_t i = 0; i < sniff::cause_count; ++i) {
        if (!is_token(proxy_error_of(static_cast<Cause>(i)))) return false;
    }
    return true;
}
static_assert(every_cause_has_an_error());

constexpr bool is_clients_fault(Cause cause) {
    return proxy_error_of(cause) == "http_request_error";
}

bool hung_up(const Evidence& e) {
    return e.upstream.protocol == Protocol::closed || e.upstream.protocol == Protocol::reset;
}

// "The most specific one should be sent": an alert and an ending say more than "protocol error".
std::string_view proxy_error(const Evidence& e, Cause cause) {
    const std::string_view usual = proxy_error_of(cause);
    if (usual != "http_protocol_error" && usual != "tls_protocol_error") return usual;
    if (e.upstream.tls_alert) return "tls_alert_received";
    if (e.outcome == sniff::Outcome::refused) return "connection_refused";
    return hung_up(e) ? "connection_terminated" : usual;
}

std::string alert_parameters(const sniff::TlsAlert& alert) {
    std::string out = ";alert-id=" + std::to_string(alert.description);
    const std::string_view name = sniff::alert_name(alert.description);
    return is_token(name) ? out + ";alert-message=" + std::string(name) : out;
}

constexpr size_t next_hop_max = 200;

// An alias may stand there as well (RFC 9209 §2.1.2): the service's name, when its address is not
// to be told.
std::string next_hop(const Evidence& e, bool show_addresses) {
    if (show_addresses) return e.upstream_address.empty() ? e.requested : e.upstream_address;
    const std::string& alias =
        e.registry.service.empty() ? e.registry.requested_service : e.registry.service;
    return hide_addresses(alias, e) == alias ? alias : std::string();
}

// By its ALPN identifier; only what was really spoken.
std::string_view next_protocol(const sniff::SideEvidence& upstream) {
    if (upstream.protocol == Protocol::http2) return "h2c";
    if (upstream.protocol != Protocol::http1 || !upstream.http1_response) return {};
    if (upstream.http1_response->version == "HTTP/1.1") return "http/1.1";
    return upstream.http1_response->version == "HTTP/1.0" ? "http/1.0" : "";
}

// 0 when no HTTP came back.
int received_status(const sniff::SideEvidence& upstream) {
    int status = 0;
    if (upstream.http1_response) status = upstream.http1_response->status;
    if (upstream.first_headers) status = upstream.first_headers->status;
    return status >= 100 && status <= 599 ? status : 0;
}

std::string proxy_status_item(const Evidence& e, Cause cause, bool show_addresses) {
    const std::string_view error = proxy_error(e, cause);
    std::string item = "telltale;error=" + std::string(error);
    if (error == "tls_alert_received") item += alert_parameters(*e.upstream.tls_alert);
    const std::string hop = next_hop(e, show_addresses);
    if (!hop.empty()) item += ";next-hop=" + sf_string(hop, next_hop_max);
    const std::string_view protocol = next_protocol(e.upstream);
    if (!protocol.empty()) item += ";next-protocol=" + std::string(protocol);
    const int status = received_status(e.upstream);
    if (status != 0) item += ";received-status=" + std::to_string(status);
    return item + ";details=" + sf_string(sniff::name(cause), 64);
}

// ---- percent-encoding

void append_percent(std::string& out, unsigned char byte) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    out += '%';
    out += digits[byte >> 4U];
    out += digits[byte & 15U];
}

// Of one character, however many bytes it has.
std::string percent_encoded(std::string_view character) {
    std::string out;
    for (const char c : character) {
        if (is_printable(c) && c != '%') {
            out += c;
        } else {
            append_percent(out, static_cast<unsigned char>(c));
        }
    }
    return out;
}

// Size of the character at the front of well-formed UTF-8.
size_t character_size(std::string_view text) {
    size_t size = 1;
    while (size < text.size() && (static_cast<unsigned char>(text[size]) & 0xC0U) == 0x80U) ++size;
    return size;
}

}  // namespace

AnswerText answer_text(const Evidence& evidence, const Diagnosis& diagnosis, bool show_addresses) {
    std::string sentence = diagnosis.explanation;
    if (!sentence.empty() && !diagnosis.fix.empty()) sentence += ' ';
    sentence += diagnosis.fix;
    if (!show_addresses) sentence = hide_addresses(std::move(sentence), evidence);
    return {.sentence = sniff::cut_text(clean_text(sentence, sentence.size()), answer_sentence_max),
            .cause = sniff::name(diagnosis.cause),
            .hop = hop_item(diagnosis.hop, evidence, show_addresses),
            .proxy_status = proxy_status_item(evidence, diagnosis.cause, show_addresses),
            .clients_fault = is_clients_fault(diagnosis.cause)};
}

std::string grpc_message(std::string_view sentence) {
    static const std::string ellipsis = percent_encoded("…");
    const std::string clean = clean_text(sentence, sentence.size());
    std::string out;
    size_t fits = 0;  // so much of it leaves room for the mark of a cut
    for (std::string_view rest = clean; !rest.empty();) {
        const size_t size = character_size(rest);
        out += percent_encoded(rest.substr(0, size));
        rest.remove_prefix(size);
        if (out.size() + ellipsis.size() <= answer_grpc_message_max) fits = out.size();
        if (out.size() > answer_grpc_message_max) return out.substr(0, fits) + ellipsis;
    }
    return out;
}

std::string http1_answer(const AnswerText& text, bool head_only) {
    const std::string body = text.sentence + "\n";
    std::string out =
        text.clients_fault ? "HTTP/1.1 400 Bad Request\r\n" : "HTTP/1.1 502 Bad Gateway\r\n";
    out += "content-type: text/plain; charset=utf-8\r\n";
    out += "content-length: " + std::to_string(body.size()) + "\r\n";
    out += "cache-control: no-store\r\n";
    out += "connection: close\r\n";
    out += "x-telltale-cause: " + std::string(text.cause) + "\r\n";
    out += "x-telltale-hop: " + text.hop + "\r\n";
    out += "proxy-status: " + text.proxy_status + "\r\n\r\n";
    return head_only ? out : out + body;
}

}  // namespace telltale::proxy
