#include "proxy/probe/grpc_talk.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <new>
#include <optional>
#include <string_view>
#include <utility>

#include "config/address.h"
#include "proxy/probe/grpc_messages.h"

namespace telltale::proxy::probe {

namespace {

constexpr size_t value_max = 256;  // of a header field that is kept
constexpr size_t body_max = 65536;

constexpr std::string_view health_method = "/grpc.health.v1.Health/Check";
constexpr std::string_view reflection_method =
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
constexpr std::string_view reflection_alpha_method =
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";
constexpr int unimplemented = 12;

using CallbacksPtr =
    std::unique_ptr<nghttp2_session_callbacks, decltype(&nghttp2_session_callbacks_del)>;
using SessionPtr = std::unique_ptr<nghttp2_session, decltype(&nghttp2_session_del)>;

CallbacksPtr make_callbacks() {
    nghttp2_session_callbacks* made = nullptr;
    if (nghttp2_session_callbacks_new(&made) != 0) throw std::bad_alloc();
    return {made, nghttp2_session_callbacks_del};
}

nghttp2_nv field(std::string_view name, std::string_view value) {
    // nghttp2 wants pointers without const, only reads, and copies.
    return {const_cast<uint8_t*>(sniff::as_bytes(name).data()),
            const_cast<uint8_t*>(sniff::as_bytes(value).data()), name.size(), value.size(),
            NGHTTP2_NV_FLAG_NONE};
}

std::string_view text_of(const uint8_t* bytes, size_t size) {
    return sniff::as_text({bytes, size});
}

enum class Step : uint8_t { opening, unknown, health, reflection, reflection_alpha, leaving };

struct Call {
    int32_t stream = -1;
    std::string request;
    size_t sent = 0;
    int http_status = 0;
    std::optional<int> grpc_status;
    std::string grpc_message, content_type, server;
    std::string body;
    bool reset = false;
    uint32_t reset_code = 0;
};

}  // namespace

struct GrpcTalk::State {
    explicit State(Questions given) : questions(std::move(given)) { open(); }
    static State& of(void* user) { return *static_cast<State*>(user); }

    void open();
    void feed(sniff::Bytes bytes);
    void submit(Step next, std::string_view path, std::string_view message);
    void conclude();
    void conclude_unknown();
    void conclude_reflection();
    void leave();
    void on_settings();
    void on_header(int32_t stream, std::string_view name, std::string_view value);
    [[nodiscard]] bool on_data(int32_t stream, std::string_view bytes);
    void on_close(int32_t stream, uint32_t code);

