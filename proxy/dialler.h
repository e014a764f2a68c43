// The way from an accepted client to a connected upstream: asks for names, tries one endpoint after
// the other, keeps the errno of each as evidence. Part of a session; tells it how it ended.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "proxy/candidates.h"
#include "proxy/endpoint.h"
#include "proxy/leg.h"
#include "proxy/route.h"
#include "sniff/evidence.h"

namespace telltale::proxy {

class Session;

class Dialler final {
   public:
    Dialler(Session& session, Leg& leg) noexcept : session_(session), leg_(leg) {}
    ~Dialler() { leave(); }
    Dialler(const Dialler&) = delete;
    Dialler& operator=(const Dialler&) = delete;

    // Ends in Session::on_dialled() or on_unreachable(), maybe before it returns.
    void start();
    void on_ready(uint32_t events);
    void on_deadline(TimeMs now);
    // When on_deadline() must be called; asked while the dialler is at work only.
    [[nodiscard]] TimeMs due() const noexcept { return until_ms_; }

    // Whether choose_other() finds an endpoint that nothing bad is known of.
    [[nodiscard]] bool has_other(TimeMs now) const noexcept;
    [[nodiscard]] CandidatePtr choose_other(TimeMs now);
    // An endpoint that no name led to: another port of the one that was dialled last.
    [[nodiscard]] CandidatePtr beside(const Endpoint& endpoint) const;
    // Ends as start() does.
    void dial(CandidatePtr candidate);
    // The endpoint spoke the wrong protocol; or the right one.
    void eject(uint32_t seconds) noexcept;
    void trust() noexcept;

    // ---- evidence
    [[nodiscard]] bool has_address() const noexcept { return candidate_ != nullptr; }
    // "10.244.2.9:12260", a Unix path; "" before an endpoint was chosen.
    [[nodiscard]] std::string address() const;
    [[nodiscard]] const PeerAddress& peer() const noexcept { return peer_; }
    [[nodiscard]] const Endpoint& endpoint() const noexcept { return candidate_->endpoint; }
    // As configured: of the endpoint that was dialled last, or all there are.
    [[nodiscard]] std::string requested() const;
    [[nodiscard]] uint16_t requested_port() const noexcept;
    [[nodiscard]] bool is_unix() const noexcept;
    [[nodiscard]] const std::vector<sniff::ConnectAttempt>* failed_attempts() const noexcept {
        return failed_.get();
    }
    [[nodiscard]] int last_error() const noexcept;
    [[nodiscard]] const std::string* resolve_error() const noexcept { return resolve_error_.get(); }

   private:
    void take(const ResolvedUpstream& upstream);
    void dial_next();
    [[nodiscard]] int start_connect(const Endpoint& endpoint);
    void attempt_failed(int error);
    void leave() noexcept;
    void count(int error);

    Session& session_;
    Leg& leg_;
    CandidatesPtr candidates_;
    CandidatePtr candidate_;  // dialled last
    Tried tried_ = 0;
    uint32_t dialled_ = 0;
    TimeMs until_ms_ = 0;
    PeerAddress peer_;
    std::unique_ptr<std::vector<sniff::ConnectAttempt>> failed_;
    std::unique_ptr<std::string> resolve_error_;
};

}  // namespace telltale::proxy
