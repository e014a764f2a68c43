#include "proxy/outbox.h"

#include <algorithm>
#include <utility>

namespace telltale::proxy {

void Outbox::push(Incident&& incident, TimeMs now) {
    const auto equal = std::find_if(held_.begin(), held_.end(), [&](const IncidentRun& run) {
        return same_group(run.newest, incident);
    });
    if (equal != held_.end()) {
        ++equal->count;
        equal->newest = std::move(incident);
        return;
    }
    held_.push_back({std::move(incident)});
    if (!resting_) {
        flush();
        resting_ = true;
        ticker_.set(*this, now + Deadlines::tick_ms, now);
    } else if (held_.size() == held_max) {
        flush();
    }
}

void Outbox::flush() {
    if (held_.empty()) return;
    // What a full queue drops is counted by the sink; the worker's counters have moved already.
    static_cast<void>(sink_.push(std::exchange(held_, {})));
}

void Outbox::on_deadline(TimeMs now) {
    resting_ = !held_.empty();
    flush();
    if (resting_) ticker_.set(*this, now + Deadlines::tick_ms, now);
}

}  // namespace telltale::proxy
