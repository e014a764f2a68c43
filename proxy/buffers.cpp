#include "proxy/buffers.h"

#include <algorithm>
#include <new>
#include <utility>

namespace telltale::proxy {

LentBuffer::LentBuffer(BufferPool& pool, std::unique_ptr<uint8_t[]> bytes, size_t size) noexcept
    : pool_(&pool), bytes_(std::move(bytes)), size_(size) {}

LentBuffer::LentBuffer(LentBuffer&& other) noexcept
    : pool_(other.pool_), bytes_(std::move(other.bytes_)), size_(std::exchange(other.size_, 0)) {}

LentBuffer& LentBuffer::operator=(LentBuffer&& other) noexcept {
    if (this == &other) return *this;
    give_back();
    pool_ = other.pool_;
    bytes_ = std::move(other.bytes_);
    size_ = std::exchange(other.size_, 0);
    return *this;
}

void LentBuffer::give_back() noexcept {
    if (bytes_) pool_->take_back(std::move(bytes_), std::exchange(size_, 0));
}

BufferPool::BufferPool(uint64_t limit_bytes) {
    set_limit(limit_bytes);
    free_.reserve(kept_free);
}

void BufferPool::set_limit(uint64_t limit_bytes) noexcept {
    limit_ = std::max<size_t>(1, static_cast<size_t>(limit_bytes / buffer_bytes));
}

LentBuffer BufferPool::borrow() noexcept {
    const size_t size = lent_ < limit_ ? buffer_bytes : small_bytes;
    std::unique_ptr<uint8_t[]> bytes;
    if (size == buffer_bytes && !free_.empty()) {
        bytes = std::move(free_.back());
        free_.pop_back();
    } else {
        // Not value-initialised: only the pages that a read fills become resident.
        bytes.reset(new (std::nothrow) uint8_t[size]);
        if (!bytes) return {};
    }
    if (size == buffer_bytes) {
        ++lent_;
    } else {
        ++small_lent_;
    }
    return {*this, std::move(bytes), size};
}

void BufferPool::take_back(std::unique_ptr<uint8_t[]> bytes, size_t size) noexcept {
    if (size != buffer_bytes) return;
    --lent_;
    if (free_.size() < kept_free) free_.push_back(std::move(bytes));
}

}  // namespace telltale::proxy
