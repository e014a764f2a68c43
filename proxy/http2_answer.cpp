#include "proxy/http2_answer.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <new>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sniff/facts.h"
#include "sniff/frame_cutter.h"
#include "sniff/http2.h"

namespace telltale::proxy {

namespace {

using sniff::Bytes;

constexpr uint32_t streams_max = 100;
constexpr uint32_t header_list_max = 65536;  // RFC 9113 §6.5.2: names, values and 32 bytes each
constexpr size_t header_overhead = 32;
constexpr size_t continuations_max = 16;
// Answering costs as little as a reset does, so this is only an end to a game that has no other.
constexpr uint32_t resets_max = 1000;
// Frames that wait inside nghttp2 while nobody takes the output. A client that keeps to the limit
// of streams has not half as many.
constexpr size_t waiting_frames_max = size_t{4} * streams_max;
constexpr size_t past_max = 256;  // closed streams that are remembered
constexpr size_t content_type_max = 64;

constexpr std::string_view grpc_unavailable = "14";

enum class RequestKind : uint8_t { other, head, grpc, grpc_web };

nghttp2_nv field(std::string_view name, std::string_view value, uint8_t flags) {
    // nghttp2 wants pointers without const, and only reads.
    return {const_cast<uint8_t*>(sniff::as_bytes(name).data()),
            const_cast<uint8_t*>(sniff::as_bytes(value).data()), name.size(), value.size(), flags};
}

// Of texts that live as long as the session.
nghttp2_nv field(std::string_view name, std::string_view value) {
    return field(name, value, NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE);
}

nghttp2_nv copied_field(std::string_view name, std::string_view value) {
    return field(name, value, NGHTTP2_NV_FLAG_NO_COPY_NAME);
}

std::string lower(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return out;
}

using CallbacksPtr =
    std::unique_ptr<nghttp2_session_callbacks, decltype(&nghttp2_session_callbacks_del)>;
using OptionPtr = std::unique_ptr<nghttp2_option, decltype(&nghttp2_option_del)>;
using SessionPtr = std::unique_ptr<nghttp2_session, decltype(&nghttp2_session_del)>;

CallbacksPtr make_callbacks() {
    nghttp2_session_callbacks* made = nullptr;
    if (nghttp2_session_callbacks_new(&made) != 0) throw std::bad_alloc();
    return {made, nghttp2_session_callbacks_del};
}

OptionPtr make_options() {
    nghttp2_option* made = nullptr;
    if (nghttp2_option_new(&made) != 0) throw std::bad_alloc();
    nghttp2_option_set_no_closed_streams(made, 1);  // kept for priorities, which nobody needs here
    return {made, nghttp2_option_del};
}

// RFC 9113 §6.8
std::array<uint8_t, 17> goaway_frame(uint32_t last_stream, uint32_t error) {
    std::array<uint8_t, 17> frame = {0, 0, 8, static_cast<uint8_t>(sniff::FrameType::goaway)};
    const auto put = [&frame](size_t at, uint32_t value) {
        for (size_t i = 0; i < 4; ++i) {
            frame[at + i] = static_cast<uint8_t>(value >> (24U - 8U * i));
        }
    };
    put(9, last_stream);
    put(13, error);
    return frame;
}

}  // namespace

// nghttp2 is given one piece of a frame at a time, and what it has to say is taken after each
// frame. So the same bytes mean the same however they were split: a chunk with more requests than
// streams may be open is not refused what single segments would have been granted.
struct Http2Answer::State {
    explicit State(AnswerText given);
    static State& of(void* user) { return *static_cast<State*>(user); }

    [[nodiscard]] bool feed(Bytes bytes);
    void go_away();
    [[nodiscard]] Bytes output();

    // ---- in
    struct Piece {
        Bytes bytes;
        bool ends = false;  // a frame or its header
        bool is_header = false;
    };
    [[nodiscard]] Piece next_piece(Bytes& bytes);
    void on_begin_frame(const nghttp2_frame_hd& frame);
    void check_closed_stream(Bytes header);
    void on_request(const nghttp2_frame_hd& frame);
    void answer_waiting(int32_t stream);
    void on_begin_headers(const nghttp2_frame& frame);
    void on_header(std::string_view name, std::string_view value);
    void on_frame(const nghttp2_frame& frame);
    void on_stream_close(int32_t stream);

