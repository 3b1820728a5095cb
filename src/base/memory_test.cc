#include "base/memory.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <vector>

namespace sextant::base {
namespace {

TEST(LongLivedMemory, ComesInAlignedPiecesThatDoNotOverlap) {
  std::vector<std::pair<std::shared_ptr<std::byte>, size_t>> pieces;
  for (size_t bytes : {1, 63, 64, 65, 1 << 20, 3 << 20, 40 << 20, 5, 16 << 20}) {
    pieces.emplace_back(allocate_long_lived(bytes), bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(pieces.back().first.get()) % 64, 0u);
  }
  for (size_t i = 0; i < pieces.size(); ++i)
    std::memset(pieces[i].first.get(), static_cast<int>(i + 1), pieces[i].second);
  for (size_t i = 0; i < pieces.size(); ++i) {
    EXPECT_EQ(pieces[i].first.get()[0], static_cast<std::byte>(i + 1));
    EXPECT_EQ(pieces[i].first.get()[pieces[i].second - 1], static_cast<std::byte>(i + 1));
  }
}

TEST(LongLivedMemory, OutlivesItsNeighbours) {
  auto first = allocate_long_lived(1000);
  auto second = allocate_long_lived(1000);
  std::memset(second.get(), 7, 1000);
  first.reset();
  for (int i = 0; i < 40; ++i) allocate_long_lived(1 << 20);
  EXPECT_EQ(second.get()[999], std::byte{7});
}

TEST(Blocks, AreAlignedToTheirSize) {
  for (size_t bytes : {size_t{0}, size_t{1}, size_t{100}, kHugePage - 1, kHugePage, 3 * kHugePage + 5}) {
    void* block = allocate_block(bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(block) % (bytes >= kHugePage ? kHugePage : 64), 0u);
    std::memset(block, 1, bytes);
    free_block(block, bytes);
  }
}

}  // namespace
}  // namespace sextant::base
