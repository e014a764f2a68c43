// A talk inside TLS: shakes hands, then GrpcTalk where ALPN selected h2, GET / where it did not.
// Judges the outer bytes as well: a port that answers a TLS hello with something else.
#pragma once

#include <memory>
#include <string>

#include "proxy/probe/grpc_talk.h"
#include "proxy/probe/http_talk.h"
#include "proxy/probe/observations.h"
#include "proxy/probe/talk.h"
#include "proxy/probe/tls_client.h"

namespace telltale::proxy::probe {

class TlsTalk final : public Talk {
   public:
    struct Questions {
        std::string authority;
        bool details = false;       // of gRPC
        bool always_http2 = false;  // also where ALPN selected nothing
    };
    TlsTalk(std::unique_ptr<TlsClient> client, Questions questions);

    void take(std::string& out) override;
    void feed(sniff::Bytes bytes) override;
    void end(sniff::StreamEnd how) override;
    [[nodiscard]] Wants wants() const override;

    // What was heard until this end; names, connect and first_byte are the caller's to fill.
    [[nodiscard]] TlsAnswer answer(End end) const;

   private:
    void begin_inside();
    [[nodiscard]] Talk* inside() const;

    std::unique_ptr<TlsClient> client_;
    Questions questions_;
    Heard outer_;
    std::unique_ptr<GrpcTalk> grpc_;  // at most one of them
    std::unique_ptr<HttpTalk> http_;
    bool ended_ = false;
};

}  // namespace telltale::proxy::probe
