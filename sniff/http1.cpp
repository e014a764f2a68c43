#include "sniff/http1.h"

#include <llhttp.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sniff/http2.h"

namespace telltale::sniff {

namespace {

constexpr size_t text_max = 256;
constexpr size_t body_max = 512;
constexpr size_t headers_kept_max = 32;
constexpr size_t fields_read_max = 128;
constexpr size_t forwarded_max = 16;

constexpr size_t line_ends_before_request_max = 4;  // RFC 9112 §2.2: at least one is to be ignored
constexpr size_t method_max = 32;
constexpr size_t space_before_html_max = 64;

constexpr char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
constexpr bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
constexpr bool is_alpha(char c) {
    return lower(c) >= 'a' && lower(c) <= 'z';
}
constexpr bool is_visible(char c) {
    return c > 0x20 && c < 0x7f;
}
constexpr bool is_line_end(char c) {
    return c == '\r' || c == '\n';
}
constexpr bool is_space(char c) {
    return c == ' ' || c == '\t' || is_line_end(c);
}
constexpr bool is_token(char c) {  // RFC 9110 §5.6.2
    return is_digit(c) || is_alpha(c) ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

std::string lower(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), [](char c) { return lower(c); });
    return out;
}

std::string cut(std::string_view text) {
    return std::string(text.substr(0, text_max));
}

bool is_common_method(std::string_view method) noexcept {
    constexpr std::array<std::string_view, 9> methods = {
        "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"};
    return std::find(methods.begin(), methods.end(), method) != methods.end();
}

// After METHOD SP. A word that is no common method needs a target that only HTTP has: other text
// protocols
// ("SSH-2.0-x y", "EHLO name", "PROXY TCP4 …") have words and spaces too.
Match target_probe(std::string_view method, std::string_view target) noexcept {
    if (target.empty()) return Match::more;
    if (is_common_method(method)) return is_visible(target[0]) ? Match::yes : Match::no;
    if (target[0] == '/' || target[0] == '*') return Match::yes;
    return std::max(match_literal(as_bytes(target), "http://"),
                    match_literal(as_bytes(target), "https://"));
}

// ---- fields

using Field = std::pair<std::string, std::string>;

// Gathers fields from llhttp's pieces; strings and count are bounded whatever comes.
struct FieldReader {
    std::vector<Field> fields;
    Field current;

