#include "proxy/probe/verdict.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <optional>
#include <span>

#include "sniff/escape.h"
#include "sniff/words.h"

namespace telltale::proxy::probe {

namespace {

using sniff::Protocol;
using sniff::Role;
using sniff::Spoken;

constexpr size_t shown_max = 100;
constexpr uint8_t no_application_protocol = 120;  // RFC 7301 §3.2
constexpr uint8_t unrecognized_name = 112;        // RFC 6066 §3
constexpr int unimplemented = 12;

// ---- what was seen, asked for in words

class Seen final {
   public:
    Seen(const Target& target, const Observations& observations)
        : target_(target), all(observations) {}

    [[nodiscard]] std::string here() const { return target_.text(); }
    [[nodiscard]] const std::string& host() const { return target_.host; }

    [[nodiscard]] bool any_reach(Reach reach) const {
        return std::any_of(all.attempts.begin(), all.attempts.end(),
                           [reach](const Attempt& attempt) { return attempt.reach == reach; });
    }
    [[nodiscard]] bool has_http2(const Http2Answer& answer) const {
        return answer.asked() && (answer.said.protocol == Protocol::http2 ||
                                  answer.said.protocol == Protocol::http2_goaway);
    }
    // The answers of HTTP/1 in clear, the clearest first.
    [[nodiscard]] std::vector<const Answer*> http1_answers() const {
        std::vector<const Answer*> found;
        for (const Answer* answer : std::initializer_list<const Answer*>{
                 &all.get, &all.h2c, &all.metrics, &all.tls.http1}) {
            if (answer->said.http1_response) found.push_back(answer);
        }
        return found;
    }
    [[nodiscard]] sniff::Fingerprint who() const;

   private:
    const Target& target_;

