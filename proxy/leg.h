// One TCP or Unix connection of a session: the descriptor, and whom its readiness concerns.
#pragma once

#include <cstdint>

#include "proxy/reactor.h"
#include "proxy/unique_fd.h"
#include "sniff/protocol.h"

namespace telltale::proxy {

class Session;

class Leg final : public Watcher {
   public:
    Leg(Session& session, sniff::Side side, UniqueFd fd = {}) noexcept
        : session_(session), side_(side), fd_(std::move(fd)) {}
    Leg(const Leg&) = delete;
    Leg& operator=(const Leg&) = delete;

    [[nodiscard]] int fd() const noexcept { return fd_.get(); }
    [[nodiscard]] bool is_open() const noexcept { return fd_.is_open(); }
    void open(UniqueFd fd) noexcept { fd_ = std::move(fd); }
    void close() noexcept { fd_.reset(); }
    void on_ready(uint32_t events) override;

   private:
    Session& session_;
    const sniff::Side side_;
    UniqueFd fd_;
};

}  // namespace telltale::proxy
