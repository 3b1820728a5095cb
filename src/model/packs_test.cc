#include "model/packs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <stdexcept>

#include "base/random.h"

namespace sextant::model {
namespace {

std::vector<size_t> made_up_lengths(size_t count) {
  base::Random random(11);
  std::vector<size_t> lengths(count);
  for (size_t i = 0; i < count; ++i) lengths[i] = i % 50 == 7 ? 0 : i % 40 == 3 ? 900 : 1 + random.below(200);
  return lengths;
}

// Packs in the order in which they were begun; as there are no more threads than one, that of the calls.
std::vector<Pack> packs_of(const std::vector<size_t>& lengths, size_t threads) {
  base::ThreadPool pool(threads);
  std::vector<std::atomic<int>> tokenized(lengths.size());
  std::vector<Pack> packs;
  std::mutex mutex;
  compute_in_packs(
      lengths.size(), pool,
      [&](size_t i) {
        ++tokenized[i];
        return lengths[i];
      },
      [&](const Pack& pack) {
        for (size_t i : pack) EXPECT_EQ(tokenized[i], 1) << "item " << i << " has no tokens yet";
        std::lock_guard lock(mutex);
        packs.push_back(pack);
      });
  for (size_t i = 0; i < lengths.size(); ++i) EXPECT_EQ(tokenized[i], 1) << "item " << i;
  return packs;
}

TEST(Packs, HoldEachItemOnceWhateverTheCountAndTheThreads) {
  for (size_t count : {0, 1, 2, 31, 33, 511, 512, 513, 1500}) {
    for (size_t threads : {1, 3}) {
      std::vector<int> seen(count);
      for (const Pack& pack : packs_of(made_up_lengths(count), threads)) {
        EXPECT_FALSE(pack.empty());
        for (size_t i : pack) ++seen[i];
      }
      EXPECT_THAT(seen, testing::Each(1)) << count << " items, " << threads << " threads";
    }
  }
}

TEST(Packs, AreOfBoundedSizeAndLongOnesComeFirst) {
  const std::vector<size_t> lengths = made_up_lengths(512);
  size_t last = 900, full = 0;
  for (const Pack& pack : packs_of(lengths, 1)) {
    size_t rows = 0;
    for (size_t i : pack) {
      EXPECT_LE(lengths[i], last);
      last = lengths[i];
      rows += lengths[i];
    }
    EXPECT_TRUE(rows <= 512 || pack.size() == 1) << rows << " rows";
    full += rows > 256 ? 1 : 0;
  }
  EXPECT_GT(full, 10u);
}

TEST(Packs, AnErrorOfEitherStepReachesTheCaller) {
  base::ThreadPool pool(2);
  const auto fine = [](size_t) -> size_t { return 5; };
  EXPECT_THROW(compute_in_packs(
                   700, pool, [](size_t i) -> size_t { return i == 600 ? throw std::runtime_error("tokens") : 5; },
                   [](const Pack&) {}),
               std::runtime_error);
  EXPECT_THROW(compute_in_packs(700, pool, fine, [](const Pack&) { throw std::runtime_error("pack"); }),
               std::runtime_error);
}

}  // namespace
}  // namespace sextant::model
