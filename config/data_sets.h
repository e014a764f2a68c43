// The registry data sets compiled in from config/data/*.yaml.
#pragma once

#include <string>
#include <vector>

namespace telltale::config {

struct DataSet {
    std::string name;  // "openim"
    std::string text;  // YAML: services, as in registry.services
};

[[nodiscard]] const std::vector<DataSet>& built_in_data_sets();

}  // namespace telltale::config
