#include "bench/load/answer.h"

namespace telltale::bench::load {

namespace {

constexpr std::string_view http1_begin = "HTTP/1.";

}  // namespace

Progress Answer::take(std::string_view bytes) {
    if (awaited_ == Awaited::http1) return take_text(bytes);
    frames_.read(bytes, [this](const Frame& frame) { take_frame(frame); });
    if (frames_.broken() && progress_ != Progress::done) return wrong("was not answered in HTTP/2");
    return progress_;
}

Progress Answer::end() {
    if (awaited_ == Awaited::http1 && text_ == http1_begin) return Progress::done;
    return wrong("was ended before its answer was whole");
}

Progress Answer::take_text(std::string_view bytes) {
    text_ += bytes.substr(0, http1_begin.size() - text_.size());
    if (!http1_begin.starts_with(text_)) return wrong("was not answered in HTTP/1");
    return Progress::waiting;
}

void Answer::take_frame(const Frame& frame) {
    if (progress_ != Progress::waiting) return;
    if (!settings_came_) {
        // RFC 9113 §3.4: the server's preface is a SETTINGS frame, before anything else.
        if (frame.type != FrameType::settings || frame.has(flag_ack) || frame.stream != 0) {
            wrong("got another frame before the server's SETTINGS");
            return;
        }
        settings_came_ = true;
        if (awaited_ == Awaited::settings) progress_ = Progress::done;
        return;
    }
    if (frame.type == FrameType::goaway) wrong("got GOAWAY instead of a response");
    if (frame.stream == 1) take_response(frame);
}

void Answer::take_response(const Frame& frame) {
    if (frame.type == FrameType::rst_stream) wrong("had its request reset");
    if (frame.type != FrameType::headers && frame.type != FrameType::data) return;
    if (!response_began_ && !says_200(frame)) {
        wrong("got a response other than 200");
        return;
    }
    response_began_ = true;
    if (frame.has(flag_end_stream)) progress_ = Progress::done;
}

Progress Answer::wrong(const char* complaint) {
    complaint_ = complaint;
    return progress_ = Progress::wrong;
}

}  // namespace telltale::bench::load
