// One GET of HTTP/1.1 (RFC 9112), and the answer's head and first bytes of the body.
#pragma once

#include <string>
#include <string_view>

#include "proxy/probe/observations.h"
#include "proxy/probe/talk.h"

namespace telltale::proxy::probe {

// Whether an answer is in the Prometheus or OpenMetrics text format.
[[nodiscard]] bool is_prometheus_text(const sniff::Http1Response& answer);

class HttpTalk final : public Talk {
   public:
    HttpTalk(std::string_view authority, std::string_view path);

    void take(std::string& out) override;
    void feed(sniff::Bytes bytes) override { heard_.feed(bytes); }
    void end(sniff::StreamEnd how) override;
    [[nodiscard]] Wants wants() const override;

    // What was heard so far; end, connect and first_byte are the exchange's to fill.
    [[nodiscard]] Http1Answer answer() const;

   private:
    std::string request_;
    Heard heard_;
    bool ended_ = false;
};

}  // namespace telltale::proxy::probe
