// Where incidents go: the log (JSON lines or readable text, by spdlog) and the ring that /incidents
// shows. One thread of its own; workers only hand over values and never wait: a full queue drops
// the record and counts it. Repeats per (listener, upstream, cause) are counted: one full line,
// then at most one summary line a minute.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "config/config.h"
#include "proxy/incident.h"
#include "proxy/incident_history.h"

namespace telltale::proxy {

// Takes finished incidents from the workers. Any thread; never blocks.
class IncidentTaker {
   public:
    virtual ~IncidentTaker() = default;
    IncidentTaker(const IncidentTaker&) = delete;
    IncidentTaker& operator=(const IncidentTaker&) = delete;

    // False: dropped and counted, all of them.
    virtual bool push(std::vector<IncidentRun> runs) noexcept = 0;
    // Adds the ending to a record that was pushed while its connection was open.
    virtual void amend(IncidentEnd end) noexcept = 0;

   protected:
    IncidentTaker() = default;
};

class IncidentSink final : public IncidentTaker {
   public:
    struct Entry {          // one group of equal incidents, newest first in the list
        Incident incident;  // the newest of the group
        uint64_t count = 0;
        std::chrono::system_clock::time_point first;
    };
    // write: one finished line (or block of lines), called on the sink's thread. Tests pass their
    // own.
    IncidentSink(const config::Config& config, std::function<void(const std::string&)> write);
    ~IncidentSink() override;  // stop()
    IncidentSink(const IncidentSink&) = delete;
    IncidentSink& operator=(const IncidentSink&) = delete;

    // Any thread; never blocks. False: dropped and counted.
    bool push(Incident incident) noexcept;
    bool push(std::vector<IncidentRun> runs) noexcept override;  // all of them or none
    // Lost when the queue is full.
    void amend(IncidentEnd end) noexcept override;
    [[nodiscard]] uint64_t dropped() const noexcept;
    // Any thread; called back on the sink's thread with the groups, newest first, at most
    // config.limits.incidents_kept. Never called back after stop().
    void list(std::function<void(std::vector<Entry>)> then);
    // The same with the counts of the last minutes.
    void history(std::function<void(IncidentHistory)> then);
    // Writes what is queued and the pending summary lines, then joins. Gives up after `patience`: a
    // writer that hangs (a full pipe that nobody reads) then keeps its thread until it returns, and
    // what was queued is lost and counted.
    void stop(std::chrono::milliseconds patience);

   private:
    struct Impl;
    std::shared_ptr<Impl> impl_;  // shared with the thread, which may outlive an impatient stop()
};

// One line to stdout, at once. Throws std::system_error when it can't be written: then it is lost
// and counted.
[[nodiscard]] std::function<void(const std::string&)> stdout_writer();

}  // namespace telltale::proxy
