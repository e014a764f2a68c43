#include "config/keys.h"
#include "config/load.h"
#include "config/yaml_writer.h"

namespace telltale::config {

std::string to_yaml(const Config& config) {
    return write_yaml(write_mapping(config_keys(), config));
}

}  // namespace telltale::config
