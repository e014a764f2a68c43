// Incidents of one worker on their way to the sink. The first goes at once; what follows within a
// tick goes together, equal ones as one: in a storm of mismatches waking the sink's thread, and
// freeing there what was allocated here, costs more than making the records.
#pragma once

#include <vector>

#include "proxy/incident_sink.h"
#include "proxy/ticker.h"

namespace telltale::proxy {

class Outbox final : public Timed {
   public:
    Outbox(IncidentTaker& sink, Ticker& ticker) noexcept : sink_(sink), ticker_(ticker) {}
    ~Outbox() { ticker_.drop(*this); }
    Outbox(const Outbox&) = delete;
    Outbox& operator=(const Outbox&) = delete;

    void push(Incident&& incident, TimeMs now);
    void flush();
    void on_deadline(TimeMs now) override;

   private:
    static constexpr size_t held_max = 32;  // kinds of incident in one tick

    IncidentTaker& sink_;
    Ticker& ticker_;
    std::vector<IncidentRun> held_;
    bool resting_ = false;  // one went less than a tick ago
};

}  // namespace telltale::proxy