    Questions questions;
    SessionPtr session{nullptr, nghttp2_session_del};
    Heard heard;
    std::string waiting;  // until it is known to be HTTP/2
    Step step = Step::opening;
    Call call;
    GrpcFacts facts;
    bool broken = false;  // the peer broke the protocol
    bool ended = false;
};

void GrpcTalk::State::open() {
    const CallbacksPtr callbacks = make_callbacks();
    auto* raw = callbacks.get();
    nghttp2_session_callbacks_set_on_frame_recv_callback(
        raw, [](nghttp2_session*, const nghttp2_frame* frame, void* user) {
            const bool ack = (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0;
            if (frame->hd.type == NGHTTP2_SETTINGS && !ack) of(user).on_settings();
            return 0;
        });
    nghttp2_session_callbacks_set_on_header_callback(
        raw, [](nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_size,
                const uint8_t* value, size_t value_size, uint8_t, void* user) {
            of(user).on_header(frame->hd.stream_id, text_of(name, name_size),
                               text_of(value, value_size));
            return 0;
        });
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
        raw, [](nghttp2_session*, uint8_t, int32_t stream, const uint8_t* bytes, size_t size,
                void* user) {
            return of(user).on_data(stream, text_of(bytes, size)) ? 0
                                                                  : NGHTTP2_ERR_CALLBACK_FAILURE;
        });
    nghttp2_session_callbacks_set_on_stream_close_callback(
        raw, [](nghttp2_session*, int32_t stream, uint32_t code, void* user) {
            of(user).on_close(stream, code);
            return 0;
        });
    nghttp2_session* made = nullptr;
    if (nghttp2_session_client_new(&made, raw, this) != 0) throw std::bad_alloc();
    session.reset(made);
    const nghttp2_settings_entry no_push{NGHTTP2_SETTINGS_ENABLE_PUSH, 0};
    nghttp2_submit_settings(made, NGHTTP2_FLAG_NONE, &no_push, 1);
}

void GrpcTalk::State::feed(sniff::Bytes bytes) {
    heard.feed(bytes);
    if (broken || step == Step::leaving) return;
    waiting.append(sniff::as_text(bytes));
    switch (heard.protocol()) {
        case sniff::Protocol::undecided:
            return;
        case sniff::Protocol::http2:
        case sniff::Protocol::http2_goaway:
            break;
        default:
            waiting.clear();
            return;
    }
    const std::string now = std::exchange(waiting, {});
    const sniff::Bytes input = sniff::as_bytes(now);
    broken = nghttp2_session_mem_recv(session.get(), input.data(), input.size()) < 0;
}

void GrpcTalk::State::submit(Step next, std::string_view path, std::string_view message) {
    step = next;
    call = Call{};
    call.request = frame_message(message);
    const std::array headers = {field(":method", "POST"),
                                field(":scheme", questions.tls ? "https" : "http"),
                                field(":path", path),
                                field(":authority", questions.authority),
                                field("te", "trailers"),
                                field("content-type", "application/grpc"),
                                field("user-agent", "telltale-probe")};
    nghttp2_data_provider body{};
    body.source.ptr = &call;
    body.read_callback = [](nghttp2_session*, int32_t, uint8_t* out, size_t size, uint32_t* flags,
                            nghttp2_data_source* source, void*) -> ssize_t {
        auto& from = *static_cast<Call*>(source->ptr);
        const size_t count = std::min(size, from.request.size() - from.sent);
        std::copy_n(from.request.data() + from.sent, count, out);
        from.sent += count;
        if (from.sent == from.request.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
        return static_cast<ssize_t>(count);
    };
    call.stream = nghttp2_submit_request(session.get(), nullptr, headers.data(), headers.size(),
                                         &body, nullptr);
    if (call.stream < 0) leave();
}

void GrpcTalk::State::on_settings() {
    if (step == Step::opening) submit(Step::unknown, unknown_method, {});
}

void GrpcTalk::State::on_header(int32_t stream, std::string_view name, std::string_view value) {
    if (stream != call.stream) return;
    const auto number = [value] {
        const auto parsed = config::parse_number(value);
        return parsed && *parsed <= 999 ? std::optional(static_cast<int>(*parsed)) : std::nullopt;
    };
    const auto kept = [value] { return std::string(value.substr(0, value_max)); };
    if (name == ":status") call.http_status = number().value_or(0);
    if (name == "grpc-status") call.grpc_status = number();
    if (name == "grpc-message") call.grpc_message = kept();
    if (name == "content-type") call.content_type = kept();
    if (name == "server") call.server = kept();
}

bool GrpcTalk::State::on_data(int32_t stream, std::string_view bytes) {
    if (stream != call.stream) return true;
    if (call.body.size() + bytes.size() > body_max) return false;
    call.body.append(bytes);
    return true;
}

void GrpcTalk::State::on_close(int32_t stream, uint32_t code) {
    if (stream != call.stream) return;
    // A server that has answered may reset the stream with NO_ERROR to be spared the request.
    call.reset = code != NGHTTP2_NO_ERROR && !call.grpc_status;
    call.reset_code = code;
    conclude();
}

void GrpcTalk::State::conclude() {
    switch (step) {
        case Step::unknown:
            return conclude_unknown();
        case Step::health: {
            const auto message = first_message(call.body);
            const bool answered = call.grpc_status == 0 && message;
            facts.health = answered                            ? read_health(*message)
                           : call.grpc_status == unimplemented ? Health::absent
                                                               : Health::unknown;
            return submit(Step::reflection, reflection_method, list_services_request());
        }
        case Step::reflection:
        case Step::reflection_alpha:
            return conclude_reflection();
        case Step::opening:
        case Step::leaving:
            return;
    }
}

void GrpcTalk::State::conclude_unknown() {
    facts.http_status = call.http_status;
    facts.grpc_status = call.grpc_status;
    facts.grpc_message = call.grpc_message;
    facts.content_type = call.content_type;
    facts.server = call.server;
    facts.reset = call.reset;
    facts.reset_code = call.reset ? call.reset_code : 0;
    if (!questions.details || !facts.proven()) return leave();
    submit(Step::health, health_method, {});
}

void GrpcTalk::State::conclude_reflection() {
    const auto message = first_message(call.body);
    if (auto listed = message ? read_services(*message) : std::nullopt) {
        facts.reflection = Reflection::listed;
        facts.services = std::move(listed->names);
        facts.services_cut = listed->cut;
        return leave();
    }
    const bool absent = call.grpc_status == unimplemented;
    facts.reflection = absent ? Reflection::absent : Reflection::failed;
    if (!absent || step == Step::reflection_alpha) return leave();
    submit(Step::reflection_alpha, reflection_alpha_method, list_services_request());
}

void GrpcTalk::State::leave() {
    step = Step::leaving;
    nghttp2_session_terminate_session(session.get(), NGHTTP2_NO_ERROR);
}

GrpcTalk::GrpcTalk(Questions questions) : state_(std::make_unique<State>(std::move(questions))) {}

GrpcTalk::~GrpcTalk() = default;

void GrpcTalk::take(std::string& out) {
    const uint8_t* chunk = nullptr;
    for (ssize_t size = 0; (size = nghttp2_session_mem_send(state_->session.get(), &chunk)) > 0;) {
        out.append(text_of(chunk, static_cast<size_t>(size)));
    }
}

void GrpcTalk::feed(sniff::Bytes bytes) {
    state_->feed(bytes);
}

void GrpcTalk::end(sniff::StreamEnd how) {
    state_->ended = true;
    state_->heard.end(how);
}

Talk::Wants GrpcTalk::wants() const {
    if (state_->broken || state_->ended || state_->step == Step::leaving) return Wants::nothing;
    // The peer broke the rules, or said GOAWAY; what there is to say to that is in take().
    if (nghttp2_session_want_read(state_->session.get()) == 0) return Wants::nothing;
    return state_->heard.wants();
}

Http2Answer GrpcTalk::answer() const {
    Http2Answer answer;
    answer.said = state_->heard.describe();
    answer.grpc = state_->facts;
    return answer;
}

}  // namespace telltale::proxy::probe
