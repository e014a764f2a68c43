// Names and helpers that the C++ echo server and client share. Messages are raw bytes: no generated
// code.
#pragma once

#include <grpcpp/grpcpp.h>

#include <string>
#include <vector>

namespace interop {

inline constexpr int message_max = 16 << 20;
inline constexpr const char* service = "/telltale.test.Echo/";

inline grpc::ByteBuffer to_buffer(const std::string& text) {
    const grpc::Slice slice(text);
    return grpc::ByteBuffer(&slice, 1);
}

inline std::string to_text(const grpc::ByteBuffer& buffer) {
    std::vector<grpc::Slice> slices;
    std::string text;
    if (buffer.Dump(&slices).ok()) {
        for (const grpc::Slice& slice : slices) {
            text.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
        }
    }
    return text;
}

}  // namespace interop
