// One connection through a worker: two legs, two pumps, one conversation, one ending. Connects to
// the upstream at once, lets the conversation see every byte, counts the verdict, does what the
// policy says, reports at most one incident per upstream that it tried, and ends exactly once.
//
// Lives from its adoption to the end of the turn in which it ended, or of a name lookup that it
// asked for; everything runs on the worker's thread.
#pragma once

#include <array>
#include <boost/intrusive/list.hpp>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <cstdint>
#include <optional>
#include <vector>

#include "proxy/answering.h"
#include "proxy/deadlines.h"
#include "proxy/dialler.h"
#include "proxy/ended_ring.h"
#include "proxy/endpoint.h"
#include "proxy/first_flight.h"
#include "proxy/incident.h"
#include "proxy/leg.h"
#include "proxy/net.h"
#include "proxy/policy.h"
#include "proxy/pump.h"
#include "proxy/setup.h"
#include "proxy/stats.h"
#include "sniff/conversation.h"
#include "sniff/evidence.h"

namespace telltale::proxy {

class Worker;

struct SessionTag;
using SessionLink = boost::intrusive::list_base_hook<boost::intrusive::tag<SessionTag>>;

class Session final : public boost::intrusive_ref_counter<Session, boost::thread_unsafe_counter>,
                      public SessionLink,
                      public Timed {
   public:
    Session(Worker& worker, SetupPtr setup, size_t listener, uint64_t id, UniqueFd client,
            PeerAddress peer);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    void start();
    void on_deadline(TimeMs now) override;
    // The kernel's word on one leg, as epoll's events.
    void on_ready(sniff::Side side, uint32_t events);
    // The drain deadline has passed: both legs are cut, the record says proxy_shutdown.
    void abort();

    [[nodiscard]] bool is_done() const noexcept { return state_ == State::done; }
    [[nodiscard]] size_t slot() const noexcept { return setup_->slot(listener_); }
    [[nodiscard]] const PeerAddress& client_address() const noexcept { return client_address_; }
    [[nodiscard]] ConnectionRow row(TimeMs now) const;
    [[nodiscard]] EndedConnection ended() const noexcept;

    // ---- what the dialler asks and tells
    [[nodiscard]] Worker& worker() noexcept { return worker_; }
    [[nodiscard]] Setup& setup() noexcept { return *setup_; }
    [[nodiscard]] const config::Listener& listener() const noexcept {
        return setup_->listener(listener_);
    }
    [[nodiscard]] Route& route() noexcept { return setup_->route(listener_); }
    [[nodiscard]] bool is_dialling() const noexcept { return state_ == State::connecting; }
    void on_dialled();
    void on_unreachable(sniff::Outcome outcome);
    // The handshake was complete, and the connection was reset before it was used.
    void on_reset_at_once(const ErrorCode& error);
    void count_attempt(sniff::Outcome result) noexcept;
    void note_ending(std::optional<sniff::Side> side, sniff::Operation operation,
                     sniff::EndKind kind, int error) noexcept;
    void reschedule() noexcept;

    // ---- what the pumps ask and tell
    [[nodiscard]] LentBuffer borrow_buffer() noexcept;
    // Whether what came from `side` may go out now: the other leg is up, no preface is being held.
    [[nodiscard]] bool may_write(sniff::Side side) const noexcept;
    // Not while the upstream is dialled: the bytes wait in the kernel, where they cost nothing.
    [[nodiscard]] bool may_read(sniff::Side side) const noexcept;
    // Whether to read on while nothing may go out: only a preface that is not whole yet.
    [[nodiscard]] bool wants_more(sniff::Side side) const noexcept;
    void on_bytes(sniff::Side side, sniff::Bytes bytes) noexcept;
    void on_eof(sniff::Side side);
    void on_read_error(sniff::Side side, const ErrorCode& error);
    void after_read();
    void on_progress() noexcept;
    // More is there to read, but others wait as well.
    void tell_again(sniff::Side side) noexcept;
    // All that `side` sent before its FIN is written: pass the FIN on.
    void on_direction_finished(sniff::Side side);
    // All that `side` sent before its error is written: pass the reset on.
    void on_read_failed(sniff::Side side, const ErrorCode& error);
    // Writing what came from `side` failed: the other leg is broken, but may still have an answer
    // to read.
    void on_write_failed(sniff::Side side, const ErrorCode& error);

   private:
    enum class State : uint8_t { connecting, giving_up, relaying, answering, resetting, done };

    [[nodiscard]] const config::Config& config() const noexcept { return setup_->config(); }
    [[nodiscard]] config::Policy policy() const noexcept { return listener().on_mismatch; }
    [[nodiscard]] ListenerStats& stats() noexcept;
    void give_up_once_client_spoke();
    [[nodiscard]] bool has_heard_client() const noexcept;
    void give_up();

    void keep(sniff::Side side, sniff::Bytes bytes) noexcept;
    void hold_begins() noexcept;
    void weigh(TimeMs now);
    [[nodiscard]] bool is_agreed() const noexcept;
    void release();
    [[nodiscard]] bool act(TimeMs now);
    void answer(Incident&& incident);
    void go_on_answering(Answering::Step step);
    [[nodiscard]] bool reroute(Incident&& incident);
    [[nodiscard]] std::optional<Endpoint> corrected_endpoint(const Incident& incident) const;
    void begin_again();
    void end_by_policy(Incident& incident) noexcept;
    void reset_by_policy(Incident&& incident);

    void pass_reset();
    void end();
    void observe(TimeMs now);
    [[nodiscard]] bool awaits_acknowledgement(sniff::Side side) const noexcept;
    [[nodiscard]] bool awaits_ending(TimeMs now) noexcept;
    void count_verdict();
    void diagnose(sniff::Millis now);
    [[nodiscard]] Incident examine(sniff::Millis now) const;
    void report(Incident&& incident, Action action);
    [[nodiscard]] bool deserves_diagnosis_at_end() const noexcept;
    [[nodiscard]] sniff::Evidence evidence(sniff::Millis now) const;
    [[nodiscard]] Timing timing() const;
    [[nodiscard]] sniff::Protocol upstream_protocol() const noexcept;
    [[nodiscard]] sniff::Phase phase() const noexcept;
    [[nodiscard]] sniff::Millis age(TimeMs now) const noexcept { return now - accepted_ms_; }
    void keep_alive() noexcept;
    void schedule(TimeMs now) noexcept;
    [[nodiscard]] TimeMs next_due(TimeMs now) const noexcept;
    [[nodiscard]] bool holds_preface() const noexcept;

    Worker& worker_;
    const SetupPtr setup_;
    const size_t listener_;
    const uint64_t id_;
    State state_ = State::connecting;
    Action action_ = Action::forwarded;  // what was done about the incident
    bool kept_alive_ = false;
    bool hold_over_ = false;  // of the client's preface
    // A policy may still act: what the upstream says waits until it is known to be the right
    // protocol, and what the client says is kept.
    bool holding_ = false;
    bool corrected_ = false;  // the port was
    bool counted_ = false;
    bool diagnosed_ = false;
    uint32_t reroutes_ = 0;
    std::array<bool, 2> finished_{};  // FIN passed on, by the side that sent it
    std::array<bool, 2> broken_{};    // a leg's peer has reset it: nothing reaches that peer
    sniff::Outcome outcome_ = sniff::Outcome::connecting;
    sniff::Cause cause_ = sniff::Cause::fine;
    TimeMs accepted_ms_;
    int64_t accepted_ns_;
    TimeMs last_activity_ms_;
    TimeMs give_up_at_ms_ = 0;
    TimeMs reset_until_ms_ = 0;
    TimeMs hold_until_ms_ = 0;  // the upstream has spoken, or ended; 0: not yet
    TimeMs diagnose_at_ms_ =
        0;  // the conversation is ready, the ending is still awaited; 0: not so
    int64_t connected_ns_ = 0;
    int64_t first_byte_ns_ = 0;
    uint64_t open_incident_ = 0;  // reported while this was open; 0: none
    std::array<uint64_t, 2> bytes_{};
    sniff::Ending ending_;
    PeerAddress client_address_;
    Leg client_;
    Leg upstream_;
    Dialler dialler_;
    sniff::Conversation conversation_;
    FirstFlight flight_;
    Pump from_client_;
    Pump from_upstream_;
    std::unique_ptr<Answering> answering_;
};

}  // namespace telltale::proxy
