#include "sniff/http2.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "sniff/http1.h"

namespace telltale::sniff {

namespace {

constexpr size_t frame_header_size = 9;
constexpr uint8_t flag_ack = 0x1;  // SETTINGS, PING
constexpr uint8_t flag_end_stream = 0x1;
constexpr uint8_t flag_end_headers = 0x4;
constexpr uint8_t flag_padded = 0x8;
constexpr uint8_t flag_priority = 0x20;

constexpr size_t settings_kept_max = 16;
constexpr size_t setting_size = 6;
constexpr size_t goaway_fixed_size = 8;
constexpr size_t goaway_debug_max = 256;
constexpr size_t header_block_max = 16384;
constexpr size_t header_count_max = 64;
constexpr size_t header_text_max = 256;
// No frame but DATA has a reason to be longer, whatever SETTINGS_MAX_FRAME_SIZE allows (gRPC C-core
// allows DATA of 4 MiB).
constexpr uint32_t control_frame_length_max = 1024 * 1024;
// The most that gRPC stacks allow each other (SETTINGS_HEADER_TABLE_SIZE); the table grows only
// when the speaker says so.
constexpr size_t hpack_table_max = 65536;

constexpr uint8_t code(FrameType type) {
    return static_cast<uint8_t>(type);
}

FrameHeader read_frame_header(Bytes bytes) noexcept {
    const auto at = [bytes](size_t i) { return uint32_t{bytes[i]}; };
    return {.length = (at(0) << 16U) | (at(1) << 8U) | at(2),
            .type = bytes[3],
            .flags = bytes[4],
            .stream = ((at(5) & 0x7fU) << 24U) | (at(6) << 16U) | (at(7) << 8U) | at(8)};
}

uint32_t read_u32(Bytes bytes) noexcept {
    return (uint32_t{bytes[0]} << 24U) | (uint32_t{bytes[1]} << 16U) | (uint32_t{bytes[2]} << 8U) |
           uint32_t{bytes[3]};
}

// ---- the first frame of an upstream, byte by byte

// Bytes 0 and 1 of a length that is at most 16,384.
bool fits_length_start(Bytes prefix) noexcept {
    if (!prefix.empty() && prefix[0] != 0) return false;
    return prefix.size() < 2 || prefix[1] <= (http2_frame_length_default_max >> 8U);
}

// Bytes 5 to 8: stream 0; the reserved bit is to be ignored (RFC 9113 §4.1).
bool fits_stream_zero(Bytes prefix) noexcept {
    for (size_t i = 5; i < std::min(prefix.size(), frame_header_size); ++i) {
        if ((i == 5 ? prefix[i] & 0x7fU : prefix[i]) != 0) return false;
    }
    return true;
}

uint32_t length_of(Bytes prefix) noexcept {
    return (uint32_t{prefix[0]} << 16U) | (uint32_t{prefix[1]} << 8U) | prefix[2];
}

// Frames with which a peer may begin out of order: a SETTINGS ACK, WINDOW_UPDATE, PING or GOAWAY.
bool fits_other_first_length(uint32_t length) noexcept {
    return length == 0 || length == 4 || (length >= 8 && length <= http2_frame_length_default_max);
}

bool fits_other_first_type(uint32_t length, uint8_t type) noexcept {
    if (length == 0) return type == code(FrameType::settings);
    if (length == 4) return type == code(FrameType::window_update);
    return type == code(FrameType::goaway) || (length == 8 && type == code(FrameType::ping));
}

}  // namespace

Match http2_preface_probe(Bytes prefix) noexcept {
    return match_literal(prefix, http2_preface);
}

Match http2_settings_probe(Bytes prefix) noexcept {
    // 16,384 is no multiple of 6, so that byte 1 is less than 0x40.
    if (!fits_length_start(prefix) || (prefix.size() > 1 && prefix[1] >= 0x40)) return Match::no;
    if (prefix.size() > 2 && length_of(prefix) % setting_size != 0) return Match::no;
    if (prefix.size() > 3 && prefix[3] != code(FrameType::settings)) return Match::no;
    if (prefix.size() > 4 && (prefix[4] & flag_ack) != 0) return Match::no;
    if (!fits_stream_zero(prefix)) return Match::no;
    return prefix.size() >= frame_header_size ? Match::yes : Match::more;
}

Match http2_goaway_probe(Bytes prefix) noexcept {
    if (!fits_length_start(prefix)) return Match::no;
    if (prefix.size() > 2 && !fits_other_first_length(length_of(prefix))) return Match::no;
    if (prefix.size() > 3 && !fits_other_first_type(length_of(prefix), prefix[3])) return Match::no;
    const bool is_settings = prefix.size() > 4 && prefix[3] == code(FrameType::settings);
    if (is_settings && (prefix[4] & flag_ack) == 0) return Match::no;
    if (!fits_stream_zero(prefix)) return Match::no;
    return prefix.size() >= frame_header_size ? Match::yes : Match::more;
}

// ---- header blocks

class FirstHeaders final {
   public:
    FirstHeaders() noexcept {
        if (nghttp2_hd_inflate_new(&inflater_) != 0) inflater_ = nullptr;
        if (inflater_ != nullptr) nghttp2_hd_inflate_change_table_size(inflater_, hpack_table_max);
    }
    ~FirstHeaders() { nghttp2_hd_inflate_del(inflater_); }
    FirstHeaders(const FirstHeaders&) = delete;
    FirstHeaders& operator=(const FirstHeaders&) = delete;

