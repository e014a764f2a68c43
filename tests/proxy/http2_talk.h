// An HTTP/2 client's side written frame by frame, and an answer read frame by frame: what tests of
// the answering server say and hear. Header blocks go through nghttp2's HPACK.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sniff/bytes.h"
#include "sniff/http2.h"

namespace telltale::proxy::test {

using Fields = std::vector<std::pair<std::string, std::string>>;

inline constexpr uint8_t end_stream = 0x1;
inline constexpr uint8_t ack = 0x1;
inline constexpr uint8_t end_headers = 0x4;

[[nodiscard]] std::string u32(uint32_t value);
[[nodiscard]] std::string frame(sniff::FrameType type, uint8_t flags, uint32_t stream,
                                std::string_view payload);

[[nodiscard]] Fields grpc_call(std::string_view content_type = "application/grpc");
[[nodiscard]] Fields http_request(std::string_view method);

// One connection's encoder of header blocks.
class Talker final {
   public:
    Talker();
    ~Talker();
    Talker(const Talker&) = delete;
    Talker& operator=(const Talker&) = delete;

    [[nodiscard]] std::string block(const Fields& fields);
    [[nodiscard]] std::string headers(uint32_t stream, const Fields& fields, uint8_t flags = 0);
    // Headers and one empty message that ends the request.
    [[nodiscard]] std::string call(uint32_t stream, const Fields& fields = grpc_call());

   private:
    struct Deflater;
    std::unique_ptr<Deflater> deflater_;
};

// In the order in which they were written: a block means nothing before those that came first.
[[nodiscard]] std::string joined(std::initializer_list<std::string> parts);
// Preface and empty SETTINGS.
[[nodiscard]] std::string greeting();

struct Response {
    Fields fields;
    std::string body;
    bool ended = false;
    std::optional<uint32_t> reset;  // error code of RST_STREAM

    // "" when it is not there.
    [[nodiscard]] std::string field(std::string_view name) const;
};

struct Heard {
    std::map<uint32_t, Response> responses;  // by stream
    std::map<uint16_t, uint32_t> settings;
    std::vector<std::string> pongs;
    int settings_acks = 0;
    std::optional<uint32_t> goaway;  // error code
    uint32_t goaway_last_stream = 0;
    bool whole = false;        // ends between two frames, and every block could be read
    bool goaway_last = false;  // GOAWAY is the last frame
};
[[nodiscard]] Heard hear(sniff::Bytes answer);

}  // namespace telltale::proxy::test
