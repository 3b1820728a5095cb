#include "base/memory.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <vector>

#include "base/files.h"

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

class ControlGroups : public testing::Test {
 protected:
  void write(const std::filesystem::path& path, std::string_view text) const {
    make_folders((folder_.path() / path).parent_path());
    write_file_atomically(folder_.path() / path, text);
  }
  size_t limit() const { return control_group_limit_bytes(folder_.path()); }
  TemporaryFolder folder_;
};

TEST_F(ControlGroups, limit_memory_in_either_version) {
  EXPECT_EQ(limit(), SIZE_MAX);
  write("proc/self/cgroup", "5:cpu,cpuacct:/some/group\n4:memory:/some/group\n0::/other/group\n");
  EXPECT_EQ(limit(), SIZE_MAX);
  write("sys/fs/cgroup/memory/some/group/memory.limit_in_bytes", "5000000\n");
  EXPECT_EQ(limit(), 5000000u);
  write("sys/fs/cgroup/other/group/memory.max", "max\n");
  EXPECT_EQ(limit(), 5000000u);
  write("sys/fs/cgroup/other/group/memory.max", "4000000\n");
  EXPECT_EQ(limit(), 4000000u);
}

TEST_F(ControlGroups, are_limited_by_those_above) {
  write("proc/self/cgroup", "0::/other/group/within\n");
  write("sys/fs/cgroup/other/group/memory.max", "3000000\n");
  EXPECT_EQ(limit(), 3000000u);
  write("sys/fs/cgroup/memory.max", "2000000\n");
  EXPECT_EQ(limit(), 2000000u);
}

TEST_F(ControlGroups, that_make_no_sense_limit_nothing) {
  write("proc/self/cgroup", "nonsense\n0::\n:\n0::/../../..\n4:memory:/a\n");
  write("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "12x\n");
  EXPECT_EQ(limit(), SIZE_MAX);
  write("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "");
  EXPECT_EQ(limit(), SIZE_MAX);
}

TEST(MemoryLimits, AreAboveWhatIsUsed) {
  EXPECT_GT(memory_limit_bytes(), size_t{1} << 20);
  EXPECT_LT(memory_limit_bytes(), size_t{1} << 50);
}

}  // namespace
}  // namespace sextant::base
