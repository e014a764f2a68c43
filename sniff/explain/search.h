// All occurrences of many fixed words in one pass over a text (Aho–Corasick): the time does not
// depend on how many words there are, nor on the text.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace telltale::sniff::explain {

class Search final {
   public:
    // Words of one byte and more.
    explicit Search(std::span<const std::string> words);

    // Calls found(word, begin) for each occurrence, in the order of their ends.
    template <class Found>
    void in(std::string_view text, Found found) const {
        uint32_t state = 0;
        for (size_t at = 0; at < text.size(); ++at) {
            state = next_[state * classes_ + class_of_[static_cast<unsigned char>(text[at])]];
            for (uint32_t hit = hits_[state]; hit != 0; hit = hits_[parent_hit_[hit]]) {
                for (const uint32_t word : words_at_[hit]) found(word, at + 1 - sizes_[word]);
            }
        }
    }

   private:
    std::array<uint8_t, 256> class_of_{};  // bytes that no word has are of class 0
    uint32_t classes_ = 1;
    std::vector<uint32_t> next_;        // by state and class
    std::vector<uint32_t> hits_;        // the longest suffix state that ends a word; 0: none
    std::vector<uint32_t> parent_hit_;  // where to look for the next shorter one
    std::vector<std::vector<uint32_t>> words_at_;
    std::vector<size_t> sizes_;
};

}  // namespace telltale::sniff::explain