    // ---- out
    void answer(int32_t stream);
    void answer_grpc(int32_t stream) const;
    void answer_other(int32_t stream) const;
    void on_sent(const nghttp2_frame& frame);
    void abort_half_open();
    void pull();
    void append(Bytes bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }
    void break_off(uint32_t error);

    AnswerText text;
    std::string message;         // grpc-message
    std::string body;            // of answers that are not gRPC
    std::string content_length;  // of it
    std::string status;

    SessionPtr session{nullptr, nghttp2_session_del};
    sniff::FrameCutter cutter;
    size_t preface_left = sniff::http2_preface.size();

    // The header block that is being read.
    RequestKind kind = RequestKind::other;
    std::string web_type;
    size_t header_list_size = 0;
    size_t continuations = 0;

    std::vector<uint8_t> out;
    size_t sent = 0;  // of it
    struct Waiting {
        int32_t stream = 0;
        RequestKind kind = RequestKind::other;
    };
    std::vector<Waiting> waiting;    // for the request to end
    std::vector<int32_t> half_open;  // answered, and the client had not ended its request
    // Streams that were closed last: nghttp2 forgets them, and then passes over what comes late.
    struct Past {
        int32_t stream = 0;
        bool ended = false;  // by the client: nothing may follow
    };
    std::array<Past, past_max> past{};
    size_t past_next = 0;
    int32_t newest = 0;           // request
    int32_t reset_by_client = 0;  // the stream of its last RST_STREAM
    bool client_left = false;     // it sent GOAWAY
    size_t open_streams = 0;
    uint32_t answered = 0;
    uint32_t resets = 0;
    uint32_t abuse = NGHTTP2_NO_ERROR;  // found in a callback, where nothing may be ended
    bool leaving = false;               // GOAWAY was asked for
    bool left = false;                  // and is in the output
    bool broken = false;
};

Http2Answer::State::State(AnswerText given)
    : text(std::move(given)),
      message(grpc_message(text.sentence)),
      body(text.sentence + "\n"),
      content_length(std::to_string(body.size())),
      status(text.clients_fault ? "400" : "502") {
    const CallbacksPtr callbacks = make_callbacks();
    nghttp2_session_callbacks_set_on_begin_frame_callback(
        callbacks.get(), [](nghttp2_session*, const nghttp2_frame_hd* frame, void* user) {
            of(user).on_begin_frame(*frame);
            return 0;
        });
    nghttp2_session_callbacks_set_on_begin_headers_callback(
        callbacks.get(), [](nghttp2_session*, const nghttp2_frame* frame, void* user) {
            of(user).on_begin_headers(*frame);
            return 0;
        });
    nghttp2_session_callbacks_set_on_header_callback(callbacks.get(), [](nghttp2_session*,
                                                                         const nghttp2_frame*,
                                                                         const uint8_t* name,
                                                                         size_t name_size,
                                                                         const uint8_t* value,
                                                                         size_t value_size, uint8_t,
                                                                         void* user) {
        of(user).on_header(sniff::as_text({name, name_size}), sniff::as_text({value, value_size}));
        return 0;
    });
    nghttp2_session_callbacks_set_on_frame_recv_callback(
        callbacks.get(), [](nghttp2_session*, const nghttp2_frame* frame, void* user) {
            of(user).on_frame(*frame);
            return 0;
        });
    nghttp2_session_callbacks_set_on_stream_close_callback(
        callbacks.get(), [](nghttp2_session*, int32_t stream, uint32_t, void* user) {
            of(user).on_stream_close(stream);
            return 0;
        });
    nghttp2_session_callbacks_set_on_frame_send_callback(
        callbacks.get(), [](nghttp2_session*, const nghttp2_frame* frame, void* user) {
            of(user).on_sent(*frame);
            return 0;
        });
    nghttp2_session* made = nullptr;
    const OptionPtr options = make_options();
    if (nghttp2_session_server_new2(&made, callbacks.get(), this, options.get()) != 0) {
        throw std::bad_alloc();
    }
    session.reset(made);
    const std::array<nghttp2_settings_entry, 2> settings = {
        {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, streams_max},
         {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, header_list_max}}};
    half_open.reserve(streams_max);  // so that no callback allocates
    waiting.reserve(streams_max);
    if (nghttp2_submit_settings(made, NGHTTP2_FLAG_NONE, settings.data(), settings.size()) != 0) {
        throw std::bad_alloc();
    }
    pull();
}

