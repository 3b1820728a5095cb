#include "base/scattered_reads.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <utility>

#include "base/files.h"

namespace sextant::base {
namespace {

constexpr size_t kMegabyte = size_t{1} << 20;

class ScatteredParts : public testing::Test {
 protected:
  // What /proc/self/smaps says of the mapping that ADDRESS lies in: "rr" is there while nothing is read ahead.
  static bool is_read_ahead(const std::byte* address) {
    std::ifstream lines("/proc/self/smaps");
    bool here = false;
    for (std::string line; std::getline(lines, line);) {
      uintptr_t begin = 0, end = 0;
      char dash = 0;
      std::istringstream words(line);
      if (words >> std::hex >> begin >> dash >> end && dash == '-') {
        here = begin <= reinterpret_cast<uintptr_t>(address) && reinterpret_cast<uintptr_t>(address) < end;
      }
      if (here && line.starts_with("VmFlags:")) return line.find(" rr") == std::string::npos;
    }
    ADD_FAILURE() << "no such mapping";
    return false;
  }

  MappedFile file(const std::string& name, size_t bytes) const {
    FileReplacement file(folder_.path() / name);
    file.append(std::string(bytes, 'x'));
    file.commit();
    return MappedFile(folder_.path() / name);
  }

  TemporaryFolder folder_;
};

TEST_F(ScatteredParts, are_read_ahead_as_long_as_all_have_room) {
  const MappedFile one = file("one", kMegabyte), two = file("two", kMegabyte);
  ScatteredReads reads(2 * kMegabyte);
  ScatteredReads::Part first(reads, one.bytes());
  EXPECT_FALSE(first.is_far());
  EXPECT_TRUE(first.is_registered());
  EXPECT_TRUE(is_read_ahead(one.bytes().data()));
  {
    // 2 MB of the 1.5 that they may have: for what was there before, too.
    ScatteredReads::Part second(reads, two.bytes());
    EXPECT_TRUE(first.is_far());
    EXPECT_TRUE(second.is_far());
    EXPECT_FALSE(is_read_ahead(one.bytes().data()));
    EXPECT_FALSE(is_read_ahead(two.bytes().data()));
  }
  EXPECT_FALSE(first.is_far());
  EXPECT_TRUE(is_read_ahead(one.bytes().data()));
  EXPECT_EQ(reads.set_memory(kMegabyte), 2 * kMegabyte);
  EXPECT_TRUE(first.is_far());
  EXPECT_FALSE(is_read_ahead(one.bytes().data()));
  // One that comes when there is no room already.
  ScatteredReads::Part second(reads, two.bytes());
  EXPECT_FALSE(is_read_ahead(two.bytes().data()));
}

TEST_F(ScatteredParts, go_where_they_are_moved) {
  const MappedFile one = file("one", kMegabyte);
  ScatteredReads reads(kMegabyte);
  ScatteredReads::Part part;
  EXPECT_FALSE(part.is_far());
  EXPECT_FALSE(part.is_registered());
  {
    ScatteredReads::Part first(reads, one.bytes());
    ScatteredReads::Part second(std::move(first));
    part = std::move(second);
  }
  EXPECT_TRUE(part.is_far());
  part = ScatteredReads::Part();
  EXPECT_TRUE(is_read_ahead(one.bytes().data()));
}

TEST_F(ScatteredParts, come_into_memory_when_they_are_asked_for) {
  const MappedFile mapped = file("one", kMegabyte);
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  // commit wrote it to the disk: the system can be asked to forget it.
  const int descriptor = ::open((folder_.path() / "one").c_str(), O_RDONLY);
  ASSERT_GE(descriptor, 0);
  ASSERT_EQ(::posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED), 0);
  ::close(descriptor);
  read_soon(mapped.bytes().subspan(5 * page + 1, 2 * page));
  auto is_there = [&](size_t number) {
    unsigned char there = 0;
    EXPECT_EQ(::mincore(const_cast<std::byte*>(mapped.bytes().data()) + number * page, page, &there), 0);
    return (there & 1) != 0;
  };
  for (int waits = 0; waits < 1000 && !(is_there(5) && is_there(6) && is_there(7)); ++waits) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_TRUE(is_there(5) && is_there(6) && is_there(7));
  read_soon({});
}

}  // namespace
}  // namespace sextant::base
