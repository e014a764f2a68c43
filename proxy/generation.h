// One configuration in effect, as all workers share it: read only from the moment it is used. A
// reload makes the next one; connections keep the one they began with until they end.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "config/config.h"
#include "config/registry.h"
#include "proxy/route.h"

namespace telltale::proxy {

struct Generation {
    uint64_t number = 0;
    config::Config config;
    config::Registry registry;
    OwnAddresses own;
    // index = listener: where its numbers are counted. A listener keeps its slot over reloads, by
    // its name.
    std::vector<size_t> slots;
};
using GenerationPtr = std::shared_ptr<const Generation>;

}  // namespace telltale::proxy
