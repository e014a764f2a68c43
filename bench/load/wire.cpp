#include "bench/load/wire.h"

#include <stdexcept>

namespace telltale::bench::load {

namespace {

constexpr uint16_t settings_enable_push = 2;
constexpr uint16_t settings_initial_window_size = 4;

// HPACK's static table, RFC 7541 appendix A.
constexpr uint8_t indexed_method_get = 0x82;
constexpr uint8_t indexed_path_slash = 0x84;
constexpr uint8_t indexed_scheme_http = 0x86;
constexpr uint8_t indexed_status_200 = 0x88;
constexpr uint8_t literal_authority = 0x01;  // not indexed, RFC 7541 §6.2.2
constexpr uint8_t literal_path = 0x04;

std::string big_endian(uint32_t value, int bytes) {
    std::string text;
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
        text += static_cast<char>(value >> shift & 0xff);
    return text;
}

std::string frame_of(FrameType type, uint8_t flags, uint32_t stream, std::string_view payload) {
    std::string text = big_endian(static_cast<uint32_t>(payload.size()), 3);
    text += static_cast<char>(type);
    text += static_cast<char>(flags);
    text += big_endian(stream, 4);
    text += payload;
    return text;
}

std::string setting(uint16_t name, uint32_t value) {
    return big_endian(name, 2) + big_endian(value, 4);
}

std::string text_of(const std::array<uint8_t, 8>& payload) {
    return {payload.begin(), payload.end()};
}

// Name by index, value as it is, without Huffman coding (RFC 7541 §5.1, §5.2).
std::string literal(uint8_t name, std::string_view value) {
    constexpr size_t prefix_max = 0x7f;
    std::string text{static_cast<char>(name)};
    if (value.size() < prefix_max) {
        text += static_cast<char>(value.size());
    } else {
        text += static_cast<char>(prefix_max);
        size_t rest = value.size() - prefix_max;
        for (; rest >= 0x80; rest >>= 7) text += static_cast<char>(0x80 | (rest & 0x7f));
        text += static_cast<char>(rest);
    }
    text += value;
    return text;
}

}  // namespace

std::string settings_frame() {
    return frame_of(FrameType::settings, 0, 0, {});
}

std::string settings_ack() {
    return frame_of(FrameType::settings, flag_ack, 0, {});
}

std::string ping(const std::array<uint8_t, 8>& payload) {
    return frame_of(FrameType::ping, 0, 0, text_of(payload));
}

std::string ping_ack(const std::array<uint8_t, 8>& payload) {
    return frame_of(FrameType::ping, flag_ack, 0, text_of(payload));
}

std::string window_update(uint32_t stream, uint32_t increment) {
    return frame_of(FrameType::window_update, 0, stream, big_endian(increment, 4));
}

std::string get_request(uint32_t stream, std::string_view authority, std::string_view path) {
    std::string fields{static_cast<char>(indexed_method_get),
                       static_cast<char>(indexed_scheme_http)};
    fields += path == "/" ? std::string{static_cast<char>(indexed_path_slash)}
                          : literal(literal_path, path);
    fields += literal(literal_authority, authority);
    if (fields.size() > frame_payload_max)
        throw std::invalid_argument("the path is too long for one HEADERS frame");
    return frame_of(FrameType::headers, flag_end_headers | flag_end_stream, stream, fields);
}

std::string first_flight(uint32_t window) {
    std::string settings = setting(settings_enable_push, 0);
    if (window != window_default) settings += setting(settings_initial_window_size, window);
    std::string flight{preface};
    flight += frame_of(FrameType::settings, 0, 0, settings);
    // SETTINGS do not change the connection's own window, and nothing can make it smaller.
    if (window > window_default) flight += window_update(0, window - window_default);
    return flight;
}

bool says_200(const Frame& headers) {
    size_t at = headers.has(flag_padded) ? 1 : 0;
    if (headers.has(flag_priority)) at += 5;
    // Changes of the table's size may come first (RFC 7541 §4.2); larger ones go on for more bytes.
    while (at < headers.head.size() && (headers.head[at] & 0xe0) == 0x20) {
        const bool goes_on = (headers.head[at++] & 0x1f) == 0x1f;
        if (!goes_on) continue;
        while (at < headers.head.size() && (headers.head[at] & 0x80) != 0) ++at;
        ++at;
    }
    return at < std::min<size_t>(headers.head.size(), headers.length) &&
           headers.head[at] == indexed_status_200;
}

size_t FrameReader::step(std::string_view bytes) {
    const size_t end = header_whole() ? header_size + length() : header_size;
    const size_t size = std::min(bytes.size(), end - have_);
    if (!header_whole()) {
        std::copy_n(bytes.begin(), size, header_.begin() + have_);
    } else if (const size_t at = have_ - header_size; at < head_.size()) {
        std::copy_n(bytes.begin(), std::min(size, head_.size() - at),
                    head_.begin() + static_cast<std::ptrdiff_t>(at));
    }
    have_ += static_cast<uint32_t>(size);
    return size;
}

Frame FrameReader::frame() const {
    // The highest bit of the stream is reserved (RFC 9113 §4.1).
    const uint32_t stream = uint32_t{header_[5]} << 24 | uint32_t{header_[6]} << 16 |
                            uint32_t{header_[7]} << 8 | header_[8];
    return {FrameType{header_[3]}, header_[4], stream & window_max, length(), head_};
}

}  // namespace telltale::bench::load
