// What is said on one connection of a probe: bytes in, bytes out, no sockets and no clocks. The
// exchange (exchange.h) carries the bytes. Talks wrap each other: TLS has another one inside.
#pragma once

#include <cstdint>
#include <string>

#include "sniff/bytes.h"
#include "sniff/conversation.h"
#include "sniff/stream.h"

namespace telltale::proxy::probe {

class Talk {
   public:
    enum class Wants : uint8_t {
        more,     // until the time is over
        a_bit,    // it may end as soon as the peer pauses
        nothing,  // everything was heard
    };

    Talk() = default;
    virtual ~Talk() = default;
    Talk(const Talk&) = delete;
    Talk& operator=(const Talk&) = delete;

    // Appends what is to be sent now; everything at once, so that a preface goes out whole.
    virtual void take(std::string& out) = 0;
    virtual void feed(sniff::Bytes bytes) = 0;
    // The peer will say no more.
    virtual void end(sniff::StreamEnd how) = 0;
    [[nodiscard]] virtual Wants wants() const = 0;
};

// What a peer said in clear, by the parsers of the proxy.
class Heard final {
   public:
    void feed(sniff::Bytes bytes);
    void end(sniff::StreamEnd how);

    [[nodiscard]] sniff::Protocol protocol() const { return stream_.protocol(); }
    // Of an answer that is not HTTP/2: whether more of it tells more.
    [[nodiscard]] Talk::Wants wants() const;
    [[nodiscard]] sniff::SideEvidence describe() const;

   private:
    static constexpr uint32_t window = 16384;

    sniff::Stream stream_{sniff::Side::upstream, window};
};

}  // namespace telltale::proxy::probe
