#include "base/page_budget.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "base/files.h"

namespace sextant::base {
namespace {

size_t file_bytes_in_memory() {
  std::ifstream file("/proc/self/statm");
  size_t size = 0, all = 0, shared = 0;
  file >> size >> all >> shared;
  return shared * static_cast<size_t>(::sysconf(_SC_PAGESIZE));
}

TEST(PageBudgets, KeepWhatIsReadOfAFileSmall) {
  constexpr size_t kBytes = size_t{96} << 20, kPart = size_t{64} << 10, kBudget = size_t{8} << 20;
  TemporaryFolder folder;
  const std::filesystem::path path = folder.path() / "bytes";
  {
    FileReplacement file(path);
    for (size_t i = 0; i < kBytes / kPart; ++i) file.append(std::string(kPart, static_cast<char>('a' + i % 26)));
    file.commit();
  }
  const MappedFile mapped(path);
  const size_t before = file_bytes_in_memory();
  std::atomic<size_t> given_up = 0, most = 0, sum = 0;
  PageBudget budget(kBudget, [&] {
    mapped.give_up_pages();
    ++given_up;
  });
  EXPECT_EQ(budget.bytes(), kBudget);
  const auto read = [&](size_t first) {
    for (size_t part = first; part < kBytes / kPart; part += 2) {
      const std::string_view bytes = mapped.text().substr(part * kPart, kPart);
      for (size_t i = 0; i < bytes.size(); i += 512) sum += static_cast<unsigned char>(bytes[i]);
      budget.read(bytes.size());
      size_t now = file_bytes_in_memory();
      for (size_t known = most; now > known && !most.compare_exchange_weak(known, now);) {
      }
    }
  };
  std::thread other([&] { read(1); });
  read(0);
  other.join();
  EXPECT_GT(given_up, 2u);
  // Two threads read on between two looks, perhaps on huge pages.
  EXPECT_LT(most, before + kBudget + (size_t{12} << 20));
  size_t expected = 0;
  for (size_t i = 0; i < kBytes / kPart; ++i) expected += kPart / 512 * static_cast<size_t>('a' + i % 26);
  EXPECT_EQ(sum, expected);
}

TEST(PageBudgets, GiveNothingUpThatFits) {
  PageBudget budget(size_t{1} << 40, [] { FAIL() << "given up"; });
  for (int i = 0; i < 1000; ++i) budget.read(1000, 10);
}

}  // namespace
}  // namespace sextant::base
