#include "cli/demo/story.h"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <cstdio>
#include <thread>
#include <utility>

#include "cli/demo/address.h"
#include "cli/demo/grpc_client.h"
#include "cli/demo/grpc_message.h"
#include "cli/demo/http_get.h"

namespace telltale::cli::demo {

namespace {

using namespace std::chrono_literals;

constexpr auto call_patience = 5000ms;
constexpr auto observation_patience = 10000ms;
constexpr auto scrape_pause = 20ms;

// The nine bytes of an HTTP/2 frame header, when an HTTP/1.1 status line stands in their place.
constexpr std::string_view looks_like_http1 = "HTTP/1.1 ";
// What grpc-go says when it reads exactly those.
constexpr const char* words_of_grpc_go =
    "error reading server preface: http2: failed reading the frame payload: %!w(<nil>), note that "
    "the\n"
    "              frame header looked like an HTTP/1.1 header";

std::string label(std::string_view name, std::string_view value) {
    return std::string(name) + "=\"" + std::string(value) + "\"";
}

double matches(const Counters& counters) {
    return total(counters, "telltale_connections_total",
                 {label("listener", right_listener), label("client_protocol", "http/2"),
                  label("upstream_protocol", "http/2"), label("verdict", "match")});
}

double mismatches(const Counters& counters) {
    return total(counters, "telltale_mismatches_total",
                 {label("listener", wrong_listener), label("client_protocol", "http/2"),
                  label("upstream_protocol", "http/1"), label("cause", "metrics_port")});
}

// "": not there, or not a text.
std::string text_at(const boost::json::value& json, std::string_view pointer) {
    boost::system::error_code error;
    const boost::json::value* found = json.find_pointer({pointer.data(), pointer.size()}, error);
    return found != nullptr && found->is_string() ? std::string(found->get_string()) : "";
}

std::string first_line(const std::string& text) {
    return text.substr(0, text.find_first_of("\r\n"));
}

std::string indented(const std::string& text) {
    std::string out = "      ";
    for (const char c : text) {
        out += c;
        if (c == '\n') out += "      ";
    }
    return out;
}

}  // namespace

void IncidentInbox::put(const std::string& text) {
    const std::lock_guard lock(mutex_);
    texts_.push_back(text);
    changed_.notify_all();
}

std::string IncidentInbox::take() {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, observation_patience, [this] { return !texts_.empty(); }))
        return "";
    std::string text = std::move(texts_.front());
    texts_.erase(texts_.begin());
    return text;
}

Story::Story(Stage& stage, IncidentInbox& inbox, proxy::Colour colour)
    : stage_(stage), inbox_(inbox), colour_(colour == proxy::Colour::on) {}

std::vector<std::string> Story::tell() {
    introduce();
    healthy_call();
    misled_call();
    counters_that_moved();
    where_to_look();
    return failed_;
}

void Story::introduce() const {
    std::printf(
        "One process, loopback only: a client, Telltale, and the two ports of one service.\n\n");
    std::printf("   client -> %s  Telltale -> 127.0.0.1:%-5u  group-rpc-service, gRPC\n",
                stage_.right_address().c_str(), unsigned{stage_.grpc().port()});
    std::printf("   client -> %s  Telltale -> 127.0.0.1:%-5u  its metrics port, HTTP/1.1\n",
                stage_.wrong_address().c_str(), unsigned{stage_.metrics().port()});
}

void Story::healthy_call() {
    heading("1. A healthy call passes");
    const Counters start = scrape_until([](const Counters&) { return true; });
    const uint64_t answered = stage_.grpc().calls_answered();
    const CallResult call = call_unary(endpoint_of(stage_.right_address()), health_check_path,
                                       health_check_request, call_patience);
    std::printf("   %.*s: HTTP status %d, grpc-status %d, %.1f ms\n",
                static_cast<int>(health_check_path.size()), health_check_path.data(),
                call.http_status, call.grpc_status.value_or(-1), call.took.count());
    claim("the client got grpc-status 0 and the message SERVING",
          call.http_status == 200 && call.grpc_status == 0 && call.message == health_check_serving);
    claim("the service answered exactly this one call",
          stage_.grpc().calls_answered() == answered + 1);
    before_ = scrape_until([&](const Counters& now) { return matches(now) > matches(start); });
    claim("Telltale counted one connection more where HTTP/2 met HTTP/2",
          matches(before_) == matches(start) + 1);
}

