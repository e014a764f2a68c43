#include "sniff/fingerprint.h"

#include <algorithm>
#include <array>
#include <vector>

#include "sniff/escape.h"
#include "sniff/fingerprint_match.h"
#include "sniff/http2.h"

namespace telltale::sniff {
namespace {

constexpr size_t reason_bytes_max = 64;
constexpr size_t name_bytes_max = 48;
constexpr size_t header_bytes_max = 512;  // of a header; what is longer is no name
constexpr size_t clues = static_cast<size_t>(Clue::framework) + 1;
// An application, what serves it, and a proxy in front: who names more is not believed.
constexpr size_t programs_max = 3;
constexpr std::string_view no_status_line = "none";

constexpr size_t number_of(Clue clue) {
    return static_cast<size_t>(clue);
}

bool is_middle(Role role) {
    return role == Role::ingress || role == Role::proxy || role == Role::load_balancer ||
           role == Role::mesh || role == Role::forward_proxy;
}

// ---- one row

bool is_of_frames(const FingerprintRow& row) {
    return !row.settings.empty() || row.setting_id != 0 || !row.frames.empty() ||
           !row.goaway.empty();
}

bool is_of_text(const FingerprintRow& row) {
    return !row.version.empty() || !row.reason.empty() || !row.body.empty() ||
           !row.body_line.empty() || !row.header_value.empty();
}

bool is_of_headers(const FingerprintRow& row) {
    return !row.product.empty() || !row.via.empty() || !row.header.empty() ||
           !row.header_order.empty() || row.status != 0;
}

const std::string* find_header(const Http1Response& response, std::string_view name) {
    for (const auto& [key, value] : response.headers) {
        if (same_no_case(key, name)) return &value;
    }
    return nullptr;
}

bool has_name(const Http2Headers& headers, std::string_view name) {
    return std::find(headers.names.begin(), headers.names.end(), header_name_hash(name)) !=
           headers.names.end();
}

bool has_line(std::string_view body, std::string_view line) {
    while (!body.empty()) {
        const size_t end = std::min(body.find('\n'), body.size());
        std::string_view here = body.substr(0, end);
        while (!here.empty() && (here.front() == ' ' || here.front() == '\t')) {
            here.remove_prefix(1);
        }
        if (here.ends_with('\r')) here.remove_suffix(1);
        if (here == line) return true;
        body.remove_prefix(std::min(end + 1, body.size()));
    }
    return false;
}

std::string_view cut(std::string_view header) {
    return header.substr(0, header_bytes_max);
}

// Every Server header of an answer: it may have been told to send several.
std::vector<std::string_view> servers_of(const SideEvidence& upstream) {
    std::vector<std::string_view> servers;
    if (upstream.http1_response) {
        for (const auto& [name, value] : upstream.http1_response->headers) {
            if (same_no_case(name, "server")) servers.push_back(cut(value));
        }
    }
    if (upstream.first_headers && !upstream.first_headers->server.empty()) {
        servers.push_back(cut(upstream.first_headers->server));
    }
    return servers;
}

std::vector<std::string_view> vias_of(const SideEvidence& upstream) {
    std::vector<std::string_view> vias;
    if (upstream.http1_response) {
        for (const auto& [name, value] : upstream.http1_response->headers) {
            if (same_no_case(name, "via")) vias.push_back(cut(value));
        }
    }
    if (upstream.first_headers && !upstream.first_headers->via.empty()) {
        vias.push_back(cut(upstream.first_headers->via));
    }
    return vias;
}

bool product_fits(const FingerprintRow& row, const SideEvidence& upstream) {
    const auto servers = servers_of(upstream);
    return std::any_of(servers.begin(), servers.end(), [&row](std::string_view server) {
        return find_product(server, row.product) != std::string_view::npos;
    });
}

bool via_fits(const FingerprintRow& row, const SideEvidence& upstream) {
    const auto vias = vias_of(upstream);
    return std::any_of(vias.begin(), vias.end(), [&row](std::string_view via) {
        return find_via(via, row.via) != std::string_view::npos;
    });
}

bool header_fits(const FingerprintRow& row, const SideEvidence& upstream) {
    if (upstream.first_headers) return has_name(*upstream.first_headers, row.header);
    if (!upstream.http1_response) return false;
    const std::string* value = find_header(*upstream.http1_response, row.header);
    if (value == nullptr) return false;
    return row.header_value.empty() || text_fits(*value, row.header_value, Anchor::whole);
}

bool headers_order_fits(const FingerprintRow& row, const SideEvidence& upstream) {
    if (upstream.first_headers) return order_fits(*upstream.first_headers, row.header_order);
    if (!upstream.http1_response || !upstream.http1_response->head_complete) return false;
    return order_fits(*upstream.http1_response, row.header_order,
                      row.exact_case ? Case::exact : Case::any);
}

bool status_fits(const FingerprintRow& row, const SideEvidence& upstream) {
    if (upstream.first_headers) return upstream.first_headers->status == row.status;
    return upstream.http1_response && upstream.http1_response->status == row.status;
}

bool headers_fit(const FingerprintRow& row, const SideEvidence& upstream) {
    return (row.product.empty() || product_fits(row, upstream)) &&
           (row.via.empty() || via_fits(row, upstream)) &&
           (row.header.empty() || header_fits(row, upstream)) &&
           (row.header_order.empty() || headers_order_fits(row, upstream)) &&
           (row.status == 0 || status_fits(row, upstream));
}

bool version_fits(const FingerprintRow& row, const Http1Response& response) {
    if (row.version.empty()) return true;
    if (row.version == no_status_line) return response.version.empty() && response.status == 0;
    return row.version == response.version;
}

bool text_of_http1_fits(const FingerprintRow& row, const Http1Response& response) {
    return version_fits(row, response) &&
           (row.reason.empty() || text_fits(response.reason, row.reason, Anchor::whole)) &&
           (row.body.empty() || text_fits(response.body, row.body, Anchor::begin)) &&
           (row.body_line.empty() || has_line(response.body, row.body_line));
}

bool frames_of_http2_fit(const FingerprintRow& row, const SideEvidence& upstream) {
    const auto& sent = upstream.settings;
    if (!first_frame_is_whole(upstream.first_bytes)) return false;
    const auto has_id = [&row](const Http2Setting& s) { return s.id == row.setting_id; };
    if (row.setting_id != 0 && std::none_of(sent.begin(), sent.end(), has_id)) return false;
    if (!row.settings.empty() && !settings_fit(sent, row.settings)) return false;
    if (!row.frames.empty() && !frames_fit(upstream.first_bytes, row.frames)) return false;
    if (row.goaway.empty()) return true;
    return upstream.goaway && text_fits(upstream.goaway->debug, row.goaway, Anchor::begin);
}

std::string_view greeting_of(const SideEvidence& upstream) {
    return upstream.greeting.empty() ? upstream.first_bytes : upstream.greeting;
}

bool other_protocol_fits(const FingerprintRow& row, const SideEvidence& upstream) {
    if (row.protocol != upstream.protocol) return false;
    if (row.alert != 0) return upstream.tls_alert && upstream.tls_alert->description == row.alert;
    return text_fits(upstream.greeting, row.greeting, Anchor::begin) ||
           text_fits(upstream.first_bytes, row.greeting, Anchor::begin);
}

bool ending_fits(const FingerprintRow& row, const SideEvidence& upstream) {
    return row.end == EndKind::none || upstream.end == EndKind::none || row.end == upstream.end;
}

bool speaks_frames(Protocol protocol) {
    return protocol == Protocol::http2 || protocol == Protocol::http2_goaway;
}

bool http_fits(const FingerprintRow& row, const SideEvidence& upstream) {
    if (is_of_frames(row) && !speaks_frames(upstream.protocol)) return false;
    if (is_of_text(row) && (upstream.protocol != Protocol::http1 || !upstream.http1_response)) {
        return false;
    }
    if (!is_of_frames(row) && upstream.protocol != Protocol::http1 &&
        !speaks_frames(upstream.protocol)) {
        return false;
    }
    return (!is_of_frames(row) || frames_of_http2_fit(row, upstream)) &&
           (!is_of_text(row) || text_of_http1_fits(row, *upstream.http1_response)) &&
           (!is_of_headers(row) || headers_fit(row, upstream));
}

// ---- all rows

// What the rows of one clue agree on.
struct Say {
    const FingerprintRow* row = nullptr;  // of the first that fits
    bool disagrees = false;               // another row of this clue names other software
};

bool is_built_on(const FingerprintRow& row, const FingerprintRow& other) {
    return !row.on.empty() && row.software != other.software && other.software.starts_with(row.on);
}

bool same_program(const FingerprintRow& a, const FingerprintRow& b) {
    return a.software == b.software || is_built_on(a, b) || is_built_on(b, a);
}

struct Claims {
    std::array<Say, clues> said;
    std::vector<const FingerprintRow*> programs;  // one row each

