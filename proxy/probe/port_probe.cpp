#include "proxy/probe/port_probe.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "config/address.h"
#include "proxy/endpoint.h"
#include "proxy/probe/grpc_talk.h"
#include "proxy/probe/http_talk.h"
#include "proxy/probe/tls_talk.h"

namespace telltale::proxy::probe {

namespace {

using sniff::Protocol;

bool greets(Protocol protocol) {
    return protocol == Protocol::ssh || protocol == Protocol::mysql ||
           protocol == Protocol::postgres || protocol == Protocol::redis ||
           protocol == Protocol::smtp;
}

void note(Answer& answer, const Exchange::Result& result) {
    answer.end = result.end;
    answer.connect = result.connect;
    answer.first_byte = result.first_byte;
}

Attempt attempt_of(const Endpoint& endpoint, const Exchange::Result& result) {
    return {.address = to_text(endpoint),
            .reach = result.reach,
            .error = result.error,
            .took = result.connect};
}

}  // namespace

PortProbe::PortProbe(asio::io_context& context, std::vector<Endpoint> endpoints, Target target,
                     const Options& options, Depth depth)
    : context_(context),
      endpoints_(std::move(endpoints)),
      target_(std::move(target)),
      options_(options),
      depth_(depth) {
    if (endpoints_.size() > addresses_max) endpoints_.resize(addresses_max);
}

void PortProbe::start(Done done) {
    done_ = std::move(done);
    asio::post(context_, [self = shared_from_this()] {
        if (!self->over_) self->ask_first();
    });
}

void PortProbe::run(const Endpoint& endpoint, std::shared_ptr<Talk> talk, Heard heard) {
    auto exchange =
        std::make_shared<Exchange>(context_, endpoint, std::move(talk), options_.timeout);
    exchanges_.push_back(exchange);
    exchange->start(
        [self = shared_from_this(), heard = std::move(heard)](const Exchange::Result& result) {
            if (!self->over_) heard(result);
        });
}

// ---- one question each

void PortProbe::ask_grpc(const Endpoint& endpoint, Heard heard) {
    auto talk = std::make_shared<GrpcTalk>(GrpcTalk::Questions{
        .authority = target_.text(), .tls = false, .details = depth_ == Depth::full});
    run(endpoint, talk, [this, talk, heard = std::move(heard)](const Exchange::Result& result) {
        seen_.h2c = talk->answer();
        note(seen_.h2c, result);
        heard(result);
    });
}

void PortProbe::ask_tls(const Endpoint& endpoint, bool always_http2, Heard heard) {
    std::string name = options_.server_name.empty() ? target_.host : options_.server_name;
    if (name.ends_with('.')) name.pop_back();  // RFC 6066 §3: names have no final dot in TLS
    const std::string sni = config::canonical_ip(name) ? std::string() : name;
    std::string error;
    auto client = TlsClient::make({.server_name = sni,
                                   .checked_name = name,
                                   .alpn = {"h2", "http/1.1"},
                                   .ca_file = options_.ca_file},
                                  error);
    if (!client) {
        seen_.tls.error = error;
        asio::post(context_, [self = shared_from_this(), heard = std::move(heard)] {
            if (!self->over_) heard({});
        });
        return;
    }
    auto talk = std::make_shared<TlsTalk>(std::move(client),
                                          TlsTalk::Questions{.authority = target_.text(),
                                                             .details = depth_ == Depth::full,
                                                             .always_http2 = always_http2});
    run(endpoint, talk,
        [this, talk, always_http2, sni, name,
         heard = std::move(heard)](const Exchange::Result& result) {
            TlsAnswer answer = talk->answer(result.end);
            if (always_http2) {
                seen_.tls.http2_without_alpn = std::move(answer.http2_without_alpn);
                return heard(result);
            }
            answer.server_name = sni;
            answer.checked_name = name;
            answer.connect = result.connect;
            answer.first_byte = result.first_byte;
            seen_.tls = std::move(answer);
            heard(result);
        });
}

void PortProbe::ask_http(std::string_view path, Http1Answer Observations::*where) {
    ++pending_;
    auto talk = std::make_shared<HttpTalk>(target_.text(), path);
    run(endpoints_[address_], talk, [this, talk, where](const Exchange::Result& result) {
        seen_.*where = talk->answer();
        note(seen_.*where, result);
        answered();
    });
}

void PortProbe::check_address(size_t index) {
    ++pending_;
    const size_t place = seen_.attempts.size();
    seen_.attempts.push_back({.address = to_text(endpoints_[index])});
    run(endpoints_[index], nullptr, [this, index, place](const Exchange::Result& result) {
        seen_.attempts[place] = attempt_of(endpoints_[index], result);
        answered();
    });
}

// ---- in this order

void PortProbe::ask_first() {
    const auto heard = [this](const Exchange::Result& result) { on_first(result); };
    if (options_.plaintext) return ask_grpc(endpoints_[address_], heard);
    if (options_.tls) return ask_tls(endpoints_[address_], false, heard);
    run(endpoints_[address_], nullptr, heard);
}

void PortProbe::on_first(const Exchange::Result& result) {
    const bool no_tls_here = !options_.plaintext && !seen_.tls.error.empty() &&
                             result.end == End::no_connect && result.reach == Reach::cut &&
                             !seen_.cut;
    if (no_tls_here) return finish();
    seen_.attempts.push_back(attempt_of(endpoints_[address_], result));
    if (result.reach == Reach::connected) {
        seen_.address = to_text(endpoints_[address_]);
        return ask_rest();
    }
    // Nothing was said on a connection that was never made.
    seen_.h2c = {};
    seen_.tls = {};
    // Nothing was said on a connection that was never made.
    seen_.h2c = {};
    seen_.tls = {};
    if (seen_.cut || ++address_ == endpoints_.size()) return finish();
    ask_first();
}

bool PortProbe::may_be_http() const {
    const Protocol said = seen_.h2c.said.protocol;
    if (!options_.plaintext || greets(said)) return false;
    return said != Protocol::tls && said != Protocol::tls_alert;
}

void PortProbe::ask_rest() {
    const Protocol said = seen_.h2c.said.protocol;
    const bool full = depth_ == Depth::full;
    const bool answered_http1 = said == Protocol::http1;
    const bool known = !full && seen_.h2c.grpc.proven();
    // Held, so that answers which come at once don't end the round before it was begun.
    ++pending_;
    if (!seen_.cut) {
        if (options_.plaintext && options_.tls && !greets(said) && !known) {
            ++pending_;
            ask_tls(endpoints_[address_], false, [this](const Exchange::Result&) { answered(); });
        }
        if (full && may_be_http()) ask_http("/", &Observations::get);
        if (may_be_http() && (full || answered_http1)) {
            ask_http("/metrics", &Observations::metrics);
        }
        if (full) {
            for (size_t i = address_ + 1; i < endpoints_.size(); ++i) check_address(i);
        }
    }
    answered();
}

void PortProbe::answered() {
    if (--pending_ == 0) ask_rest_in_tls();
}

void PortProbe::ask_rest_in_tls() {
    const bool none = seen_.tls.handshake && seen_.tls.alpn.empty();
    if (!none || seen_.cut) return finish();
    ask_tls(endpoints_[address_], true, [this](const Exchange::Result&) { finish(); });
}

void PortProbe::finish() {
    over_ = true;
    if (const Done done = std::exchange(done_, nullptr)) done(seen_);
}

void PortProbe::cut() {
    if (over_) return;
    seen_.cut = true;
    // Ending one may begin nothing new, but may end the whole.
    const auto self = shared_from_this();
    const auto running = exchanges_;
    for (const auto& weak : running) {
        if (const auto exchange = weak.lock()) exchange->cut();
    }
    if (!over_) finish();
}

void PortProbe::cancel() {
    over_ = true;
    done_ = nullptr;
    for (const auto& weak : exchanges_) {
        if (const auto exchange = weak.lock()) exchange->cancel();
    }
}

}  // namespace telltale::proxy::probe
