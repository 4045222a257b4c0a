#include "engine/kv_block_allocator.h"

#include <gtest/gtest.h>

#include <set>

namespace mimo {
namespace {

TEST(KvBlockAllocator, HandsOutEveryBlockOnce) {
  KvBlockAllocator allocator(5);
  std::set<uint32_t> seen;
  for (int i = 0; i < 5; ++i) seen.insert(allocator.Allocate().value().value);
  EXPECT_EQ(seen.size(), 5U);
  EXPECT_EQ(*seen.rbegin(), 4U);
  EXPECT_EQ(allocator.num_free(), 0U);
}

TEST(KvBlockAllocator, ReturnsErrorWhenAllBlocksAreUsed) {
  KvBlockAllocator allocator(1);
  const KvBlockId block = allocator.Allocate().value();
  EXPECT_EQ(allocator.Allocate().error().code, ErrorCode::kResourceExhausted);
  allocator.Release(block);
  EXPECT_EQ(allocator.num_free(), 1U);
  EXPECT_EQ(allocator.Allocate().value().value, block.value);
}

TEST(KvBlockAllocator, ABlockIsFreeWhenNobodyUsesOrKeepsIt) {
  KvBlockAllocator allocator(2);
  const KvBlockId block = allocator.Allocate().value();
  allocator.Share(block);
  allocator.Release(block);
  EXPECT_EQ(allocator.num_free(), 1U) << "one user is left";
  allocator.Keep(block);
  allocator.Release(block);
  EXPECT_EQ(allocator.num_free(), 1U) << "it is kept";
  EXPECT_EQ(allocator.num_idle(), 1U);
  allocator.Share(block);
  EXPECT_EQ(allocator.num_idle(), 0U);
  allocator.Drop(block);
  EXPECT_EQ(allocator.num_free(), 1U) << "it is used";
  allocator.Release(block);
  EXPECT_EQ(allocator.num_free(), 2U);
  EXPECT_EQ(allocator.num_idle(), 0U);
}

TEST(KvBlockAllocatorDeathTest, RefusesToReleaseTwice) {
  KvBlockAllocator allocator(2);
  const KvBlockId block = allocator.Allocate().value();
  allocator.Release(block);
  EXPECT_DEATH(allocator.Release(block), "num_users");
}

}  // namespace
}  // namespace mimo
