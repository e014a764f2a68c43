#include "proxy/probe/tls_talk.h"

#include <utility>

namespace telltale::proxy::probe {

namespace {

bool is_tls(sniff::Protocol protocol) {
    return protocol == sniff::Protocol::tls || protocol == sniff::Protocol::tls_alert;
}

}  // namespace

TlsTalk::TlsTalk(std::unique_ptr<TlsClient> client, Questions questions)
    : client_(std::move(client)), questions_(std::move(questions)) {}

Talk* TlsTalk::inside() const {
    if (grpc_) return grpc_.get();
    return http_.get();
}

void TlsTalk::take(std::string& out) {
    std::string plain;
    if (Talk* const talk = inside()) talk->take(plain);
    client_->write(plain);
    const Talk* const talk = inside();
    if (talk != nullptr && talk->wants() == Wants::nothing) client_->close();
    client_->take(out);
}

void TlsTalk::feed(sniff::Bytes bytes) {
    outer_.feed(bytes);
    std::string plain;
    client_->feed(bytes, plain);
    begin_inside();
    Talk* const talk = inside();
    if (talk == nullptr) return;
    if (!plain.empty()) talk->feed(sniff::as_bytes(plain));
    if (client_->state() == TlsClient::State::ended) talk->end(sniff::StreamEnd::fin);
}

void TlsTalk::begin_inside() {
    if (inside() != nullptr) return;
    TlsAnswer seen;
    client_->describe(seen);
    if (!seen.handshake) return;
    if (seen.alpn == "h2" || (seen.alpn.empty() && questions_.always_http2)) {
        grpc_ = std::make_unique<GrpcTalk>(GrpcTalk::Questions{
            .authority = questions_.authority, .tls = true, .details = questions_.details});
    } else {
        http_ = std::make_unique<HttpTalk>(questions_.authority, "/");
    }
}

void TlsTalk::end(sniff::StreamEnd how) {
    ended_ = true;
    outer_.end(how);
    if (Talk* const talk = inside()) talk->end(how);
}

Talk::Wants TlsTalk::wants() const {
    if (ended_) return Wants::nothing;
    const Talk* const talk = inside();
    if (talk != nullptr) return talk->wants();
    if (outer_.protocol() == sniff::Protocol::undecided || is_tls(outer_.protocol())) {
        const bool over = client_->state() == TlsClient::State::ended;
        return over && outer_.protocol() != sniff::Protocol::undecided ? Wants::nothing
                                                                       : Wants::more;
    }
    const Wants wants = outer_.wants();  // no TLS: HTTP/2 or HTTP/1 in clear, …
    return wants == Wants::more ? Wants::a_bit : wants;
}

TlsAnswer TlsTalk::answer(End end) const {
    TlsAnswer answer;
    client_->describe(answer);
    answer.end = end;
    answer.outer = outer_.describe();
    answer.is_tls = is_tls(answer.outer.protocol);
    if (!answer.alert && answer.outer.tls_alert) answer.alert = answer.outer.tls_alert;
    if (grpc_) {
        Http2Answer& inside = questions_.always_http2 ? answer.http2_without_alpn : answer.http2;
        inside = grpc_->answer();
        inside.end = end;
    }
    if (http_) {
        answer.http1 = http_->answer();
        answer.http1.end = end;
    }
    return answer;
}

}  // namespace telltale::proxy::probe
