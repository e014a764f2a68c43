#include "proxy/setup.h"

#include <utility>

namespace telltale::proxy {

Setup::Setup(GenerationPtr generation, asio::io_context& names, NameMemory& memory,
             const Route::Post& home, const Setup* before)
    : generation_(std::move(generation)),
      chains_(generation_->config.listeners.size()),
      known_(generation_->config.listeners.size()) {
    for (const config::Listener& listener : generation_->config.listeners) {
        const size_t index = routes_.size();
        routes_.push_back(std::make_unique<Route>(names, memory, home, index, listener.upstream,
                                                  generation_->own, chains_));
        if (before == nullptr) continue;
        for (size_t old = 0; old < before->routes_.size(); ++old) {
            if (before->slot(old) == slot(index)) routes_.back()->inherit(*before->routes_[old]);
        }
    }
}

const sniff::RegistryFacts& Setup::registry_facts(size_t listener, const std::string& address,
                                                  const std::string& requested) {
    Known& known = known_[listener];
    if (!known.facts || known.address != address || known.requested != requested) {
        known.address = address;
        known.requested = requested;
        known.facts = generation_->registry.look_up(address, requested);
    }
    return *known.facts;
}

}  // namespace telltale::proxy
