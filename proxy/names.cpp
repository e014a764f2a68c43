#include "proxy/names.h"

#include <utility>

namespace telltale::proxy {

Names::Names(Resolver resolver, uint32_t per_second)
    : resolver_(std::move(resolver)), rate_(per_second, std::chrono::seconds(1)) {}

void Names::set_rate(uint32_t per_second) {
    rate_ = Rate(per_second, std::chrono::seconds(1));
}

void Names::look_up(const Address& address, Time now, Then then) {
    const auto known = by_address_.find(address);
    if (known != by_address_.end() && now < known->second->until) {
        count(InquiryResult::known);
        then(known->second->names);
        return;
    }
    const auto asking = asking_.find(address);
    if (asking != asking_.end()) {
        count(InquiryResult::known);
        asking->second.push_back(std::move(then));
        return;
    }
    if (now < rests_until_ || !rate_.take(now)) {
        count(InquiryResult::limited);
        then({});
        return;
    }
    asking_[address].push_back(std::move(then));
    resolver_(address,
              [this, address](Answer answer, Time at) { take(address, std::move(answer), at); });
}

void Names::take(const Address& address, Answer answer, Time now) {
    if (!answer) {
        count(InquiryResult::no_answer);
        if (++failures_ >= failures_max) rests_until_ = now + rest;
    } else {
        count(answer->empty() ? InquiryResult::nothing : InquiryResult::found);
        failures_ = 0;
    }
    const std::vector<std::string> names = std::move(answer).value_or(std::vector<std::string>());
    keep(address, names, now + (names.empty() ? nothing_for : found_for));
    const auto asking = asking_.extract(address);
    if (asking.empty()) return;
    for (const Then& then : asking.mapped()) then(names);
}

void Names::keep(const Address& address, std::vector<std::string> names, Time until) {
    const auto known = by_address_.find(address);
    if (known != by_address_.end()) {
        kept_.erase(known->second);
        by_address_.erase(known);
    }
    if (kept_.size() == kept_max) {
        by_address_.erase(kept_.back().address);
        kept_.pop_back();
    }
    kept_.push_front({.address = address, .names = std::move(names), .until = until});
    by_address_[address] = kept_.begin();
}

}  // namespace telltale::proxy
