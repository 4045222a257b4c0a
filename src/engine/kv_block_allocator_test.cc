#include "engine/kv_block_allocator.h"

#include <gtest/gtest.h>

#include <set>

namespace mimo {
namespace {

TEST(KvBlockAllocator, HandsOutEachBlockOnce) {
  KvBlockAllocator allocator(5);
  std::set<uint32_t> seen;
  for (int i = 0; i < 5; ++i) seen.insert(allocator.Allocate().value().value);
  EXPECT_EQ(seen, (std::set<uint32_t>{0, 1, 2, 3, 4}));
  EXPECT_EQ(allocator.num_free(), 0U);
}

TEST(KvBlockAllocator, ReturnsErrorWhenAllBlocksAreUsed) {
  KvBlockAllocator allocator(1);
  const KvBlockId block = allocator.Allocate().value();
  const auto none = allocator.Allocate();
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, ErrorCode::kResourceExhausted);
  allocator.Release(block);
  EXPECT_EQ(allocator.Allocate().value().value, block.value);
}

TEST(KvBlockAllocatorDeathTest, StopsTheProgramWhenABlockIsReleasedTwice) {
  KvBlockAllocator allocator(2);
  const KvBlockId block = allocator.Allocate().value();
  allocator.Release(block);
  EXPECT_DEATH(allocator.Release(block), "is_used_");
}

}  // namespace
}  // namespace mimo
