#include "proxy/incident_history.h"

#include <algorithm>
#include <limits>

namespace telltale::proxy {

IncidentHistory::Minute& IncidentHistory::minute_of(std::chrono::system_clock::time_point at) {
    const auto minute = std::chrono::floor<std::chrono::minutes>(at);
    // From the newest on: that is nearly always the one.
    const auto found = std::find_if(minutes_.rbegin(), minutes_.rend(),
                                    [&](const Minute& each) { return each.at == minute; });
    if (found != minutes_.rend()) return *found;
    if (minutes_.size() == minutes_max) minutes_.erase(minutes_.begin());
    minutes_.push_back({.at = minute, .counts = {}});
    return minutes_.back();
}

void IncidentHistory::count(std::chrono::system_clock::time_point at, sniff::Cause cause,
                            uint64_t times) {
    uint32_t& counted = minute_of(at).counts[static_cast<size_t>(cause)];
    const uint64_t room = std::numeric_limits<uint32_t>::max() - counted;
    counted += static_cast<uint32_t>(std::min(times, room));
}

}  // namespace telltale::proxy
