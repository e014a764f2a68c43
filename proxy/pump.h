// One direction of a session: read → tap → write → read …. At most one read and one write are
// pending, so back-pressure is the kernel's: while a write waits, nothing is read. EOF drains
// first, then the session shuts the other side's write half.
//
// A pending read waits on a small buffer inside the session; when it comes back full, the rest is
// read at once into a 256 KiB buffer lent by the worker. An idle connection thus holds 512 bytes
// per direction, a bulk transfer moves 256 KiB a turn.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "proxy/buffers.h"
#include "proxy/net.h"
#include "sniff/bytes.h"
#include "sniff/protocol.h"

namespace telltale::proxy {

class Session;

class Pump final {
   public:
    Pump(Session& session, sniff::Side side, Socket& from, Socket& to) noexcept
        : session_(session), side_(side), from_(from), to_(to) {}

    // Starts, or goes on: writes what is held when the session lets it, reads otherwise.
    void proceed();
    // No more of this direction: what is held is dropped, a pending operation is ignored when it
    // comes back.
    void stop() noexcept;

    [[nodiscard]] bool finished() const noexcept { return finished_; }
    [[nodiscard]] size_t held() const noexcept {
        return (small_end_ - small_begin_) + (lent_end_ - lent_begin_);
    }

   private:
    static constexpr size_t small_bytes = 512;

    void read();
    void on_read(ErrorCode error, size_t count);
    ErrorCode read_rest();
    void write();
    void on_write(ErrorCode error, size_t count);
    void consumed(size_t count) noexcept;
    void settle_read(ErrorCode error);

    Session& session_;
    sniff::Side side_;
    bool reading_ = false;
    bool writing_ = false;
    bool eof_ = false;
    bool finished_ = false;  // EOF was passed on, or stop()
    Socket& from_;
    Socket& to_;
    ErrorCode failed_;  // of the read side, acted on when all that came before it is written
    uint32_t small_begin_ = 0, small_end_ = 0;
    uint32_t read_at_ = 0;  // where the pending read puts its bytes
    uint32_t lent_begin_ = 0, lent_end_ = 0;
    LentBuffer lent_;
    std::array<uint8_t, small_bytes> small_;
};

}  // namespace telltale::proxy