// ---- in

// Takes the next piece off the front. Of a frame header nothing is given away before it is whole:
// nghttp2 counts a CONTINUATION again for each part of its header.
Http2Answer::State::Piece Http2Answer::State::next_piece(Bytes& bytes) {
    const auto take = [&bytes](size_t size) {
        const Bytes taken = bytes.first(size);
        bytes = bytes.subspan(size);
        return taken;
    };
    if (preface_left > 0) {
        const Bytes taken = take(std::min(bytes.size(), preface_left));
        preface_left -= taken.size();
        return {.bytes = taken, .ends = false, .is_header = false};
    }
    const sniff::FramePiece piece = cutter.next(bytes);
    const Bytes taken = take(piece.size);
    switch (piece.part) {
        case sniff::FramePart::header_begun:
            return {};
        case sniff::FramePart::header_done:
            // A header alone can be wrong, and what would follow it never comes.
            return {.bytes = cutter.header(), .ends = true, .is_header = true};
        case sniff::FramePart::payload:
            break;
    }
    return {.bytes = taken, .ends = cutter.between_frames(), .is_header = false};
}

bool Http2Answer::State::feed(Bytes bytes) {
    while (!bytes.empty() && !broken) {
        const Piece piece = next_piece(bytes);
        if (piece.bytes.empty()) continue;
        if (piece.is_header) check_closed_stream(piece.bytes);
        if (broken) break;
        const auto read =
            nghttp2_session_mem_recv(session.get(), piece.bytes.data(), piece.bytes.size());
        if (abuse != NGHTTP2_NO_ERROR) break_off(abuse);
        if (read == NGHTTP2_ERR_FLOODED) break_off(NGHTTP2_ENHANCE_YOUR_CALM);
        if (read < 0) break_off(NGHTTP2_PROTOCOL_ERROR);
        if (piece.ends) pull();
    }
    return !broken;
}

void Http2Answer::State::on_begin_frame(const nghttp2_frame_hd& frame) {
    const bool ends = (frame.flags & NGHTTP2_FLAG_END_HEADERS) != 0;
    continuations = frame.type == NGHTTP2_CONTINUATION && !ends ? continuations + 1 : 0;
    const size_t queued = nghttp2_session_get_outbound_queue_size(session.get());
    if (continuations > continuations_max || queued > waiting_frames_max) {
        abuse = NGHTTP2_ENHANCE_YOUR_CALM;
    }
}

// RFC 9113 §5.1 and §5.1.1: what follows the end of a stream, and a number that was passed over,
// are errors. What follows a request that was cut short here was under way already: no error.
void Http2Answer::State::check_closed_stream(Bytes header) {
    const uint8_t type = header[3];
    const bool carries = type == NGHTTP2_HEADERS || type == NGHTTP2_DATA;
    if (!carries && type != NGHTTP2_RST_STREAM) return;
    int32_t stream = header[5] & 0x7F;
    for (size_t at = 6; at < 9; ++at) stream = stream << 8 | header[at];
    const bool is_late = stream % 2 == 1 && stream <= newest &&
                         nghttp2_session_find_stream(session.get(), stream) == nullptr;
    if (!is_late) return;
    const auto known = std::find_if(past.begin(), past.end(),
                                    [stream](const Past& one) { return one.stream == stream; });
    if (known == past.end()) {
        if (type == NGHTTP2_HEADERS) break_off(NGHTTP2_PROTOCOL_ERROR);
    } else if (type == NGHTTP2_RST_STREAM) {
        known->ended = true;
    } else if (known->ended) {
        break_off(NGHTTP2_STREAM_CLOSED);
    }
}

void Http2Answer::State::on_begin_headers(const nghttp2_frame& frame) {
    kind = RequestKind::other;
    web_type.clear();
    header_list_size = 0;
    if (frame.headers.cat == NGHTTP2_HCAT_REQUEST) ++open_streams;
}

