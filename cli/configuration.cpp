#include "cli/configuration.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <optional>
#include <system_error>

namespace telltale::cli {

namespace {

// More than any configuration is; /dev/zero given by mistake ends here.
constexpr size_t file_bytes_max = size_t{4} << 20U;

// Prints why, when there is none.
std::optional<std::string> read_file(const std::string& file) {
    errno = 0;
    std::ifstream opened;
    if (file != "-") opened.open(file, std::ios::binary);
    std::istream& stream = file == "-" ? std::cin : opened;
    std::string text(file_bytes_max + 1, '\0');
    if (stream) stream.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<size_t>(stream.gcount()));
    // Opening a directory succeeds; it is the read that says EISDIR.
    if (!stream.eof() && text.size() <= file_bytes_max) {
        const int error = errno != 0 ? errno : EIO;
        std::fprintf(stderr, "error: %s can't be read: %s\n", file.c_str(),
                     std::generic_category().message(error).c_str());
        return std::nullopt;
    }
    if (text.size() > file_bytes_max) {
        std::fprintf(stderr, "error: %s can't be read: it is larger than 4 MiB\n", file.c_str());
        return std::nullopt;
    }
    return text;
}

}  // namespace

config::Environment process_environment() {
    return [](const std::string& name) -> std::optional<std::string> {
        const char* value =
            std::getenv(name.c_str());  // NOLINT(concurrency-mt-unsafe): before any thread
        if (value == nullptr) return std::nullopt;
        return value;
    };
}

std::variant<config::Config, ExitCode> read_configuration(const std::string& file,
                                                          const config::Overrides& flags) {
    config::Source source{.file = file, .text = {}};
    if (!file.empty()) {
        std::optional<std::string> text = read_file(file);
        if (!text) return ExitCode::no_input;
        source.text = std::move(*text);
    }
    const config::Environment environment = process_environment();
    auto loaded = config::load(source, config::with_environment(flags, environment), environment,
                               config::built_in_data_set);
    if (const auto* errors = std::get_if<config::Errors>(&loaded)) {
        for (const config::Error& error : *errors)
            std::fprintf(stderr, "%s\n", error.message().c_str());
        return ExitCode::config;
    }
    return std::get<config::Config>(std::move(loaded));
}

}  // namespace telltale::cli
