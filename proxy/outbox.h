// Incidents of one worker on their way to the sink. The first goes at once; what follows within a
// tick goes together, because each hand-over wakes the sink's thread, which in a storm of
// mismatches costs more than the records.
#pragma once

#include <vector>

#include "proxy/incident_sink.h"
#include "proxy/ticker.h"

namespace telltale::proxy {

class Outbox final : public Timed {
   public:
    Outbox(IncidentSink& sink, Ticker& ticker) noexcept : sink_(sink), ticker_(ticker) {}
    ~Outbox() { ticker_.drop(*this); }
    Outbox(const Outbox&) = delete;
    Outbox& operator=(const Outbox&) = delete;

    void push(Incident&& incident, TimeMs now);
    void flush();
    void on_deadline(TimeMs now) override;

   private:
    static constexpr size_t held_max = 256;

    IncidentSink& sink_;
    Ticker& ticker_;
    std::vector<Incident> held_;
    bool resting_ = false;  // one went less than a tick ago
};

}  // namespace telltale::proxy
