// Repeats are counted, not repeated: per (listener, upstream, cause) one full line, then at most
// one summary line per interval. Pure: the caller brings the time and writes what comes back.
// Bounded: the group that was quiet longest goes, and its uncounted repeats are told before.
#pragma once

#include <chrono>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "proxy/incident.h"

namespace telltale::proxy {

class IncidentGroups final {
   public:
    using Time = std::chrono::steady_clock::time_point;

    struct Limits {
        size_t groups_max = 200;  // at least 1
        std::chrono::milliseconds interval{60000};
    };
    // What to write: the full record, or a summary of repeats.
    struct Line {
        Incident incident;
        std::optional<Repeats> repeats;
    };
    struct Group {
        Incident newest;
        uint64_t count = 0;  // since the group is known
        std::chrono::system_clock::time_point first;
        Repeats untold;  // since the last line
        Time line_allowed_at;
    };

    explicit IncidentGroups(const Limits& limits);

    [[nodiscard]] std::vector<Line> add(IncidentRun run, Time now);
    // Completes the newest record of a group, if it is that one.
    void amend(const IncidentEnd& end);
    // Summaries whose time has come.
    [[nodiscard]] std::vector<Line> flush_due(Time now);
    // All summaries that are owed: the end.
    [[nodiscard]] std::vector<Line> flush_all();
    // When flush_due() has something to say; nullopt: nothing is owed.
    [[nodiscard]] std::optional<Time> next_due() const;

    [[nodiscard]] const std::list<Group>& newest_first() const { return groups_; }

   private:
    void open_group(std::string key, IncidentRun run, Time now);
    [[nodiscard]] std::optional<Line> make_room();
    static void leave_untold(Group& group, const IncidentRun& run, uint64_t count);
    static Line take_summary(Group& group);

    Limits limits_;
    std::list<Group> groups_;  // newest first
    std::unordered_map<std::string, std::list<Group>::iterator> by_key_;
};

}  // namespace telltale::proxy