void Http2Answer::State::on_header(std::string_view name, std::string_view value) {
    header_list_size += name.size() + value.size() + header_overhead;
    if (header_list_size > header_list_max) abuse = NGHTTP2_ENHANCE_YOUR_CALM;
    if (name == ":method" && value == "HEAD") kind = RequestKind::head;
    if (name != "content-type") return;
    if (sniff::is_grpc_content_type(value)) kind = RequestKind::grpc;
    constexpr std::string_view web = "application/grpc-web";
    if (value.size() > content_type_max || !lower(value).starts_with(web)) return;
    kind = RequestKind::grpc_web;
    web_type = value;
}

void Http2Answer::State::on_frame(const nghttp2_frame& frame) {
    if (frame.hd.type == NGHTTP2_RST_STREAM) {
        reset_by_client = frame.hd.stream_id;
        if (++resets > resets_max) abuse = NGHTTP2_ENHANCE_YOUR_CALM;
    }
    if (frame.hd.type == NGHTTP2_GOAWAY) client_left = true;
    if (abuse != NGHTTP2_NO_ERROR) return;
    if (frame.hd.type == NGHTTP2_HEADERS && frame.headers.cat == NGHTTP2_HCAT_REQUEST) {
        newest = std::max(newest, frame.hd.stream_id);
        on_request(frame.hd);
    } else if ((frame.hd.type == NGHTTP2_DATA || frame.hd.type == NGHTTP2_HEADERS) &&
               (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
        answer_waiting(frame.hd.stream_id);
    }
}

// A call of gRPC may go on for ever: it is answered at once. Other requests are answered when they
// are whole, since up to then they may turn out to be malformed; at the latest with GOAWAY.
void Http2Answer::State::on_request(const nghttp2_frame_hd& frame) {
    const bool ended = (frame.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    const bool grpc = kind == RequestKind::grpc || kind == RequestKind::grpc_web;
    if (grpc || ended || waiting.size() == waiting.capacity()) {
        answer(frame.stream_id);
    } else {
        waiting.push_back({.stream = frame.stream_id, .kind = kind});
    }
}

void Http2Answer::State::answer_waiting(int32_t stream) {
    const auto found = std::find_if(waiting.begin(), waiting.end(),
                                    [stream](const Waiting& one) { return one.stream == stream; });
    if (found == waiting.end()) return;
    kind = found->kind;
    waiting.erase(found);
    answer(stream);
}

void Http2Answer::State::on_stream_close(int32_t stream) {
    if (open_streams > 0) --open_streams;
    std::erase(half_open, stream);
    std::erase_if(waiting, [stream](const Waiting& one) { return one.stream == stream; });
    const bool ended = stream == reset_by_client ||
                       nghttp2_session_get_stream_remote_close(session.get(), stream) == 1;
    past[past_next++ % past_max] = {.stream = stream, .ended = ended};
}

// ---- out

void Http2Answer::State::answer(int32_t stream) {
    ++answered;
    if (kind == RequestKind::grpc || kind == RequestKind::grpc_web) return answer_grpc(stream);
    answer_other(stream);
}

// Trailers only: one block of headers that ends the stream. gRPC-Web clients read the status of a
// response without a body from its headers, too.
void Http2Answer::State::answer_grpc(int32_t stream) const {
    const std::array fields = {
        field(":status", "200"),
        kind == RequestKind::grpc ? field("content-type", "application/grpc")
                                  : copied_field("content-type", web_type),
        field("grpc-status", grpc_unavailable),
        field("grpc-message", message),
        field("x-telltale-cause", text.cause),
        field("x-telltale-hop", text.hop),
        field("proxy-status", text.proxy_status),
    };
    nghttp2_submit_response(session.get(), stream, fields.data(), fields.size(), nullptr);
}

void Http2Answer::State::answer_other(int32_t stream) const {
    const std::array fields = {
        field(":status", status),
        field("content-type", "text/plain; charset=utf-8"),
        field("content-length", content_length),
        field("cache-control", "no-store"),
        field("x-telltale-cause", text.cause),
        field("x-telltale-hop", text.hop),
        field("proxy-status", text.proxy_status),
    };
    nghttp2_data_provider source{};
    source.source.fd = 0;  // how much of the body went out
    source.read_callback = [](nghttp2_session*, int32_t, uint8_t* to, size_t room, uint32_t* flags,
                              nghttp2_data_source* from, void* user) -> ssize_t {
        const std::string_view rest =
            std::string_view(of(user).body).substr(static_cast<size_t>(from->fd));
        const size_t size = std::min(room, rest.size());
        std::copy_n(rest.begin(), size, to);
        from->fd += static_cast<int>(size);
        if (size == rest.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
        return static_cast<ssize_t>(size);
    };
    const bool has_body = kind != RequestKind::head;
    nghttp2_submit_response(session.get(), stream, fields.data(), fields.size(),
                            has_body ? &source : nullptr);
}

void Http2Answer::State::on_sent(const nghttp2_frame& frame) {
    if (frame.hd.type == NGHTTP2_GOAWAY) {
        left = true;
        broken = broken || frame.goaway.error_code != NGHTTP2_NO_ERROR;
        return;
    }
    const bool carries =
        frame.hd.type == NGHTTP2_HEADERS || frame.hd.type == NGHTTP2_DATA;  // END_STREAM
    if (!carries || (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return;
    const int32_t stream = frame.hd.stream_id;
    if (nghttp2_session_get_stream_remote_close(session.get(), stream) != 0) return;
    if (half_open.size() < half_open.capacity()) half_open.push_back(stream);
}

// RFC 9113 §8.1: the rest of such a request is not wanted. Not at once, because the end of most
// requests comes in the same segment, one frame behind their headers.
void Http2Answer::State::abort_half_open() {
    for (const int32_t stream : half_open) {
        nghttp2_submit_rst_stream(session.get(), NGHTTP2_FLAG_NONE, stream, NGHTTP2_NO_ERROR);
    }
    half_open.clear();
}

// Each call of nghttp2_session_mem_send() gives one whole frame: none here is longer than a frame
// may be.
void Http2Answer::State::pull() {
    while (!broken && out.size() - sent < http2_answer_output_max) {
        const uint8_t* frame = nullptr;
        const auto size = nghttp2_session_mem_send(session.get(), &frame);
        if (size < 0) return break_off(NGHTTP2_INTERNAL_ERROR);
        if (size == 0) return;
        append({frame, static_cast<size_t>(size)});
    }
}

// Written here and not by nghttp2, where it would stand behind everything that waits.
void Http2Answer::State::break_off(uint32_t error) {
    if (broken) return;
    const int32_t last = nghttp2_session_get_last_proc_stream_id(session.get());
    append(goaway_frame(static_cast<uint32_t>(last), error));
    broken = true;
}

void Http2Answer::State::go_away() {
    if (broken || leaving) return;
    leaving = true;
    while (!waiting.empty()) answer_waiting(waiting.back().stream);
    const int32_t last = nghttp2_session_get_last_proc_stream_id(session.get());
    nghttp2_submit_goaway(session.get(), NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, nullptr, 0);
    pull();
}

Bytes Http2Answer::State::output() {
    if (!broken) {
        pull();
        abort_half_open();
        pull();
    }
    return Bytes(out).subspan(sent);
}

// ---- the public face

Http2Answer::Http2Answer(AnswerText text) : state_(std::make_unique<State>(std::move(text))) {}
Http2Answer::~Http2Answer() = default;

bool Http2Answer::feed(Bytes bytes) {
    return state_->feed(bytes);
}

void Http2Answer::go_away() {
    state_->go_away();
}

Bytes Http2Answer::output() {
    return state_->output();
}

void Http2Answer::consume(size_t sent) {
    state_->sent = std::min(state_->sent + sent, state_->out.size());
    if (state_->sent < state_->out.size()) return;
    state_->out.clear();
    state_->sent = 0;
}

bool Http2Answer::finished() const {
    return state_->broken || ((state_->left || state_->client_left) && state_->open_streams == 0);
}

uint32_t Http2Answer::answered() const {
    return state_->answered;
}

}  // namespace telltale::proxy