    void begin_block() noexcept {
        headers_ = {};
        block_size_ = 0;
        count_ = 0;
        names_ = 0;
    }

    // A part of a block; false when it is too long or no HPACK.
    [[nodiscard]] bool add(Bytes part) noexcept {
        block_size_ += part.size();
        return block_size_ <= header_block_max && inflate(part, 0);
    }

    [[nodiscard]] bool end_block() noexcept {
        if (!inflate({}, 1)) return false;
        return nghttp2_hd_inflate_end_headers(inflater_) == 0;
    }

    [[nodiscard]] Http2Headers& headers() noexcept { return headers_; }

   private:
    bool inflate(Bytes part, int in_final) noexcept {
        if (inflater_ == nullptr) return false;
        while (true) {
            nghttp2_nv field{};
            int flags = 0;
            const auto read = nghttp2_hd_inflate_hd2(inflater_, &field, &flags, part.data(),
                                                     part.size(), in_final);
            if (read < 0) return false;
            part = part.subspan(static_cast<size_t>(read));
            if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
                if (++count_ > header_count_max) return false;
                keep(as_text({field.name, field.namelen}), as_text({field.value, field.valuelen}));
            }
            if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) return true;
            if ((flags & NGHTTP2_HD_INFLATE_EMIT) == 0 && (part.empty() || read == 0)) return true;
        }
    }

    void keep(std::string_view name, std::string_view value) noexcept {
        value = value.substr(0, header_text_max);
        note_name(name);
        if (name == ":status") headers_.status = read_status(value);
        if (name == ":method") headers_.method = value;
        if (name == ":path") headers_.path = value;
        if (name == "content-type") headers_.content_type = value;
        if (name == "user-agent") headers_.user_agent = value;
        if (name == "server") headers_.server = value;
        if (name == "via") headers_.via = value;
        if (name == "grpc-status") headers_.grpc_status = value;
        if (name == "grpc-message") headers_.grpc_message = value;
        if (name == "x-telltale-cause") headers_.telltale_cause = value;
        if (name == "x-telltale-hop") headers_.telltale_hop = value;
        if (name.size() <= header_text_max) add_forwarded(headers_.forwarded, name);
    }

    void note_name(std::string_view name) noexcept {
        if (name.empty() || name.front() == ':') return;
        if (name == "server" && headers_.server_fields < UINT8_MAX) ++headers_.server_fields;
        if (names_ < http2_names_max) headers_.names[names_++] = header_name_hash(name);
    }

    static int read_status(std::string_view value) noexcept {
        if (value.size() != 3) return -1;
        int status = 0;
        for (const char c : value) {
            if (c < '0' || c > '9') return -1;
            status = status * 10 + (c - '0');
        }
        return status;
    }

    nghttp2_hd_inflater* inflater_ = nullptr;
    Http2Headers headers_;
    size_t block_size_ = 0;
    size_t count_ = 0;
    size_t names_ = 0;
};

// ---- the walker

struct FrameWalker::State {
    explicit State(Side side) noexcept : speaker(side) {}

    void feed(Bytes chunk) noexcept;
    void on_frame_header() noexcept;
    void on_payload(Bytes part) noexcept;
    void on_frame_end() noexcept;

    [[nodiscard]] bool frame_fits() const noexcept;
    void begin_headers() noexcept;
    void on_block(Bytes part) noexcept;
    void on_block_end() noexcept;
    void fail_headers() noexcept;
    void on_settings(Bytes part) noexcept;
    void begin_goaway() noexcept;
    void on_goaway(Bytes part) noexcept;
    // Fills scratch up to size; true when it is full.
    bool fill_scratch(Bytes& part, size_t size) noexcept;

    Side speaker;
    bool sane = true;
    bool settings_seen = false;
    bool settings_complete = false;
    bool headers_started = false;
    bool headers_failed = false;
    bool goaway_open = false;   // this frame is kept
    bool block_open = false;    // a header block goes on in CONTINUATION
    bool block_counts = false;  // it is a HEADERS block: a PUSH_PROMISE's is only inflated
    bool block_end_stream = false;

