#include "config/load.h"

#include <utility>

#include "config/fields.h"
#include "config/keys.h"
#include "config/overrides.h"
#include "config/report.h"
#include "config/validate.h"
#include "config/yaml_reader.h"

namespace telltale::config {
namespace {

Config defaults(const Environment& environment) {
    Config config;
    if (!environment) return config;
    config.node.name = environment("POD_NAME").value_or("");
    config.node.namespace_ = environment("POD_NAMESPACE").value_or("");
    return config;
}

// Without a file nobody can ask for a data set, so all that is known helps to explain.
void include_default_data_set(const Context& context, Config& config) {
    const std::string name = "openim";
    const auto text = context.data_sets ? context.data_sets(name) : std::nullopt;
    if (text) config.services = read_data_set(context, name, *text);
}

void require_listener(const Config& config, const std::string& file, Report& report) {
    if (!config.listeners.empty() || !report.is_empty()) return;
    report.add({.file = file,
                .line = 0,
                .path = "listeners",
                .text = "got none, expected at least one: give --listen and --upstream, or a file "
                        "with listeners"});
}

}  // namespace

std::variant<Config, Errors> load(const Source& source, const Overrides& overrides,
                                  const Environment& environment, const DataSets& data_sets) {
    Report report;
    auto read = read_yaml(source.text);
    if (auto* error = std::get_if<Error>(&read)) {
        error->file = source.file;
        return Errors{std::move(*error)};
    }
    const YamlNode& root = std::get<YamlNode>(read);
    Context context{
        .file = source.file, .environment = environment, .data_sets = data_sets, .report = report};
    Config config = defaults(environment);
    const bool is_file = !source.file.empty() || !source.text.empty();
    if (!is_file) include_default_data_set(context, config);
    read_mapping(Field{context, root, ""}, config_keys(), config);
    apply_overrides(overrides, config, report);
    validate(config, source.file, root, report);
    require_listener(config, source.file, report);
    if (!report.is_empty()) return report.take();
    return config;
}

}  // namespace telltale::config
