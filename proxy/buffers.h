// Large buffers of one worker, lent for one turn of a pump, or for as long as a slow reader keeps
// it from emptying one. Idle connections hold none. Bounded: when the limit is reached, borrow()
// answers an empty buffer and the pump goes on with its own small one.
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
    void give_back() noexcept;

   private:
    friend class BufferPool;
    LentBuffer(BufferPool& pool, std::unique_ptr<uint8_t[]> bytes) noexcept;
    BufferPool* pool_ = nullptr;
    std::unique_ptr<uint8_t[]> bytes_;
};

class BufferPool final {
   public:
    // 256 KiB: with 64 KiB, 1 MiB messages cost 1.3 times the CPU on loopback, since every turn
    // wakes both peers.
    static constexpr size_t buffer_bytes = size_t{256} * 1024;

    explicit BufferPool(uint64_t limit_bytes);
    [[nodiscard]] LentBuffer borrow() noexcept;
    [[nodiscard]] size_t lent() const noexcept { return lent_; }
    [[nodiscard]] size_t free() const noexcept { return free_.size(); }

   private:
    friend class LentBuffer;
    static constexpr size_t kept_free =
        2;  // one turn uses one; a second covers a reader that just stalled
    void take_back(std::unique_ptr<uint8_t[]> bytes) noexcept;

    size_t limit_;
    size_t lent_ = 0;
    std::vector<std::unique_ptr<uint8_t[]>> free_;
};

}  // namespace telltale::proxy
