// One generation of the configuration on one worker: its routes, and what its registry said last.
// Sessions hold it; it goes with the last of them. One thread.
#pragma once

#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "proxy/generation.h"
#include "proxy/route.h"
#include "sniff/evidence.h"

namespace telltale::proxy {

class Setup final : public boost::intrusive_ref_counter<Setup, boost::thread_unsafe_counter> {
   public:
    // names: where the resolver answers; home: brings its answers to the worker's thread.
    // before: the setup that this one follows; what its routes learned is taken over.
    Setup(GenerationPtr generation, asio::io_context& names, NameMemory& memory,
          const Route::Post& home, const Setup* before);

    [[nodiscard]] const GenerationPtr& generation() const noexcept { return generation_; }
    [[nodiscard]] const config::Config& config() const noexcept { return generation_->config; }
    [[nodiscard]] const config::Listener& listener(size_t index) const noexcept {
        return generation_->config.listeners[index];
    }
    [[nodiscard]] size_t slot(size_t listener) const noexcept {
        return generation_->slots[listener];
    }
    [[nodiscard]] Route& route(size_t listener) noexcept { return *routes_[listener]; }
    // What the registry knows of an upstream; remembered for the last one of each listener.
    [[nodiscard]] const sniff::RegistryFacts& registry_facts(size_t listener,
                                                             const std::string& address,
                                                             const std::string& requested);

   private:
    struct Known {
        std::string address, requested;
        std::optional<sniff::RegistryFacts> facts;
    };

    GenerationPtr generation_;
    Chains chains_;
    std::vector<std::unique_ptr<Route>> routes_;  // index = listener
    std::vector<Known> known_;                    // index = listener
};
using SetupPtr = boost::intrusive_ptr<Setup>;

}  // namespace telltale::proxy
