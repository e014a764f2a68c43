#include "proxy/probe/http_talk.h"

#include <utility>

namespace telltale::proxy::probe {

namespace {

// "# TYPE name gauge" at the start of a line, the size of a chunk perhaps before the first one.
bool has_metric_line(std::string_view body) {
    for (const std::string_view word : {"# HELP ", "# TYPE "}) {
        if (body.starts_with(word)) return true;
        const size_t at = body.find(word);
        if (at != std::string_view::npos && body[at - 1] == '\n') return true;
    }
    return false;
}

}  // namespace

bool is_prometheus_text(const sniff::Http1Response& answer) {
    if (answer.status != 200) return false;
    const std::string& type = answer.content_type;
    const bool plain = type.starts_with("text/plain");
    return type.starts_with("application/openmetrics-text") ||
           (plain && type.find("version=0.0.4") != std::string::npos) ||
           (plain && has_metric_line(answer.body));
}

HttpTalk::HttpTalk(std::string_view authority, std::string_view path)
    : request_("GET " + std::string(path) + " HTTP/1.1\r\nHost: " + std::string(authority) +
               "\r\nUser-Agent: telltale-probe\r\nAccept: */*\r\nConnection: close\r\n\r\n") {}

void HttpTalk::take(std::string& out) {
    out += std::exchange(request_, {});
}

void HttpTalk::end(sniff::StreamEnd how) {
    ended_ = true;
    heard_.end(how);
}

Talk::Wants HttpTalk::wants() const {
    return ended_ ? Wants::nothing : heard_.wants();
}

Http1Answer HttpTalk::answer() const {
    Http1Answer answer;
    answer.said = heard_.describe();
    answer.prometheus =
        answer.said.http1_response && is_prometheus_text(*answer.said.http1_response);
    return answer;
}

}  // namespace telltale::proxy::probe
