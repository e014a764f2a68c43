#include "sniff/stream.h"

#include <algorithm>

#include "sniff/greetings.h"
#include "sniff/http1.h"
#include "sniff/tls.h"

namespace telltale::sniff {

namespace {

constexpr size_t first_allocation =
    128;  // a gRPC client's preface and SETTINGS, most servers' SETTINGS
constexpr size_t goaway_debug_enough = 256;  // the walker keeps no more

bool speaks_frames(Protocol protocol) {
    return protocol == Protocol::http2 || protocol == Protocol::http2_goaway;
}

}  // namespace

Stream::Stream(Side side, uint32_t window_max) noexcept
    : sniffer_(side, window_max), window_max_(window_max), side_(side) {}

void Stream::count(size_t size, Millis now) noexcept {
    if (bytes_ == 0) first_byte_at_ = now;
    bytes_ += size;
}

void Stream::keep(Bytes bytes, size_t size_max) {
    const size_t size = std::min(bytes.size(), size_max - std::min(kept_.size(), size_max));
    if (size == 0) return;
    const size_t wanted = kept_.size() + size;
    if (wanted > kept_.capacity()) {
        // A vector would grow past the window; this never does.
        kept_.reserve(
            std::clamp(kept_.capacity() * 2, std::min(first_allocation, size_max), size_max));
        if (wanted > kept_.capacity()) kept_.reserve(wanted);
    }
    kept_.insert(kept_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
}

size_t Stream::first_bytes_kept() const noexcept {
    return side_ == Side::client ? client_first_bytes_max : first_bytes_max;
}

size_t Stream::take(Bytes chunk) {
    if (skip_ > 0) {
        const size_t skipped = static_cast<size_t>(std::min<uint64_t>(skip_, chunk.size()));
        skip_ -= skipped;
        return skipped;
    }
    if (trimmed_) return chunk.size();
    if (walker_) {
        const Bytes piece = chunk.first(cutter_.next(chunk).size);
        keep(piece, first_bytes_kept());
        layer_bytes_ += piece.size();
        walk(piece);
        return piece.size();
    }
    const size_t before = kept_.size();
    keep(chunk, window_max_);
    const size_t taken = kept_.size() - before;
    // What the window has no room for is gone, but a later layer must know that it was there.
    const size_t size = taken == 0 ? chunk.size() : taken;
    layer_bytes_ += size;
    return size;
}

void Stream::walk(Bytes piece) {
    walked_ += piece.size();
    walker_->feed(piece);
    if (side_ == Side::upstream) return;
    const bool is_known = walker_->first_headers() != nullptr || walker_->headers_failed();
    // Where a bad block fails depends on the pieces; where its frame ends does not.
    if ((is_known && cutter_.between_frames()) || !walker_->sane()) trim(first_bytes_kept());
}

bool Stream::replay() {
    if (!walker_ || trimmed_ || walked_ >= kept_.size()) return false;
    const Bytes rest = Bytes(kept_).subspan(static_cast<size_t>(walked_));
    walk(rest.first(cutter_.next(rest).size));
    if (walked_ >= kept_.size() && kept_.size() > first_bytes_kept()) {
        kept_.resize(first_bytes_kept());
        kept_.shrink_to_fit();
    }
    return true;
}

void Stream::relay() {
    const size_t walked = static_cast<size_t>(std::min<uint64_t>(walked_, kept_.size()));
    const std::vector<uint8_t> unseen(kept_.begin() + static_cast<std::ptrdiff_t>(walked),
                                      kept_.end());
    release();
    follow(unseen);
}

void Stream::follow(Bytes chunk) {
    while (!chunk.empty()) {
        const FramePiece piece = cutter_.next(chunk);
        const Bytes bytes = chunk.first(piece.size);
        chunk = chunk.subspan(piece.size);
        if (piece.part == FramePart::header_begun) continue;
        if (cutter_.type() != static_cast<uint8_t>(FrameType::goaway)) continue;
        if (!walker_) walker_.emplace(side_);
        walker_->feed(piece.part == FramePart::header_done ? cutter_.header() : bytes);
    }
}

bool Stream::look() {
    if (protocol_ != Protocol::undecided) return false;
    protocol_ = may_grow() ? sniffer_.look(kept_) : sniffer_.finish(kept_);
    if (protocol_ == Protocol::undecided) return false;
    if (speaks_frames(protocol_)) {
        walker_.emplace(side_);
        walked_ = side_ == Side::client ? http2_preface.size() : 0;
    }
    return true;
}

void Stream::restart(uint64_t offset) {
    const uint64_t dropped = layer_bytes_ - kept_.size();
    const uint64_t left = layer_bytes_ - std::min(offset, layer_bytes_);
    const bool has_gap = left > 0 && dropped > 0;
    skip_ = offset - std::min(offset, layer_bytes_);
    kept_.erase(kept_.begin(), kept_.end() - static_cast<std::ptrdiff_t>(has_gap ? 0 : left));
    sniffer_ = Sniffer(side_, window_max_);
    walker_.reset();
    cutter_ = FrameCutter();
    layer_bytes_ = left;
    walked_ = 0;
    head_size_ = 0;
    head_searched_ = 0;
    trimmed_ = false;
    protocol_ = has_gap ? Protocol::other : Protocol::undecided;
}

void Stream::trim(size_t size) {
    trimmed_ = true;
    if (walker_) size = std::min({size, first_bytes_kept(), static_cast<size_t>(walked_)});
    if (kept_.size() > size) kept_.resize(size);
    kept_.shrink_to_fit();
}

void Stream::release() {
    if (walker_) settings_ = walker_->settings();
    drop();
}

void Stream::drop() noexcept {
    walker_.reset();
    std::vector<uint8_t>().swap(kept_);
}

bool Stream::may_grow() const noexcept {
    return !ended_ && (walker_.has_value() || kept_.size() < window_max_);
}

size_t Stream::head_size() noexcept {
    if (head_size_ == 0 && kept_.size() > head_searched_) {
        head_size_ = static_cast<uint32_t>(http1_head_size(kept_, head_searched_));
        head_searched_ = static_cast<uint32_t>(kept_.size());
    }
    return head_size_;
}

const Http2Goaway* Stream::whole_goaway() const noexcept {
    const Http2Goaway* goaway = walker_ ? walker_->goaway() : nullptr;
    if (goaway == nullptr || cutter_.between_frames() || ended_) return goaway;
    return goaway->debug.size() >= goaway_debug_enough ? goaway : nullptr;
}

bool Stream::refused_by_goaway() const noexcept {
    const Http2Goaway* goaway = whole_goaway();
    return goaway != nullptr && goaway->error_code != 0 && !walker_->headers_started();
}

void Stream::describe(SideEvidence& evidence) const {
    evidence.protocol = protocol_;
    evidence.bytes = bytes_;
    evidence.first_byte_at = first_byte_at_;
    evidence.first_bytes = as_text(Bytes(kept_).first(std::min(kept_.size(), first_bytes_kept())));
    evidence.settings = settings_;
    if (walker_) {
        if (settings_.empty()) evidence.settings = walker_->settings();
        if (walker_->first_headers() != nullptr) evidence.first_headers = *walker_->first_headers();
        if (walker_->goaway() != nullptr) evidence.goaway = *walker_->goaway();
    }
    if (kept_.empty()) return;
    if (protocol_ == Protocol::http1 && side_ == Side::client) {
        evidence.http1_request = parse_http1_request(kept_);
    }
    if (protocol_ == Protocol::http1 && side_ == Side::upstream) {
        evidence.http1_response = parse_http1_response(kept_);
    }
    if (protocol_ == Protocol::tls) {
        evidence.tls_hello =
            side_ == Side::client ? parse_client_hello(kept_) : parse_server_hello(kept_);
    }
    if (protocol_ == Protocol::tls) evidence.tls_alert = find_later_alert(kept_);
    if (protocol_ == Protocol::tls_alert) evidence.tls_alert = parse_tls_alert(kept_);
    evidence.greeting = greeting_text(protocol_, kept_);
}

}  // namespace telltale::sniff
