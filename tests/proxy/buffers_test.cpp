#include "proxy/buffers.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace telltale::proxy {
namespace {

TEST(BufferPool, lends_large_buffers_up_to_its_limit_and_small_ones_beyond) {
    BufferPool pool(3 * BufferPool::buffer_bytes);
    std::vector<LentBuffer> lent;
    for (int i = 0; i < 3; ++i) lent.push_back(pool.borrow());
    EXPECT_EQ(lent.back().size(), BufferPool::buffer_bytes);
    EXPECT_EQ(pool.borrow().size(), BufferPool::small_bytes);
    lent.pop_back();
    EXPECT_EQ(pool.borrow().size(), BufferPool::buffer_bytes);
}

TEST(BufferPool, takes_a_buffer_back_when_its_holder_dies_and_lends_it_again) {
    BufferPool pool(BufferPool::buffer_bytes);
    const uint8_t* first = nullptr;
    {
        LentBuffer buffer = pool.borrow();
        first = buffer.data();
        EXPECT_EQ(pool.lent(), 1U);
    }
    EXPECT_EQ(pool.lent(), 0U);
    EXPECT_EQ(pool.borrow().data(), first);
}

TEST(BufferPool, keeps_only_two_free_buffers) {
    BufferPool pool(8 * BufferPool::buffer_bytes);
    {
        std::vector<LentBuffer> lent;
        for (int i = 0; i < 8; ++i) lent.push_back(pool.borrow());
    }
    EXPECT_EQ(pool.free(), 2U);
}

TEST(BufferPool, gives_back_once_although_moved_and_given_back_twice) {
    BufferPool pool(2 * BufferPool::buffer_bytes);
    LentBuffer a = pool.borrow();
    LentBuffer b = pool.borrow();
    b = std::move(a);
    EXPECT_EQ(pool.lent(), 1U);
    b.give_back();
    b.give_back();
    EXPECT_EQ(b.size(), 0U);
    EXPECT_EQ(pool.lent(), 0U);
}

TEST(BufferPool, lends_at_least_one_large_buffer_whatever_the_limit) {
    BufferPool pool(1);
    EXPECT_EQ(pool.borrow().size(), BufferPool::buffer_bytes);
}

}  // namespace
}  // namespace telltale::proxy
