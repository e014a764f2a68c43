// The client's side of HTTP/2 (RFC 9113) that finds out whether gRPC is spoken, without touching
// data: preface and SETTINGS in one flight; when SETTINGS come back, a unary call of a method that
// no server has (`grpc-status: 12` is the proof); then, if wanted, grpc.health.v1 and the list of
// services by reflection; then GOAWAY.
#pragma once

#include <memory>
#include <string>

#include "proxy/probe/observations.h"
#include "proxy/probe/talk.h"

namespace telltale::proxy::probe {

inline constexpr std::string_view unknown_method = "/telltale.probe.v1.Nothing/Nothing";

class GrpcTalk final : public Talk {
   public:
    struct Questions {
        std::string authority;
        bool tls = false;      // :scheme
        bool details = false;  // health and reflection
    };
    explicit GrpcTalk(Questions questions);
    ~GrpcTalk() override;

    void take(std::string& out) override;
    void feed(sniff::Bytes bytes) override;
    void end(sniff::StreamEnd how) override;
    [[nodiscard]] Wants wants() const override;

    // What was heard so far; end, connect and first_byte are the exchange's to fill.
    [[nodiscard]] Http2Answer answer() const;

   private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace telltale::proxy::probe