   public:
    const Observations& all;
};

int rank(const sniff::Fingerprint& found) {
    if (found.id.empty()) return -1;
    return 2 - static_cast<int>(found.confidence);
}

// Each answer shows something else of the same program: an error page of the parser, a header of
// the application. The most certain one names it.
sniff::Fingerprint Seen::who() const {
    sniff::Fingerprint best;
    for (const Answer* answer :
         std::initializer_list<const Answer*>{&all.h2c, &all.tls.http2, &all.tls.http2_without_alpn,
                                              &all.get, &all.tls.http1, &all.metrics}) {
        if (!answer->asked()) continue;
        const sniff::Fingerprint found = sniff::fingerprint(answer->said);
        if (rank(found) > rank(best)) best = found;
    }
    return best;
}

std::string software_of(const sniff::Fingerprint& by) {
    if (by.id.empty()) return {};
    return by.version.empty() ? by.software : by.software + " " + by.version;
}

// " (nginx 1.22.1)", "" where nobody is known.
std::string in_brackets(std::initializer_list<std::string> parts) {
    std::string inside;
    for (const std::string& part : parts) {
        if (part.empty()) continue;
        inside += (inside.empty() ? "" : ", ") + part;
    }
    return inside.empty() ? std::string() : " (" + inside + ")";
}

std::string shown(const std::string& text) {
    return sniff::escape_wire(text, shown_max);
}

std::string grpc_status_words(const GrpcFacts& grpc) {
    std::string words = "grpc-status " + std::to_string(*grpc.grpc_status);
    if (!grpc.grpc_message.empty()) words += " " + sniff::quote_wire(grpc.grpc_message, shown_max);
    return words;
}

// What makes a gRPC answer worth a second look; "" for the plain proof.
std::string grpc_caveat(const GrpcFacts& grpc, const sniff::Fingerprint& by) {
    std::string words;
    if (*grpc.grpc_status != unimplemented) {
        words += " It answered a method that nobody has with " + grpc_status_words(grpc) + ".";
    }
    if (by.role == Role::ingress || by.role == Role::proxy || by.role == Role::load_balancer ||
        by.role == Role::mesh) {
        words += " It is " + by.software +
                 ", a proxy: what is behind it can only be told by a call of a real method.";
    }
    if (grpc.health == Health::not_serving) words += " Its health service says NOT_SERVING.";
    return words;
}

std::string certificate_caveat(const TlsAnswer& tls) {
    if (!tls.certificate) return {};
    std::vector<std::string> faults;
    const auto& days = tls.certificate->days_left;
    if (days && *days < 0) faults.push_back("has expired (" + tls.certificate->not_after + ")");
    if (!tls.not_trusted.empty() && !(days && *days < 0)) {
        faults.push_back("is not trusted by the roots used here (" + tls.not_trusted + ")");
    }
    if (!tls.name_matches) faults.push_back("is not for " + shown(tls.checked_name));
    std::string words;
    for (size_t i = 0; i < faults.size(); ++i) {
        words += (i == 0                   ? " Its certificate "
                  : i + 1 == faults.size() ? " and "
                                           : ", ") +
                 faults[i];
    }
    return words.empty() ? words : words + ".";
}

void advise_certificate(const TlsAnswer& tls, Verdict& verdict) {
    if (!tls.certificate) return;
    const auto& names = tls.certificate->names;
    if (!tls.name_matches && !names.empty()) {
        verdict.next.push_back("dial it by a name of its certificate (" + shown(names.front()) +
                               "), or set that as the client's server name override");
    }
    if (!tls.not_trusted.empty()) {
        verdict.next.emplace_back(
            "give the client the roots that signed the certificate; --ca FILE tries them here");
    }
}

// ---- one function per group of findings; each fills a verdict or answers nullopt

Verdict found(Finding finding, Outlook outlook, Spoken spoken, std::string sentence,
              std::vector<std::string> next = {}) {
    return {.finding = finding,
            .outlook = outlook,
            .spoken = spoken,
            .sentence = std::move(sentence),
            .next = std::move(next),
            .by = {}};
}

std::string attempts_words(const Seen& seen) {
    std::string words;
    for (const Attempt& attempt : seen.all.attempts) {
        if (seen.all.attempts.size() < 2) break;
        words += (words.empty() ? " (" : "; ") + attempt.address + ": " +
                 (attempt.error == 0 ? "not tried" : sniff::errno_words(attempt.error));
    }
    return words.empty() ? words : words + ")";
}

Verdict unreachable(const Seen& seen) {
    const std::string here = seen.here();
    const auto give = [&](Finding finding, Spoken spoken, const std::string& rest,
                          std::vector<std::string> next) {
        return found(finding, Outlook::unreachable, spoken, here + " " + rest, std::move(next));
    };
    if (!seen.all.resolve_error.empty()) {
        return give(Finding::dns_failure, Spoken::no_reply,
                    "can't be reached: the name " + shown(seen.host()) + " has no address (" +
                        shown(seen.all.resolve_error) + ").",
                    {"getent hosts " + shown(seen.host()) +
                     " asks the same resolver; in Kubernetes the Service must exist, and a short "
                     "name is looked up in the asking pod's own namespace"});
    }
    if (seen.any_reach(Reach::refused)) {
        return give(
            Finding::refused, Spoken::refused,
            "refuses connections: nothing listens on that port" + attempts_words(seen) + ".",
            {"check which port the server listens on (ss -ltnp beside it), that it is "
             "running, and that it listens on more than loopback"});
    }
    if (seen.any_reach(Reach::timed_out)) {
        return give(
            Finding::no_answer, Spoken::no_reply,
            "takes no connection: there was no answer to the SYN" + attempts_words(seen) + ".",
            {"something drops the packets: check NetworkPolicy, firewall and security "
             "groups on the way, and that the address still belongs to a running host"});
    }
    for (const Attempt& attempt : seen.all.attempts) {
        if (attempt.reach == Reach::unreachable) {
            return give(Finding::unreachable, Spoken::no_reply,
                        "can't be reached: " + sniff::errno_words(attempt.error) + ".",
                        {"check the route to that address (ip route get " + shown(seen.host()) +
                         ") and whether it still belongs to a running host"});
        }
        if (attempt.reach == Reach::local_limit) {
            return give(
                Finding::not_asked, Spoken::unknown,
                "could not be asked by this host: " + sniff::errno_words(attempt.error) + ".",
                {"raise the limit of this host, or ask from another one"});
        }
    }
    if (!seen.all.tls.error.empty()) {
        return give(Finding::not_asked, Spoken::unknown,
                    "was not asked: " + shown(seen.all.tls.error) + ".", {});
    }
    return give(Finding::not_asked, Spoken::unknown, "was not asked: the time was over.",
                {"give it more time with --timeout"});
}

std::optional<Verdict> grpc(const Seen& seen, const sniff::Fingerprint& by) {
    const std::string here = seen.here();
    const GrpcFacts& plain = seen.all.h2c.grpc;
    const TlsAnswer& tls = seen.all.tls;
    const GrpcFacts& inside = tls.http2.grpc;
    const std::string who = in_brackets({software_of(by)});
    if (plain.proven()) {
        const bool both = inside.proven();
        auto verdict =
            found(both ? Finding::grpc_both : Finding::grpc, Outlook::works, Spoken::grpc,
                  here + " speaks gRPC in plaintext" + (both ? " and over TLS" : "") + who + "." +
                      grpc_caveat(plain, by));
        if (plain.health == Health::not_serving) {
            verdict.next.emplace_back(
                "ask why the server says NOT_SERVING: clients and load "
                "balancers that check health will avoid it");
        }
        return verdict;
    }
    if (inside.proven()) {
        auto verdict = found(Finding::grpc_tls, Outlook::works, Spoken::tls_h2,
                             here + " speaks gRPC over TLS only" + who + ": clients must use TLS." +
                                 grpc_caveat(inside, by) + certificate_caveat(tls),
                             {"use TLS credentials in the client; a plaintext client fails here"});
        advise_certificate(tls, verdict);
        return verdict;
    }
    if (tls.http2_without_alpn.grpc.proven()) {
        return found(Finding::grpc_tls_without_alpn, Outlook::does_not, Spoken::tls,
                     here + " speaks gRPC over TLS" + who +
                         ", but selects no protocol by ALPN: grpc-go (since 1.67) and C-core "
                         "refuse such a server.",
                     {"make the server, or what ends TLS before it, select h2 by ALPN (RFC 7301)"});
    }
    return std::nullopt;
}

std::string http2_words(const Http2Answer& answer) {
    const GrpcFacts& grpc = answer.grpc;
    if (grpc.http_status > 0) {
        std::string words =
            "a gRPC call was answered with HTTP " + std::to_string(grpc.http_status);
        if (!grpc.content_type.empty()) words += " " + shown(grpc.content_type);
        return words;
    }
    if (answer.said.goaway && answer.said.goaway->error_code != 0) {
        return "it left with GOAWAY " + sniff::http2_error_words(answer.said.goaway->error_code);
    }
    if (grpc.reset) {
        return "a gRPC call was answered with RST_STREAM " +
               sniff::http2_error_words(grpc.reset_code);
    }
    if (answer.end == End::fin || answer.end == End::reset) {
        return "it hung up in place of an answer to a gRPC call";
    }
    if (answer.end == End::limit) return "it sent frames without end, and no answer to a gRPC call";
    return "a gRPC call was not answered in time";
}

Verdict http2(const Seen& seen, const Http2Answer& answer, const sniff::Fingerprint& by,
              bool inside_tls) {
    const bool silent = answer.grpc.http_status == 0 && !answer.grpc.reset &&
                        !(answer.said.goaway && answer.said.goaway->error_code != 0);
    const Finding finding = silent       ? Finding::http2_silent
                            : inside_tls ? Finding::http2_not_grpc_tls
                                         : Finding::http2_not_grpc;
    auto verdict = found(
        finding, Outlook::does_not, inside_tls ? Spoken::tls_h2 : Spoken::http2,
        seen.here() + " speaks HTTP/2" + (inside_tls ? " over TLS" : "") + " but not gRPC" +
            in_brackets({software_of(by)}) + ": " + http2_words(answer) + ".",
        {silent ? "see whether the server behind it hangs: SETTINGS are the work of the next hop "
                  "alone"
                : "point the client at the gRPC server, or give this proxy a route to it that "
                  "speaks HTTP/2 to the backend (nginx grpc_pass, HAProxy proto h2)"});
    if (inside_tls && seen.all.tls.certificate_asked) {
        verdict.next.emplace_back("give the client a certificate: the server asks for one");
    }
    return verdict;
}

Verdict tls_trouble(const Seen& seen, Finding finding, const std::string& rest,
                    std::vector<std::string> next) {
    return found(finding, Outlook::does_not, Spoken::tls, seen.here() + " " + rest,
                 std::move(next));
}

std::optional<Verdict> tls(const Seen& seen, const sniff::Fingerprint& by) {
    const TlsAnswer& tls = seen.all.tls;
    if (!tls.is_tls) return std::nullopt;
    const std::string alert = tls.alert ? " (alert " + sniff::alert_words(*tls.alert) + ")" : "";
    const std::string who = in_brackets({software_of(by)});
    const bool answered = tls.http1.said.http1_response || seen.has_http2(tls.http2);
    if (tls.alert && tls.alert->description == unrecognized_name && !tls.handshake) {
        const std::string name = tls.server_name.empty()
                                     ? "no server name"
                                     : "the server name " + shown(tls.server_name);
        return tls_trouble(
            seen, Finding::tls_wrong_name, "speaks TLS, but does not know " + name + alert + ".",
            {"dial it by the name its certificate is for, or try --server-name NAME"});
    }
    if (tls.certificate_asked && !answered &&
        (tls.alert || !tls.handshake || tls.end != End::timeout)) {
        return tls_trouble(
            seen, Finding::tls_client_certificate,
            "speaks TLS and wants a client certificate before anything else" + alert +
                "; whether gRPC is behind it can't be told without one.",
            {"give the client a certificate that the server's authority signed (mutual TLS)"});
    }
    if (seen.has_http2(tls.http2)) return http2(seen, tls.http2, by, true);
    if (tls.handshake && tls.alpn == "h2") {
        return tls_trouble(seen, Finding::http2_silent,
                           "selects h2 by ALPN, but says nothing of HTTP/2 over TLS" + who + ".",
                           {"see whether the server behind it hangs"});
    }
    if (tls.handshake || (tls.alert && tls.alert->description == no_application_protocol)) {
        const std::string selected = tls.alpn.empty()
                                         ? tls.handshake ? "nothing" : "neither h2 nor http/1.1"
                                         : shown(tls.alpn);
        auto verdict = tls_trouble(
            seen, Finding::tls_without_h2,
            "cannot serve gRPC: it speaks TLS" + who + ", but ALPN selects " + selected +
                ", not h2" + alert + ".",
            {"enable HTTP/2 where TLS ends (nginx: listen … ssl http2; HAProxy: alpn h2), or dial "
             "the port that has it"});
        return verdict;
    }
    return tls_trouble(
        seen, Finding::tls_failed,
        "speaks TLS, but no handshake came about" +
            (alert.empty() && !tls.error.empty() ? " (" + shown(tls.error) + ")" : alert) + ".",
        {"openssl s_client -connect " + seen.here() + " shows the handshake in detail"});
}

bool is_middle(Role role) {
    return role == Role::ingress || role == Role::proxy || role == Role::load_balancer ||
           role == Role::mesh;
}

std::string http1_version(const std::vector<const Answer*>& answers) {
    for (const Answer* answer : answers) {
        const std::string& version = answer->said.http1_response->version;
        if (version.starts_with("HTTP/1")) return shown(version);
    }
    return "HTTP/1";
}

std::optional<Verdict> http1(const Seen& seen, const sniff::Fingerprint& by) {
    const auto answers = seen.http1_answers();
    if (answers.empty()) return std::nullopt;
    const bool metrics = seen.all.metrics.prometheus || by.role == Role::metrics;
    const bool passed_on = std::any_of(answers.begin(), answers.end(), [](const Answer* answer) {
        return !answer->said.http1_response->via.empty();
    });
    Finding finding = Finding::http1_application;
    std::string what;
    std::string next = "point the client at the port on which this program serves gRPC";
    if (by.role == Role::forward_proxy) {
        finding = Finding::forward_proxy;
        what = "a forward proxy";
        next =
            "dial the server, not the proxy: clear http_proxy and https_proxy for the client, or "
            "add the host to no_proxy";
    } else if (metrics) {
        finding = Finding::metrics;
        what = "Prometheus metrics";
        next = "point the client at the service's gRPC port; this is its metrics port";
    } else if (is_middle(by.role) || passed_on) {
        finding = Finding::http1_proxy;
        what = "a proxy";
        next =
            "make the proxy speak HTTP/2 on this port and to its backend (nginx: http2 and "
            "grpc_pass; HAProxy: proto h2), or dial the backend itself";
    }
    return found(finding, Outlook::does_not, Spoken::http1,
                 seen.here() + " cannot serve gRPC: it speaks " + http1_version(answers) +
                     in_brackets({software_of(by), what}) + ".",
                 {next});
}

std::string greeting_words(const sniff::SideEvidence& said, const sniff::Fingerprint& by) {
    const std::string software = software_of(by);
    if (!software.empty()) return "it is " + software;
    sniff::Evidence evidence;
    evidence.upstream = said;
    return "it says " + sniff::answer_words(evidence);
}

std::optional<Verdict> other(const Seen& seen, const sniff::Fingerprint& by) {
    const sniff::SideEvidence* said = nullptr;
    for (const sniff::SideEvidence* one :
         {&seen.all.h2c.said, &seen.all.get.said, &seen.all.tls.outer}) {
        switch (one->protocol) {
            case Protocol::ssh:
            case Protocol::mysql:
            case Protocol::postgres:
            case Protocol::redis:
            case Protocol::smtp:
            case Protocol::other:
                if (said == nullptr) said = one;
                break;
            default:
                break;
        }
    }
    if (said == nullptr) return std::nullopt;
    return found(Finding::other_protocol, Outlook::does_not, Spoken::other,
                 seen.here() + " cannot serve gRPC: " + greeting_words(*said, by) + ".",
                 {"check host and port in the client's configuration: another program listens "
                  "here"});
}

// Connected, and nothing was said that tells anything.
Verdict wordless_verdict(const Seen& seen) {
    const auto& h2c = seen.all.h2c;
    const auto& tls = seen.all.tls;
    const bool in_time = h2c.end == End::timeout || tls.end == End::timeout;
    const bool hung_up = h2c.end == End::fin || h2c.end == End::reset || tls.end == End::fin ||
                         tls.end == End::reset;
    if (hung_up && !(in_time && h2c.end == End::timeout)) {
        const bool reset = h2c.end == End::reset || (!h2c.asked() && tls.end == End::reset);
        return found(Finding::closes, Outlook::does_not, Spoken::nothing,
                     seen.here() + " accepts connections and " + (reset ? "resets" : "closes") +
                         " them without a word" +
                         (tls.asked() ? ", to the HTTP/2 preface and to a TLS hello" : "") + ".",
                     {"look for what accepts in front of the server: a load balancer without a "
                      "living backend, a Service whose pods are not ready, a filter by address",
                      "a server that demands the PROXY protocol answers so too"});
    }
    return found(Finding::silent, Outlook::does_not, Spoken::nothing,
                 seen.here() + " accepts connections and says nothing" +
                     (tls.asked() ? ", neither to the HTTP/2 preface nor to a TLS hello" : "") +
                     ".",
                 {"see whether the server hangs (its threads, its accept queue), or another "
                  "protocol is spoken here whose client speaks first"});
}

Verdict wordless(const Seen& seen) {
    Verdict verdict = wordless_verdict(seen);
    if (!seen.all.tls.asked() && seen.all.h2c.asked()) {
        verdict.next.insert(verdict.next.begin(),
                            "try TLS as well: ports of TLS answer so to plaintext");
    }
    return verdict;
}

Verdict reached(const Seen& seen, const sniff::Fingerprint& by) {
    if (auto verdict = grpc(seen, by)) return *verdict;
    const bool in_tls = seen.all.tls.is_tls;
    // A TLS port may answer in clear what is sent in clear: nginx and Go say 400 there.
    if (!in_tls && seen.has_http2(seen.all.h2c)) return http2(seen, seen.all.h2c, by, false);
    if (auto verdict = tls(seen, by)) return *verdict;
    if (seen.all.h2c.said.protocol == Protocol::tls_alert) {
        return tls_trouble(seen, Finding::tls_failed,
                           "speaks TLS: it answers the plaintext HTTP/2 preface with a TLS alert.",
                           {"use TLS credentials in the client"});
    }
    if (auto verdict = http1(seen, by)) return *verdict;
    if (auto verdict = other(seen, by)) return *verdict;
    return wordless(seen);
}

}  // namespace

Verdict judge(const Target& target, const Observations& observations) {
    const Seen seen(target, observations);
    if (!observations.connected()) return unreachable(seen);
    const sniff::Fingerprint by = seen.who();
    Verdict verdict = reached(seen, by);
    verdict.by = by;
    return verdict;
}

}  // namespace telltale::proxy::probe
