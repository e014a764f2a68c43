// Scripted exchanges for the conversation's tests and fuzz target: HTTP/2 bytes made by hand, what
// happens on both sides in order, and everything a conversation says as one comparable text.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sniff/conversation.h"

namespace telltale::sniff::test {

// ---- bytes

using Fields = std::vector<std::pair<std::string, std::string>>;

[[nodiscard]] std::string frame(uint8_t type, uint8_t flags, uint32_t stream,
                                std::string_view payload);
[[nodiscard]] std::string settings_frame();  // 3=100
[[nodiscard]] std::string settings_ack_frame();
[[nodiscard]] std::string headers_frame(
    const Fields& fields);  // stream 1, literals (RFC 7541 §6.2.2)
[[nodiscard]] std::string goaway_frame(uint32_t error_code, std::string_view debug);
[[nodiscard]] std::string client_start();  // preface and SETTINGS
[[nodiscard]] std::string grpc_request();  // HEADERS of a gRPC call
[[nodiscard]] std::string grpc_answer();   // HEADERS of a healthy answer

// ---- what happens

struct Event {
    enum class Kind : uint8_t { connected, bytes, end, time, close };
    Kind kind = Kind::bytes;
    Side side = Side::client;
    std::string bytes;
    StreamEnd how = StreamEnd::fin;
    Millis after_ms = 0;  // passes before it
};

[[nodiscard]] Event connected();
[[nodiscard]] Event client(std::string bytes, Millis after_ms = 0);
[[nodiscard]] Event upstream(std::string bytes, Millis after_ms = 0);
[[nodiscard]] Event end_of(Side side, StreamEnd how, Millis after_ms = 0);
[[nodiscard]] Event passes(Millis after_ms);  // and on_time() is called
[[nodiscard]] Event closed(Millis after_ms = 0);

struct Script {
    std::string name;
    Expect expect = Expect::any;
    std::vector<Event> events;
    ConversationLimits limits{};
};

// Plays events; keeps the clock.
class Player final {
   public:
    explicit Player(Expect expect, const ConversationLimits& limits = {})
        : conversation_(expect, limits) {}
    explicit Player(const Script& script) : Player(script.expect, script.limits) {}

    // How many bytes of the rest go out in the next piece.
    using Cut = std::function<size_t(size_t rest)>;
    Player& play(const Event& event, const Cut& cut);
    Player& play(const Event& event);  // in one piece
    Player& play(const std::vector<Event>& events);

    [[nodiscard]] Conversation& operator*() { return conversation_; }
    [[nodiscard]] Conversation* operator->() { return &conversation_; }
    [[nodiscard]] Evidence evidence() const;
    [[nodiscard]] Millis now() const { return now_; }

   private:
    Conversation conversation_;
    Millis now_ = 0;
};

// Everything it says, one fact a line.
[[nodiscard]] std::string facts(const Conversation& conversation);

}  // namespace telltale::sniff::test
