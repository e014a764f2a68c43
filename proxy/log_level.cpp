#include "proxy/log_level.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>

namespace telltale::proxy {

namespace {

// index = config::LogLevel
constexpr std::array<spdlog::level::level_enum, config::log_level_names.size()> levels = {
    spdlog::level::debug, spdlog::level::info, spdlog::level::warn, spdlog::level::err};

}  // namespace

void set_log_level(config::LogLevel level) {
    spdlog::set_level(levels[static_cast<size_t>(level)]);
}

bool set_log_level(std::string_view word) {
    const auto* const found =
        std::find(config::log_level_names.begin(), config::log_level_names.end(), word);
    if (found == config::log_level_names.end()) return false;
    set_log_level(static_cast<config::LogLevel>(found - config::log_level_names.begin()));
    return true;
}

std::string log_level() {
    const auto* const found = std::find(levels.begin(), levels.end(), spdlog::get_level());
    if (found == levels.end()) return "info";
    return std::string(config::log_level_names[static_cast<size_t>(found - levels.begin())]);
}

}  // namespace telltale::proxy
