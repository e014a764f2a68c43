// Asks one upstream at an interval whether it speaks HTTP/2: resolves, connects, sends the preface
// and empty SETTINGS (RFC 9113 §3.4), and lets the sniffer judge the answer. On the control thread.
// Tells what it found; nothing is ejected or routed by it.
//
// Leaves politely: SETTINGS ACK and GOAWAY, then FIN, then reads to the end for a moment, so that
// no server logs a reset. At most check_bytes_max are read before the verdict.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "config/config.h"
#include "proxy/net.h"
#include "proxy/stats.h"

namespace telltale::proxy {

inline constexpr size_t check_bytes_max = 4096;

// The interval, up to a tenth more or less: the checks of many sidecars started together drift
// apart. random: any number.
[[nodiscard]] std::chrono::milliseconds jittered(std::chrono::milliseconds interval,
                                                 uint32_t random) noexcept;

class UpstreamCheck final {
   public:
    using Clock = std::chrono::steady_clock;

    struct State {
        std::optional<CheckResult> result;  // nullopt: no check has ended yet
        std::string says;                   // a part of a sentence, printable
        std::chrono::microseconds took{0};  // the last check, from its start to its result
        Clock::time_point at;               // when it had its result
        CheckCounts counts{};
    };

    // timeout: for one whole check. interval: from the end of one to the start of the next.
    UpstreamCheck(asio::io_context& context, std::string listener, config::Address upstream,
                  std::chrono::milliseconds interval, std::chrono::milliseconds timeout);
    ~UpstreamCheck();
    UpstreamCheck(const UpstreamCheck&) = delete;
    UpstreamCheck& operator=(const UpstreamCheck&) = delete;

    void start();  // the first check at once
    // Nothing goes on after this. On the thread that runs the context, or when none runs it.
    void stop();

    // What the last check found. A check that this host could not make (no descriptors) changes
    // the sentence alone.
    [[nodiscard]] const State& state() const noexcept;
    [[nodiscard]] CheckState report(Clock::time_point now) const;

   private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace telltale::proxy
