#include "proxy/buffers.h"

#include <algorithm>
#include <new>
#include <utility>

namespace telltale::proxy {

LentBuffer::LentBuffer(BufferPool& pool, std::unique_ptr<uint8_t[]> bytes) noexcept
    : pool_(&pool), bytes_(std::move(bytes)) {}

LentBuffer::LentBuffer(LentBuffer&& other) noexcept
    : pool_(other.pool_), bytes_(std::move(other.bytes_)) {}

LentBuffer& LentBuffer::operator=(LentBuffer&& other) noexcept {
    if (this == &other) return *this;
    give_back();
    pool_ = other.pool_;
    bytes_ = std::move(other.bytes_);
    return *this;
}

void LentBuffer::give_back() noexcept {
    if (bytes_) pool_->take_back(std::move(bytes_));
}

BufferPool::BufferPool(uint64_t limit_bytes)
    : limit_(std::max<size_t>(1, static_cast<size_t>(limit_bytes / buffer_bytes))) {
    free_.reserve(kept_free);
}

LentBuffer BufferPool::borrow() noexcept {
    if (lent_ == limit_) return {};
    std::unique_ptr<uint8_t[]> bytes;
    if (free_.empty()) {
        // Not value-initialised: only the pages that a read fills become resident.
        bytes.reset(new (std::nothrow) uint8_t[buffer_bytes]);
        if (!bytes) return {};
    } else {
        bytes = std::move(free_.back());
        free_.pop_back();
    }
    ++lent_;
    return {*this, std::move(bytes)};
}

void BufferPool::take_back(std::unique_ptr<uint8_t[]> bytes) noexcept {
    --lent_;
    if (free_.size() < kept_free) free_.push_back(std::move(bytes));
}

}  // namespace telltale::proxy
