#include "proxy/checks.h"

#include <algorithm>
#include <utility>

namespace telltale::proxy {

namespace {

void add(CheckCounts& to, const CheckCounts& from) {
    for (size_t i = 0; i < to.size(); ++i) to[i] += from[i];
}

}  // namespace

void Checks::apply(const config::Config& config) {
    std::vector<Entry> before = std::exchange(entries_, {});
    for (const config::Listener& listener : config.listeners) {
        if (listener.upstream.check.count() == 0) continue;
        for (const config::Address& address : listener.upstream.addresses) {
            Entry entry{.listener = listener.name,
                        .upstream = address,
                        .interval = listener.upstream.check,
                        .timeout = config.timeouts.connect,
                        .check = nullptr};
            const auto same = std::find_if(before.begin(), before.end(), [&](const Entry& old) {
                return old.check && old.listener == entry.listener &&
                       old.upstream == entry.upstream && old.interval == entry.interval &&
                       old.timeout == entry.timeout;
            });
            if (same != before.end()) {
                entry.check = std::move(same->check);
            } else {
                entry.check = std::make_unique<UpstreamCheck>(context_, entry.listener, address,
                                                              entry.interval, entry.timeout);
                entry.check->start();
            }
            entries_.push_back(std::move(entry));
        }
    }
    for (const Entry& old : before) {
        if (old.check) retire(old);
    }
}

void Checks::retire(const Entry& entry) {
    entry.check->stop();
    add(retired_[entry.listener], entry.check->state().counts);
}

void Checks::stop() {
    for (const Entry& entry : entries_) entry.check->stop();
}

std::vector<CheckState> Checks::states() const {
    std::vector<CheckState> states;
    const auto now = UpstreamCheck::Clock::now();
    for (const Entry& entry : entries_) states.push_back(entry.check->report(now));
    return states;
}

std::map<std::string, CheckCounts> Checks::done() const {
    std::map<std::string, CheckCounts> counts = retired_;
    for (const Entry& entry : entries_) add(counts[entry.listener], entry.check->state().counts);
    return counts;
}

}  // namespace telltale::proxy
