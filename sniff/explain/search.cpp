#include "sniff/explain/search.h"

namespace telltale::sniff::explain {

Search::Search(std::span<const std::string> words) {
    for (const std::string& word : words) {
        for (const char c : word) {
            uint8_t& class_of = class_of_[static_cast<unsigned char>(c)];
            if (class_of == 0) class_of = static_cast<uint8_t>(classes_++);
        }
    }
    const auto add_state = [this] {
        next_.resize(next_.size() + classes_, 0);
        words_at_.emplace_back();
        return static_cast<uint32_t>(words_at_.size() - 1);
    };
    add_state();
    for (uint32_t index = 0; index < words.size(); ++index) {
        uint32_t state = 0;
        for (const char c : words[index]) {
            const size_t edge = state * classes_ + class_of_[static_cast<unsigned char>(c)];
            if (next_[edge] == 0) {
                const uint32_t made = add_state();
                next_[edge] = made;
            }
            state = next_[edge];
        }
        words_at_[state].push_back(index);
        sizes_.push_back(words[index].size());
    }
    // Breadth first: a state's failure state is nearer to the root and complete before it.
    const size_t states = words_at_.size();
    std::vector<uint32_t> fail(states, 0);
    hits_.assign(states, 0);
    parent_hit_.assign(states, 0);
    std::vector<uint32_t> queue = {0};
    for (size_t head = 0; head < queue.size(); ++head) {
        const uint32_t state = queue[head];
        if (state != 0) {
            hits_[state] = words_at_[state].empty() ? hits_[fail[state]] : state;
            parent_hit_[state] = fail[state];
        }
        for (uint32_t c = 0; c < classes_; ++c) {
            const size_t edge = state * classes_ + c;
            const uint32_t beyond = state == 0 ? 0 : next_[fail[state] * classes_ + c];
            if (next_[edge] == 0) {
                next_[edge] = beyond;
            } else {
                fail[next_[edge]] = beyond;
                queue.push_back(next_[edge]);
            }
        }
    }
}

}  // namespace telltale::sniff::explain
