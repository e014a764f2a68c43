#include "cli/demo/grpc_message.h"

namespace telltale::cli::demo {

namespace {
constexpr size_t prefix_bytes = 5;
}

std::string frame_message(std::string_view message) {
    std::string framed(1, '\0');
    for (unsigned shift = 32; shift != 0; shift -= 8)
        framed.push_back(static_cast<char>((message.size() >> (shift - 8)) & 0xFFU));
    return framed.append(message);
}

std::optional<std::string> unframe_message(std::string_view framed) {
    if (framed.size() < prefix_bytes || framed[0] != '\0') return std::nullopt;
    size_t length = 0;
    for (const char byte : framed.substr(1, prefix_bytes - 1))
        length = length << 8U | static_cast<unsigned char>(byte);
    if (framed.size() - prefix_bytes != length) return std::nullopt;
    return std::string(framed.substr(prefix_bytes));
}

}  // namespace telltale::cli::demo
