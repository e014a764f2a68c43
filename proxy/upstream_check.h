// Asks one upstream at an interval whether it speaks HTTP/2: resolves, connects, sends the preface
// and empty SETTINGS (RFC 9113 §3.4), and lets the sniffer judge the answer. On the control thread.
// Tells what it found; nothing is ejected or routed by it.
//
// Leaves politely: SETTINGS ACK and GOAWAY, then FIN, then reads to the end for a moment, so that
// no server logs a reset. At most check_bytes_max are read before the verdict.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "config/config.h"
#include "proxy/net.h"

namespace telltale::proxy {

enum class CheckResult : uint8_t {
    pending,         // no check has ended yet
    http2,           // SETTINGS first
    other_protocol,  // an answer, and not that; GOAWAY in place of SETTINGS too
    refused,         // also a Unix socket that is not there
    timeout,         // no connection, or no word, within the time for the whole check
    unreachable,
    dns_failure,
    closed,  // FIN or RST before a word
};
inline constexpr size_t check_result_count = 8;
inline constexpr std::array<std::string_view, check_result_count> check_result_names = {
    "pending", "http2",       "other_protocol", "refused",
    "timeout", "unreachable", "dns_failure",    "closed"};
[[nodiscard]] constexpr std::string_view name(CheckResult result) {
    return check_result_names[static_cast<size_t>(result)];
}

inline constexpr size_t check_bytes_max = 4096;

// The interval, up to a tenth more or less: the checks of many sidecars started together drift
// apart. random: any number.
[[nodiscard]] std::chrono::milliseconds jittered(std::chrono::milliseconds interval,
                                                 uint32_t random) noexcept;

class UpstreamCheck final {
   public:
    using Clock = std::chrono::steady_clock;

    struct State {
        CheckResult result = CheckResult::pending;
        std::string says = {};              // one sentence, printable
        std::chrono::microseconds took{0};  // the last check, from its start to its result
        Clock::time_point at = {};          // when it ended; epoch: never
        std::array<uint64_t, check_result_count> counts = {};  // by CheckResult; pending stays 0
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

   private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace telltale::proxy
