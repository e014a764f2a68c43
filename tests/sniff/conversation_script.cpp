#include "tests/sniff/conversation_script.h"

#include <algorithm>
#include <sstream>

#include "sniff/http2.h"

namespace telltale::sniff::test {

namespace {

std::string big_endian(uint32_t value, size_t size) {
    std::string out;
    for (size_t i = size; i > 0; --i) out += static_cast<char>((value >> (8 * (i - 1))) & 0xffU);
    return out;
}

void say(std::ostream& out, const std::optional<Millis>& at) {
    at ? out << *at : out << "-";
}

void say_http1(std::ostream& out, const SideEvidence& side) {
    if (const auto& head = side.http1_request) {
        out << "request " << head->method << ' ' << head->target << ' ' << head->version
            << " host=" << head->host << " type=" << head->content_type
            << " upgrade=" << head->upgrade << " agent=" << head->user_agent
            << " complete=" << head->head_complete << '\n';
    }
    if (const auto& head = side.http1_response) {
        out << "answer " << head->version << ' ' << head->status << " server=" << head->server
            << " told=" << head->telltale_cause << ' ' << head->telltale_hop
            << " fields=" << head->headers.size() << " complete=" << head->head_complete
            << " body=" << head->body << '\n';
    }
}

void say_http2(std::ostream& out, const SideEvidence& side) {
    for (const auto& setting : side.settings)
        out << "set " << setting.id << '=' << setting.value << '\n';
    if (const auto& head = side.first_headers) {
        out << "headers " << head->status << " type=" << head->content_type
            << " path=" << head->path << " grpc-status=" << head->grpc_status
            << " told=" << head->telltale_cause << ' ' << head->telltale_hop
            << " end=" << head->end_stream << '\n';
    }
    if (side.goaway)
        out << "goaway " << side.goaway->error_code << ' ' << side.goaway->debug << '\n';
}

void say_tls(std::ostream& out, const SideEvidence& side) {
    if (const auto& hello = side.tls_hello) {
        out << "hello sni=" << hello->sni << " complete=" << hello->complete
            << " retry=" << hello->hello_retry;
        for (const auto& id : hello->alpn) out << " alpn=" << id;
        for (const uint16_t version : hello->versions) out << " version=" << version;
        out << '\n';
    }
    if (side.tls_alert) out << "alert " << int{side.tls_alert->description} << '\n';
}

void say_side(std::ostream& out, const SideEvidence& side) {
    out << name(side.protocol) << " bytes=" << side.bytes << " first_at=";
    say(out, side.first_byte_at);
    out << " greeting=" << side.greeting << " first=" << side.first_bytes << '\n';
    say_http1(out, side);
    say_http2(out, side);
    say_tls(out, side);
}

}  // namespace

std::string frame(uint8_t type, uint8_t flags, uint32_t stream, std::string_view payload) {
    std::string out = big_endian(static_cast<uint32_t>(payload.size()), 3);
    out += static_cast<char>(type);
    out += static_cast<char>(flags);
    return out + big_endian(stream, 4) + std::string(payload);
}

std::string settings_frame() {
    return frame(4, 0, 0, big_endian(3, 2) + big_endian(100, 4));
}

std::string settings_ack_frame() {
    return frame(4, 1, 0, {});
}

std::string headers_frame(const Fields& fields) {
    std::string block;
    for (const auto& [field, value] : fields) {
        block += '\0';  // literal without indexing, new name; lengths below 127 take one byte
        block += static_cast<char>(field.size()) + field;
        block += static_cast<char>(value.size()) + value;
    }
    return frame(1, 0x4, 1, block);
}

std::string goaway_frame(uint32_t error_code, std::string_view debug) {
    return frame(7, 0, 0, big_endian(0, 4) + big_endian(error_code, 4) + std::string(debug));
}

std::string client_start() {
    return std::string(http2_preface) + settings_frame();
}

std::string grpc_request() {
    return headers_frame({{":method", "POST"},
                          {":scheme", "http"},
                          {":path", "/demo.Echo/Say"},
                          {":authority", "localhost"},
                          {"content-type", "application/grpc"},
                          {"te", "trailers"}});
}

std::string grpc_answer() {
    return headers_frame({{":status", "200"}, {"content-type", "application/grpc"}});
}

Event connected() {
    return {.kind = Event::Kind::connected, .bytes = {}};
}

Event client(std::string bytes, Millis after_ms) {
    return {.kind = Event::Kind::bytes,
            .side = Side::client,
            .bytes = std::move(bytes),
            .after_ms = after_ms};
}

Event upstream(std::string bytes, Millis after_ms) {
    return {.kind = Event::Kind::bytes,
            .side = Side::upstream,
            .bytes = std::move(bytes),
            .after_ms = after_ms};
}

Event end_of(Side side, StreamEnd how, Millis after_ms) {
    return {.kind = Event::Kind::end, .side = side, .bytes = {}, .how = how, .after_ms = after_ms};
}

Event passes(Millis after_ms) {
    return {.kind = Event::Kind::time, .bytes = {}, .after_ms = after_ms};
}

Event closed(Millis after_ms) {
    return {.kind = Event::Kind::close, .bytes = {}, .after_ms = after_ms};
}

Player& Player::play(const Event& event, const Cut& cut) {
    now_ += event.after_ms;
    switch (event.kind) {
        case Event::Kind::connected:
            conversation_.on_connected(now_);
            break;
        case Event::Kind::bytes:
            for (Bytes rest = as_bytes(event.bytes); !rest.empty();) {
                const size_t size = std::clamp<size_t>(cut(rest.size()), 1, rest.size());
                // A copy of its own size: reading past a piece is an error that the sanitizer sees.
                const std::vector<uint8_t> piece(rest.begin(),
                                                 rest.begin() + static_cast<std::ptrdiff_t>(size));
                conversation_.on_bytes(event.side, piece, now_);
                rest = rest.subspan(size);
            }
            break;
        case Event::Kind::end:
            conversation_.on_end(event.side, event.how, now_);
            break;
        case Event::Kind::time:
            conversation_.on_time(now_);
            break;
        case Event::Kind::close:
            conversation_.on_close(now_);
            break;
    }
    return *this;
}

Player& Player::play(const Event& event) {
    return play(event, [](size_t rest) { return rest; });
}

Player& Player::play(const std::vector<Event>& events) {
    for (const Event& event : events) play(event);
    return *this;
}

Evidence Player::evidence() const {
    Evidence evidence;
    conversation_.describe(evidence);
    return evidence;
}

std::string facts(const Conversation& conversation) {
    Evidence evidence;
    conversation.describe(evidence);
    std::ostringstream out;
    out << name(conversation.verdict()) << " decided=" << conversation.decided()
        << " ready=" << conversation.ready_for_diagnosis() << " at=";
    say(out, conversation.verdict_at());
    out << " deadline=";
    say(out, conversation.deadline());
    out << " silent=";
    say(out, evidence.silent_for);
    out << " in_preface=" << conversation.client_in_preface() << " layers=";
    for (const Layer layer : evidence.layers) out << static_cast<int>(layer) << ',';
    out << " target=" << evidence.connect_target << "\nclient ";
    say_side(out, evidence.client);
    out << "upstream ";
    say_side(out, evidence.upstream);
    return out.str();
}

}  // namespace telltale::sniff::test