    std::array<uint8_t, frame_header_size> header{};
    uint8_t header_have = 0;
    std::array<uint8_t, goaway_fixed_size> scratch{};
    uint8_t scratch_have = 0;
    bool padding_known = true;
    uint8_t strip_left = 0;   // bytes before the block fragment
    uint32_t block_left = 0;  // of the fragment in this frame
    uint32_t payload_left = 0;
    uint32_t block_stream = 0;
    FrameHeader frame;
    uint64_t frames = 0;

    std::vector<Http2Setting> settings;
    std::unique_ptr<FirstHeaders> collector;
    std::unique_ptr<Http2Headers> first_headers;
    std::unique_ptr<Http2Goaway> goaway;
};

void FrameWalker::State::feed(Bytes chunk) noexcept {
    while (!chunk.empty() && sane) {
        if (header_have < frame_header_size) {
            const size_t size = std::min(chunk.size(), frame_header_size - header_have);
            std::memcpy(header.data() + header_have, chunk.data(), size);
            header_have = static_cast<uint8_t>(header_have + size);
            chunk = chunk.subspan(size);
            if (header_have == frame_header_size) on_frame_header();
            continue;
        }
        const size_t size = std::min<size_t>(chunk.size(), payload_left);
        on_payload(chunk.first(size));
        payload_left -= static_cast<uint32_t>(size);
        chunk = chunk.subspan(size);
        if (payload_left == 0) on_frame_end();
    }
}

void FrameWalker::State::on_frame_header() noexcept {
    frame = read_frame_header(header);
    if (!frame_fits()) {
        sane = false;
        if (collector) fail_headers();
        return;
    }
    ++frames;
    payload_left = frame.length;
    scratch_have = 0;
    goaway_open = false;
    const bool wants_block = !first_headers && !headers_failed;
    if (frame.type == code(FrameType::settings) && (frame.flags & flag_ack) == 0 &&
        !settings_seen) {
        settings_seen = true;
        settings.reserve(std::min<size_t>(frame.length / setting_size, settings_kept_max));
    }
    if (frame.type == code(FrameType::headers)) headers_started = true;
    if (wants_block) begin_headers();
    if (frame.type == code(FrameType::goaway)) begin_goaway();
    if (payload_left == 0) on_frame_end();
}

// What RFC 9113 §6 says of each type's length and stream, and §6.10 of what may follow an open
// header block.
bool FrameWalker::State::frame_fits() const noexcept {
    const bool on_stream = frame.stream != 0;
    if (block_open &&
        (frame.type != code(FrameType::continuation) || frame.stream != block_stream)) {
        return false;
    }
    if (frame.type != code(FrameType::data) && frame.length > control_frame_length_max)
        return false;
    if (frame.type > code(FrameType::continuation)) return true;  // extensions are to be ignored
    switch (static_cast<FrameType>(frame.type)) {
        case FrameType::data:
        case FrameType::headers:
        case FrameType::push_promise:
            return on_stream;
        case FrameType::priority:
            return on_stream && frame.length == 5;
        case FrameType::rst_stream:
            return on_stream && frame.length == 4;
        case FrameType::settings:
            return !on_stream && frame.length % setting_size == 0 &&
                   ((frame.flags & flag_ack) == 0 || frame.length == 0);
        case FrameType::ping:
            return !on_stream && frame.length == 8;
        case FrameType::goaway:
            return !on_stream && frame.length >= goaway_fixed_size;
        case FrameType::window_update:
            return frame.length == 4;
        case FrameType::continuation:
            return on_stream;
    }
    return false;
}

void FrameWalker::State::begin_headers() noexcept {
    const bool is_headers = frame.type == code(FrameType::headers);
    const bool is_promise = frame.type == code(FrameType::push_promise);
    if (frame.type == code(FrameType::continuation) && block_open) {
        padding_known = true;
        strip_left = 0;
        block_left = frame.length;
        return;
    }
    if (!is_headers && !is_promise) return;
    if (!collector) collector = std::make_unique<FirstHeaders>();
    collector->begin_block();
    block_open = true;
    block_counts = is_headers;
    block_stream = frame.stream;
    block_end_stream = is_headers && (frame.flags & flag_end_stream) != 0;
    padding_known = (frame.flags & flag_padded) == 0;
    // Stream dependency and weight, or the promised stream.
    strip_left = is_promise ? 4 : ((frame.flags & flag_priority) != 0 ? 5 : 0);
    const uint32_t before = strip_left + (padding_known ? 0U : 1U);
    if (frame.length < before) return fail_headers();
    block_left = frame.length - before;
}

