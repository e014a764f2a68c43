// Buffers of one worker, lent for one turn of a pump, or for as long as a slow reader keeps it from
// emptying one. Idle connections hold none. Bounded: beyond the limit the buffers are small, so
// that everything goes on, slower.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace telltale::proxy {

class BufferPool;

// A lent buffer; goes back to its pool when it dies. The pool outlives it.
class LentBuffer final {
   public:
    LentBuffer() noexcept = default;
    ~LentBuffer() { give_back(); }
    LentBuffer(LentBuffer&& other) noexcept;
    LentBuffer& operator=(LentBuffer&& other) noexcept;
    LentBuffer(const LentBuffer&) = delete;
    LentBuffer& operator=(const LentBuffer&) = delete;

    [[nodiscard]] explicit operator bool() const noexcept { return bytes_ != nullptr; }
    [[nodiscard]] uint8_t* data() noexcept { return bytes_.get(); }
    [[nodiscard]] size_t size() const noexcept { return size_; }
    void give_back() noexcept;

   private:
    friend class BufferPool;
    LentBuffer(BufferPool& pool, std::unique_ptr<uint8_t[]> bytes, size_t size) noexcept;
    BufferPool* pool_ = nullptr;
    std::unique_ptr<uint8_t[]> bytes_;
    size_t size_ = 0;
};

class BufferPool final {
   public:
    // 256 KiB: with 64 KiB, 1 MiB messages cost 1.3 times the CPU on loopback, since every turn
    // wakes both peers.
    static constexpr size_t buffer_bytes = size_t{256} * 1024;
    static constexpr size_t small_bytes = 4096;

    // limit_bytes: of the large buffers that are lent at one time; at least one is.
    explicit BufferPool(uint64_t limit_bytes);
    void set_limit(uint64_t limit_bytes) noexcept;
    // Empty only when the system has no memory.
    [[nodiscard]] LentBuffer borrow() noexcept;
    [[nodiscard]] size_t lent() const noexcept { return lent_; }
    // How often a small buffer had to do, for the limit.
    [[nodiscard]] uint64_t small_lent() const noexcept { return small_lent_; }
    [[nodiscard]] size_t free() const noexcept { return free_.size(); }

   private:
    friend class LentBuffer;
    static constexpr size_t kept_free =
        2;  // one turn uses one; a second covers a reader that just stalled
    void take_back(std::unique_ptr<uint8_t[]> bytes, size_t size) noexcept;

    size_t limit_ = 1;
    size_t lent_ = 0;
    uint64_t small_lent_ = 0;
    std::vector<std::unique_ptr<uint8_t[]>> free_;
};

}  // namespace telltale::proxy
