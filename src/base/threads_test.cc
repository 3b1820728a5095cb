#include "base/threads.h"

#include <gtest/gtest.h>

#include <atomic>
#include <numeric>
#include <stdexcept>
#include <vector>

namespace sextant::base {
namespace {

TEST(ThreadPools, RunEveryItemOnce) {
  for (size_t threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.thread_count(), threads);
    for (size_t count : {0, 1, 2, 1000}) {
      std::vector<std::atomic<int>> runs(count);
      std::atomic<size_t> highest = 0;
      pool.parallel_for(count, [&](size_t item, size_t thread) {
        ++runs[item];
        size_t seen = highest;
        while (seen < thread && !highest.compare_exchange_weak(seen, thread)) {
        }
      });
      for (const auto& run : runs) EXPECT_EQ(run, 1);
      EXPECT_LT(highest, threads);
    }
  }
}

TEST(ThreadPools, RunLoopsInsideLoops) {
  ThreadPool pool(3);
  std::vector<std::atomic<int>> runs(64);
  pool.parallel_for(
      8, [&](size_t outer, size_t) { pool.parallel_for(8, [&](size_t inner, size_t) { ++runs[outer * 8 + inner]; }); });
  for (const auto& run : runs) EXPECT_EQ(run, 1);
}

TEST(ThreadPools, ServeManyCallersAtOnce) {
  ThreadPool pool(3);
  constexpr size_t kCallers = 6, kRounds = 50, kItems = 40;
  std::vector<size_t> sums(kCallers, 0);
  std::vector<std::thread> callers;
  for (size_t caller = 0; caller < kCallers; ++caller) {
    callers.emplace_back([&, caller] {
      for (size_t round = 0; round < kRounds; ++round) {
        std::vector<size_t> values(kItems, 0);
        pool.parallel_for(kItems, [&](size_t item, size_t) { values[item] = item + caller; });
        sums[caller] += std::accumulate(values.begin(), values.end(), size_t{0});
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  for (size_t caller = 0; caller < kCallers; ++caller) {
    EXPECT_EQ(sums[caller], kRounds * (kItems * (kItems - 1) / 2 + kItems * caller));
  }
}

// Scratch memory is named by the thread: no two items of a loop that run at once may have the same.
TEST(ThreadPools, GiveEachThreadOfALoopANumberOfItsOwn) {
  ThreadPool pool(4);
  for (int round = 0; round < 20; ++round) {
    std::vector<std::atomic<int>> inside(pool.thread_count());
    std::atomic<bool> shared = false;
    pool.parallel_for(200, [&](size_t, size_t thread) {
      if (++inside[thread] != 1) shared = true;
      --inside[thread];
    });
    EXPECT_FALSE(shared);
  }
}

// The loop has so many items that it would never end: that it returns at all shows that the exception stopped it.
TEST(ThreadPools, PassOnTheFirstExceptionAndGoOn) {
  constexpr size_t kEndless = size_t{1} << 60;
  for (size_t threads : {1, 3}) {
    ThreadPool pool(threads);
    EXPECT_THROW(pool.parallel_for(kEndless,
                                   [&](size_t item, size_t) {
                                     if (item == 3) throw std::runtime_error("three");
                                   }),
                 std::runtime_error);
    size_t sum = 0;
    pool.parallel_for(1, [&](size_t item, size_t) { sum += item + 1; });
    EXPECT_EQ(sum, 1u);
  }
}

TEST(ThreadPools, AreSharedByTheirCountOfThreads) {
  EXPECT_EQ(&ThreadPool::shared(2), &ThreadPool::shared(2));
  EXPECT_EQ(ThreadPool::shared(3).thread_count(), 3u);
  EXPECT_EQ(ThreadPool::shared(0).thread_count(), default_thread_count());
}

}  // namespace
}  // namespace sextant::base
