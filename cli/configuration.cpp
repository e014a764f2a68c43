#include "cli/configuration.h"

#include <array>
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

std::variant<LoadedConfiguration, std::vector<std::string>> judge(const std::string& file,
                                                                  std::string text,
                                                                  const config::Overrides& flags) {
    const config::Environment environment = process_environment();
    const config::Source source{.file = file, .text = text};
    auto loaded = config::load(source, config::with_environment(flags, environment), environment,
                               config::built_in_data_set);
    if (const auto* errors = std::get_if<config::Errors>(&loaded)) {
        std::vector<std::string> messages;
        for (const config::Error& error : *errors) messages.push_back(error.message());
        return messages;
    }
    return LoadedConfiguration{.config = std::get<config::Config>(std::move(loaded)),
                               .text = std::move(text)};
}

}  // namespace

FileText read_configuration_text(const std::string& file) {
    errno = 0;
    std::ifstream opened;
    if (file != "-") opened.open(file, std::ios::binary);
    std::istream& stream = file == "-" ? std::cin : opened;
    std::string text;
    std::array<char, 16384> part{};
    while (stream && text.size() <= file_bytes_max) {
        stream.read(part.data(), part.size());
        text.append(part.data(), static_cast<size_t>(stream.gcount()));
    }
    text.shrink_to_fit();  // it is kept as long as the process lives
    // Opening a directory succeeds; it is the read that says EISDIR.
    if (!stream.eof() && text.size() <= file_bytes_max) {
        const int error = errno != 0 ? errno : EIO;
        return {.text = {},
                .problem = file + " can't be read: " + std::generic_category().message(error)};
    }
    if (text.size() > file_bytes_max) {
        return {.text = {}, .problem = file + " can't be read: it is larger than 4 MiB"};
    }
    return {.text = std::move(text), .problem = {}};
}

config::Environment process_environment() {
    return [](const std::string& name) -> std::optional<std::string> {
        const char* value =
            std::getenv(name.c_str());  // NOLINT(concurrency-mt-unsafe): nothing sets any
        if (value == nullptr) return std::nullopt;
        return value;
    };
}

std::variant<LoadedConfiguration, std::vector<std::string>> load_configuration(
    const std::string& file, const config::Overrides& flags) {
    if (file.empty()) return judge(file, {}, flags);
    FileText content = read_configuration_text(file);
    if (!content.text) return std::vector<std::string>{content.problem};
    return judge(file, std::move(*content.text), flags);
}

std::variant<LoadedConfiguration, ExitCode> read_configuration(const std::string& file,
                                                               const config::Overrides& flags) {
    std::string text;
    if (!file.empty()) {
        FileText content = read_configuration_text(file);
        if (!content.text) {
            std::fprintf(stderr, "error: %s\n", content.problem.c_str());
            return ExitCode::no_input;
        }
        text = std::move(*content.text);
    }
    auto judged = judge(file, std::move(text), flags);
    if (auto* loaded = std::get_if<LoadedConfiguration>(&judged)) return std::move(*loaded);
    for (const std::string& error : std::get<std::vector<std::string>>(judged)) {
        std::fprintf(stderr, "%s\n", error.c_str());
    }
    return ExitCode::config;
}

}  // namespace telltale::cli
