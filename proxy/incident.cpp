#include "proxy/incident.h"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <cstdio>
#include <ctime>
#include <optional>
#include <vector>

#include "proxy/ending_code.h"
#include "sniff/paint.h"
#include "sniff/tls.h"
#include "sniff/words.h"

namespace telltale::proxy {

namespace json = boost::json;
using sniff::Evidence;
using sniff::Paint;

namespace {

// ---- names of the evidence's words

constexpr std::array<std::string_view, 5> layer_names = {"none", "proxy_header", "connect_tunnel",
                                                         "upgrade_h2c", "upgrade_other"};
// RFC 9113 §6.5.2, RFC 8441 §3 (8), RFC 9218 §2.1 (9).
constexpr std::array<std::string_view, 10> setting_names = {"",
                                                            "HEADER_TABLE_SIZE",
                                                            "ENABLE_PUSH",
                                                            "MAX_CONCURRENT_STREAMS",
                                                            "INITIAL_WINDOW_SIZE",
                                                            "MAX_FRAME_SIZE",
                                                            "MAX_HEADER_LIST_SIZE",
                                                            "",
                                                            "ENABLE_CONNECT_PROTOCOL",
                                                            "NO_RFC7540_PRIORITIES"};

static_assert(layer_names[static_cast<size_t>(sniff::Layer::upgrade_other)] == "upgrade_other");

// "" for a value outside the list: evidence is plain data and may be made by hand.
template <typename Enum, size_t size>
std::string_view word(const std::array<std::string_view, size>& names, Enum value) {
    const auto index = static_cast<size_t>(value);
    return index < size ? names[index] : std::string_view();
}

std::string name_or_hex(std::string_view known, uint32_t value) {
    if (!known.empty()) return std::string(known);
    std::array<char, 16> buffer{};
    std::snprintf(buffer.data(), buffer.size(), "0x%x", value);
    return buffer.data();
}

// ---- escaping

void append_hex(std::string& out, unsigned char byte) {
    constexpr std::string_view digits = "0123456789abcdef";
    out += "\\x";
    out += digits[byte >> 4U];
    out += digits[byte & 15U];
}

// Size of the well-formed UTF-8 character at the front (Unicode 15, table 3-7); 0 when there is
// none.
size_t utf8_size(std::string_view text) {
    const auto byte = [&](size_t i) -> unsigned {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
    };
    const auto tail = [&](size_t i) { return (byte(i) & 0xC0U) == 0x80U; };
    const unsigned first = byte(0);
    if (first < 0x80) return text.empty() ? 0 : 1;
    if (first >= 0xC2 && first <= 0xDF) return tail(1) ? 2 : 0;
    if (first >= 0xE0 && first <= 0xEF) {
        const unsigned low = first == 0xE0 ? 0xA0 : 0x80;
        const unsigned high = first == 0xED ? 0x9F : 0xBF;
        return byte(1) >= low && byte(1) <= high && tail(2) ? 3 : 0;
    }
    if (first >= 0xF0 && first <= 0xF4) {
        const unsigned low = first == 0xF0 ? 0x90 : 0x80;
        const unsigned high = first == 0xF4 ? 0x8F : 0xBF;
        return byte(1) >= low && byte(1) <= high && tail(2) && tail(3) ? 4 : 0;
    }
    return 0;
}

// C0, DEL, C1, and the characters that break or turn a line on a terminal (U+2028 to U+202E, U+2066
// to U+2069).
bool is_control(std::string_view character) {
    const auto byte = [&](size_t i) { return static_cast<unsigned char>(character[i]); };
    if (character.size() == 1) return byte(0) < 0x20 || byte(0) == 0x7F;
    if (character.size() == 2) return byte(0) == 0xC2 && byte(1) < 0xA0;
    if (character.size() != 3 || byte(0) != 0xE2) return false;
    return (byte(1) == 0x80 && byte(2) >= 0xA8 && byte(2) <= 0xAE) ||
           (byte(1) == 0x81 && byte(2) >= 0xA6 && byte(2) <= 0xA9);
}

}  // namespace

std::string clean_text(std::string_view text, size_t max) {
    std::string out;
    size_t at = 0;
    while (at < text.size()) {
        const size_t size = utf8_size(text.substr(at));
        const std::string_view character = text.substr(at, std::max<size_t>(size, 1));
        if (at + character.size() > max) break;
        if (size != 0 && !is_control(character)) {
            out += character;
        } else {
            for (const char c : character) append_hex(out, static_cast<unsigned char>(c));
        }
        at += character.size();
    }
    if (at < text.size()) out += "…";
    return out;
}

std::string utc_text(std::chrono::system_clock::time_point at) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(at);
    const auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(at - seconds).count();
    const std::time_t time = std::chrono::system_clock::to_time_t(seconds);
    std::tm parts{};
    gmtime_r(&time, &parts);
    std::array<char, 80> buffer{};
    std::snprintf(buffer.data(), buffer.size(), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
                  parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour,
                  parts.tm_min, parts.tm_sec, static_cast<int>(millis));
    return buffer.data();
}

