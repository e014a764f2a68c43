// A configuration file: any text gives a configuration or errors, and what is printed of a
// configuration loads again.
#include <variant>

#include "config/load.h"
#include "tests/fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace telltale::config;
    using telltale::fuzz::require;
    const std::string text = telltale::fuzz::Input({data, size}).text(size);
    const auto load_text = [](const std::string& yaml) {
        return load({.file = "fuzz.yaml", .text = yaml}, {}, {}, built_in_data_set);
    };
    const auto loaded = load_text(text);
    if (const auto* errors = std::get_if<Errors>(&loaded)) {
        require(!errors->empty(), "a refusal says why");
        return 0;
    }
    const std::string printed = to_yaml(std::get<Config>(loaded));
    const auto again = load_text(printed);
    require(std::holds_alternative<Config>(again), "a printed configuration loads");
    require(to_yaml(std::get<Config>(again)) == printed, "and prints the same");
    return 0;
}
