#include "bench/micro/inputs.h"

#include <fstream>
#include <iterator>
#include <random>
#include <stdexcept>

namespace telltale::bench {

namespace {

constexpr size_t prefix_bytes = 512;
constexpr unsigned seed = 1;

std::string fill(std::string bytes, char filler) {
    bytes.resize(prefix_bytes, filler);
    return bytes;
}

std::string random_bytes() {
    std::mt19937 engine(seed);
    std::string bytes(prefix_bytes, '\0');
    for (char& c : bytes) c = static_cast<char>(engine());
    return bytes;
}

std::string frame(char type, char flags, const std::string& payload) {
    std::string bytes;
    for (const unsigned shift : {16U, 8U, 0U}) {
        bytes += static_cast<char>((payload.size() >> shift) & 0xffU);
    }
    bytes += {type, flags, '\0', '\0', '\0', '\1'};
    return bytes + payload;
}

}  // namespace

std::string capture(std::string_view name) {
    const std::string path = TELLTALE_CORPUS "/" + std::string(name) + ".bin";
    std::ifstream file(path, std::ios::binary);
    if (!file) throw std::runtime_error("no capture at " + path);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

const std::vector<Input>& prefixes() {
    static const std::vector<Input> all = {
        {"http2_preface", fill(grpc_request(), '\0')},
        {"http2_settings", fill(grpc_answer(), '\0')},
        {"http1_request", fill(capture("client/nginx_proxied_get"), ' ')},
        {"http1_response", fill(capture("upstream/go_servemux_metrics_200"), '#')},
        {"tls_client_hello", fill(capture("client/go_client_hello"), '\0')},
        {"tls_server_hello", fill(capture("upstream/go_tls13_server_hello"), '\0')},
        {"ssh", fill(capture("upstream/openssh_banner"), '\0')},
        {"random", random_bytes()},
    };
    return all;
}

std::string grpc_request() {
    return capture("client/grpc_core_first_flight");
}

std::string grpc_answer() {
    return capture("upstream/grpc_core_unary_answer");
}

std::string data_frames(size_t payload, size_t size) {
    constexpr char data = 0;
    const std::string one = frame(data, 0, std::string(payload, 'm'));
    std::string stream;
    do stream += one;
    while (stream.size() < size);
    return stream;
}

}  // namespace telltale::bench
