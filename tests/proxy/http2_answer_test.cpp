#include "proxy/http2_answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/proxy/http2_talk.h"
#include "tests/sniff/corpus.h"

namespace telltale::proxy {
namespace {

using namespace std::string_literals;
using namespace test;
using sniff::as_bytes;
using sniff::FrameType;
using sniff::test::client_bytes;

constexpr size_t bound = http2_answer_output_max + 32768;

AnswerText example_text() {
    return {.sentence = "10.244.2.9:12260 answered HTTP/1.1 400 to a gRPC client… Dial 100% 10260.",
            .cause = "metrics_port",
            .hop = "upstream;name=\"group-rpc-service\";role=metrics;address=\"10.244.2.9:12260\"",
            .proxy_status = "telltale;error=http_protocol_error;details=\"metrics_port\"",
            .clients_fault = false};
}

AnswerText text_for_clients_fault() {
    AnswerText text = example_text();
    text.cause = "health_probe";
    text.clients_fault = true;
    return text;
}

// A server that is fed in pieces and whose output is taken at the end, as by a client that writes
// all before it reads.
class Server final {
   public:
    explicit Server(AnswerText text = example_text()) : answer_(std::move(text)) {}

    bool feed(std::string_view bytes, size_t step = SIZE_MAX) {
        bool good = true;
        while (!bytes.empty()) {
            const size_t size = std::min(step, bytes.size());
            good = answer_.feed(as_bytes(bytes.substr(0, size)));
            bytes.remove_prefix(size);
        }
        return good;
    }
    // Takes what is there, some bytes at a time.
    void take(size_t step = SIZE_MAX) {
        for (auto bytes = answer_.output(); !bytes.empty(); bytes = answer_.output()) {
            const size_t size = std::min(step, bytes.size());
            said_.insert(said_.end(), bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size));
            answer_.consume(size);
        }
    }
    Heard heard() {
        take();
        return hear(said_);
    }
    Http2Answer& operator*() { return answer_; }
    Http2Answer* operator->() { return &answer_; }

