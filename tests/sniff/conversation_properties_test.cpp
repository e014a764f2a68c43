// What must hold for every exchange: any split gives the same answers, a verdict stays, memory is
// bounded, and a healthy connection costs no allocation per message.
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <cstdlib>
#include <new>
#include <vector>

#include "sniff/conversation.h"
#include "sniff/http2.h"
#include "tests/sniff/conversation_script.h"
#include "tests/sniff/corpus.h"

namespace {

// Blocks of operator new, as the allocator rounds them.
size_t allocations = 0;
size_t live_bytes = 0;
size_t peak_bytes = 0;

void* counted(void* block) {
    if (block == nullptr) throw std::bad_alloc();
    ++allocations;
    live_bytes += malloc_usable_size(block);
    peak_bytes = std::max(peak_bytes, live_bytes);
    return block;
}

void uncounted(void* block) noexcept {
    live_bytes -= malloc_usable_size(block);
    std::free(block);
}

}  // namespace

void* operator new(size_t size) {
    return counted(std::malloc(size));
}
void* operator new(size_t size, const std::nothrow_t&) noexcept {
    return counted(std::malloc(size));
}
void operator delete(void* block) noexcept {
    uncounted(block);
}
void operator delete(void* block, size_t) noexcept {
    uncounted(block);
}

