// The few HTTP/2 bytes that the load generators send, and the frames of what comes back (RFC 9113).
// Pure; a decoder of headers it is not: HPACK is written as literals and only a first :status is
// read.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace telltale::bench::load {

constexpr std::string_view preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr uint32_t window_default = 65535;     // RFC 9113 §6.9.2
constexpr uint32_t window_max = 0x7fffffff;    // RFC 9113 §6.9.1
constexpr uint32_t frame_payload_max = 16384;  // RFC 9113 §4.2; nobody here allows more
constexpr uint32_t stream_number_max = window_max;

// Those that are named here; a frame may carry any other number too.
enum class FrameType : uint8_t {
    data = 0,
    headers = 1,
    rst_stream = 3,
    settings = 4,
    ping = 6,
    goaway = 7,
    window_update = 8,
};

constexpr uint8_t flag_ack = 0x1;
constexpr uint8_t flag_end_stream = 0x1;
constexpr uint8_t flag_end_headers = 0x4;
constexpr uint8_t flag_padded = 0x8;
constexpr uint8_t flag_priority = 0x20;

struct Frame {
    FrameType type = FrameType::data;
    uint8_t flags = 0;
    uint32_t stream = 0;
    uint32_t length = 0;            // of the payload
    std::array<uint8_t, 8> head{};  // the payload's first bytes: all of a PING

    [[nodiscard]] bool has(uint8_t flag) const { return (flags & flag) != 0; }
};

[[nodiscard]] std::string settings_frame();
[[nodiscard]] std::string settings_ack();
[[nodiscard]] std::string ping(const std::array<uint8_t, 8>& payload);
[[nodiscard]] std::string ping_ack(const std::array<uint8_t, 8>& payload);
[[nodiscard]] std::string window_update(uint32_t stream, uint32_t increment);
// One HEADERS frame, literals that enter no table, so that it means the same on every stream.
// Throws std::invalid_argument when the path is too long for one frame.
[[nodiscard]] std::string get_request(uint32_t stream, std::string_view authority,
                                      std::string_view path);
// What a client sends first: preface and SETTINGS, and for a window other than the default what
// makes every stream and the connection that wide.
[[nodiscard]] std::string first_flight(uint32_t window = window_default);

// Whether a connection's first response headers begin with :status 200.
[[nodiscard]] bool says_200(const Frame& headers);

// Finds the frames in a stream of bytes, however it is cut. Keeps a header and eight bytes.
class FrameReader final {
   public:
    // Calls take(Frame) for each frame that these bytes complete.
    template <class Take>
    void read(std::string_view bytes, Take&& take) {
        while (!bytes.empty() && !broken()) {
            bytes.remove_prefix(step(bytes));
            if (whole()) {
                take(frame());
                have_ = 0;
            }
        }
    }
    // Whether the bytes can't be HTTP/2 of a peer that was never allowed longer frames. Final.
    [[nodiscard]] bool broken() const { return header_whole() && length() > frame_payload_max; }
    // Whether a frame of this type has begun and is not whole yet.
    [[nodiscard]] bool inside(FrameType type) const {
        return header_whole() && header_[3] == static_cast<uint8_t>(type);
    }

   private:
    static constexpr size_t header_size = 9;

    // Takes bytes up to the end of the header or of the payload; says how many.
    size_t step(std::string_view bytes);
    [[nodiscard]] bool header_whole() const { return have_ >= header_size; }
    [[nodiscard]] bool whole() const { return header_whole() && have_ == header_size + length(); }
    [[nodiscard]] uint32_t length() const {
        return uint32_t{header_[0]} << 16 | uint32_t{header_[1]} << 8 | header_[2];
    }
    [[nodiscard]] Frame frame() const;

    std::array<uint8_t, header_size> header_{};
    std::array<uint8_t, 8> head_{};
    uint32_t have_ = 0;  // of header and payload together
};

}  // namespace telltale::bench::load