   private:
    Http2Answer answer_;
    std::vector<uint8_t> said_;
};

void expect_grpc_answer(const Response& response, std::string_view content_type) {
    EXPECT_TRUE(response.ended);
    EXPECT_EQ(response.body, "");
    EXPECT_EQ(response.fields,
              (Fields{{":status", "200"},
                      {"content-type", std::string(content_type)},
                      {"grpc-status", "14"},
                      {"grpc-message",
                       "10.244.2.9:12260 answered HTTP/1.1 400 to a gRPC client%E2%80%A6 Dial "
                       "100%25 10260."},
                      {"x-telltale-cause", "metrics_port"},
                      {"x-telltale-hop", example_text().hop},
                      {"proxy-status", example_text().proxy_status}}));
}

void expect_text_answer(const Response& response) {
    const std::string body = example_text().sentence + "\n";
    EXPECT_TRUE(response.ended);
    EXPECT_EQ(response.body, body);
    EXPECT_EQ(response.fields, (Fields{{":status", "502"},
                                       {"content-type", "text/plain; charset=utf-8"},
                                       {"content-length", std::to_string(body.size())},
                                       {"cache-control", "no-store"},
                                       {"x-telltale-cause", "metrics_port"},
                                       {"x-telltale-hop", example_text().hop},
                                       {"proxy-status", example_text().proxy_status}}));
}

// ---- who is answered how

TEST(Http2Answer, greets_with_its_limits_before_the_client_has_spoken) {
    Server server;
    const Heard heard = server.heard();
    EXPECT_EQ(heard.settings, (std::map<uint16_t, uint32_t>{{3, 100}, {6, 65536}}));
    EXPECT_TRUE(heard.whole);
    EXPECT_FALSE(server->finished());
}

// These wait for our SETTINGS before they call.
TEST(Http2Answer, answers_the_calls_of_grpc_clients_after_their_first_flights) {
    for (const std::string_view name :
         {"grpc_core_first_flight", "grpc_go_first_flight", "grpc_js_first_flight"}) {
        const std::string flight = client_bytes(name);
        for (size_t step = 1; step <= flight.size(); ++step) {
            Server server;
            Talker talker;
            ASSERT_TRUE(server.feed(flight, step)) << name;
            server.take();
            ASSERT_TRUE(server.feed(talker.call(1), step)) << name;
            const Heard heard = server.heard();
            EXPECT_EQ(heard.settings_acks, 1) << name;
            ASSERT_EQ(heard.responses.count(1), 1U) << name;
            expect_grpc_answer(heard.responses.at(1), "application/grpc");
            EXPECT_EQ(server->answered(), 1U);
        }
    }
}

// These call at once, and what they call is no gRPC.
TEST(Http2Answer, answers_http2_clients_with_a_text) {
    for (const std::string_view name : {"nginx_grpc_pass_first_flight",
                                        "curl_http2_prior_knowledge", "node_http2_first_flight"}) {
        const std::string flight = client_bytes(name);
        for (size_t at = 0; at <= flight.size(); ++at) {
            Server server;
            ASSERT_TRUE(server.feed(flight.substr(0, at))) << name;
            server.take(1);
            ASSERT_TRUE(server.feed(flight.substr(at))) << name;
            const Heard heard = server.heard();
            ASSERT_EQ(heard.responses.count(1), 1U) << name << at;
            expect_text_answer(heard.responses.at(1));
        }
    }
}

TEST(Http2Answer, answers_a_call_at_every_split_and_resets_nothing_that_has_ended) {
    Talker talker;
    const std::string flight = joined({greeting(), talker.call(1)});
    for (size_t step = 1; step <= flight.size(); ++step) {
        Server server;
        ASSERT_TRUE(server.feed(flight, step));
        const Heard heard = server.heard();
        expect_grpc_answer(heard.responses.at(1), "application/grpc");
        EXPECT_EQ(heard.responses.at(1).reset, std::nullopt) << step;
    }
}

TEST(Http2Answer, reads_a_header_block_in_parts_at_every_split) {
    const std::string block = Talker().block(grpc_call());
    const std::string bytes =
        joined({greeting(), frame(FrameType::headers, end_stream, 1, block.substr(0, 10)),
                frame(FrameType::continuation, 0, 1, block.substr(10, 10)),
                frame(FrameType::continuation, end_headers, 1, block.substr(20))});
    for (size_t step = 1; step <= bytes.size(); ++step) {
        Server server;
        ASSERT_TRUE(server.feed(bytes, step)) << step;
        expect_grpc_answer(server.heard().responses.at(1), "application/grpc");
    }
}

TEST(Http2Answer, gives_grpc_web_its_own_content_type) {
    for (const std::string_view type :
         {"application/grpc-web", "application/grpc-web+proto", "application/grpc-web-text"}) {
        Server server;
        Talker talker;
        ASSERT_TRUE(server.feed(greeting() + talker.call(1, grpc_call(type))));
        expect_grpc_answer(server.heard().responses.at(1), type);
    }
}

TEST(Http2Answer, takes_what_only_begins_like_grpc_for_another_request) {
    for (const std::string& type :
         {"application/grpcx"s, "text/html"s, "application/grpc-web" + std::string(1000, 'a')}) {
        Server server;
        Talker talker;
        ASSERT_TRUE(server.feed(greeting() + talker.call(1, grpc_call(type))));
        expect_text_answer(server.heard().responses.at(1));
    }
}

TEST(Http2Answer, sends_head_no_body_and_the_length_of_it) {
    Server server;
    Talker talker;
    ASSERT_TRUE(server.feed(greeting() + talker.headers(1, http_request("HEAD"), end_stream)));
    const Response response = server.heard().responses.at(1);
    EXPECT_TRUE(response.ended);
    EXPECT_EQ(response.body, "");
    EXPECT_EQ(response.field(":status"), "502");
    EXPECT_EQ(response.field("content-length"), std::to_string(example_text().sentence.size() + 1));
}

TEST(Http2Answer, says_400_where_the_client_is_at_fault) {
    Server server(text_for_clients_fault());
    Talker talker;
    ASSERT_TRUE(server.feed(greeting() + talker.headers(1, http_request("GET"), end_stream)));
    const Response response = server.heard().responses.at(1);
    EXPECT_EQ(response.field(":status"), "400");
    EXPECT_EQ(response.field("x-telltale-cause"), "health_probe");
}

// ---- the connection

TEST(Http2Answer, acknowledges_settings_and_pings) {
    Server server;
    ASSERT_TRUE(server.feed(greeting() + frame(FrameType::ping, 0, 0, "12345678")));
    ASSERT_TRUE(server.feed(frame(FrameType::settings, ack, 0, "")));
    const Heard heard = server.heard();
    EXPECT_EQ(heard.settings_acks, 1);
    EXPECT_EQ(heard.pongs, std::vector<std::string>{"12345678"});
    EXPECT_EQ(heard.goaway, std::nullopt);
}

TEST(Http2Answer, ends_a_request_that_the_client_goes_on_sending) {
    Server server;
    Talker talker;
    ASSERT_TRUE(server.feed(greeting() + talker.headers(1, grpc_call())));
    const Heard heard = server.heard();
    expect_grpc_answer(heard.responses.at(1), "application/grpc");
    EXPECT_EQ(heard.responses.at(1).reset, 0U) << "NO_ERROR: the answer stands";
    ASSERT_TRUE(server.feed(frame(FrameType::data, 0, 1, "late"))) << "what was on its way";
    EXPECT_EQ(server.heard().goaway, std::nullopt);
}

TEST(Http2Answer, waits_with_that_until_a_text_is_whole) {
    Server server;
    Talker talker;
    const std::string narrow = frame(FrameType::settings, 0, 0, "\0\4\0\0\0\5"s);  // window of 5
    ASSERT_TRUE(server.feed(std::string(sniff::http2_preface) + narrow +
                            talker.headers(1, http_request("POST"))));
    server->go_away();
    Heard heard = server.heard();
    EXPECT_EQ(heard.responses.at(1).body, example_text().sentence.substr(0, 5));
    EXPECT_EQ(heard.responses.at(1).reset, std::nullopt);
    EXPECT_FALSE(server->finished()) << "a text is not whole";
    ASSERT_TRUE(server.feed(frame(FrameType::window_update, 0, 1, u32(10000))));
    heard = server.heard();
    expect_text_answer(heard.responses.at(1));
    EXPECT_EQ(heard.responses.at(1).reset, 0U);
    EXPECT_TRUE(server->finished());
}

TEST(Http2Answer, answers_a_request_that_is_not_grpc_when_it_is_whole) {
    Server server;
    Talker talker;
    ASSERT_TRUE(server.feed(joined({greeting(), talker.headers(1, http_request("POST"))})));
    ASSERT_TRUE(server.feed(frame(FrameType::data, 0, 1, "body")));
    EXPECT_TRUE(server.heard().responses.empty()) << "it may still turn out to be malformed";
    ASSERT_TRUE(server.feed(frame(FrameType::data, end_stream, 1, "and its end")));
    expect_text_answer(server.heard().responses.at(1));
    ASSERT_TRUE(server.feed(talker.headers(3, http_request("POST"))));
    server->go_away();
    EXPECT_TRUE(server.heard().responses.contains(3)) << "nobody is left without an answer";
}

TEST(Http2Answer, frames_after_the_end_of_a_stream_are_an_error) {
    for (const bool data : {true, false}) {
        Server server;
        Talker talker;
        ASSERT_TRUE(server.feed(joined({greeting(), talker.call(1)})));
        server.take();
        EXPECT_FALSE(server.feed(data ? frame(FrameType::data, end_stream, 1, "late")
                                      : talker.headers(1, grpc_call(), end_stream)));
        EXPECT_EQ(server.heard().goaway, 5U) << "STREAM_CLOSED";
    }
}

TEST(Http2Answer, a_stream_number_that_was_passed_over_is_an_error) {
    Server server;
    Talker talker;
    ASSERT_TRUE(server.feed(joined({greeting(), talker.call(5)})));
    server.take();
    EXPECT_FALSE(server.feed(talker.call(3)));
    EXPECT_EQ(server.heard().goaway, 1U) << "PROTOCOL_ERROR";
}

TEST(Http2Answer, what_follows_a_call_that_was_cut_short_was_under_way_already) {
    Server server;
    Talker talker;
    ASSERT_TRUE(server.feed(joined({greeting(), talker.headers(1, grpc_call())})));
    server.take();
    EXPECT_TRUE(server.feed(frame(FrameType::data, 0, 1, "more")));
    EXPECT_TRUE(server.feed(frame(FrameType::data, end_stream, 1, "the end")));
    EXPECT_EQ(server.heard().goaway, std::nullopt);
}

TEST(Http2Answer, a_client_that_says_goaway_is_not_waited_for) {
    Server server;
    ASSERT_TRUE(server.feed(greeting()));
    EXPECT_FALSE(server->finished());
    ASSERT_TRUE(server.feed(frame(FrameType::goaway, 0, 0, u32(0) + u32(0))));
    EXPECT_TRUE(server->finished());
}

// A client of nghttp2's own, with a request body of which the server keeps nothing.
struct Uploader {
    size_t left = 0;
    std::string status;
    bool closed = false;
};

TEST(Http2Answer, answers_a_client_of_nghttp2_whose_body_is_larger_than_every_window) {
    nghttp2_session_callbacks* callbacks = nullptr;
    ASSERT_EQ(nghttp2_session_callbacks_new(&callbacks), 0);
    nghttp2_session_callbacks_set_on_header_callback(
        callbacks, [](nghttp2_session*, const nghttp2_frame*, const uint8_t* name, size_t name_size,
                      const uint8_t* value, size_t value_size, uint8_t, void* user) {
            if (sniff::as_text({name, name_size}) == "grpc-status") {
                static_cast<Uploader*>(user)->status = sniff::as_text({value, value_size});
            }
            return 0;
        });
    nghttp2_session_callbacks_set_on_stream_close_callback(
        callbacks, [](nghttp2_session*, int32_t, uint32_t error, void* user) {
            EXPECT_EQ(error, uint32_t{NGHTTP2_NO_ERROR});
            static_cast<Uploader*>(user)->closed = true;
            return 0;
        });
    constexpr size_t body = 1000000;
    Uploader uploader{.left = body, .status = {}, .closed = false};
    nghttp2_session* client = nullptr;
    ASSERT_EQ(nghttp2_session_client_new(&client, callbacks, &uploader), 0);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(client, NGHTTP2_FLAG_NONE, nullptr, 0);
    Fields fields = grpc_call();
    std::vector<nghttp2_nv> list;
    for (auto& [name, value] : fields) {
        list.push_back({reinterpret_cast<uint8_t*>(name.data()),
                        reinterpret_cast<uint8_t*>(value.data()), name.size(), value.size(),
                        NGHTTP2_NV_FLAG_NONE});
    }
    nghttp2_data_provider source{};
    source.read_callback = [](nghttp2_session*, int32_t, uint8_t* to, size_t room, uint32_t* flags,
                              nghttp2_data_source*, void* user) -> ssize_t {
        auto& left = static_cast<Uploader*>(user)->left;
        const size_t size = std::min(room, left);
        std::fill_n(to, size, uint8_t{'x'});
        left -= size;
        if (left == 0) *flags |= NGHTTP2_DATA_FLAG_EOF;
        return static_cast<ssize_t>(size);
    };
    ASSERT_EQ(nghttp2_submit_request(client, nullptr, list.data(), list.size(), &source, nullptr),
              1);

    // The server's words come late: what is sent goes on until the windows are full.
    Http2Answer server(example_text());
    for (int round = 0; round < 100 && !uploader.closed; ++round) {
        const uint8_t* chunk = nullptr;
        for (ssize_t size = 0; (size = nghttp2_session_mem_send(client, &chunk)) > 0;) {
            ASSERT_TRUE(server.feed({chunk, static_cast<size_t>(size)}));
        }
        const sniff::Bytes answer = server.output();
        ASSERT_GE(nghttp2_session_mem_recv(client, answer.data(), answer.size()), 0);
        server.consume(answer.size());
    }
    EXPECT_TRUE(uploader.closed);
    EXPECT_EQ(uploader.status, "14");
    nghttp2_session_del(client);
}

TEST(Http2Answer, refills_the_windows_of_bodies_it_drops) {
    Server server;
    Talker talker;
    // One stream after another, 16 KiB each: 1.6 MB through a connection window of 64 KiB.
    ASSERT_TRUE(server.feed(greeting()));
    for (uint32_t stream = 1; stream < 200; stream += 2) {
        ASSERT_TRUE(
            server.feed(talker.headers(stream, grpc_call()) +
                        frame(FrameType::data, end_stream, stream, std::string(16384, 'x'))))
            << stream;
    }
    EXPECT_EQ(server.heard().responses.size(), 100U);
    EXPECT_EQ(server->answered(), 100U);
}

TEST(Http2Answer, answers_more_requests_of_one_chunk_than_may_be_open) {
    std::string chunk = greeting();
    Talker talker;
    for (uint32_t stream = 1; stream < 2 * 300; stream += 2) chunk += talker.call(stream);
    for (const size_t step : {SIZE_MAX, size_t{1}}) {
        Server server;
        ASSERT_TRUE(server.feed(chunk, step));
        const Heard heard = server.heard();
        EXPECT_EQ(heard.responses.size(), 300U);
        for (const auto& [stream, response] : heard.responses) {
            EXPECT_EQ(response.field("grpc-status"), "14") << stream;
        }
        EXPECT_EQ(heard.goaway, std::nullopt);
    }
}

TEST(Http2Answer, refuses_streams_beyond_its_limit_without_ending_the_connection) {
    Server server;
    Talker talker;
    std::string chunk = greeting();
    for (uint32_t stream = 1; stream < 2 * 103; stream += 2) {
        chunk += talker.headers(stream, grpc_call());  // the requests go on
    }
    ASSERT_TRUE(server.feed(chunk));
    const Heard heard = server.heard();
    EXPECT_EQ(server->answered(), 100U);
    EXPECT_EQ(heard.responses.at(201).reset, 7U) << "REFUSED_STREAM: it may be tried again";
    ASSERT_TRUE(server.feed(talker.call(207)));
    EXPECT_EQ(server.heard().responses.at(207).field("grpc-status"), "14");
}

TEST(Http2Answer, keeps_its_output_until_it_is_consumed) {
    Server server;
    const auto size = server->output().size();
    EXPECT_GT(size, 0U);
    EXPECT_EQ(server->output().size(), size);
    server->consume(9);
    EXPECT_EQ(server->output().size(), size - 9);
    server->consume(1000000);
    EXPECT_TRUE(server->output().empty());
}

// ---- leaving

TEST(Http2Answer, goes_away_with_the_last_stream_it_answered) {
    Server server;
    Talker talker;
    ASSERT_TRUE(server.feed(joined({greeting(), talker.call(1), talker.call(3)})));
    EXPECT_FALSE(server->finished());
    server->go_away();
    server->go_away();
    Heard heard = server.heard();
    EXPECT_EQ(heard.goaway, 0U);
    EXPECT_EQ(heard.goaway_last_stream, 3U);
    EXPECT_TRUE(server->finished());
    ASSERT_TRUE(server.feed(talker.call(5))) << "sent before it heard of it";
    heard = server.heard();
    EXPECT_EQ(heard.responses.count(5), 0U) << "to be sent again on another connection";
    EXPECT_EQ(server->answered(), 2U);
    EXPECT_TRUE(server->finished());
}

TEST(Http2Answer, may_go_away_before_the_client_has_spoken) {
    Server server;
    server->go_away();
    const Heard heard = server.heard();
    EXPECT_EQ(heard.goaway, 0U);
    EXPECT_EQ(heard.goaway_last_stream, 0U);
    EXPECT_TRUE(server->finished());
}

// ---- hostile bytes

void expect_broken(Server& server, uint32_t error) {
    EXPECT_TRUE(server->finished());
    EXPECT_LE(server->output().size(), bound);
    EXPECT_FALSE(server.feed("more")) << "nothing is heard any more";
    const Heard heard = server.heard();
    EXPECT_EQ(heard.goaway, error);
    EXPECT_TRUE(heard.goaway_last);
    EXPECT_TRUE(heard.whole);
    server->go_away();
    EXPECT_TRUE(server->output().empty());
}

constexpr uint32_t protocol_error = 1;
constexpr uint32_t frame_size_error = 6;
constexpr uint32_t compression_error = 9;
constexpr uint32_t enhance_your_calm = 11;

TEST(Http2Answer, ends_what_breaks_the_protocol_with_goaway_at_every_split) {
    struct Case {
        std::string_view name;
        std::string bytes;
        uint32_t error;
    };
    const std::string preface(sniff::http2_preface);
    const std::vector<Case> cases = {
        {"no preface", "GET / HTTP/1.1\r\n\r\n", protocol_error},
        {"a preface that ends otherwise", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\t", protocol_error},
        {"no SETTINGS first", preface + Talker().call(1), protocol_error},
        {"a frame that is too large", greeting() + "\xff\xff\xff\0\0\0\0\0\1"s, frame_size_error},
        {"HEADERS on a stream of ours", greeting() + Talker().headers(2, grpc_call()),
         protocol_error},
        {"DATA on an idle stream", greeting() + frame(FrameType::data, 0, 1, "x"), protocol_error},
        {"a block that is no HPACK",
         greeting() + frame(FrameType::headers, 5, 1, "\xff\xff\xff\xff"), compression_error},
        {"PING inside a header block",
         greeting() + frame(FrameType::headers, 0, 1, Talker().block(grpc_call())) +
             frame(FrameType::ping, 0, 0, "12345678"),
         protocol_error},
    };
    for (const Case& one : cases) {
        for (const size_t step : {SIZE_MAX, size_t{1}, size_t{7}}) {
            SCOPED_TRACE(std::string(one.name) + " in steps of " + std::to_string(step));
            Server server;
            EXPECT_FALSE(server.feed(one.bytes, step));
            EXPECT_EQ(server->answered(), 0U);
            expect_broken(server, one.error);
        }
    }
}

TEST(Http2Answer, resets_a_malformed_request_and_goes_on) {
    Server server;
    Talker talker;
    ASSERT_TRUE(server.feed(
        joined({greeting(), talker.headers(1, {{":method", "GET"}}, end_stream), talker.call(3)})));
    const Heard heard = server.heard();
    EXPECT_EQ(heard.responses.at(1).reset, protocol_error);
    EXPECT_EQ(heard.responses.at(3).field("grpc-status"), "14");
    EXPECT_EQ(server->answered(), 1U);
}

TEST(Http2Answer, ends_a_header_block_without_end) {
    Server server;
    Talker talker;
    ASSERT_TRUE(
        server.feed(greeting() + frame(FrameType::headers, 0, 1, talker.block(grpc_call()))));
    bool good = true;
    int frames = 0;
    for (; good && frames < 1000; ++frames) {
        good = server.feed(frame(FrameType::continuation, 0, 1, ""));
    }
    EXPECT_FALSE(good);
    EXPECT_LT(frames, 100);
    EXPECT_TRUE(server->finished());
    const Heard heard = server.heard();
    EXPECT_TRUE(heard.goaway.has_value());
    EXPECT_TRUE(heard.goaway_last);
}

TEST(Http2Answer, ends_a_header_list_over_its_limit) {
    Server server;
    Talker talker;
    Fields fields = grpc_call();
    for (int i = 0; i < 20; ++i)
        fields.emplace_back("x-" + std::to_string(i), std::string(3000, 'a'));
    fields.emplace_back("x-last", std::string(9000, 'b'));
    std::string block = talker.block(fields);
    std::string frames;
    for (size_t at = 0; at < block.size(); at += 16000) {
        const bool last = at + 16000 >= block.size();
        frames += frame(at == 0 ? FrameType::headers : FrameType::continuation,
                        last ? end_headers : uint8_t{0}, 1, block.substr(at, 16000));
    }
    EXPECT_FALSE(server.feed(greeting() + frames));
    EXPECT_EQ(server->answered(), 0U);
    expect_broken(server, enhance_your_calm);
}

TEST(Http2Answer, ends_a_flood_of_resets_that_takes_every_answer) {
    Server server;
    Talker talker;
    ASSERT_TRUE(server.feed(greeting()));
    uint32_t stream = 1;
    bool good = true;
    for (; good && stream < 10000; stream += 2) {
        good = server.feed(talker.headers(stream, grpc_call()) +
                           frame(FrameType::rst_stream, 0, stream, u32(8)));
        server.take();
    }
    EXPECT_FALSE(good);
    EXPECT_LT(stream, 2100U);
    EXPECT_TRUE(server->finished());
}

// Whoever takes nothing.
template <typename MakeFrames>
void expect_bounded_flood(MakeFrames make_frames) {
    Server server;
    Talker talker;
    ASSERT_TRUE(server.feed(greeting()));
    bool good = true;
    uint32_t round = 0;
    for (; good && round < 100000; ++round) {
        good = server.feed(make_frames(talker, round));
        ASSERT_LE(server->output().size(), bound);
    }
    EXPECT_FALSE(good);
    expect_broken(server, enhance_your_calm);
}

TEST(Http2Answer, ends_floods_of_whoever_takes_no_output) {
    expect_bounded_flood(
        [](Talker&, uint32_t) { return frame(FrameType::ping, 0, 0, "12345678"); });
    expect_bounded_flood([](Talker&, uint32_t) { return frame(FrameType::settings, 0, 0, ""); });
    expect_bounded_flood([](Talker& talker, uint32_t round) {
        const uint32_t stream = 2 * round + 1;
        return talker.headers(stream, grpc_call()) +
               frame(FrameType::rst_stream, 0, stream, u32(8));
    });
    expect_bounded_flood([](Talker& talker, uint32_t round) {
        return talker.headers(2 * round + 1, http_request("GET"), end_stream);
    });
}

TEST(Http2Answer, survives_mutated_flights_and_says_the_same_at_every_split) {
    sniff::test::Random random;
    SCOPED_TRACE("TELLTALE_SEED=" + std::to_string(random.seed()));
    Talker talker;
    const std::vector<std::string> seeds = {
        client_bytes("nginx_grpc_pass_first_flight"), client_bytes("curl_http2_prior_knowledge"),
        greeting() + talker.call(1) + frame(FrameType::ping, 0, 0, "12345678")};
    for (int round = 0; round < 1000; ++round) {
        const std::string bytes = random.mutate(seeds[random.below(seeds.size())]);
        Server whole;
        Server pieces;
        const bool good = whole.feed(bytes);
        EXPECT_EQ(pieces.feed(bytes, 1 + random.below(9)), good);
        EXPECT_EQ(whole->answered(), pieces->answered());
        const auto one = whole->output();
        const auto other = pieces->output();
        ASSERT_TRUE(std::equal(one.begin(), one.end(), other.begin(), other.end()));
        ASSERT_TRUE(hear(one).whole);
    }
}

}  // namespace
}  // namespace telltale::proxy