    static int append(std::string& text, const char* at, size_t size) {
        text.append(at, std::min(size, text_max - std::min(text.size(), text_max)));
        return 0;
    }
    int finish() {
        if (fields.size() < fields_read_max) fields.push_back(std::move(current));
        current = {};
        return 0;
    }
};

FieldReader& reader_of(llhttp_t* parser) {
    return *static_cast<FieldReader*>(parser->data);
}

const llhttp_settings_t& llhttp_callbacks() {
    static const llhttp_settings_t callbacks = [] {
        llhttp_settings_t made;
        llhttp_settings_init(&made);
        made.on_header_field = [](llhttp_t* parser, const char* at, size_t size) {
            return FieldReader::append(reader_of(parser).current.first, at, size);
        };
        made.on_header_value = [](llhttp_t* parser, const char* at, size_t size) {
            return FieldReader::append(reader_of(parser).current.second, at, size);
        };
        made.on_header_value_complete = [](llhttp_t* parser) { return reader_of(parser).finish(); };
        made.on_headers_complete = [](llhttp_t*) { return static_cast<int>(HPE_PAUSED); };
        return made;
    }();
    return callbacks;
}

// False when llhttp refuses the text.
bool read_fields_strictly(llhttp_type_t type, Bytes head, std::vector<Field>& fields) {
    FieldReader reader;
    llhttp_t parser;
    llhttp_init(&parser, type, &llhttp_callbacks());
    llhttp_set_lenient_headers(&parser, 1);
    parser.data = &reader;
    const std::string_view text = as_text(head);
    const llhttp_errno_t error = llhttp_execute(&parser, text.data(), text.size());
    if (error != HPE_OK && error != HPE_PAUSED) return false;
    fields = std::move(reader.fields);
    return true;
}

std::string_view trim(std::string_view text) {
    while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
    return text;
}

// The lines behind the start line, as they stand; an unfinished last line is left out.
std::vector<Field> read_fields_plainly(std::string_view lines) {
    std::vector<Field> fields;
    while (fields.size() < fields_read_max) {
        const size_t end = lines.find('\n');
        if (end == std::string_view::npos) break;
        const std::string_view line = lines.substr(0, end);
        lines.remove_prefix(end + 1);
        if (trim(line).empty()) break;
        const size_t colon = line.find(':');
        if (colon == std::string_view::npos) continue;
        fields.emplace_back(cut(trim(line.substr(0, colon))), cut(trim(line.substr(colon + 1))));
    }
    return fields;
}

struct Head {
    std::string_view start_line;  // without its line end
    bool start_line_complete = false;
    std::vector<Field> fields;
    size_t size = 0;  // 0: not complete
};

Head read_head(llhttp_type_t type, Bytes bytes) {
    Head head;
    const Bytes window = bytes.first(std::min(bytes.size(), http1_head_max));
    head.size = http1_head_size(window);
    std::string_view text = as_text(head.size == 0 ? window : window.first(head.size));
    text.remove_prefix(std::min(text.find_first_not_of("\r\n"), text.size()));
    const size_t end = text.find('\n');
    head.start_line_complete = end != std::string_view::npos;
    head.start_line = text.substr(0, end);
    if (head.start_line.ends_with('\r')) head.start_line.remove_suffix(1);
    if (!head.start_line_complete) return head;
    if (!read_fields_strictly(type, as_bytes(text), head.fields)) {
        head.fields = read_fields_plainly(text.substr(end + 1));
    }
    return head;
}

void keep_first(std::string& slot, const std::string& value) {
    if (slot.empty()) slot = value;
}

void read_request_line(const Head& head, Http1Request& request) {
    const std::string_view line = head.start_line;
    const size_t space = line.find(' ');
    request.method = cut(line.substr(0, space));
    if (space == std::string_view::npos) return;
    std::string_view target = line.substr(space + 1);
    const size_t last = target.rfind(' ');
    if (head.start_line_complete && last != std::string_view::npos &&
        target.substr(last + 1).starts_with("HTTP/")) {
        request.version = cut(target.substr(last + 1));
        target = target.substr(0, last);
    }
    request.target = cut(target);
}

void read_status_line(const Head& head, Http1Response& response) {
    const std::string_view line = head.start_line;
    response.status = http1_status(as_bytes(line));
    if (http1_response_probe(as_bytes(line)) != Match::yes) return;
    response.version = std::string(line.substr(0, 8));
    if (head.start_line_complete && line.size() > 13) response.reason = cut(line.substr(13));
}

std::string body_of(Bytes bytes) {
    return std::string(as_text(bytes).substr(0, body_max));
}

bool is_interim(int status) {
    return status >= 100 && status < 200 && status != 101;
}

Http1Response parse_one_response(const Head& head) {
    Http1Response response;
    response.head_complete = head.size != 0;
    read_status_line(head, response);
    for (const auto& [name, value] : head.fields) {
        if (response.headers.size() < headers_kept_max) response.headers.emplace_back(name, value);
        const std::string field = lower(name);
        if (field == "server") keep_first(response.server, value);
        if (field == "via") keep_first(response.via, value);
        if (field == "content-type") keep_first(response.content_type, value);
        if (field == "location") keep_first(response.location, value);
        if (field == "content-length") keep_first(response.content_length, value);
        if (field == "connection") keep_first(response.connection, value);
        if (field == "x-telltale-cause") keep_first(response.telltale_cause, value);
        if (field == "x-telltale-hop") keep_first(response.telltale_hop, value);
    }
    return response;
}

}  // namespace

bool proves_a_proxy(std::string_view name) noexcept {
    constexpr std::array<std::string_view, 10> names = {
        "via",         "forwarded",           "x-real-ip",      "x-original-forwarded-for",
        "x-client-ip", "x-cluster-client-ip", "true-client-ip", "cf-connecting-ip",
        "cf-ray",      "x-amzn-trace-id"};
    return name.starts_with("x-forwarded-") || name.starts_with("x-envoy-") ||
           std::find(names.begin(), names.end(), name) != names.end();
}

void add_forwarded(std::vector<std::string>& forwarded, std::string_view name) {
    if (forwarded.size() >= forwarded_max || !proves_a_proxy(name)) return;
    if (std::find(forwarded.begin(), forwarded.end(), name) != forwarded.end()) return;
    forwarded.emplace_back(name);
}