// ---- JSON

namespace {

// How much of each kind of text a record takes. The first row that keeps it within record_bytes_max
// is used: first the captured bytes shrink, then the lists, then what the wire said, and our own
// sentences last.
struct Budget {
    size_t first_bytes;
    size_t list_items;
    size_t wire_bytes;
    size_t text_bytes;
};
constexpr std::array<Budget, 6> budgets = {{{256, 32, 256, 1024},
                                            {64, 32, 256, 1024},
                                            {64, 4, 256, 1024},
                                            {64, 4, 64, 512},
                                            {32, 2, 32, 128},
                                            {16, 1, 16, 24}}};

class Record final {
   public:
    Record(const Incident& incident, const Budget& budget)
        : incident_(incident), evidence_(incident.evidence), budget_(budget) {}

    [[nodiscard]] json::object build() const;
    [[nodiscard]] json::object build(const Repeats& repeats) const;

   private:
    [[nodiscard]] std::string wire(std::string_view raw) const {
        return escape_wire(raw, budget_.wire_bytes);
    }
    [[nodiscard]] std::string text(std::string_view ours) const {
        return clean_text(ours, budget_.text_bytes);
    }
    void put_wire(json::object& to, std::string_view key, std::string_view raw) const {
        if (!raw.empty()) to[key] = wire(raw);
    }
    [[nodiscard]] json::array wire_list(const std::vector<std::string>& items) const;
    [[nodiscard]] json::array text_list(const std::vector<std::string>& items) const;

    void put_head(json::object& to, std::string_view event,
                  std::chrono::system_clock::time_point at) const;
    void put_advice(json::object& to) const;
    void put_attribution(json::object& to) const;
    [[nodiscard]] json::object client() const;
    void put_http1_request(json::object& to, const sniff::Http1Request& request) const;
    [[nodiscard]] json::object upstream() const;
    void put_http2(json::object& to, const sniff::SideEvidence& side) const;
    [[nodiscard]] json::object http2_response(const sniff::Http2Headers& headers) const;
    [[nodiscard]] json::array attempts() const;
    [[nodiscard]] json::array confirmed() const;
    [[nodiscard]] json::object hop() const;
    [[nodiscard]] json::object ended_by() const;

