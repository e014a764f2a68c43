// What must hold for any bytes: no split changes an answer, nothing grows without bound, nothing
// reads past the end (the sanitizer builds see that). Inputs are the captures, mutated captures and
// noise.
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "sniff/greetings.h"
#include "sniff/http1.h"
#include "sniff/http2.h"
#include "sniff/proxy_header.h"
#include "sniff/sniffer.h"
#include "sniff/tls.h"
#include "tests/sniff/corpus.h"

namespace telltale::sniff {
namespace {

constexpr uint32_t window = 16384;

std::string seed_of(const test::Random& random) {
    return "TELLTALE_SEED=" + std::to_string(random.seed());
}

void describe(std::ostream& out, const Http2Headers& headers) {
    out << " status " << headers.status << " " << headers.method << " " << headers.path << " "
        << headers.content_type << " " << headers.server << " " << headers.grpc_status << " "
        << headers.grpc_message << " " << headers.forwarded.size() << headers.end_stream;
}

// Everything that the observers of one side say of a stream, fed in these pieces.
std::string observe(Side side, const std::vector<std::string_view>& pieces) {
    std::string seen;
    Sniffer sniffer(side, window);
    FrameWalker walker(side);
    for (const std::string_view piece : pieces) {
        seen += piece;
        sniffer.look(as_bytes(seen));
        walker.feed(as_bytes(piece));
    }
    std::ostringstream out;
    out << name(sniffer.finish(as_bytes(seen))) << " frames " << walker.frames() << walker.sane()
        << walker.settings_complete() << walker.headers_started() << walker.headers_failed();
    for (const auto& setting : walker.settings()) out << " " << setting.id << "=" << setting.value;
    if (walker.first_headers() != nullptr) describe(out, *walker.first_headers());
    if (walker.goaway() != nullptr)
        out << " goaway " << walker.goaway()->error_code << walker.goaway()->debug;
    return out.str();
}

std::vector<std::string_view> random_pieces(std::string_view text, test::Random& random,
                                            size_t longest) {
    std::vector<std::string_view> pieces;
    while (!text.empty()) {
        const size_t size = std::min(text.size(), 1 + random.below(longest));
        pieces.push_back(text.substr(0, size));
        text.remove_prefix(size);
    }
    return pieces;
}

// A client's walker begins after the preface.
std::string_view stream_of(const test::Capture& capture, const std::string& bytes) {
    const std::string_view all(bytes);
    if (capture.speaker == Side::client && all.starts_with(http2_preface))
        return all.substr(http2_preface.size());
    return all;
}

TEST(Property, no_split_of_a_capture_changes_what_is_seen) {
    test::Random random;
    SCOPED_TRACE(seed_of(random));
    for (const auto& capture : test::captures()) {
        const std::string bytes = test::bytes_of(capture);
        const std::string_view text = stream_of(capture, bytes);
        const std::string whole = observe(capture.speaker, {text});
        // Every split in two of the first 64 bytes, every split in three of the first 24, then
        // random ones.
        for (size_t second = 0; second <= std::min<size_t>(text.size(), 64); ++second) {
            for (size_t first = 0; first <= std::min<size_t>(second, second <= 24 ? 24 : 0);
                 ++first) {
                ASSERT_EQ(observe(capture.speaker,
                                  {text.substr(0, first), text.substr(first, second - first),
                                   text.substr(second)}),
                          whole)
                    << capture.name << " at " << first << ", " << second;
            }
        }
        for (int round = 0; round < 20; ++round) {
            ASSERT_EQ(observe(capture.speaker, random_pieces(text, random, 1 + random.below(200))),
                      whole)
                << capture.name;
        }
    }
}

TEST(Property, no_split_of_a_mutated_capture_changes_what_is_seen) {
    test::Random random;
    SCOPED_TRACE(seed_of(random));
    for (int round = 0; round < 3000; ++round) {
        const auto& capture = test::captures()[random.below(test::captures().size())];
        const std::string bytes = random.mutate(test::bytes_of(capture));
        const std::string_view text = stream_of(capture, bytes);
        ASSERT_EQ(observe(capture.speaker, random_pieces(text, random, 1 + random.below(100))),
                  observe(capture.speaker, {text}))
            << capture.name;
    }
}

void expect_bounded(const Http1Request& request) {
    for (const std::string* text :
         {&request.method, &request.target, &request.version, &request.host, &request.user_agent,
          &request.via, &request.content_type, &request.upgrade}) {
        ASSERT_LE(text->size(), 256U);
    }
    ASSERT_LE(request.forwarded.size(), 16U);
}

void expect_bounded(const Http1Response& response) {
    for (const std::string* text : {&response.version, &response.reason, &response.server,
                                    &response.via, &response.content_type, &response.location,
                                    &response.content_length, &response.connection}) {
        ASSERT_LE(text->size(), 256U);
    }
    ASSERT_LE(response.headers.size(), 32U);
    ASSERT_LE(response.body.size(), 512U);
    for (const auto& [field, value] : response.headers)
        ASSERT_LE(field.size() + value.size(), 512U);
}

void expect_bounded(const TlsHello& hello) {
    ASSERT_LE(hello.sni.size(), 255U);
    ASSERT_LE(hello.alpn.size(), 16U);
    ASSERT_LE(hello.versions.size(), 16U);
}

// Every parser on these bytes, whatever they are.
void parse_all(std::string_view text) {
    const Bytes bytes = as_bytes(text);
    expect_bounded(parse_http1_request(bytes));
    expect_bounded(parse_http1_response(bytes));
    expect_bounded(parse_client_hello(bytes));
    expect_bounded(parse_server_hello(bytes));
    ASSERT_LE(http1_head_size(bytes), bytes.size());
    const ProxyHeader header = parse_proxy_header(bytes);
    ASSERT_LE(header.size, bytes.size());
    ASSERT_LE(header.source.size(), 128U);
    const bool alert_first = parse_tls_alert(bytes).has_value();
    ASSERT_EQ(alert_first, tls_alert_probe(bytes) == Match::yes);
    static_cast<void>(find_later_alert(bytes));
    for (size_t protocol = 0; protocol < protocol_count; ++protocol) {
        ASSERT_LE(greeting_text(static_cast<Protocol>(protocol), bytes).size(), 256U);
    }
}

TEST(Property, parsers_stay_in_bounds_on_every_prefix_of_every_capture) {
    for (const auto& capture : test::captures()) {
        const std::string bytes = test::bytes_of(capture);
        for (size_t size = 0; size <= bytes.size(); ++size) {
            // A copy of its own size, so that a sanitizer sees one byte too far.
            const std::vector<char> prefix(bytes.begin(),
                                           bytes.begin() + static_cast<std::ptrdiff_t>(size));
            parse_all({prefix.data(), prefix.size()});
        }
    }
}

TEST(Property, parsers_stay_in_bounds_on_mutated_captures_and_noise) {
    test::Random random;
    SCOPED_TRACE(seed_of(random));
    for (int round = 0; round < 5000; ++round) {
        const auto& capture = test::captures()[random.below(test::captures().size())];
        const std::string text = round % 5 == 0 ? random.bytes(random.below(300))
                                                : random.mutate(test::bytes_of(capture));
        const std::vector<char> exact(text.begin(), text.end());
        parse_all({exact.data(), exact.size()});
    }
}

// Repeated starts of each parser's input: any work that grows with the square of the input would
// take minutes here.
TEST(Property, parsers_read_a_mebibyte_of_anything) {
    constexpr size_t size = 1 << 20;
    for (const std::string_view unit :
         {"HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 200 OK\r\nA: b\r\n",
          "GET / HTTP/1.1\r\nA: b\r\n", "A", "\r\n", "\n", " ", "<html>",
          "HTTP/1.1 200 OK\r\nA: ", "PROXY UNKNOWN "}) {
        std::string text;
        while (text.size() < size) text += unit;
        parse_all(text);
        Sniffer sniffer(Side::upstream, window);
        EXPECT_NE(sniffer.look(as_bytes(text)), Protocol::undecided);
    }
    for (const std::string& unit :
         {std::string("\x16\3\3\0\1\1", 6), std::string("\x16\3\3\0\0", 5),
          std::string("\x15\3\3\0\1\2", 6), std::string("\0\0\0\4\0\0\0\0\0", 9)}) {
        std::string text;
        while (text.size() < size) text += unit;
        parse_all(text);
        FrameWalker walker(Side::upstream);
        walker.feed(as_bytes(text));
        EXPECT_LE(walker.settings().size(), 16U);
    }
}

TEST(Property, noise_never_makes_a_walker_grow) {
    test::Random random;
    SCOPED_TRACE(seed_of(random));
    for (int round = 0; round < 300; ++round) {
        FrameWalker walker(round % 2 == 0 ? Side::client : Side::upstream);
        for (int chunk = 0; chunk < 20; ++chunk)
            walker.feed(as_bytes(random.bytes(random.below(400))));
        ASSERT_LE(walker.settings().size(), 16U);
        ASSERT_TRUE(walker.goaway() == nullptr || walker.goaway()->debug.size() <= 256);
        ASSERT_TRUE(walker.first_headers() == nullptr ||
                    walker.first_headers()->path.size() <= 256);
    }
}

}  // namespace
}  // namespace telltale::sniff
