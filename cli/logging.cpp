#include "cli/logging.h"

#include <spdlog/async.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/ansicolor_sink.h>
#include <spdlog/spdlog.h>

#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>
#include <boost/json/value.hpp>

#include "cli/terminal.h"
#include "proxy/log_level.h"

namespace telltale::cli {

namespace {

// 412 bytes each are touched at start. What may be many, incidents, has a queue of its own.
constexpr size_t queue_lines_max = 256;

// The message as a JSON string, quotes included.
class JsonMessage final : public spdlog::custom_flag_formatter {
   public:
    void format(const spdlog::details::log_msg& message, const std::tm& /*time*/,
                spdlog::memory_buf_t& out) override {
        const std::string text = boost::json::serialize(boost::json::value(
            boost::json::string(message.payload.data(), message.payload.size())));
        out.append(text.data(), text.data() + text.size());
    }
    [[nodiscard]] std::unique_ptr<custom_flag_formatter> clone() const override {
        return std::make_unique<JsonMessage>();
    }
};

LineFormat format_of(config::LogFormat format) {
    switch (format) {
        case config::LogFormat::plain:
            return LineFormat::plain;
        case config::LogFormat::json:
            return LineFormat::json;
        case config::LogFormat::automatic:
            break;
    }
    return is_terminal(Stream::error) ? LineFormat::plain : LineFormat::json;
}

}  // namespace

std::unique_ptr<spdlog::formatter> make_line_formatter(LineFormat format) {
    auto formatter = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc);
    formatter->add_flag<JsonMessage>('*');
    formatter->set_pattern(
        format == LineFormat::json
            ? R"({"ts":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l","event":"log","message":%*})"
            : "%H:%M:%S %^%l%$ %v");
    return formatter;
}

Logging::Logging(const config::Log& log) {
    spdlog::init_thread_pool(queue_lines_max, 1);
    const auto mode = colour_of(Stream::error) == proxy::Colour::on ? spdlog::color_mode::always
                                                                    : spdlog::color_mode::never;
    auto sink = std::make_shared<spdlog::sinks::ansicolor_stderr_sink_mt>(mode);
    // A full queue loses its oldest line rather than making a worker wait.
    auto logger =
        std::make_shared<spdlog::async_logger>("telltale", std::move(sink), spdlog::thread_pool(),
                                               spdlog::async_overflow_policy::overrun_oldest);
    logger->set_formatter(make_line_formatter(format_of(log.format)));
    spdlog::set_default_logger(std::move(logger));
    proxy::set_log_level(log.level);
}

Logging::~Logging() {
    spdlog::shutdown();
}

}  // namespace telltale::cli
