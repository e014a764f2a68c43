// A client of the answering server: 1 byte of choices, 2 that choose the split points, then its
// bytes, behind a proper preface and SETTINGS where the choices say so. The same streams are
// answered at every split, and what waits to be sent is bounded whoever does not take it.
#include <algorithm>
#include <string>

#include "proxy/http2_answer.h"
#include "sniff/http2.h"
#include "tests/fuzz/input.h"

namespace telltale::fuzz {

namespace {

using proxy::Http2Answer;
using sniff::Bytes;

// One frame more than the limit, and a GOAWAY.
constexpr size_t output_bound = proxy::http2_answer_output_max + 32768;

proxy::AnswerText some_text(bool clients_fault) {
    return {.sentence = "The upstream answered HTTP/1.1 400. Dial another port…",
            .cause = "metrics_port",
            .hop = "upstream;role=metrics",
            .proxy_status = "telltale;error=http_protocol_error",
            .clients_fault = clients_fault};
}

void feed(Http2Answer& server, Bytes bytes) {
    const bool good = server.feed(bytes);
    require(good || server.finished(), "whoever broke the protocol is not heard any more");
}

void feed_in_pieces(Http2Answer& server, Bytes bytes, Cuts& cuts) {
    while (!bytes.empty()) {
        const size_t size = cuts(bytes.size());
        feed(server, bytes.first(size));
        bytes = bytes.subspan(size);
    }
}

// Takes a part of the output after each piece, and leaves in the end.
void converse(Http2Answer& server, Bytes bytes, Cuts& cuts) {
    while (!bytes.empty()) {
        const size_t size = cuts(bytes.size());
        feed(server, bytes.first(size));
        bytes = bytes.subspan(size);
        const Bytes output = server.output();
        require(output.size() <= output_bound, "the output is bounded");
        if (!output.empty()) server.consume(cuts(output.size()));
    }
    server.go_away();
    for (Bytes output = server.output(); !output.empty(); output = server.output()) {
        server.consume(output.size());
    }
}

bool same(Bytes one, Bytes other) {
    return std::equal(one.begin(), one.end(), other.begin(), other.end());
}

void play(uint8_t choices, Cuts cuts, Bytes bytes) {
    const bool clients_fault = (choices & 2U) != 0;
    Http2Answer whole(some_text(clients_fault));
    Http2Answer pieces(some_text(clients_fault));
    feed(whole, bytes);
    feed_in_pieces(pieces, bytes, cuts);
    require(whole.answered() == pieces.answered(), "the same streams at every split");
    require(whole.finished() == pieces.finished(), "the same end at every split");
    const Bytes output = whole.output();
    require(output.size() <= output_bound, "the output is bounded");
    require(same(output, pieces.output()), "the same words at every split");
    Http2Answer taken(some_text(clients_fault));
    converse(taken, bytes, cuts);
}

}  // namespace

}  // namespace telltale::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace telltale;
    fuzz::Input input({data, size});
    const uint8_t choices = input.u8();
    const fuzz::Cuts cuts(input.u16());
    std::string bytes;
    if ((choices & 1U) != 0) {
        bytes = std::string(sniff::http2_preface) + std::string("\0\0\0\4\0\0\0\0\0", 9);
    }
    bytes += sniff::as_text(input.rest());
    fuzz::play(choices, cuts, sniff::as_bytes(bytes));
    return 0;
}
