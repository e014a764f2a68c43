#include "config/data_sets.h"

#include "config/load.h"

namespace telltale::config {

std::optional<std::string> built_in_data_set(const std::string& name) {
    for (const DataSet& set : built_in_data_sets()) {
        if (set.name == name) return set.text;
    }
    return std::nullopt;
}

}  // namespace telltale::config
