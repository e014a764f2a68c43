// One direction of a session: read → tap → write → read …. Reads only when the kernel said that
// there is something and nothing is held, so back-pressure is the kernel's. EOF drains first, then
// the session shuts the other side's write half.
//
// Bytes live in a buffer that the worker lends from the read to the end of the write, mostly for
// one turn: an idle connection holds none.
#pragma once

#include <cstddef>
#include <cstdint>

#include "proxy/buffers.h"
#include "proxy/leg.h"
#include "proxy/net.h"
#include "sniff/bytes.h"
#include "sniff/protocol.h"

namespace telltale::proxy {

class Pump final {
   public:
    Pump(Session& session, sniff::Side side, Leg& from, Leg& to) noexcept
        : session_(session), side_(side), from_(from), to_(to) {}

    // The kernel's word on `from`. ending: FIN or an error has arrived, behind whatever there is to
    // read.
    void on_readable(bool ending) noexcept;
    // The kernel's word on `to`: it takes bytes again.
    void on_writable() noexcept;
    // Goes on as far as it can: writes what is held when the session lets it, then reads.
    void proceed();
    // No more of this direction: what is held is dropped.
    void stop() noexcept;

    // `from` is a new connection: nothing was read of it.
    void restart() noexcept;
    // `to` is a new connection: writes these bytes first, which are all that was ever read. False:
    // there is no buffer for them, nothing has changed.
    [[nodiscard]] bool replay(sniff::Bytes bytes) noexcept;

    [[nodiscard]] bool finished() const noexcept { return finished_; }
    [[nodiscard]] bool ended() const noexcept { return eof_; }  // its FIN was read
    [[nodiscard]] size_t held() const noexcept { return end_ - begin_; }

   private:
    // Reads of one turn, of 256 KiB each: after that the other connections go first.
    static constexpr int turn_reads_max = 4;

    [[nodiscard]] bool may_read() const noexcept;
    void read();
    [[nodiscard]] bool write();
    void finish();

    Session& session_;
    const sniff::Side side_;
    bool readable_ = false;
    bool ending_ = false;
    bool blocked_ = false;  // `to` took less than it was given
    bool eof_ = false;
    bool finished_ = false;  // EOF was passed on, or stop()
    Leg& from_;
    Leg& to_;
    ErrorCode failed_;  // of the read side, acted on when all that came before it is written
    uint32_t begin_ = 0, end_ = 0;
    LentBuffer lent_;
};

}  // namespace telltale::proxy
