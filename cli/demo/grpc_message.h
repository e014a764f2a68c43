// The bytes of one gRPC call that the demo makes: the length-prefixed message of gRPC over HTTP/2,
// and the two messages of grpc.health.v1.Health/Check, which every gRPC tool knows.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace telltale::cli::demo {

inline constexpr std::string_view health_check_path = "/grpc.health.v1.Health/Check";
// HealthCheckRequest{}: it asks for the server as a whole.
inline constexpr std::string_view health_check_request;
// HealthCheckResponse{status: SERVING}: field 1, varint, 1.
inline constexpr std::string_view health_check_serving = "\x08\x01";

// Message → one byte "not compressed", four bytes of length, message.
[[nodiscard]] std::string frame_message(std::string_view message);
// Back; nullopt when it is not exactly one whole, uncompressed message.
[[nodiscard]] std::optional<std::string> unframe_message(std::string_view framed);

}  // namespace telltale::cli::demo
