#include "sniff/http2.h"

#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/sniff/allocations.h"
#include "tests/sniff/corpus.h"

namespace telltale::sniff {
namespace {

using std::string_literals::operator""s;
using Fields = std::vector<std::pair<std::string, std::string>>;

std::string u32(uint32_t value) {
    return {static_cast<char>(value >> 24U), static_cast<char>(value >> 16U),
            static_cast<char>(value >> 8U), static_cast<char>(value)};
}

std::string frame_header(uint32_t length, FrameType type, uint8_t flags, uint32_t stream) {
    return u32(length).substr(1) + static_cast<char>(type) + static_cast<char>(flags) + u32(stream);
}

std::string frame(FrameType type, uint8_t flags, uint32_t stream, std::string_view payload) {
    return frame_header(static_cast<uint32_t>(payload.size()), type, flags, stream) +
           std::string(payload);
}

// One connection's encoder: later blocks refer to what earlier ones put into its table.
class Encoder final {
   public:
    Encoder() { nghttp2_hd_deflate_new(&deflater_, 4096); }
    ~Encoder() { nghttp2_hd_deflate_del(deflater_); }
    Encoder(const Encoder&) = delete;
    Encoder& operator=(const Encoder&) = delete;

    std::string block(Fields fields) {
        std::vector<nghttp2_nv> list;
        for (auto& [name, value] : fields) {
            list.push_back({reinterpret_cast<uint8_t*>(name.data()),
                            reinterpret_cast<uint8_t*>(value.data()), name.size(), value.size(),
                            NGHTTP2_NV_FLAG_NONE});
        }
        std::string out(nghttp2_hd_deflate_bound(deflater_, list.data(), list.size()), '\0');
        const auto size = nghttp2_hd_deflate_hd(deflater_, reinterpret_cast<uint8_t*>(out.data()),
                                                out.size(), list.data(), list.size());
        EXPECT_GE(size, 0);
        out.resize(static_cast<size_t>(size));
        return out;
    }

