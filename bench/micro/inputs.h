// Wire bytes for the micro benchmarks: captures cut or padded to a size, and streams of frames.
// Used by bench/micro only.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace telltale::bench {

struct Input {
    std::string_view name;
    std::string bytes;
};

// A file of tests/corpus, as "client/curl_get"; throws when it is not there.
[[nodiscard]] std::string capture(std::string_view name);

// What the first bytes of either side may look like, 512 bytes each.
[[nodiscard]] const std::vector<Input>& prefixes();

// What a gRPC client sends first, and the SETTINGS and response HEADERS of a healthy answer.
[[nodiscard]] std::string grpc_request();
[[nodiscard]] std::string grpc_answer();

// Whole DATA frames of this payload on stream 1, about `size` bytes.
[[nodiscard]] std::string data_frames(size_t payload, size_t size);

}  // namespace telltale::bench
