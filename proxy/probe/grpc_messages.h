// The few messages of gRPC's own services that a probe exchanges, written and read by hand
// (Protocol Buffers wire format: varints and length-delimited fields). What is read is hostile:
// bounded, and wrong bytes give an empty answer.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/probe/observations.h"

namespace telltale::proxy::probe {

// A message as gRPC frames it: one byte (not compressed), the length in four, the message.
[[nodiscard]] std::string frame_message(std::string_view message);
// The first whole message of a body; nullopt: none, or a compressed one.
[[nodiscard]] std::optional<std::string_view> first_message(std::string_view body);

// grpc.health.v1.HealthCheckResponse
[[nodiscard]] Health read_health(std::string_view message);

// grpc.reflection.v1.ServerReflectionRequest that asks for the names of the services; v1alpha's has
// the same fields.
[[nodiscard]] std::string list_services_request();
struct ServiceNames {
    std::vector<std::string> names;  // at most services_max, each at most 256 bytes
    bool cut = false;
};
// ServerReflectionResponse; nullopt: it has no list.
[[nodiscard]] std::optional<ServiceNames> read_services(std::string_view message);

}  // namespace telltale::proxy::probe
