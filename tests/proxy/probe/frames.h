// What a scripted server of HTTP/2 sends (RFC 9113): frames, and header blocks without indexing or
// Huffman coding (RFC 7541 §6.2.2).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace telltale::test {

inline constexpr uint8_t data_frame = 0;
inline constexpr uint8_t headers_frame = 1;
inline constexpr uint8_t rst_stream_frame = 3;
inline constexpr uint8_t settings_frame = 4;
inline constexpr uint8_t end_stream_flag = 1;
inline constexpr uint8_t end_headers_flag = 4;

inline std::string http2_frame(uint8_t type, uint8_t flags, uint32_t stream,
                               std::string_view payload) {
    std::string out;
    for (const unsigned shift : {16U, 8U, 0U}) {
        out.push_back(static_cast<char>(payload.size() >> shift));
    }
    out.push_back(static_cast<char>(type));
    out.push_back(static_cast<char>(flags));
    for (const unsigned shift : {24U, 16U, 8U, 0U})
        out.push_back(static_cast<char>(stream >> shift));
    return out.append(payload);
}

using HeaderFields = std::vector<std::pair<std::string, std::string>>;

inline std::string http2_headers(uint32_t stream, const HeaderFields& fields, bool ends) {
    std::string block;
    for (const auto& [name, value] : fields) {
        block.push_back('\0');
        for (const std::string& text : {name, value}) {
            block.push_back(static_cast<char>(text.size()));
            block += text;
        }
    }
    const auto flags = static_cast<uint8_t>(end_headers_flag | (ends ? end_stream_flag : 0));
    return http2_frame(headers_frame, flags, stream, block);
}

inline std::string http2_settings(std::string_view payload = {}) {
    return http2_frame(settings_frame, 0, 0, payload);
}

// Trailers only, as a server answers a method that it does not have.
inline std::string grpc_refusal(uint32_t stream, const std::string& status = "12",
                                const std::string& message = "unknown service") {
    return http2_headers(stream,
                         {{":status", "200"},
                          {"content-type", "application/grpc"},
                          {"grpc-status", status},
                          {"grpc-message", message}},
                         true);
}

// One message, then trailers with status 0.
inline std::string grpc_message(uint32_t stream, const std::string& framed) {
    return http2_headers(stream, {{":status", "200"}, {"content-type", "application/grpc"}},
                         false) +
           http2_frame(data_frame, 0, stream, framed) +
           http2_headers(stream, {{"grpc-status", "0"}}, true);
}

}  // namespace telltale::test