   private:
    nghttp2_hd_deflater* deflater_ = nullptr;
};

constexpr uint8_t end_headers = 0x4;
const std::string empty_settings = frame(FrameType::settings, 0, 0, "");

FrameWalker walk(Side side, std::string_view bytes, size_t step = SIZE_MAX) {
    FrameWalker walker(side);
    while (!bytes.empty()) {
        const size_t size = std::min(step, bytes.size());
        walker.feed(as_bytes(bytes.substr(0, size)));
        bytes.remove_prefix(size);
    }
    return walker;
}

FrameWalker walk_upstream(std::string_view file) {
    return walk(Side::upstream, test::upstream_bytes(file));
}

std::vector<std::pair<uint16_t, uint32_t>> settings_of(const FrameWalker& walker) {
    std::vector<std::pair<uint16_t, uint32_t>> list;
    for (const auto& setting : walker.settings()) list.emplace_back(setting.id, setting.value);
    return list;
}

TEST(FrameWalker, keeps_the_first_settings_in_wire_order) {
    const std::vector<std::pair<uint16_t, uint32_t>> nginx = {{3, 128}, {4, 65536}, {5, 16777215}};
    EXPECT_EQ(settings_of(walk_upstream("nginx_http2_settings")), nginx);
    const std::vector<std::pair<uint16_t, uint32_t>> core = {
        {4, 4194303}, {5, 4194303}, {6, 8192}, {0xfe03, 1}};
    EXPECT_EQ(settings_of(walk_upstream("grpc_core_settings")), core);
    const auto node = walk_upstream("node_http2_settings");
    EXPECT_TRUE(node.settings().empty());
    EXPECT_TRUE(node.settings_complete());
    EXPECT_EQ(node.frames(), 2U);
}

TEST(FrameWalker, knows_when_settings_are_whole) {
    const std::string bytes = test::upstream_bytes("nginx_http2_settings");
    for (size_t size = 0; size < 27; ++size) {
        EXPECT_FALSE(walk(Side::upstream, bytes.substr(0, size)).settings_complete()) << size;
    }
    EXPECT_TRUE(walk(Side::upstream, bytes.substr(0, 27)).settings_complete());
}

TEST(FrameWalker, keeps_at_most_sixteen_settings_and_passes_over_acks) {
    std::string many;
    for (int i = 0; i < 200; ++i) many += "\0\3\0\0\0\1"s;
    const auto walker = walk(Side::upstream, frame(FrameType::settings, 1, 0, "") +
                                                 frame(FrameType::settings, 0, 0, many) +
                                                 frame(FrameType::settings, 0, 0, "\0\4\0\0\0\1"s));
    EXPECT_EQ(walker.settings().size(), 16U);
    EXPECT_EQ(walker.settings()[0].id, 3);
    EXPECT_EQ(walker.frames(), 3U);
    EXPECT_TRUE(walker.sane());
}

TEST(FrameWalker, reads_first_headers_of_real_answers) {
    const auto nginx = walk_upstream("nginx_grpc_pass_to_http1_502_headers");
    ASSERT_NE(nginx.first_headers(), nullptr);
    EXPECT_EQ(nginx.first_headers()->status, 502);
    EXPECT_EQ(nginx.first_headers()->content_type, "text/html");
    EXPECT_EQ(nginx.first_headers()->server, "nginx/1.22.1");
    const auto haproxy = walk_upstream("haproxy_http2_dead_backend_503_headers");
    ASSERT_NE(haproxy.first_headers(), nullptr);
    EXPECT_EQ(haproxy.first_headers()->status, 503);
    EXPECT_EQ(haproxy.first_headers()->server, "");
    const auto go = walk_upstream("go_http2_404_headers");
    ASSERT_NE(go.first_headers(), nullptr);
    EXPECT_EQ(go.first_headers()->status, 404);
}

TEST(FrameWalker, notes_the_names_of_an_answer_in_their_order) {
    const auto nginx = walk_upstream("nginx_http2_404_headers");
    ASSERT_NE(nginx.first_headers(), nullptr);
    const auto& names = nginx.first_headers()->names;
    const std::vector<uint32_t> first(names.begin(), names.begin() + 5);
    EXPECT_EQ(first, (std::vector<uint32_t>{header_name_hash("server"), header_name_hash("date"),
                                            header_name_hash("content-type"),
                                            header_name_hash("content-length"), 0}));
    EXPECT_EQ(nginx.first_headers()->server_fields, 1);
}

TEST(FrameWalker, notes_no_more_than_sixteen_names_and_counts_repeated_servers) {
    Encoder encoder;
    Fields fields = {{":status", "200"}};
    for (int i = 0; i < 40; ++i) fields.emplace_back("server", "s" + std::to_string(i));
    const auto walker = walk(Side::upstream, empty_settings + frame(FrameType::headers, end_headers,
                                                                    1, encoder.block(fields)));
    ASSERT_NE(walker.first_headers(), nullptr);
    EXPECT_EQ(walker.first_headers()->server_fields, 40);
    EXPECT_EQ(walker.first_headers()->names.back(), header_name_hash("server"));
}

TEST(FrameWalker, reads_answers_of_grpc) {
    const auto unary = walk_upstream("grpc_core_unary_answer");
    ASSERT_NE(unary.first_headers(), nullptr);
    EXPECT_EQ(unary.first_headers()->status, 200);
    EXPECT_EQ(unary.first_headers()->content_type, "application/grpc");
    EXPECT_EQ(unary.first_headers()->grpc_status, "");
    EXPECT_FALSE(unary.first_headers()->end_stream);
    for (const char* file :
         {"grpc_core_unimplemented_trailers", "grpc_go_unimplemented_trailers"}) {
        const auto walker = walk_upstream(file);
        ASSERT_NE(walker.first_headers(), nullptr) << file;
        EXPECT_EQ(walker.first_headers()->grpc_status, "12") << file;
        EXPECT_FALSE(walker.first_headers()->grpc_message.empty()) << file;
        EXPECT_TRUE(walker.first_headers()->end_stream) << file;
    }
}

TEST(FrameWalker, reads_a_clients_request_after_its_preface) {
    const std::string bytes = test::client_bytes("nginx_grpc_pass_first_flight");
    const auto walker = walk(Side::client, std::string_view(bytes).substr(http2_preface.size()));
    ASSERT_NE(walker.first_headers(), nullptr);
    EXPECT_EQ(walker.first_headers()->method, "GET");
    EXPECT_EQ(walker.first_headers()->path, "/demo.Echo/Say");
    EXPECT_EQ(walker.first_headers()->user_agent, "curl/7.88.1");
    EXPECT_EQ(walker.first_headers()->status, -1);
}

TEST(FrameWalker, keeps_a_goaway) {
    const auto node = walk_upstream("node_http2_goaway_to_http1");
    ASSERT_NE(node.goaway(), nullptr);
    EXPECT_EQ(node.goaway()->error_code, 2U);
    const auto nginx = walk_upstream("nginx_proxy_pass_relays_settings_and_goaway");
    ASSERT_NE(nginx.goaway(), nullptr);
    EXPECT_EQ(nginx.goaway()->error_code, 1U);
}

TEST(FrameWalker, keeps_the_goaway_that_says_most) {
    const auto drain = frame(FrameType::goaway, 0, 0, u32(0x7fffffff) + u32(0));
    const auto fault = frame(FrameType::goaway, 0, 0, u32(7) + u32(11) + "too_many_pings");
    const auto later = frame(FrameType::goaway, 0, 0, u32(9) + u32(2) + std::string(4000, 'x'));
    const auto walker = walk(Side::upstream, empty_settings + drain + fault + later);
    ASSERT_NE(walker.goaway(), nullptr);
    EXPECT_EQ(walker.goaway()->error_code, 11U);
    EXPECT_EQ(walker.goaway()->last_stream, 7U);
    EXPECT_EQ(walker.goaway()->debug, "too_many_pings");
    EXPECT_EQ(walk(Side::upstream, later).goaway()->debug.size(), 256U);
}

TEST(FrameWalker, takes_padding_and_priority_off_and_joins_continuations) {
    const Fields fields = {
        {":status", "200"}, {"content-type", "application/grpc"}, {"server", "a"}};
    for (const bool padded : {false, true}) {
        for (const bool priority : {false, true}) {
            Encoder encoder;
            const std::string block = encoder.block(fields);
            const std::string first = block.substr(0, 3);
            std::string payload = first;
            if (priority) payload = "\x80\0\0\0\x10"s + payload;
            if (padded) payload = "\7"s + payload + std::string(7, '\0');
            const auto flags = static_cast<uint8_t>((padded ? 0x8 : 0) | (priority ? 0x20 : 0));
            const std::string bytes =
                empty_settings + frame(FrameType::headers, flags, 1, payload) +
                frame(FrameType::continuation, 0, 1, block.substr(3, 2)) +
                frame(FrameType::continuation, 0, 1, "") +
                frame(FrameType::continuation, end_headers, 1, block.substr(5));
            for (const size_t step : {size_t{1}, size_t{4}, SIZE_MAX}) {
                const auto walker = walk(Side::upstream, bytes, step);
                ASSERT_NE(walker.first_headers(), nullptr) << padded << priority << step;
                EXPECT_EQ(walker.first_headers()->status, 200);
                EXPECT_EQ(walker.first_headers()->content_type, "application/grpc");
                EXPECT_EQ(walker.first_headers()->server, "a");
                EXPECT_EQ(walker.frames(), 5U);
            }
        }
    }
}

TEST(FrameWalker, passes_over_interim_answers_and_pushes_with_one_table) {
    Encoder encoder;
    const std::string interim =
        encoder.block({{":status", "103"}, {"server", "front"}, {"x-a", "kept"}});
    const std::string promise =
        encoder.block({{":method", "GET"}, {":path", "/pushed"}, {"x-b", "kept"}});
    const std::string final =
        encoder.block({{":status", "404"}, {"server", "front"}, {"x-a", "kept"}, {"via", "1.1 p"}});
    const std::string bytes = empty_settings + frame(FrameType::headers, end_headers, 1, interim) +
                              frame(FrameType::push_promise, end_headers, 1, u32(2) + promise) +
                              frame(FrameType::headers, end_headers | 1, 1, final);
    const auto walker = walk(Side::upstream, bytes);
    ASSERT_NE(walker.first_headers(), nullptr);
    EXPECT_EQ(walker.first_headers()->status, 404);
    EXPECT_EQ(walker.first_headers()->server, "front");
    EXPECT_EQ(walker.first_headers()->via, "1.1 p");
    EXPECT_EQ(walker.first_headers()->path, "");
    EXPECT_TRUE(walker.first_headers()->end_stream);
}

TEST(FrameWalker, keeps_names_that_prove_a_proxy_and_bounds_texts) {
    Encoder encoder;
    const std::string block = encoder.block({{":method", "POST"},
                                             {":path", "/" + std::string(5000, 'p')},
                                             {"x-forwarded-for", "192.0.2.1"},
                                             {"x-request-id", "1"},
                                             {"x-envoy-internal", "true"}});
    const auto walker = walk(Side::client, frame(FrameType::headers, end_headers, 1, block));
    ASSERT_NE(walker.first_headers(), nullptr);
    EXPECT_EQ(walker.first_headers()->path.size(), 256U);
    EXPECT_EQ(walker.first_headers()->forwarded,
              (std::vector<std::string>{"x-forwarded-for", "x-envoy-internal"}));
}

TEST(FrameWalker, gives_up_on_header_blocks_out_of_bounds_and_walks_on) {
    Encoder many;
    Fields fields = {{":status", "200"}};
    for (int i = 0; i < 64; ++i) fields.emplace_back("x-" + std::to_string(i), "v");
    Encoder wide;
    const std::string long_block =
        wide.block({{":status", "200"}, {"x", std::string(30000, '\xff')}});
    for (const std::string& payload :
         {many.block(fields), long_block, "\xff\xff\xff\xff\xff\xff"s}) {
        const auto walker = walk(
            Side::upstream, empty_settings + frame(FrameType::headers, end_headers, 1, payload) +
                                frame(FrameType::ping, 0, 0, "12345678"));
        EXPECT_TRUE(walker.headers_started());
        EXPECT_TRUE(walker.headers_failed());
        EXPECT_EQ(walker.first_headers(), nullptr);
        EXPECT_TRUE(walker.sane());
        EXPECT_EQ(walker.frames(), 3U);
    }
}

TEST(FrameWalker, gives_up_on_padding_longer_than_its_frame) {
    const auto padded =
        walk(Side::upstream, frame(FrameType::headers, end_headers | 0x8, 1, "\x09\x88"s));
    EXPECT_TRUE(padded.headers_failed());
    const auto empty =
        walk(Side::upstream, frame(FrameType::headers, end_headers | 0x28, 1, "\0\0"s));
    EXPECT_TRUE(empty.headers_failed());
}

TEST(FrameWalker, stops_at_frames_that_cannot_be) {
    const std::vector<std::string> impossible = {
        frame_header(5, FrameType::settings, 0, 0),
        frame_header(6, FrameType::settings, 1, 0),
        frame_header(0, FrameType::settings, 0, 1),
        frame_header(7, FrameType::ping, 0, 0),
        frame_header(8, FrameType::ping, 0, 1),
        frame_header(4, FrameType::goaway, 0, 0),
        frame_header(5, FrameType::window_update, 0, 0),
        frame_header(5, FrameType::rst_stream, 0, 1),
        frame_header(4, FrameType::priority, 0, 1),
        frame_header(1, FrameType::data, 0, 0),
        frame_header(1, FrameType::headers, 0, 0),
        frame_header(0xffffff, FrameType::headers, 0, 1),
        frame_header(0x200000, static_cast<FrameType>(0x20), 0, 0),
        frame(FrameType::headers, 0, 1, "\x88") + frame_header(8, FrameType::ping, 0, 0),
        frame(FrameType::headers, 0, 1, "\x88") + frame_header(1, FrameType::continuation, 0, 3),
    };
    for (const std::string& bytes : impossible) {
        auto walker = walk(Side::upstream, empty_settings + bytes);
        EXPECT_FALSE(walker.sane()) << testing::PrintToString(bytes);
        const auto frames = walker.frames();
        walker.feed(as_bytes(empty_settings));
        EXPECT_EQ(walker.frames(), frames);
        EXPECT_EQ(walker.first_headers(), nullptr);
    }
}

TEST(FrameWalker, skips_data_of_16_mib_and_unknown_frames) {
    const std::string bytes = empty_settings +
                              frame(static_cast<FrameType>(0xfe), 0xff, 7, "grease") +
                              frame(FrameType::data, 0, 1, std::string(0xffffff, '\4')) +
                              frame(FrameType::goaway, 0, 0, u32(1) + u32(2));
    const auto walker = walk(Side::upstream, bytes, 65536);
    EXPECT_TRUE(walker.sane());
    EXPECT_EQ(walker.frames(), 4U);
    ASSERT_NE(walker.goaway(), nullptr);
    EXPECT_EQ(walker.goaway()->error_code, 2U);
}

TEST(FrameWalker, gives_the_same_answers_for_every_split_in_two) {
    for (const char* file : {"grpc_core_unary_answer", "nginx_grpc_pass_to_http1_502_headers",
                             "node_http2_goaway_to_http1", "go_http2_404_headers"}) {
        const std::string bytes = test::upstream_bytes(file);
        const auto whole = walk(Side::upstream, bytes);
        for (size_t at = 0; at <= bytes.size(); ++at) {
            FrameWalker split(Side::upstream);
            split.feed(as_bytes(bytes.substr(0, at)));
            split.feed(as_bytes(bytes.substr(at)));
            ASSERT_EQ(split.frames(), whole.frames()) << file << at;
            ASSERT_EQ(settings_of(split), settings_of(whole)) << file << at;
            ASSERT_EQ(split.first_headers() == nullptr, whole.first_headers() == nullptr)
                << file << at;
            ASSERT_EQ(split.goaway() == nullptr, whole.goaway() == nullptr) << file << at;
        }
    }
}

TEST(FrameWalker, allocates_nothing_once_the_first_headers_are_read) {
    Encoder encoder;
    const std::string block =
        encoder.block({{":status", "200"}, {"content-type", "application/grpc"}});
    auto walker =
        walk(Side::upstream, empty_settings + frame(FrameType::headers, end_headers, 1, block));
    ASSERT_NE(walker.first_headers(), nullptr);
    const std::string more = frame(FrameType::data, 0, 1, std::string(5000, 'd')) +
                             frame(FrameType::headers, end_headers | 1, 1, block) +
                             frame(FrameType::window_update, 0, 0, u32(1)) +
                             frame(FrameType::ping, 0, 0, "12345678");
    const size_t before = test::allocations();
    for (int round = 0; round < 100; ++round) walker.feed(as_bytes(more));
    EXPECT_EQ(test::allocations(), before);
    EXPECT_EQ(walker.frames(), 402U);
}

}  // namespace
}  // namespace telltale::sniff