    const Incident& incident_;
    const Evidence& evidence_;
    const Budget& budget_;
};

json::array Record::wire_list(const std::vector<std::string>& items) const {
    json::array out;
    for (size_t i = 0; i < items.size() && i < budget_.list_items; ++i) {
        out.emplace_back(wire(items[i]));
    }
    return out;
}

json::array Record::text_list(const std::vector<std::string>& items) const {
    json::array out;
    for (size_t i = 0; i < items.size() && i < budget_.list_items; ++i) {
        out.emplace_back(text(items[i]));
    }
    return out;
}

void Record::put_head(json::object& to, std::string_view event,
                      std::chrono::system_clock::time_point at) const {
    to["ts"] = utc_text(at);
    to["level"] = "warning";
    to["event"] = event;
    to["id"] = text(incident_.id);
    to["node"] = text(incident_.node);
    to["listener"] = text(evidence_.listener);
    to["direction"] = word(sniff::direction_names, evidence_.direction);
}

void Record::put_advice(json::object& to) const {
    to["explanation"] = text(incident_.diagnosis.explanation);
    to["fix"] = text(incident_.diagnosis.fix);
    to["runbook"] = text(incident_.runbook);
}

// Only where another Telltale found the cause.
void Record::put_attribution(json::object& to) const {
    const std::string& by = incident_.diagnosis.attributed_by;
    if (!by.empty()) to["attributed_by"] = text(by);
}

void Record::put_http1_request(json::object& to, const sniff::Http1Request& request) const {
    put_wire(to, "method", request.method);
    put_wire(to, "path", request.target);
    put_wire(to, "version", request.version);
    put_wire(to, "host", request.host);
    put_wire(to, "user_agent", request.user_agent);
    put_wire(to, "content_type", request.content_type);
    put_wire(to, "upgrade", request.upgrade);
    put_wire(to, "via", request.via);
    if (!request.forwarded.empty()) to["forwarded"] = wire_list(request.forwarded);
}

json::object Record::client() const {
    const auto& side = evidence_.client;
    json::object out;
    out["address"] = text(evidence_.client_address);
    put_wire(out, "dns_name", evidence_.client_dns_name);
    if (!evidence_.listener_address.empty()) out["reached"] = text(evidence_.listener_address);
    out["protocol"] = word(sniff::protocol_names, side.protocol);
    if (side.http1_request) put_http1_request(out, *side.http1_request);
    if (side.first_headers) {
        put_wire(out, "method", side.first_headers->method);
        put_wire(out, "path", side.first_headers->path);
        put_wire(out, "user_agent", side.first_headers->user_agent);
        put_wire(out, "content_type", side.first_headers->content_type);
        put_wire(out, "via", side.first_headers->via);
        if (!side.first_headers->forwarded.empty()) {
            out["forwarded"] = wire_list(side.first_headers->forwarded);
        }
    }
    if (side.tls_hello) {
        put_wire(out, "sni", side.tls_hello->sni);
        out["alpn"] = wire_list(side.tls_hello->alpn);
    }
    if (!evidence_.layers.empty()) {
        json::array layers;
        for (size_t i = 0; i < evidence_.layers.size() && i < budget_.list_items; ++i) {
            layers.emplace_back(word(layer_names, evidence_.layers[i]));
        }
        out["layers"] = std::move(layers);
    }
    put_wire(out, "connect_target", evidence_.connect_target);
    // The preface of a gRPC client says nothing that the protocol does not say.
    if (side.protocol != sniff::Protocol::http2 && !side.first_bytes.empty()) {
        out["first_bytes"] = escape_wire(side.first_bytes, budget_.first_bytes);
    }
    return out;
}

json::object Record::http2_response(const sniff::Http2Headers& headers) const {
    json::object out;
    if (headers.status >= 0) out["status"] = headers.status;
    put_wire(out, "content_type", headers.content_type);
    put_wire(out, "server", headers.server);
    put_wire(out, "via", headers.via);
    put_wire(out, "grpc_status", headers.grpc_status);
    put_wire(out, "grpc_message", headers.grpc_message);
    return out;
}

void Record::put_http2(json::object& to, const sniff::SideEvidence& side) const {
    if (!side.settings.empty()) {
        json::array settings;
        for (size_t i = 0; i < side.settings.size() && i < budget_.list_items; ++i) {
            settings.emplace_back(json::object{
                {"name",
                 name_or_hex(word(setting_names, side.settings[i].id), side.settings[i].id)},
                {"value", side.settings[i].value}});
        }
        to["settings"] = std::move(settings);
    }
    if (side.first_headers) to["first_response"] = http2_response(*side.first_headers);
    if (side.goaway) {
        json::object goaway{{"error", name_or_hex(sniff::http2_error_name(side.goaway->error_code),
                                                  side.goaway->error_code)},
                            {"last_stream", side.goaway->last_stream}};
        put_wire(goaway, "debug", side.goaway->debug);
        to["goaway"] = std::move(goaway);
    }
}

json::array Record::attempts() const {
    json::array out;
    for (size_t i = 0; i < evidence_.attempts.size() && i < budget_.list_items; ++i) {
        const auto& attempt = evidence_.attempts[i];
        json::object row{{"address", text(attempt.address)}, {"error", nullptr}};
        if (attempt.error != 0) row["error"] = errno_text(attempt.error);
        out.emplace_back(std::move(row));
    }
    return out;
}

json::array Record::confirmed() const {
    json::array out;
    for (size_t i = 0; i < evidence_.confirmed.size() && i < budget_.list_items; ++i) {
        const auto& port = evidence_.confirmed[i];
        json::object row{{"port", port.port}, {"speaks", word(sniff::spoken_names, port.spoken)}};
        if (port.metrics) row["metrics"] = true;
        out.emplace_back(std::move(row));
    }
    return out;
}

json::object Record::upstream() const {
    const auto& side = evidence_.upstream;
    json::object out{{"address", nullptr},
                     {"requested", text(evidence_.requested)},
                     {"protocol", word(sniff::protocol_names, side.protocol)},
                     {"status", nullptr},
                     {"server", nullptr},
                     {"alpn", nullptr},
                     {"first_bytes", nullptr}};
    if (!evidence_.upstream_address.empty()) out["address"] = text(evidence_.upstream_address);
    put_wire(out, "dns_name", evidence_.dns_name);
    if (!evidence_.upstream_local.empty()) out["from"] = text(evidence_.upstream_local);
    if (!side.first_bytes.empty()) {
        out["first_bytes"] = escape_wire(side.first_bytes, budget_.first_bytes);
    }
    if (side.http1_response) {
        const auto& response = *side.http1_response;
        if (response.status != 0) out["status"] = response.status;
        out["server"] = wire(response.server);
        put_wire(out, "version", response.version);
        put_wire(out, "content_type", response.content_type);
        put_wire(out, "location", response.location);
        put_wire(out, "via", response.via);
    } else if (side.first_headers) {
        if (side.first_headers->status >= 0) out["status"] = side.first_headers->status;
        out["server"] = wire(side.first_headers->server);
    }
    if (side.tls_hello && !side.tls_hello->alpn.empty())
        out["alpn"] = wire(side.tls_hello->alpn[0]);
    if (side.tls_alert) {
        const auto name = sniff::alert_name(side.tls_alert->description);
        out["tls_alert"] =
            name.empty() ? std::to_string(side.tls_alert->description) : std::string(name);
    }
    put_http2(out, side);
    put_wire(out, "greeting", side.greeting);
    if (!evidence_.resolve_error.empty()) out["resolve_error"] = text(evidence_.resolve_error);
    if (!evidence_.attempts.empty()) out["attempts"] = attempts();
    if (!evidence_.confirmed.empty()) out["confirmed"] = confirmed();
    return out;
}

json::object Record::hop() const {
    const auto& hop = incident_.diagnosis.hop;
    json::object out{{"position", word(sniff::hop_position_names, hop.position)},
                     {"address", text(hop.address)},
                     {"name", text(hop.name)},
                     {"role", word(sniff::role_names, hop.role)},
                     {"software", text(hop.software)}};
    if (!hop.version.empty()) out["version"] = text(hop.version);
    out["evidence"] = text_list(hop.evidence);
    return out;
}

// Boost.JSON writes 0.3 as 3E-1: right, but not what people read. So the numbers are written here.
std::string decimal(double value) {
    std::array<char, 64> digits{};
    static_cast<void>(std::snprintf(digits.data(), digits.size(), "%.3f", value));
    std::string out = digits.data();
    out.erase(out.find_last_not_of('0') + 1);
    if (out.ends_with('.')) out.pop_back();
    return out;
}

// Stands for the timings until the rest is text. No text of a record can hold it: there, quotes are
// escaped.
constexpr std::string_view timing_key = "\"timing_ms\":";
constexpr std::string_view timing_value = "\"measured\"";

std::string timing_text(const Incident& incident) {
    Timing timing = incident.timing.value_or(Timing{});
    const Evidence& evidence = incident.evidence;
    if (!incident.timing) {
        timing.total_ms = static_cast<double>(evidence.now);
        if (evidence.connected_at) timing.connect_ms = static_cast<double>(*evidence.connected_at);
        const auto& first_byte = evidence.upstream.first_byte_at;
        if (first_byte) timing.first_byte_ms = static_cast<double>(*first_byte);
    }
    const auto known = [](const std::optional<double>& value) {
        return value ? decimal(*value) : "null";
    };
    std::string out = "{\"connect\":" + known(timing.connect_ms) +
                      ",\"first_byte\":" + known(timing.first_byte_ms) +
                      ",\"total\":" + decimal(timing.total_ms);
    if (evidence.silent_for) out += ",\"silent\":" + std::to_string(*evidence.silent_for);
    return out + "}";
}

void put_timing(std::string& line, const Incident& incident) {
    const std::string placeholder = std::string(timing_key) + std::string(timing_value);
    const size_t at = line.find(placeholder);
    if (at == std::string::npos) return;
    line.replace(at + timing_key.size(), timing_value.size(), timing_text(incident));
}

json::object Record::ended_by() const {
    EndingWords words = ending_words(evidence_.ended_by);
    if (evidence_.ended_by.operation == sniff::Operation::resolve) {
        words.error = text(evidence_.resolve_error);
    }
    return {{"code", words.code},
            {"side", words.side},
            {"operation", words.operation},
            {"error", words.error},
            {"phase", words.phase}};
}

json::object Record::build() const {
    const auto& diagnosis = incident_.diagnosis;
    json::object out;
    put_head(out, "incident", incident_.at);
    out["client"] = client();
    out["upstream"] = upstream();
    out["verdict"] = word(sniff::verdict_names, evidence_.verdict);
    out["cause"] = word(sniff::cause_names, diagnosis.cause);
    out["confidence"] = word(sniff::confidence_names, diagnosis.confidence);
    put_attribution(out);
    out["hop"] = hop();
    put_advice(out);
    out["policy"] = text(incident_.policy);
    out["action"] = text(incident_.action);
    if (!incident_.rerouted_to.empty()) out["rerouted_to"] = text(incident_.rerouted_to);
    out["envoy_flag"] = text(diagnosis.envoy_flag);
    out["bytes"] = json::object{{"from_client", evidence_.client.bytes},
                                {"from_upstream", evidence_.upstream.bytes}};
    out["timing_ms"] = "measured";
    out["open"] = incident_.open;
    out["ended_by"] = nullptr;
    if (evidence_.ended) out["ended_by"] = ended_by();
    return out;
}

json::object Record::build(const Repeats& repeats) const {
    json::object out;
    put_head(out, "incident_repeated", repeats.last);
    out["upstream"] = json::object{{"address", text(evidence_.upstream_address)},
                                   {"requested", text(evidence_.requested)}};
    out["cause"] = word(sniff::cause_names, incident_.diagnosis.cause);
    out["confidence"] = word(sniff::confidence_names, incident_.diagnosis.confidence);
    put_attribution(out);
    out["count"] = repeats.count;
    out["first"] = utc_text(repeats.first);
    out["last"] = utc_text(repeats.last);
    put_advice(out);
    return out;
}

template <typename... Repeated>
std::string within_limit(const Incident& incident, const Repeated&... repeats) {
    std::string line;
    for (const Budget& budget : budgets) {
        line = json::serialize(Record(incident, budget).build(repeats...));
        put_timing(line, incident);
        if (line.size() <= record_bytes_max) break;
    }
    return line;
}

// ---- text for terminals

constexpr size_t terminal_text_max = 1024;

std::string ours(std::string_view text) {
    return clean_text(text, terminal_text_max);
}

std::string first_line(const Incident& incident, std::chrono::system_clock::time_point at,
                       const Paint& paint, const std::string& count) {
    const auto& diagnosis = incident.diagnosis;
    return paint.dim(utc_text(at)) + " " +
           paint.bold_red(std::string(word(sniff::cause_names, diagnosis.cause))) + " (" +
           std::string(word(sniff::confidence_names, diagnosis.confidence)) + ")" + count + ": " +
           ours(diagnosis.explanation) + "\n";
}

std::string hop_text(const sniff::Hop& hop) {
    std::string out(word(sniff::hop_position_names, hop.position));
    if (!hop.address.empty()) out += " " + ours(hop.address);
    std::string inside;
    const auto add = [&inside](const std::string& part) {
        if (part.empty()) return;
        if (!inside.empty()) inside += ", ";
        inside += part;
    };
    if (hop.name != hop.address) add(ours(hop.name));
    if (hop.role != sniff::Role::unknown) add(std::string(word(sniff::role_names, hop.role)));
    add(ours(hop.software) + (hop.version.empty() ? "" : " " + ours(hop.version)));
    return inside.empty() ? out : out + " (" + inside + ")";
}

}  // namespace

