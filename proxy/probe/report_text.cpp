#include "proxy/probe/report_text.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <string_view>

#include "sniff/escape.h"
#include "sniff/paint.h"
#include "sniff/words.h"

namespace telltale::proxy::probe {

namespace {

constexpr size_t shown_max = 120;
constexpr size_t label_width = 10;
constexpr size_t names_shown_max = 6;

std::string shown(const std::string& text) {
    return sniff::escape_wire(text, shown_max);
}

std::string millis(Micros time) {
    std::array<char, 32> text{};
    const double ms = static_cast<double>(time.count()) / 1000.0;
    std::snprintf(text.data(), text.size(), ms < 100 ? "%.1f ms" : "%.0f ms", ms);
    return text.data();
}

std::string in_time(const std::optional<Micros>& time) {
    return time ? " in " + millis(*time) : std::string();
}

// "1 and 2", "1, 2 and 3"
std::string enumeration(const std::vector<std::string>& parts) {
    std::string words;
    for (size_t i = 0; i < parts.size(); ++i) {
        if (i > 0) words += i + 1 == parts.size() ? " and " : ", ";
        words += parts[i];
    }
    return words;
}

// ---- facts

class Lines final {
   public:
    explicit Lines(const sniff::Paint& paint) : paint_(paint) {}

    void add(std::string_view label, const std::string& text) {
        if (text.empty()) return;
        std::string padded(label);
        padded.resize(std::max(label_width, padded.size() + 1), ' ');
        out += "  " + paint_.dim(padded) + " " + text + "\n";
    }
    std::string out;