Match http1_request_probe(Bytes prefix) noexcept {
    // The HTTP/2 preface has the shape of a request line; what leaves it half way is one.
    const Match preface = match_literal(prefix, http2_preface);
    if (preface != Match::no) return preface == Match::yes ? Match::no : Match::more;

    std::string_view text = as_text(prefix);
    size_t skipped = 0;
    while (skipped < text.size() && is_line_end(text[skipped])) ++skipped;
    if (skipped > line_ends_before_request_max) return Match::no;
    text.remove_prefix(skipped);

    size_t method = 0;
    while (method < text.size() && is_token(text[method])) ++method;
    if (method > method_max) return Match::no;
    if (method == text.size()) return Match::more;
    if (method == 0 || text[method] != ' ') return Match::no;
    return target_probe(text.substr(0, method), text.substr(method + 1));
}

Match http1_response_probe(Bytes prefix) noexcept {
    constexpr std::string_view shape = "HTTP/0.0 000";  // a 0 stands for any digit
    static_assert(shape.size() == http1_response_window);
    for (size_t i = 0; i < std::min(prefix.size(), shape.size()); ++i) {
        const char c = static_cast<char>(prefix[i]);
        if (shape[i] == '0' ? !is_digit(c) : c != shape[i]) return Match::no;
    }
    return prefix.size() >= shape.size() ? Match::yes : Match::more;
}

Match html_probe(Bytes prefix) noexcept {
    constexpr std::string_view doctype = "<!doctype html";
    constexpr std::string_view element = "<html";
    static_assert(space_before_html_max + doctype.size() <= html_window);
    std::string_view text = as_text(prefix);
    size_t skipped = 0;
    while (skipped < text.size() && is_space(text[skipped])) ++skipped;
    if (skipped > space_before_html_max) return Match::no;
    text.remove_prefix(skipped);

    std::array<char, doctype.size()> folded{};
    const size_t size = std::min(text.size(), folded.size());
    std::transform(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(size), folded.begin(),
                   [](char c) { return lower(c); });
    const Bytes start = as_bytes(std::string_view(folded.data(), size));
    return std::max(match_literal(start, doctype), match_literal(start, element));
}

int http1_status(Bytes head) noexcept {
    std::string_view text = as_text(head);
    text.remove_prefix(std::min(text.find_first_not_of("\r\n"), text.size()));
    if (http1_response_probe(as_bytes(text)) != Match::yes) return 0;
    int status = 0;
    for (const char c : text.substr(9, 3)) status = status * 10 + (c - '0');
    return status;
}

size_t http1_head_size(Bytes bytes) noexcept {
    return http1_head_size(bytes, 0);
}

size_t http1_head_size(Bytes bytes, size_t searched) noexcept {
    const std::string_view text = as_text(bytes);
    const size_t start = text.find_first_not_of("\r\n");
    if (start == std::string_view::npos) return 0;
    // An empty line is at most LF CR LF: step back over what may be its first half.
    size_t end = text.find('\n', std::max(start, searched - std::min<size_t>(searched, 3)));
    while (end != std::string_view::npos) {
        const std::string_view rest = text.substr(end + 1);
        if (rest.starts_with('\n')) return end + 2;
        if (rest.starts_with("\r\n")) return end + 3;
        end = text.find('\n', end + 1);
    }
    return 0;
}

Http1Request parse_http1_request(Bytes prefix) {
    const Head head = read_head(HTTP_REQUEST, prefix);
    Http1Request request;
    request.head_complete = head.size != 0;
    read_request_line(head, request);
    for (const auto& [name, value] : head.fields) {
        const std::string field = lower(name);
        if (field == "host") keep_first(request.host, value);
        if (field == "user-agent") keep_first(request.user_agent, value);
        if (field == "via") keep_first(request.via, value);
        if (field == "content-type") keep_first(request.content_type, value);
        if (field == "upgrade") keep_first(request.upgrade, value);
        add_forwarded(request.forwarded, field);
    }
    return request;
}

Http1Response parse_http1_response(Bytes prefix) {
    if (html_probe(prefix) == Match::yes) {
        Http1Response response;
        response.body = body_of(prefix);
        return response;
    }
    prefix = prefix.first(std::min(prefix.size(), http1_head_max + body_max));
    while (true) {
        const Head head = read_head(HTTP_RESPONSE, prefix);
        Http1Response response = parse_one_response(head);
        if (!is_interim(response.status)) {
            if (head.size != 0) response.body = body_of(prefix.subspan(head.size));
            return response;
        }
        if (head.size == 0 || http1_response_probe(prefix.subspan(head.size)) != Match::yes) {
            response.head_complete = false;
            return response;
        }
        prefix = prefix.subspan(head.size);
    }
}

}  // namespace telltale::sniff
