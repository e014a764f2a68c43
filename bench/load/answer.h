// Follows what comes back on one connection until it is the awaited answer or can't be it any more.
// Pure; the dialer feeds it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "bench/load/wire.h"

namespace telltale::bench::load {

enum class Awaited : uint8_t {
    settings,  // the server's SETTINGS as its first frame
    response,  // SETTINGS, then the whole response with status 200 on stream 1
    http1,     // an HTTP/1 answer and the end of the stream
};

enum class Progress : uint8_t { waiting, done, wrong };

class Answer final {
   public:
    explicit Answer(Awaited awaited) : awaited_{awaited} {}

    Progress take(std::string_view bytes);
    // The peer ended the stream.
    Progress end();

    [[nodiscard]] bool settings_came() const { return settings_came_; }
    // Why it is wrong; a sentence without subject and full stop.
    [[nodiscard]] const char* complaint() const { return complaint_; }
    // What follows the awaited answer on this connection is read by this one.
    [[nodiscard]] const FrameReader& frames() const { return frames_; }

   private:
    Progress take_text(std::string_view bytes);
    void take_frame(const Frame& frame);
    void take_response(const Frame& frame);
    Progress wrong(const char* complaint);

    Awaited awaited_;
    Progress progress_ = Progress::waiting;
    bool settings_came_ = false;
    bool response_began_ = false;
    const char* complaint_ = "";
    std::string text_;  // of an HTTP/1 answer, as much as is compared
    FrameReader frames_;
};

}  // namespace telltale::bench::load
