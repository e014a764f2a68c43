#include "sniff/fingerprint_match.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <optional>
#include <vector>

#include "sniff/escape.h"
#include "sniff/http2.h"

namespace telltale::sniff {

namespace {

constexpr size_t version_bytes_max = 48;
constexpr size_t frame_header_size = 9;
constexpr size_t frames_looked_at = 8;
constexpr uint8_t flag_ack = 0x1;
constexpr std::string_view empty_settings = "none";

char lower(char c) {
    return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
}

std::string_view trim(std::string_view text) {
    while (text.starts_with(' ')) text.remove_prefix(1);
    while (text.ends_with(' ')) text.remove_suffix(1);
    return text;
}

// Takes the text up to the next `mark` off `rest`.
std::string_view cut_piece(std::string_view& rest, char mark) {
    const size_t end = std::min(rest.find(mark), rest.size());
    const std::string_view piece = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return trim(piece);
}

// "[x]": x, and it may be missing.
bool take_brackets(std::string_view& token) {
    if (!token.starts_with('[') || !token.ends_with(']')) return false;
    token = token.substr(1, token.size() - 2);
    return true;
}

// The pieces between '*' are searched one after another: the first place that fits is enough.
bool glob_fits(std::string_view text, std::string_view pattern, Anchor anchor) {
    size_t star = pattern.find('*');
    if (!text.starts_with(pattern.substr(0, star))) return false;
    if (star == std::string_view::npos) {
        return anchor == Anchor::begin || text.size() == pattern.size();
    }
    text.remove_prefix(star);
    pattern.remove_prefix(star + 1);
    while ((star = pattern.find('*')) != std::string_view::npos) {
        const size_t at = text.find(pattern.substr(0, star));
        if (at == std::string_view::npos) return false;
        text.remove_prefix(at + star);
        pattern.remove_prefix(star + 1);
    }
    if (anchor == Anchor::whole) return text.ends_with(pattern);
    return text.find(pattern) != std::string_view::npos;
}

// ---- orders of headers

template <typename Same>
bool names_fit(size_t count, std::string_view order, const Same& same) {
    size_t at = 0;
    while (!order.empty()) {
        std::string_view name = cut_piece(order, ',');
        const bool may_miss = take_brackets(name);
        if (at < count && same(at, name)) {
            ++at;
        } else if (!may_miss) {
            return false;
        }
    }
    return at == count && count > 0;
}

// ---- SETTINGS

std::optional<uint32_t> number(std::string_view text) {
    uint32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

bool value_fits(uint32_t value, std::string_view list) {
    while (!list.empty()) {
        const std::string_view one = cut_piece(list, '|');
        if (one == "*" || number(one) == value) return true;
    }
    return false;
}

bool setting_fits(const Http2Setting& sent, std::string_view token) {
    const std::string_view id = cut_piece(token, '=');
    return number(id) == sent.id && value_fits(sent.value, token);
}

// ---- frames

struct Frame {
    FrameType type = FrameType::data;
    std::string_view payload;
};

uint32_t read_number(std::string_view bytes) {
    uint32_t value = 0;
    for (const char c : bytes) value = (value << 8U) | static_cast<uint8_t>(c);
    return value;
}

struct FirstFrames {
    std::vector<Frame> frames;  // of the connection, behind the first SETTINGS, whole, without ACK
    bool more = false;          // bytes that are of a stream came behind them
};

bool is_ack(const Frame& frame, uint8_t flags) {
    return (flags & flag_ack) != 0 &&
           (frame.type == FrameType::settings || frame.type == FrameType::ping);
}

FirstFrames read_frames(std::string_view bytes) {
    FirstFrames read;
    bool is_first = true;
    while (bytes.size() >= frame_header_size && read.frames.size() < frames_looked_at) {
        const uint32_t length = read_number(bytes.substr(0, 3));
        const Frame frame{.type = static_cast<FrameType>(bytes[3]),
                          .payload = bytes.substr(frame_header_size, length)};
        const auto flags = static_cast<uint8_t>(bytes[4]);
        read.more = read_number(bytes.substr(5, 4)) != 0;
        if (read.more || frame.payload.size() < length) break;
        if (!is_first && !is_ack(frame, flags)) read.frames.push_back(frame);
        is_first = false;
        bytes.remove_prefix(frame_header_size + length);
    }
    return read;
}

std::vector<Http2Setting> read_settings(std::string_view payload) {
    std::vector<Http2Setting> list;
    for (; payload.size() >= 6; payload.remove_prefix(6)) {
        list.push_back({.id = static_cast<uint16_t>(read_number(payload.substr(0, 2))),
                        .value = read_number(payload.substr(2, 4))});
    }
    return list;
}

bool frame_fits(const Frame& frame, std::string_view token) {
    const std::string_view name = cut_piece(token, ' ');
    const size_t low = frame.payload.size() - std::min<size_t>(frame.payload.size(), 4);
    const bool value = value_fits(read_number(frame.payload.substr(low)), token);
    if (name == "WINDOW_UPDATE") return frame.type == FrameType::window_update && value;
    if (name == "PING") return frame.type == FrameType::ping && value;
    if (name != "SETTINGS" || frame.type != FrameType::settings) return false;
    return settings_fit(read_settings(frame.payload), token);
}

// ---- products

constexpr bool opens(char c) {
    return c == '(' || c == '[' || c == '{' || c == '"';
}

// The end of a comment, brackets in it counted; the end of the text when it is not closed.
size_t end_of_comment(std::string_view text, size_t at) {
    size_t depth = 0;
    for (; at < text.size(); ++at) {
        if (text[at] == '(') ++depth;
        if (text[at] == ')' && --depth == 0) return at + 1;
    }
    return text.size();
}

size_t end_of_token(std::string_view text, size_t at) {
    while (at < text.size() && is_token_char(text[at])) ++at;
    return at;
}

}  // namespace

bool is_token_char(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '.';
}

bool same_no_case(std::string_view a, std::string_view b) {
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                              [](char x, char y) { return lower(x) == lower(y); });
}

bool text_fits(std::string_view text, std::string_view pattern, Anchor anchor) {
    while (true) {
        const size_t bar = pattern.find('|');
        if (glob_fits(text, pattern.substr(0, bar), anchor)) return true;
        if (bar == std::string_view::npos) return false;
        pattern.remove_prefix(bar + 1);
    }
}

bool order_fits(const Http1Response& response, std::string_view order, Case how) {
    return names_fit(response.headers.size(), order, [&](size_t at, std::string_view name) {
        const std::string_view sent = response.headers[at].first;
        return how == Case::exact ? sent == name : same_no_case(sent, name);
    });
}

bool order_fits(const Http2Headers& headers, std::string_view order) {
    const auto end = std::find(headers.names.begin(), headers.names.end(), 0U);
    return names_fit(static_cast<size_t>(end - headers.names.begin()), order,
                     [&](size_t at, std::string_view name) {
                         return headers.names[at] == header_name_hash(name);
                     });
}

bool settings_fit(std::span<const Http2Setting> sent, std::string_view pattern) {
    if (pattern == empty_settings) return sent.empty();
    size_t at = 0;
    while (!pattern.empty()) {
        std::string_view token = cut_piece(pattern, ' ');
        if (token.empty()) continue;
        const bool may_miss = take_brackets(token);
        if (at < sent.size() && setting_fits(sent[at], token)) {
            ++at;
        } else if (!may_miss) {
            return false;
        }
    }
    return at == sent.size();
}

bool first_frame_is_whole(std::string_view bytes) {
    if (bytes.empty()) return true;
    if (bytes.size() < frame_header_size) return false;
    return bytes.size() - frame_header_size >= read_number(bytes.substr(0, 3));
}

bool frames_fit(std::string_view bytes, std::string_view pattern) {
    const bool only_if_seen = pattern.starts_with('?');
    if (only_if_seen) pattern.remove_prefix(1);
    const FirstFrames read = read_frames(bytes);
    if (only_if_seen && read.frames.empty() && !read.more) return true;
    size_t at = 0;
    while (!pattern.empty()) {
        std::string_view token = cut_piece(pattern, ';');
        const bool may_miss = take_brackets(token);
        if (at < read.frames.size() && frame_fits(read.frames[at], token)) {
            ++at;
        } else if (!may_miss) {
            return false;
        }
    }
    return true;
}

size_t find_product(std::string_view server, std::string_view product) {
    for (size_t at = 0; at < server.size();) {
        if (server[at] == ' ') {
            ++at;
            continue;
        }
        if (server[at] == '(') {
            at = end_of_comment(server, at);
            continue;
        }
        const size_t end = end_of_token(server, at);
        if (same_no_case(server.substr(at, end - at), product)) return at;
        // The version belongs to the token before it, and so does what is no token at all.
        at = std::max(end, at + 1);
        while (at < server.size() && server[at] != ' ' && server[at] != '(') ++at;
    }
    return std::string_view::npos;
}

std::string_view last_hop(std::string_view via) {
    const size_t comma = via.rfind(',');
    return trim(comma == std::string_view::npos ? via : via.substr(comma + 1));
}

size_t find_via(std::string_view via, std::string_view product) {
    // Of "1.1 name (comment)" the first word is the protocol.
    bool is_protocol = true;
    for (size_t at = 0; at < via.size();) {
        if (opens(via[at]) || via[at] == ' ' || via[at] == ')') {
            ++at;
            continue;
        }
        const size_t end = end_of_token(via, at);
        if (!is_protocol && same_no_case(via.substr(at, end - at), product)) return at;
        is_protocol = false;
        at = std::max(end, at + 1);
        while (at < via.size() && via[at] != ' ' && via[at] != '(' && via[at] != ',') ++at;
        if (at < via.size() && via[at] == ',') {
            is_protocol = true;
            ++at;
        }
    }
    return std::string_view::npos;
}

std::string version_behind(std::string_view text, size_t name_end) {
    if (name_end >= text.size()) return {};
    size_t begin = name_end + 1;
    const bool spaced = text[name_end] == ' ';
    if (!spaced && text[name_end] != '/' && text[name_end] != '(') return {};
    if (spaced && begin < text.size() && text[begin] == 'v') ++begin;
    const bool digit = begin < text.size() && text[begin] >= '0' && text[begin] <= '9';
    if (spaced && !digit) return {};
    size_t end = begin;
    while (end < text.size() && (is_token_char(text[end]) || text[end] == '+')) ++end;
    return escape_wire(text.substr(begin, end - begin), version_bytes_max);
}

}  // namespace telltale::sniff