namespace telltale::sniff::test {

namespace {

// ---- exchanges

const std::string connect_request = "CONNECT group-rpc-service:10260 HTTP/1.1\r\nHost: a\r\n\r\n";
const std::string upgrade_answer =
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 Switching Protocols\r\nConnection: "
    "Upgrade\r\nUpgrade: h2c\r\n\r\n";

const std::string told_answer =
    "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 6\r\nX-Telltale-Cause: refused\r\n"
    "x-telltale-hop: upstream\r\n\r\nOther.";

Script simple(std::string name, Expect expect, std::string from_client, std::string from_upstream) {
    return {.name = std::move(name),
            .expect = expect,
            .events = {connected(), client(std::move(from_client)),
                       upstream(std::move(from_upstream), 5),
                       end_of(Side::upstream, StreamEnd::fin, 1), closed(1)}};
}

std::vector<Script> layered() {
    std::vector<Script> all;
    for (const Expect expect : {Expect::any, Expect::grpc}) {
        const std::string suffix = expect == Expect::grpc ? " (grpc)" : "";
        all.push_back(
            {"tunnel" + suffix,
             expect,
             {connected(), client(connect_request),
              upstream("HTTP/1.0 200 OK\r\nVia: proxy\r\n\r\n" + settings_frame(), 5),
              client(client_start() + grpc_request(), 5), upstream(grpc_answer(), 5), closed(5)}});
        all.push_back(
            {"pipelined tunnel" + suffix,
             expect,
             {connected(), client(connect_request + client_start() + grpc_request()),
              upstream("HTTP/1.1 200 OK\r\n\r\n" + upstream_bytes("nginx_http2_404_headers"), 5),
              closed(5)}});
        all.push_back({"upgrade" + suffix,
                       expect,
                       {connected(), client(client_bytes("curl_upgrade_h2c")),
                        upstream(upgrade_answer + settings_frame() + grpc_answer(), 5),
                        client(client_start(), 5), closed(5)}});
        all.push_back({"server first" + suffix,
                       expect,
                       {connected(), upstream(settings_frame() + goaway_frame(0, "x")),
                        client(client_start() + grpc_request(), 5),
                        upstream(grpc_answer() + goaway_frame(2, "late"), 5), closed(5)}});
        all.push_back(
            {"goaway, then an answer" + suffix,
             expect,
             {connected(), client(client_start() + grpc_request()),
              upstream(settings_frame() + goaway_frame(0xd, "no") + grpc_answer(), 5), closed(5)}});
        all.push_back(
            {"late answer" + suffix,
             expect,
             {connected(), client(client_start() + grpc_request()), upstream(settings_frame(), 5),
              passes(1000), upstream(headers_frame({{":status", "502"}}), 5), closed(5)}});
        all.push_back({"silence" + suffix,
                       expect,
                       {connected(), client(client_start() + grpc_request()), passes(5000),
                        upstream(settings_frame(), 5), closed(5)}});
        all.push_back({"retry, then a refusal" + suffix,
                       expect,
                       {connected(), client(client_bytes("go_client_hello")),
                        upstream(upstream_bytes("openssl_hello_retry_request") +
                                     std::string("\x15\x03\x03\0\x02\x02\x78", 7),
                                 5),
                        closed(5)}});
        all.push_back({"another Telltale's answer" + suffix,
                       expect,
                       {connected(), client(client_bytes("curl_get") + "more"),
                        upstream("HTTP/1.1 103 Early Hints\r\n\r\n" + told_answer + "and more", 5),
                        client("and more", 5), upstream("later", 5), closed(5)}});
        all.push_back({"another Telltale's answer, cut" + suffix,
                       expect,
                       {connected(), client(client_bytes("curl_get")),
                        upstream(told_answer.substr(0, told_answer.size() - 3), 5), passes(100),
                        upstream("er.", 5), closed(5)}});
        all.push_back({"another Telltale's answer to gRPC-Web" + suffix,
                       expect,
                       {connected(), client(client_bytes("curl_grpc_web_post")),
                        upstream(told_answer, 5), closed(5)}});
        all.push_back({"another Telltale's answer to a call" + suffix,
                       expect,
                       {connected(), client(client_start() + grpc_request()),
                        upstream(settings_frame() + headers_frame({{":status", "502"},
                                                                   {"x-telltale-cause", "loop"},
                                                                   {"x-telltale-hop", "proxy"}}),
                                 5),
                        closed(5)}});
        all.push_back({"end, then the client" + suffix,
                       expect,
                       {connected(), end_of(Side::upstream, StreamEnd::reset),
                        client(client_bytes("curl_get"), 5), closed(5)}});
    }
    return all;
}

// Every client of the corpus with every server of it: most pairs are wrong, all must be stable.
std::vector<Script> pairs(Expect expect) {
    std::vector<Script> all;
    for (const Capture& asked : captures()) {
        if (asked.speaker != Side::client) continue;
        for (const Capture& answered : captures()) {
            if (answered.speaker != Side::upstream) continue;
            all.push_back(simple(std::string(asked.name) + " / " + std::string(answered.name),
                                 expect, bytes_of(asked), bytes_of(answered)));
        }
    }
    return all;
}

std::vector<std::string> facts_after_each(const Script& script, const Player::Cut& cut) {
    Player player(script);
    std::vector<std::string> out;
    for (const Event& event : script.events) {
        player.play(event, cut);
        out.push_back(facts(*player));
    }
    return out;
}

void expect_same_facts(const Script& script, const Player::Cut& cut, std::string_view how) {
    const auto whole = facts_after_each(script, [](size_t rest) { return rest; });
    const auto cut_up = facts_after_each(script, cut);
    for (size_t i = 0; i < whole.size(); ++i) {
        ASSERT_EQ(whole[i], cut_up[i]) << script.name << ", event " << i << ", " << how;
    }
}

// Plays with what must never be seen checked after every piece.
void play_watched(const Script& script, Random& random) {
    Player player(script);
    std::optional<std::pair<Verdict, Millis>> latched;
    bool was_ready = false;
    for (const Event& event : script.events) {
        player.play(event, [&](size_t rest) {
            EXPECT_FALSE(was_ready && !player->ready_for_diagnosis());
            was_ready = player->ready_for_diagnosis();
            return 1 + random.below(rest);
        });
        if (latched) {
            EXPECT_EQ(player->verdict(), latched->first)
                << script.name << " seed " << random.seed();
            EXPECT_EQ(player->verdict_at(), latched->second)
                << script.name << " seed " << random.seed();
        }
        if (player->decided()) latched = {player->verdict(), *player->verdict_at()};
    }
    EXPECT_TRUE(player->decided()) << script.name;
    EXPECT_EQ(player->deadline(), std::nullopt) << script.name;
}

Script noise(Random& random) {
    static const std::vector<std::string> pieces = [] {
        std::vector<std::string> all = {client_start(),
                                        grpc_request(),
                                        settings_frame(),
                                        grpc_answer(),
                                        settings_ack_frame(),
                                        connect_request,
                                        upgrade_answer,
                                        goaway_frame(0, "a"),
                                        goaway_frame(9, "b"),
                                        "HTTP/1.1 200 OK\r\n\r\n",
                                        "HTTP/1.1 100 Continue\r\n\r\n",
                                        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"};
        for (const Capture& capture : captures()) all.push_back(bytes_of(capture));
        return all;
    }();
    Script script{.name = "noise", .expect = static_cast<Expect>(random.below(3)), .events = {}};
    script.limits.window_max = static_cast<uint32_t>(64 + random.below(2000));
    if (random.below(4) != 0) script.events.push_back(connected());
    bool ended[2] = {false, false};
    for (size_t i = 2 + random.below(7); i > 0; --i) {
        const Side side = random.below(2) == 0 ? Side::client : Side::upstream;
        std::string bytes = pieces[random.below(pieces.size())];
        if (random.below(3) == 0) bytes = random.mutate(bytes);
        if (random.below(16) == 0) bytes = random.bytes(1 + random.below(400));
        if (ended[static_cast<size_t>(side)]) continue;
        const Millis after = random.below(4) == 0 ? static_cast<Millis>(random.below(6000)) : 0;
        script.events.push_back(side == Side::client ? client(bytes, after)
                                                     : upstream(bytes, after));
        if (random.below(6) == 0)
            script.events.push_back(passes(static_cast<Millis>(random.below(6000))));
        if (random.below(8) == 0) {
            ended[static_cast<size_t>(side)] = true;
            script.events.push_back(
                end_of(side, random.below(2) == 0 ? StreamEnd::fin : StreamEnd::reset));
        }
    }
    script.events.push_back(closed(1));
    return script;
}

}  // namespace

// ---- splits

TEST(ConversationSplits, change_nothing_byte_by_byte) {
    const auto one = [](size_t) { return size_t{1}; };
    for (const Script& script : layered()) {
        expect_same_facts(script, one, "one byte each");
        if (HasFatalFailure()) return;
    }
}

TEST(ConversationSplits, change_nothing_between_any_client_and_any_server) {
    Random random;
    for (const Expect expect : {Expect::any, Expect::grpc}) {
        for (const Script& script : pairs(expect)) {
            const size_t most = 1 + random.below(60);
            const auto cut = [&](size_t rest) { return 1 + random.below(std::min(rest, most)); };
            expect_same_facts(script, cut, "seed " + std::to_string(random.seed()));
            if (HasFatalFailure()) return;
        }
    }
}

TEST(ConversationSplits, change_nothing_in_two_pieces) {
    for (const Script& script : layered()) {
        for (size_t at = 1; at < 200; ++at) {
            size_t left = at;
            const auto cut = [&](size_t rest) {
                const size_t size = left == 0 ? rest : std::min(left, rest);
                left -= std::min(left, size);
                return size;
            };
            expect_same_facts(script, cut, "split after " + std::to_string(at));
            if (HasFatalFailure()) return;
        }
    }
}

TEST(ConversationSplits, change_nothing_at_random) {
    Random random;
    for (int round = 0; round < 4000; ++round) {
        const Script script = noise(random);
        const size_t most = 1 + random.below(300);
        const auto cut = [&](size_t rest) { return 1 + random.below(std::min(rest, most)); };
        expect_same_facts(
            script, cut,
            "round " + std::to_string(round) + " seed " + std::to_string(random.seed()));
        if (HasFatalFailure()) return;
    }
}

TEST(ConversationSplits, may_meet_in_any_order_that_keeps_causes_before_effects) {
    const std::string client_all = client_start() + grpc_request();
    for (const std::string& answer :
         {grpc_answer(), headers_frame({{":status", "404"}}), goaway_frame(0xd, "no")}) {
        const std::string upstream_all = settings_frame() + answer;
        const auto outcome = [&](Random* random) {
            Player player(Expect::any);
            player.play(connected());
            size_t sent = 0;
            size_t answered = 0;
            while (sent < client_all.size() || answered < upstream_all.size()) {
                // SETTINGS come when the server likes, its answer behind the whole request.
                const size_t allowed =
                    sent == client_all.size() ? upstream_all.size() : settings_frame().size();
                const bool speak = sent < client_all.size() &&
                                   (answered == allowed || !random || random->below(2) == 0);
                const size_t rest = speak ? client_all.size() - sent : allowed - answered;
                const size_t size = random ? 1 + random->below(rest) : rest;
                player.play(speak ? client(client_all.substr(sent, size))
                                  : upstream(upstream_all.substr(answered, size)));
                (speak ? sent : answered) += size;
            }
            return facts(*player);
        };
        Random random;
        const std::string in_order = outcome(nullptr);
        for (int round = 0; round < 500; ++round)
            ASSERT_EQ(in_order, outcome(&random)) << random.seed();
    }
}

// ---- what stays

TEST(ConversationVerdict, stays_what_it_was) {
    Random random;
    for (const Script& script : layered()) play_watched(script, random);
    for (int round = 0; round < 2000; ++round) play_watched(noise(random), random);
}

TEST(ConversationVerdict, never_waits_for_a_time_that_has_passed) {
    Random random;
    for (int round = 0; round < 2000; ++round) {
        const Script script = noise(random);
        Player player(script);
        for (const Event& event : script.events) {
            player.play(event);
            for (int times = 0; times < 4; ++times) {
                const auto deadline = player->deadline();
                if (!deadline) break;
                player.play(passes(std::max<Millis>(0, *deadline - player.now())));
                ASSERT_TRUE(!player->deadline() || *player->deadline() > player.now())
                    << random.seed();
            }
        }
    }
}

TEST(ConversationVerdict, comes_to_random_bytes_too) {
    Random random;
    for (int round = 0; round < 3000; ++round) {
        Script script{.name = "random",
                      .expect = static_cast<Expect>(random.below(3)),
                      .events = {connected()}};
        for (int i = 0; i < 6; ++i) {
            const std::string bytes = random.bytes(1 + random.below(3000));
            script.events.push_back(random.below(2) == 0 ? client(bytes) : upstream(bytes));
        }
        script.events.push_back(closed());
        play_watched(script, random);
    }
}

// ---- memory

TEST(ConversationMemory, is_bounded_while_the_verdict_is_open) {
    const ConversationLimits limits;
    const std::string flood(64 * 1024, 'x');
    const size_t before = live_bytes;
    peak_bytes = live_bytes;
    {
        Conversation conversation(Expect::grpc, limits);
        conversation.on_connected(0);
        conversation.on_bytes(Side::client, as_bytes("CONNECT a:1 HTTP/1.1\r\nX: "), 0);
        conversation.on_bytes(Side::upstream, as_bytes("HTTP/1.1 200 OK\r\nX: "), 0);
        for (int i = 0; i < 16; ++i) {
            conversation.on_bytes(Side::client, as_bytes(flood), 0);
            conversation.on_bytes(Side::upstream, as_bytes(flood), 0);
        }
        EXPECT_GT(live_bytes, before);
    }
    // Both windows, the copy while one of them grows, and the parsed head.
    EXPECT_LT(peak_bytes - before, 4 * size_t{limits.window_max});
    EXPECT_EQ(live_bytes, before);
}

TEST(ConversationMemory, of_a_healthy_idle_pair_is_small) {
    const std::string asked = client_bytes("grpc_core_first_flight") + grpc_request();
    const std::string answered = upstream_bytes("grpc_core_settings") + grpc_answer();
    const size_t before = live_bytes;
    Conversation conversation(Expect::grpc, {});
    conversation.on_connected(0);
    conversation.on_bytes(Side::client, as_bytes(asked), 1);
    conversation.on_bytes(Side::upstream, as_bytes(answered), 2);
    ASSERT_EQ(conversation.verdict(), Verdict::match);
    const size_t held = sizeof(Conversation) + live_bytes - before;
    RecordProperty("bytes", static_cast<int>(held));
    EXPECT_LE(held, 700U);
}

TEST(ConversationMemory, is_not_asked_for_again_by_messages) {
    const std::string request = frame(0, 0, 1, std::string(300, 'q'));
    const std::string answer = frame(0, 0, 1, std::string(5000, 'a')) +
                               frame(8, 0, 0, std::string(4, '\x01')) +
                               frame(6, 0, 0, std::string(8, 'p')) + grpc_answer();
    Conversation conversation(Expect::grpc, {});
    conversation.on_connected(0);
    conversation.on_bytes(Side::client, as_bytes(client_start() + grpc_request()), 1);
    conversation.on_bytes(Side::upstream, as_bytes(settings_frame() + grpc_answer()), 2);
    ASSERT_EQ(conversation.verdict(), Verdict::match);
    const size_t before = allocations;
    for (size_t i = 0; i < 10'000; ++i) {
        conversation.on_bytes(Side::client, as_bytes(request), 3);
        // Cut at another byte each time: frame headers come split too.
        const Bytes bytes = as_bytes(answer);
        const size_t at = 1 + i % (bytes.size() - 1);
        conversation.on_bytes(Side::upstream, bytes.first(at), 3);
        conversation.on_bytes(Side::upstream, bytes.subspan(at), 3);
    }
    EXPECT_EQ(allocations - before, 0U);
    conversation.on_bytes(Side::upstream, as_bytes(goaway_frame(11, "too_many_pings")), 4);
    Evidence evidence;
    conversation.describe(evidence);
    ASSERT_TRUE(evidence.upstream.goaway);  // the walk kept its place through all of it
    EXPECT_EQ(evidence.upstream.goaway->debug, "too_many_pings");
}

TEST(ConversationMemory, is_freed_when_nothing_is_to_be_described) {
    const size_t before = live_bytes;
    Conversation http1(Expect::any, {});
    http1.on_connected(0);
    const size_t empty = live_bytes - before;
    http1.on_bytes(Side::client, as_bytes("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), 0);
    http1.on_bytes(Side::upstream, as_bytes("HTTP/1.1 200 OK\r\n\r\n" + std::string(9000, 'b')), 0);
    ASSERT_EQ(http1.verdict(), Verdict::match);
    EXPECT_EQ(live_bytes - before, empty);
}

}  // namespace telltale::sniff::test