    [[nodiscard]] const Say& of(Clue clue) const { return said[number_of(clue)]; }
};

void add_program(std::vector<const FingerprintRow*>& programs, const FingerprintRow& row) {
    for (const FingerprintRow*& known : programs) {
        if (!same_program(*known, row)) continue;
        if (is_built_on(row, *known)) known = &row;
        return;
    }
    programs.push_back(&row);
}

void add_claim(Claims& claims, const FingerprintRow& row) {
    add_program(claims.programs, row);
    Say& say = claims.said[number_of(clue_of(row))];
    if (say.row == nullptr || is_built_on(row, *say.row)) {
        say.row = &row;
    } else if (!same_program(row, *say.row)) {
        say.disagrees = true;
    }
}

// Of a Via header the last hop is the next one: what the others were is no disagreement.
void settle_via(Claims& claims, const SideEvidence& upstream) {
    Say& say = claims.said[number_of(Clue::via)];
    if (say.row == nullptr) return;
    const std::string_view last = last_hop(vias_of(upstream).back());
    say = {};
    for (const FingerprintRow& row : fingerprint_rows()) {
        if (clue_of(row) == Clue::via && find_via(last, row.via) != std::string_view::npos) {
            say.row = &row;
        }
    }
}

Claims all_claims(const SideEvidence& upstream) {
    Claims found;
    for (const FingerprintRow& row : fingerprint_rows()) {
        if (claims(row, upstream)) add_claim(found, row);
    }
    settle_via(found, upstream);
    const bool several = upstream.first_headers && upstream.first_headers->server_fields > 1;
    if (several) found.said[number_of(Clue::server)].disagrees = true;
    return found;
}

// ---- the name

// The text of a header in which a row found its product.
std::string_view text_with(const std::vector<std::string_view>& texts, std::string_view product,
                           size_t (*find)(std::string_view, std::string_view)) {
    for (const std::string_view text : texts) {
        if (find(text, product) != std::string_view::npos) return text;
    }
    return {};
}

void tell_product(Fingerprint& found, std::string_view header, std::string_view text, size_t at,
                  size_t size) {
    if (at == std::string_view::npos) return;
    found.version = version_behind(text, at + size);
    found.reason = std::string(header) + " header " + quote_wire(text, reason_bytes_max);
}

void tell_server(Fingerprint& found, const FingerprintRow& row, const SideEvidence& upstream) {
    const std::string_view text = text_with(servers_of(upstream), row.product, find_product);
    tell_product(found, "Server", text, find_product(text, row.product), row.product.size());
    if (!row.product_version) found.version.clear();
}

void tell_via(Fingerprint& found, const FingerprintRow& row, const SideEvidence& upstream) {
    const std::string_view text = text_with(vias_of(upstream), row.via, find_via);
    size_t at = find_via(text, row.via);
    // "1.1 varnish (Varnish/7.1)": the first that has a version.
    const size_t comment = text.find('(');
    if (comment != std::string_view::npos &&
        same_no_case(text.substr(comment + 1, row.via.size()), row.via)) {
        at = comment + 1;
    }
    tell_product(found, "Via", text, at, row.via.size());
}

void tell_header(Fingerprint& found, const FingerprintRow& row, const SideEvidence& upstream) {
    found.reason = "header " + std::string(row.header) + ", as " + found.software + " sends it";
    if (!upstream.http1_response) return;
    const std::string* value = find_header(*upstream.http1_response, row.header);
    if (value == nullptr || row.header_value.empty()) return;
    const size_t slash = value->find_first_of("/ ");
    if (slash != std::string::npos) found.version = version_behind(*value, slash);
}

void tell_greeting(Fingerprint& found, const FingerprintRow& row, const SideEvidence& upstream) {
    const std::string_view text = greeting_of(upstream);
    found.reason = "greeting " + quote_wire(text, reason_bytes_max);
    const size_t at =
        row.version_after.empty() ? std::string_view::npos : text.find(row.version_after);
    if (at == std::string_view::npos) return;
    const size_t begin = at + row.version_after.size();
    size_t end = begin;
    while (end < text.size() && (is_token_char(text[end]) || text[end] == '+')) ++end;
    found.version = escape_wire(text.substr(begin, end - begin), name_bytes_max);
}

Fingerprint name_of(const FingerprintRow& row, const SideEvidence& upstream) {
    Fingerprint found{.id = row.id,
                      .software = std::string(row.software),
                      .version = {},
                      .role = row.role,
                      .confidence = row.confidence,
                      .reason = {}};
    switch (clue_of(row)) {
        case Clue::frames:
            found.reason = (row.goaway.empty() ? "HTTP/2 SETTINGS and first frames as "
                                               : "GOAWAY with a text as ") +
                           found.software + " sends them";
            break;
        case Clue::alert:
            found.reason = "TLS alert " + std::to_string(row.alert) + " as " + found.software +
                           " sends it to what is not TLS";
            break;
        case Clue::greeting:
            tell_greeting(found, row, upstream);
            break;
        case Clue::via:
            tell_via(found, row, upstream);
            break;
        case Clue::server:
            tell_server(found, row, upstream);
            break;
        case Clue::marker:
        case Clue::framework:
            tell_header(found, row, upstream);
            break;
        case Clue::shape:
            found.reason = "shape of the answer as " + found.software + " sends it";
            break;
    }
    return found;
}

// Frames are of the next hop; a Server header that other software wrote was passed on by it, so
// that it is a proxy, whatever else it is.
void heed_passed_on(Fingerprint& found, const Claims& claims) {
    const Say& frames = claims.of(Clue::frames);
    const Say& server = claims.of(Clue::server);
    if (frames.row == nullptr || frames.disagrees || server.row == nullptr) return;
    if (found.id != frames.row->id || is_middle(found.role)) return;
    if (!same_program(*frames.row, *server.row)) found.role = Role::proxy;
}

// The first clue on whose software all its rows agree, made more exact by what a later clue knows
// of the same program.
const FingerprintRow* believed(const Claims& claims) {
    const FingerprintRow* best = nullptr;
    for (const Say& say : claims.said) {
        if (say.row == nullptr || say.disagrees) continue;
        if (best == nullptr || is_built_on(*say.row, *best)) best = say.row;
    }
    return best;
}

// Of the same program: the row that tells its version.
const FingerprintRow* with_version(const FingerprintRow& row, const Claims& claims) {
    for (const Clue clue : {Clue::server, Clue::via, Clue::marker, Clue::framework}) {
        const Say& say = claims.of(clue);
        if (say.row != nullptr && !say.disagrees && say.row->software == row.software) {
            return say.row;
        }
    }
    return &row;
}

Fingerprint unknown_of(Protocol protocol, const SideEvidence& upstream);

Fingerprint decide(const Claims& claims, const SideEvidence& upstream) {
    if (claims.programs.size() > programs_max) return {};
    const FingerprintRow* best = believed(claims);
    if (best == nullptr) return unknown_of(upstream.protocol, upstream);
    Fingerprint found = name_of(*with_version(*best, claims), upstream);
    const bool disagree = std::any_of(claims.said.begin(), claims.said.end(),
                                      [](const Say& say) { return say.disagrees; });
    if (disagree) found.confidence = Confidence::possible;
    heed_passed_on(found, claims);
    return found;
}

// What only the protocol tells.
Fingerprint unknown_of(Protocol protocol, const SideEvidence& upstream) {
    Fingerprint found{.id = name(protocol),
                      .software = {},
                      .version = {},
                      .role = Role::database,
                      .confidence = Confidence::possible,
                      .reason = {}};
    if (protocol == Protocol::ssh || protocol == Protocol::smtp) found.role = Role::application;
    if (protocol == Protocol::ssh) found.software = "SSH server";
    if (protocol == Protocol::mysql) found.software = "MySQL";
    if (protocol == Protocol::mysql && !upstream.greeting.empty()) {
        found.version = escape_wire(upstream.greeting, name_bytes_max);
    }
    if (protocol == Protocol::postgres) found.software = "PostgreSQL";
    if (protocol == Protocol::redis) found.software = "Redis";
    if (protocol == Protocol::smtp) found.software = "SMTP or FTP server";
    if (found.software.empty()) return {};
    found.reason = upstream.greeting.empty()
                       ? "its first bytes"
                       : "greeting " + quote_wire(upstream.greeting, reason_bytes_max);
    return found;
}

}  // namespace

Clue clue_of(const FingerprintRow& row) noexcept {
    if (is_of_frames(row)) return Clue::frames;
    if (row.alert != 0) return Clue::alert;
    if (row.protocol != Protocol::undecided) return Clue::greeting;
    if (!row.via.empty()) return Clue::via;
    if (!row.product.empty()) return Clue::server;
    if (!row.header_order.empty() || !row.body.empty() || !row.reason.empty() ||
        !row.version.empty()) {
        return Clue::shape;
    }
    return is_middle(row.role) ? Clue::marker : Clue::framework;
}

bool claims(const FingerprintRow& row, const SideEvidence& upstream) {
    if (!ending_fits(row, upstream)) return false;
    if (row.protocol != Protocol::undecided) return other_protocol_fits(row, upstream);
    return http_fits(row, upstream);
}

Fingerprint fingerprint(const SideEvidence& upstream) {
    return decide(all_claims(upstream), upstream);
}

Product first_product(std::string_view text) {
    size_t end = 0;
    while (end < text.size() && is_token_char(text[end])) ++end;
    return {.name = escape_wire(text.substr(0, end), name_bytes_max),
            .version = version_behind(text, end)};
}

}  // namespace telltale::sniff