void Story::misled_call() {
    const unsigned port = stage_.metrics().port();
    heading("2. The incident: the client is sent to port " + std::to_string(port));
    const CallResult call = call_unary(endpoint_of(stage_.wrong_address()), health_check_path,
                                       health_check_request, call_patience);
    std::printf(
        "   The client's libraries see that something is wrong, but not who, where or why:\n");
    if (call.first_bytes.starts_with(looks_like_http1))
        std::printf("      grpc-go  %s\n", words_of_grpc_go);
    std::printf("      nghttp2  %s\n", call.library_error.c_str());
    claim("the call failed: no grpc-status", !call.grpc_status);
    claim("the first bytes that came back were \"" + first_line(call.first_bytes) + "\"",
          call.first_bytes.starts_with("HTTP/1.1 400 Bad Request\r\n"));

    const std::string incident = inbox_.take();
    std::printf("\n   Telltale says:\n%s\n", indented(incident).c_str());
    claim("Telltale wrote an incident", !incident.empty());

    boost::json::error_code error;
    const boost::json::value all =
        boost::json::parse(http_get(stage_.admin_address(), "/incidents"), error);
    const std::string service = "group-rpc-service";
    claim("its cause is metrics_port", text_at(all, "/0/incident/cause") == "metrics_port");
    claim("it names the service", text_at(all, "/0/incident/hop/name") == service);
    claim("its fix names the gRPC port " + std::to_string(stage_.grpc().port()),
          text_at(all, "/0/incident/fix").find(std::to_string(stage_.grpc().port())) !=
              std::string::npos);
    claim("it is the only one", all.is_array() && all.get_array().size() == 1 &&
                                    all.at_pointer("/0/count").to_number<int>() == 1);
}

void Story::counters_that_moved() {
    heading("3. The counters that moved");
    const Counters after =
        scrape_until([&](const Counters& now) { return mismatches(now) > mismatches(before_); });
    for (const Movement& movement : moved(before_, after)) {
        const bool told = movement.series.starts_with("telltale_connections_total") ||
                          movement.series.starts_with("telltale_mismatches_total") ||
                          movement.series.starts_with("telltale_incidents_total");
        if (told)
            std::printf("   %s  %g -> %g\n", movement.series.c_str(), movement.before,
                        movement.after);
    }
    claim("mismatches with cause metrics_port moved by exactly one",
          mismatches(after) == mismatches(before_) + 1);
    claim("the healthy connection is no incident",
          total(after, "telltale_incidents_total", {label("listener", right_listener)}) == 0);
}

void Story::where_to_look() const {
    const std::string admin = "http://" + stage_.admin_address();
    heading("4. Where to look");
    const auto line = [](const std::string& place, const char* what) {
        std::printf("   %-48s %s\n", place.c_str(), what);
    };
    line(admin + "/incidents?format=text", "the incident above, and every other one");
    line(admin + "/metrics", "for Prometheus");
    line(admin + "/connections", "what is open now");
    line(admin + "/config", "what the sidecar runs with");
    line("docs/runbook.md#metrics_port", "what to do, cause by cause");
}

void Story::heading(const std::string& text) const {
    std::printf(colour_ ? "\n\033[1m%s\033[0m\n" : "\n%s\n", text.c_str());
    std::fflush(stdout);
}

void Story::claim(const std::string& text, bool holds) {
    if (!holds) failed_.push_back(text);
    const char* mark = holds ? (colour_ ? "\033[32mobserved\033[0m" : "observed")
                             : (colour_ ? "\033[1;31mNOT SO  \033[0m" : "NOT SO  ");
    std::printf("   [%s] %s\n", mark, text.c_str());
    std::fflush(stdout);
}

Counters Story::scrape_until(const std::function<bool(const Counters&)>& condition) const {
    const auto deadline = std::chrono::steady_clock::now() + observation_patience;
    while (true) {
        Counters now = parse_counters(http_get(stage_.admin_address(), "/metrics"));
        if (condition(now) || std::chrono::steady_clock::now() > deadline) return now;
        std::this_thread::sleep_for(scrape_pause);
    }
}

}  // namespace telltale::cli::demo