   private:
    const sniff::Paint& paint_;
};

std::string reach_words(const Attempt& attempt) {
    if (attempt.reach == Reach::connected) return "connected in " + millis(attempt.took);
    if (attempt.reach == Reach::cut) return "not tried to the end: the time was over";
    return sniff::errno_words(attempt.error) + " after " + millis(attempt.took);
}

std::string end_words(const Answer& answer) {
    if (answer.end == End::no_connect) return "no further connection was accepted";
    if (answer.said.protocol == sniff::Protocol::closed) return "closed without a byte";
    if (answer.said.protocol == sniff::Protocol::reset) return "reset without a byte";
    return "nothing in time";
}

std::string said_words(const Answer& answer) {
    if (!answer.asked()) return {};
    if (answer.said.bytes == 0) return end_words(answer);
    sniff::Evidence evidence;
    evidence.upstream = answer.said;
    std::string words = sniff::answer_words(evidence);
    if (answer.said.http1_response) {
        const sniff::Http1Response& head = *answer.said.http1_response;
        if (!head.server.empty()) words += ", Server: " + shown(head.server);
        if (!head.via.empty()) words += ", Via: " + shown(head.via);
        if (!head.location.empty()) words += ", Location: " + shown(head.location);
    }
    return words;
}

std::string grpc_words(const Http2Answer& answer) {
    const GrpcFacts& grpc = answer.grpc;
    if (!grpc.proven()) {
        std::string words = said_words(answer);
        if (grpc.http_status > 0) {
            words += ", then HTTP " + std::to_string(grpc.http_status) +
                     (grpc.content_type.empty() ? "" : " " + shown(grpc.content_type)) +
                     " to a gRPC call";
        }
        if (grpc.reset) words += ", then RST_STREAM " + sniff::http2_error_words(grpc.reset_code);
        if (answer.said.goaway) {
            words += ", GOAWAY " + sniff::http2_error_words(answer.said.goaway->error_code);
        }
        if (answer.end == End::limit) words += ", and more than is read here";
        return words.empty() ? words : words + in_time(answer.first_byte);
    }
    std::string words = "gRPC: grpc-status " + std::to_string(*grpc.grpc_status);
    if (!grpc.grpc_message.empty()) words += " " + sniff::quote_wire(grpc.grpc_message, shown_max);
    if (!grpc.server.empty()) words += ", server: " + shown(grpc.server);
    return words + in_time(answer.first_byte);
}

std::string health_words(const GrpcFacts& grpc) {
    switch (grpc.health) {
        case Health::not_asked:
            return {};
        case Health::serving:
            return "SERVING";
        case Health::not_serving:
            return "NOT_SERVING";
        case Health::service_unknown:
            return "SERVICE_UNKNOWN";
        case Health::absent:
            return "the server has no grpc.health.v1";
        case Health::unknown:
            return "no clear answer";
    }
    return {};
}

std::string services_words(const GrpcFacts& grpc) {
    switch (grpc.reflection) {
        case Reflection::not_asked:
            return {};
        case Reflection::absent:
            return "the server has no reflection";
        case Reflection::failed:
            return "reflection gave no list";
        case Reflection::listed:
            break;
    }
    std::string words;
    for (const std::string& name : grpc.services)
        words += (words.empty() ? "" : ", ") + shown(name);
    if (grpc.services_cut) words += ", …";
    return words.empty() ? "none, by reflection" : words;
}

void add_grpc(Lines& lines, std::string_view label, const Http2Answer& answer) {
    lines.add(label, grpc_words(answer));
    lines.add("health", health_words(answer.grpc));
    lines.add("services", services_words(answer.grpc));
}

std::string tls_words(const TlsAnswer& tls) {
    if (!tls.asked()) return tls.error.empty() ? "" : shown(tls.error);
    if (!tls.is_tls) {
        Answer outer;
        outer.end = tls.end;
        outer.said = tls.outer;
        return "no TLS: " + said_words(outer);
    }
    std::string words = tls.handshake ? shown(tls.version) : "no handshake";
    if (tls.handshake) words += tls.alpn.empty() ? ", no ALPN" : ", ALPN " + shown(tls.alpn);
    if (tls.alert) words += ", alert " + sniff::alert_words(*tls.alert);
    if (!tls.handshake && !tls.alert && !tls.error.empty()) words += ", " + shown(tls.error);
    if (tls.certificate_asked) words += ", asks for a client certificate";
    if (tls.end == End::timeout && !tls.handshake) words += ", not complete in time";
    return words + in_time(tls.first_byte);
}

std::string certificate_words(const TlsAnswer& tls) {
    if (!tls.certificate) return {};
    const Certificate& leaf = *tls.certificate;
    std::string words = shown(leaf.subject);
    for (size_t i = 0; i < std::min(leaf.names.size(), names_shown_max); ++i) {
        words += (i == 0 ? " for " : ", ") + shown(leaf.names[i]);
    }
    if (leaf.names.size() > names_shown_max) words += ", …";
    words += ", by " + shown(leaf.issuer) + ", until " + shown(leaf.not_after);
    if (leaf.days_left) {
        words += *leaf.days_left < 0 ? " (expired)"
                                     : " (" + std::to_string(*leaf.days_left) +
                                           (*leaf.days_left == 1 ? " day left)" : " days left)");
    }
    return words;
}

std::string trust_words(const TlsAnswer& tls) {
    if (!tls.certificate) return {};
    const std::string trusted =
        tls.not_trusted.empty() ? "trusted" : "not trusted: " + shown(tls.not_trusted);
    return trusted + (tls.name_matches ? ", is for " : ", is not for ") + shown(tls.checked_name);
}

std::string software_words(const sniff::Fingerprint& by) {
    if (by.id.empty()) return {};
    std::string words = by.software;
    if (!by.version.empty()) words += " " + by.version;
    words += " (" + std::string(sniff::confidence_names[static_cast<size_t>(by.confidence)]) + ")";
    return by.reason.empty() ? words : words + ": " + by.reason;
}

std::string sibling_words(const PortReport& sibling) {
    // The sentence names host and port, which the line has already.
    std::string words = sibling.verdict.sentence;
    const size_t space = words.find(' ');
    if (space != std::string::npos) words.erase(0, space + 1);
    if (!words.empty() && words.back() == '.') words.pop_back();
    return sibling.why.empty() ? words : words + "; " + sibling.why;
}

bool works(const Verdict& verdict) {
    return verdict.outlook == Outlook::works;
}

std::string painted_headline(const Report& report, const sniff::Paint& paint) {
    switch (report.verdict.outlook) {
        case Outlook::works:
            return paint.bold_green(headline(report));
        case Outlook::does_not:
            return paint.bold_red(headline(report));
        case Outlook::unreachable:
            return paint.bold_yellow(headline(report));
    }
    return headline(report);
}

void add_tls(Lines& lines, const TlsAnswer& tls) {
    lines.add("tls", tls_words(tls));
    lines.add("cert", certificate_words(tls));
    lines.add("trust", trust_words(tls));
    add_grpc(lines, "  h2", tls.http2);
    add_grpc(lines, "  no ALPN", tls.http2_without_alpn);
    lines.add("  GET /", said_words(tls.http1));
}

}  // namespace

std::string headline(const Report& report) {
    std::string words = report.verdict.sentence;
    std::vector<std::string> plain;
    std::vector<std::string> in_tls;
    std::vector<std::string> tried;
    for (const PortReport& sibling : report.siblings) {
        const std::string port = std::to_string(sibling.port);
        tried.push_back(port);
        if (!works(sibling.verdict)) continue;
        (sibling.verdict.finding == Finding::grpc_tls ? in_tls : plain).push_back(port);
    }
    const auto speak = [](const std::vector<std::string>& ports) {
        return " " + enumeration(ports) + " on the same address " +
               (ports.size() == 1 ? "speaks" : "speak") + " gRPC";
    };
    if (!plain.empty()) words += speak(plain) + ".";
    if (!in_tls.empty()) words += speak(in_tls) + " over TLS.";
    if (plain.empty() && in_tls.empty() && !tried.empty() && !works(report.verdict)) {
        words += tried.size() == 1
                     ? " " + tried.front() + ", tried beside it, does not speak gRPC either."
                     : " None of " + std::to_string(tried.size()) +
                           " ports tried beside it speaks gRPC.";
    }
    return words;
}

std::vector<std::string> next_steps(const Report& report) {
    std::vector<std::string> steps;
    if (!works(report.verdict)) {
        for (const PortReport& sibling : report.siblings) {
            if (!works(sibling.verdict)) continue;
            const Target there{.host = report.target.host, .port = sibling.port};
            const bool in_tls = sibling.verdict.finding == Finding::grpc_tls;
            steps.push_back("point the client at " + there.text() + (in_tls ? ", with TLS" : "") +
                            (sibling.why.empty() ? "" : " (" + sibling.why + ")"));
        }
    }
    const bool known = !steps.empty();
    for (const std::string& step : report.verdict.next) {
        if (!known || !step.starts_with("point the client at")) steps.push_back(step);
    }
    return steps;
}

std::string to_text(const Report& report, Colour colour) {
    const sniff::Paint paint(colour == Colour::on);
    Lines lines(paint);
    lines.out = painted_headline(report, paint) + "\n";
    const Observations& seen = report.seen;
    for (const Attempt& attempt : seen.attempts) {
        lines.add("tcp", attempt.address + " " + reach_words(attempt));
    }
    add_grpc(lines, "h2c", seen.h2c);
    add_tls(lines, seen.tls);
    lines.add("GET /", said_words(seen.get));
    const std::string metrics = said_words(seen.metrics);
    lines.add("/metrics", seen.metrics.prometheus ? metrics + ", Prometheus text format" : metrics);
    lines.add("software", software_words(report.verdict.by));
    for (const PortReport& sibling : report.siblings) {
        lines.add(std::to_string(sibling.port), sibling_words(sibling));
    }
    for (const std::string& step : next_steps(report)) lines.add("next", step);
    return lines.out;
}

}  // namespace telltale::proxy::probe
