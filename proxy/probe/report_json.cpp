#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <string_view>

#include "proxy/probe/report_text.h"
#include "sniff/escape.h"
#include "sniff/tls.h"
#include "sniff/words.h"

namespace telltale::proxy::probe {

namespace {

namespace json = boost::json;

constexpr size_t text_max = 256;

constexpr std::array<std::string_view, 6> reach_names = {"connected",   "refused",     "timed_out",
                                                         "unreachable", "local_limit", "cut"};
constexpr std::array<std::string_view, 7> end_names = {"none",    "finished", "fin",       "reset",
                                                       "timeout", "limit",    "no_connect"};
constexpr std::array<std::string_view, 6> health_names = {
    "not_asked", "unknown", "serving", "not_serving", "service_unknown", "absent"};
constexpr std::array<std::string_view, 4> reflection_names = {"not_asked", "absent", "listed",
                                                              "failed"};
constexpr std::array<std::string_view, 3> outlook_names = {"works", "does_not", "unreachable"};

template <typename Enum, size_t size>
std::string_view word(const std::array<std::string_view, size>& names, Enum value) {
    return names[static_cast<size_t>(value)];
}

// Bytes from the wire as printable ASCII: every reader of JSON takes it.
std::string wire(std::string_view text, size_t max = text_max) {
    return sniff::escape_wire(text, max);
}

json::value micros(const std::optional<Micros>& time) {
    return time ? json::value(time->count()) : json::value(nullptr);
}

json::array strings(const std::vector<std::string>& texts) {
    json::array all;
    for (const std::string& text : texts) all.emplace_back(wire(text));
    return all;
}

json::object answer_object(const Answer& answer) {
    json::object out{{"protocol", sniff::name(answer.said.protocol)},
                     {"end", word(end_names, answer.end)},
                     {"connect_us", micros(answer.connect)},
                     {"first_byte_us", micros(answer.first_byte)},
                     {"bytes", answer.said.bytes}};
    if (!answer.said.first_bytes.empty()) out["first_bytes"] = wire(answer.said.first_bytes);
    if (!answer.said.greeting.empty()) out["greeting"] = wire(answer.said.greeting);
    if (const auto& head = answer.said.http1_response) {
        out["http1"] = {
            {"version", wire(head->version)},   {"status", head->status},
            {"server", wire(head->server)},     {"via", wire(head->via)},
            {"location", wire(head->location)}, {"content_type", wire(head->content_type)}};
    }
    if (!answer.said.settings.empty()) {
        json::array settings;
        for (const auto& setting : answer.said.settings) {
            settings.push_back(json::array{setting.id, setting.value});
        }
        out["settings"] = settings;
    }
    if (const auto& goaway = answer.said.goaway) {
        out["goaway"] = {{"error", sniff::http2_error_words(goaway->error_code)},
                         {"debug", wire(goaway->debug)}};
    }
    return out;
}

json::value answer_of(const Http1Answer& answer) {
    if (!answer.asked()) return nullptr;
    json::object out = answer_object(answer);
    out["prometheus"] = answer.prometheus;
    return out;
}

json::value answer_of(const Http2Answer& answer) {
    if (!answer.asked()) return nullptr;
    const GrpcFacts& grpc = answer.grpc;
    json::object facts{
        {"proven", grpc.proven()},
        {"http_status", grpc.http_status},
        {"grpc_status", grpc.grpc_status ? json::value(*grpc.grpc_status) : json::value(nullptr)},
        {"grpc_message", wire(grpc.grpc_message)},
        {"content_type", wire(grpc.content_type)},
        {"server", wire(grpc.server)},
        {"health", word(health_names, grpc.health)},
        {"reflection", word(reflection_names, grpc.reflection)},
        {"services", strings(grpc.services)}};
    if (grpc.reset) facts["reset"] = sniff::http2_error_words(grpc.reset_code);
    if (grpc.services_cut) facts["services_cut"] = true;
    json::object out = answer_object(answer);
    out["grpc"] = facts;
    return out;
}

json::value certificate_of(const TlsAnswer& tls) {
    if (!tls.certificate) return nullptr;
    const Certificate& leaf = *tls.certificate;
    return {{"subject", wire(leaf.subject)},
            {"issuer", wire(leaf.issuer)},
            {"names", strings(leaf.names)},
            {"not_before", wire(leaf.not_before)},
            {"not_after", wire(leaf.not_after)},
            {"days_left", leaf.days_left ? json::value(*leaf.days_left) : json::value(nullptr)},
            {"trusted", tls.not_trusted.empty()},
            {"not_trusted_because", wire(tls.not_trusted)},
            {"checked_name", wire(tls.checked_name)},
            {"name_matches", tls.name_matches}};
}

json::value tls_of(const TlsAnswer& tls) {
    if (!tls.asked()) {
        return tls.error.empty() ? json::value(nullptr)
                                 : json::value{{"error", wire(tls.error)}, {"tried", false}};
    }
    json::object out{
        {"is_tls", tls.is_tls},
        {"protocol", sniff::name(tls.outer.protocol)},
        {"end", word(end_names, tls.end)},
        {"handshake", tls.handshake},
        {"version", wire(tls.version)},
        {"alpn", wire(tls.alpn)},
        {"server_name", wire(tls.server_name)},
        {"client_certificate_asked", tls.certificate_asked},
        {"alert", tls.alert ? json::value(sniff::alert_words(*tls.alert)) : json::value(nullptr)},
        {"error", wire(tls.error)},
        {"connect_us", micros(tls.connect)},
        {"first_byte_us", micros(tls.first_byte)},
        {"certificate", certificate_of(tls)},
        {"http2", answer_of(tls.http2)},
        {"http2_without_alpn", answer_of(tls.http2_without_alpn)},
        {"get", answer_of(tls.http1)}};
    return out;
}

json::array attempts_of(const Observations& seen) {
    json::array all;
    for (const Attempt& attempt : seen.attempts) {
        json::object one{{"address", attempt.address},
                         {"result", word(reach_names, attempt.reach)},
                         {"took_us", micros(attempt.took)}};
        if (attempt.error != 0) one["error"] = sniff::errno_words(attempt.error);
        all.push_back(one);
    }
    return all;
}

json::value software_of(const sniff::Fingerprint& by) {
    if (by.id.empty()) return nullptr;
    return {{"id", by.id},
            {"name", by.software},
            {"version", by.version},
            {"role", sniff::name(by.role)},
            {"confidence", sniff::name(by.confidence)},
            {"reason", by.reason}};
}

void add_verdict(json::object& out, const Verdict& verdict) {
    out["finding"] = name(verdict.finding);
    out["outlook"] = word(outlook_names, verdict.outlook);
    out["spoken"] = word(sniff::spoken_names, verdict.spoken);
}

json::array siblings_of_report(const Report& report) {
    json::array all;
    for (const PortReport& sibling : report.siblings) {
        json::object one{{"port", sibling.port}, {"why", sibling.why}};
        add_verdict(one, sibling.verdict);
        one["sentence"] = sibling.verdict.sentence;
        one["metrics"] = sibling.seen.metrics.prometheus;
        all.push_back(one);
    }
    return all;
}

}  // namespace

std::string to_json(const Report& report) {
    const Observations& seen = report.seen;
    json::object out{{"target", report.target.text()}, {"verdict", headline(report)}};
    add_verdict(out, report.verdict);
    json::array next;
    for (const std::string& step : next_steps(report)) next.emplace_back(step);
    out["next"] = next;
    out["address"] = seen.address;
    out["software"] = software_of(report.verdict.by);
    out["attempts"] = attempts_of(seen);
    if (!seen.resolve_error.empty()) out["resolve_error"] = wire(seen.resolve_error);
    out["h2c"] = answer_of(seen.h2c);
    out["tls"] = tls_of(seen.tls);
    out["get"] = answer_of(seen.get);
    out["metrics"] = answer_of(seen.metrics);
    out["siblings"] = siblings_of_report(report);
    out["cut"] = seen.cut;
    out["took_us"] = micros(report.took);
    return json::serialize(out);
}

}  // namespace telltale::proxy::probe
