// How a command that holds something learns that it shall end: stdin is closed, or SIGTERM or
// SIGINT came. From its making on these signals wait here instead of ending the process.
#pragma once

#include <chrono>

#include "bench/load/sockets.h"

namespace telltale::bench::load {

// SIGTERM and SIGINT as something to poll, in every thread that begins later too. It stays readable
// as long as nobody reads it.
[[nodiscard]] Descriptor ending_signals();

class Ending final {
   public:
    // Whether it has come; waits for it this long.
    [[nodiscard]] bool came_within(std::chrono::milliseconds time);
    void wait();

   private:
    Descriptor signals_ = ending_signals();
    bool came_ = false;
};

// False when stdin ends first.
[[nodiscard]] bool wait_for_line();

}  // namespace telltale::bench::load
