#include "proxy/incident_groups.h"

#include <algorithm>
#include <utility>

namespace telltale::proxy {

IncidentGroups::IncidentGroups(const Limits& limits) : limits_(limits) {
    limits_.groups_max = std::max<size_t>(limits_.groups_max, 1);
}

IncidentGroups::Line IncidentGroups::take_summary(Group& group) {
    return {group.newest, std::exchange(group.untold, Repeats())};
}

std::optional<IncidentGroups::Line> IncidentGroups::make_room() {
    if (groups_.size() < limits_.groups_max) return std::nullopt;
    Group& oldest = groups_.back();
    std::optional<Line> summary;
    if (oldest.untold.count > 0) summary = take_summary(oldest);
    by_key_.erase(group_key(oldest.newest));
    groups_.pop_back();
    return summary;
}

void IncidentGroups::leave_untold(Group& group, const IncidentRun& run, uint64_t count) {
    if (count == 0) return;
    if (group.untold.count == 0) group.untold.first = run.first;
    group.untold.count += count;
    group.untold.last = run.newest.at;
}

void IncidentGroups::open_group(std::string key, IncidentRun run, Time now) {
    Group group;
    group.first = run.first;
    group.count = run.count;
    group.line_allowed_at = now + limits_.interval;
    leave_untold(group, run, run.count - 1);
    group.newest = std::move(run.newest);
    groups_.push_front(std::move(group));
    by_key_.emplace(std::move(key), groups_.begin());
}

std::vector<IncidentGroups::Line> IncidentGroups::add(IncidentRun run, Time now) {
    std::vector<Line> lines;
    std::string key = group_key(run.newest);
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) {
        if (auto summary = make_room()) lines.push_back(std::move(*summary));
        lines.push_back({run.newest, std::nullopt});
        open_group(std::move(key), std::move(run), now);
        return lines;
    }
    groups_.splice(groups_.begin(), groups_, found->second);
    Group& group = groups_.front();
    group.count += run.count;
    leave_untold(group, run, run.count);
    group.newest = std::move(run.newest);
    if (now >= group.line_allowed_at) {
        group.line_allowed_at = now + limits_.interval;
        lines.push_back(take_summary(group));
    }
    return lines;
}

std::vector<IncidentGroups::Line> IncidentGroups::flush_due(Time now) {
    std::vector<Line> lines;
    for (Group& group : groups_) {
        if (group.untold.count == 0 || now < group.line_allowed_at) continue;
        group.line_allowed_at = now + limits_.interval;
        lines.push_back(take_summary(group));
    }
    return lines;
}

std::vector<IncidentGroups::Line> IncidentGroups::flush_all() {
    std::vector<Line> lines;
    for (Group& group : groups_) {
        if (group.untold.count > 0) lines.push_back(take_summary(group));
    }
    return lines;
}

std::optional<IncidentGroups::Time> IncidentGroups::next_due() const {
    std::optional<Time> due;
    for (const Group& group : groups_) {
        if (group.untold.count == 0) continue;
        if (!due || group.line_allowed_at < *due) due = group.line_allowed_at;
    }
    return due;
}

void IncidentGroups::amend(const IncidentEnd& end) {
    for (Group& group : groups_) {
        Incident& incident = group.newest;
        if (incident.id != end.id) continue;
        incident.open = false;
        incident.evidence.ended = true;
        incident.evidence.ended_by = end.ended_by;
        incident.evidence.client.bytes = end.bytes[0];
        incident.evidence.upstream.bytes = end.bytes[1];
        if (incident.timing) incident.timing->total_ms = end.total_ms;
        return;
    }
}

}  // namespace telltale::proxy