std::string to_json(const Incident& incident) {
    return within_limit(incident);
}

std::string to_json(const Incident& incident, const Repeats& repeats) {
    return within_limit(incident, repeats);
}

std::string to_text(const Incident& incident, Colour colour) {
    const Paint paint(colour == Colour::on);
    const auto& evidence = incident.evidence;
    std::string out = first_line(incident, incident.at, paint, "");
    const auto add = [&out](const std::string& label, const std::string& value) {
        if (!value.empty()) out += "  " + label + value + "\n";
    };
    add(paint.green("fix:     "), ours(incident.diagnosis.fix));
    add(paint.dim("hop:     "), hop_text(incident.diagnosis.hop));
    add(paint.dim("told by: "), ours(incident.diagnosis.attributed_by));
    add(paint.dim("seen:    "), escape_wire(evidence.upstream.first_bytes, 120));
    add(paint.dim("runbook: "), ours(incident.runbook));
    return out;
}

std::string to_text(const Incident& incident, const Repeats& repeats, Colour colour) {
    const std::string count =
        " " + std::to_string(repeats.count) + " more since " + utc_text(repeats.first);
    return first_line(incident, repeats.last, Paint(colour == Colour::on), count);
}

namespace {

const std::string& upstream_of(const Incident& incident) noexcept {
    const auto& evidence = incident.evidence;
    return evidence.upstream_address.empty() ? evidence.requested : evidence.upstream_address;
}

}  // namespace

std::string group_key(const Incident& incident) {
    return incident.evidence.listener + '\0' + upstream_of(incident) + '\0' +
           std::string(word(sniff::cause_names, incident.diagnosis.cause));
}

bool same_group(const Incident& one, const Incident& other) noexcept {
    return one.diagnosis.cause == other.diagnosis.cause &&
           one.evidence.listener == other.evidence.listener &&
           upstream_of(one) == upstream_of(other);
}

}  // namespace telltale::proxy