void FrameWalker::State::on_payload(Bytes part) noexcept {
    if (block_open) return on_block(part);
    if (frame.type == code(FrameType::settings) && settings_seen && !settings_complete) {
        return on_settings(part);
    }
    if (goaway_open) on_goaway(part);
}

void FrameWalker::State::on_block(Bytes part) noexcept {
    if (!padding_known && !part.empty()) {
        padding_known = true;
        const uint8_t padding = part[0];
        part = part.subspan(1);
        if (padding > block_left) return fail_headers();
        block_left -= padding;
    }
    const size_t stripped = std::min<size_t>(part.size(), strip_left);
    strip_left = static_cast<uint8_t>(strip_left - stripped);
    part = part.subspan(stripped);
    part = part.first(std::min<size_t>(part.size(), block_left));  // then comes padding
    block_left -= static_cast<uint32_t>(part.size());
    if (!part.empty() && !collector->add(part)) fail_headers();
}

void FrameWalker::State::on_block_end() noexcept {
    block_open = false;
    if (!collector->end_block()) return fail_headers();
    Http2Headers& headers = collector->headers();
    const bool is_interim =
        speaker == Side::upstream && headers.status >= 100 && headers.status < 200;
    if (!block_counts || is_interim) return;  // the same HPACK state reads the next block
    headers.end_stream = block_end_stream;
    first_headers = std::make_unique<Http2Headers>(std::move(headers));
    collector.reset();
}

void FrameWalker::State::fail_headers() noexcept {
    headers_failed = true;
    block_open = false;
    collector.reset();
}

bool FrameWalker::State::fill_scratch(Bytes& part, size_t size) noexcept {
    const size_t taken = std::min(part.size(), size - std::min<size_t>(scratch_have, size));
    if (taken > 0) std::memcpy(scratch.data() + scratch_have, part.data(), taken);
    scratch_have = static_cast<uint8_t>(scratch_have + taken);
    part = part.subspan(taken);
    return scratch_have >= size;
}

void FrameWalker::State::on_settings(Bytes part) noexcept {
    while (settings.size() < settings_kept_max && fill_scratch(part, setting_size)) {
        const Bytes entry(scratch);
        settings.push_back({.id = static_cast<uint16_t>((entry[0] << 8U) | entry[1]),
                            .value = read_u32(entry.subspan(2, 4))});
        scratch_have = 0;
    }
}

void FrameWalker::State::begin_goaway() noexcept {
    // A drain announces itself with NO_ERROR first; what follows may say more, so only that is
    // written over.
    goaway_open = !goaway || goaway->error_code == 0;
}

void FrameWalker::State::on_goaway(Bytes part) noexcept {
    const bool had_fixed = scratch_have == goaway_fixed_size;
    if (!fill_scratch(part, goaway_fixed_size)) return;
    if (!had_fixed) {
        if (!goaway) goaway = std::make_unique<Http2Goaway>();
        const Bytes fields(scratch);
        goaway->last_stream = read_u32(fields) & 0x7fffffffU;
        goaway->error_code = read_u32(fields.subspan(4));
        goaway->debug.clear();
    }
    const size_t room = goaway_debug_max - goaway->debug.size();
    goaway->debug += as_text(part).substr(0, room);
}

void FrameWalker::State::on_frame_end() noexcept {
    header_have = 0;
    if (frame.type == code(FrameType::settings) && settings_seen) settings_complete = true;
    const bool carries_block = frame.type == code(FrameType::headers) ||
                               frame.type == code(FrameType::push_promise) ||
                               frame.type == code(FrameType::continuation);
    if (block_open && carries_block && (frame.flags & flag_end_headers) != 0) on_block_end();
}

FrameWalker::FrameWalker(Side speaker) noexcept : state_(std::make_unique<State>(speaker)) {}
FrameWalker::~FrameWalker() = default;
FrameWalker::FrameWalker(FrameWalker&&) noexcept = default;
FrameWalker& FrameWalker::operator=(FrameWalker&&) noexcept = default;

void FrameWalker::feed(Bytes chunk) noexcept {
    state_->feed(chunk);
}
bool FrameWalker::settings_complete() const noexcept {
    return state_->settings_complete;
}
const std::vector<Http2Setting>& FrameWalker::settings() const noexcept {
    return state_->settings;
}
bool FrameWalker::headers_started() const noexcept {
    return state_->headers_started;
}
const Http2Headers* FrameWalker::first_headers() const noexcept {
    return state_->first_headers.get();
}
bool FrameWalker::headers_failed() const noexcept {
    return state_->headers_failed;
}
const Http2Goaway* FrameWalker::goaway() const noexcept {
    return state_->goaway.get();
}
uint64_t FrameWalker::frames() const noexcept {
    return state_->frames;
}
bool FrameWalker::sane() const noexcept {
    return state_->sane;
}

}  // namespace telltale::sniff
