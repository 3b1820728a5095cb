// Walks: rows by number, scattered over a table, sixteen at a time, as a graph index asks for the neighbours of a node.
// The rows of the next group are asked for before those of this one are scored, where the kernel leaves that to its
// caller. Beside each kernel stands the same walk with the kernel for one pair.
#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "timing.h"

namespace sextant::bench {
namespace {

constexpr size_t kDim = 384;
constexpr size_t kGroup = 16;
constexpr size_t kGroups = 64;
constexpr size_t kWalks = 64;  // so many different ones that no cache learns them

struct Walk {
  const uint8_t* table;
  size_t row_bytes;
  const uint8_t* query;
  const uint32_t* ids;  // [kGroups * kGroup]
};

void prefetch_group(const Walk& walk, size_t group) {
  if (group == kGroups) return;
  for (size_t i = 0; i < kGroup; ++i) {
    const uint8_t* row = walk.table + walk.ids[group * kGroup + i] * walk.row_bytes;
    for (size_t byte = 0; byte < walk.row_bytes; byte += 64) __builtin_prefetch(row + byte);
  }
}

template <class Query, class Row, class Score>
void walk_by_number(const Walk& walk, size_t length, bool caller_prefetches,
                    void (*kernel)(const Query*, const Row*, size_t, size_t, const uint32_t*, size_t, Score*)) {
  Score scores[kGroup];
  if (caller_prefetches) prefetch_group(walk, 0);
  for (size_t group = 0; group < kGroups; ++group) {
    if (caller_prefetches) prefetch_group(walk, group + 1);
    kernel(reinterpret_cast<const Query*>(walk.query), reinterpret_cast<const Row*>(walk.table), walk.row_bytes, length,
           walk.ids + group * kGroup, kGroup, scores);
  }
}

template <class Query, class Row, class Score>
void walk_by_pairs(const Walk& walk, size_t length, Score (*kernel)(const Query*, const Row*, size_t)) {
  Score scores[kGroup];
  prefetch_group(walk, 0);
  for (size_t group = 0; group < kGroups; ++group) {
    prefetch_group(walk, group + 1);
    for (size_t i = 0; i < kGroup; ++i) {
      const uint8_t* row = walk.table + walk.ids[group * kGroup + i] * walk.row_bytes;
      scores[i] = kernel(reinterpret_cast<const Query*>(walk.query), reinterpret_cast<const Row*>(row), length);
    }
    static_cast<void>(scores);
  }
}

struct Task {
  std::string_view name;
  size_t row_bytes;
  void (*run)(const simd::Kernels&, const Walk&);
};

const Task kTasks[] = {
    {"dot f32", kDim * 4, [](const simd::Kernels& k, const Walk& w) { walk_by_number(w, kDim, false, k.dot_f32_ids); }},
    {"l2 f32", kDim * 4,
     [](const simd::Kernels& k, const Walk& w) { walk_by_number(w, kDim, false, k.l2_squared_f32_ids); }},
    {"dot f32, pairs", kDim * 4, [](const simd::Kernels& k, const Walk& w) { walk_by_pairs(w, kDim, k.dot_f32); }},
    {"dot int8", kDim, [](const simd::Kernels& k, const Walk& w) { walk_by_number(w, kDim, true, k.dot_i8_ids); }},
    {"dot int8, pairs", kDim, [](const simd::Kernels& k, const Walk& w) { walk_by_pairs(w, kDim, k.dot_i8); }},
    {"dot 4 bits", kDim / 2,
     [](const simd::Kernels& k, const Walk& w) { walk_by_number(w, kDim, true, k.dot_u4_ids); }},
    {"dot 1 bit", kDim / 8,
     [](const simd::Kernels& k, const Walk& w) { walk_by_number(w, kDim / 8, true, k.dot_u1_ids); }},
    {"hamming, pairs", kDim / 8, [](const simd::Kernels& k, const Walk& w) { walk_by_pairs(w, kDim / 8, k.hamming); }},
};

}  // namespace

void bench_walks(const Sizes& sizes) {
  fmt::print("\nRows by number out of {} of {}, {} at a time, one thread: ns a row\n\n", sizes.walk_rows, kDim, kGroup);
  fmt::print("{:<15} {:<12} | {:>8} {:>15} | {:>8} {:>15}\n", "kernel", "tier", "cache", "min-max", "memory",
             "min-max");
  base::Random random(4);
  // Bytes below 0x3c are moderate numbers as f32 too, which four of them make.
  // The table begins at a line of the caches, as an index's does.
  std::vector<uint8_t> memory(sizes.walk_rows * kDim * 4 + 64);
  for (uint8_t& byte : memory) byte = static_cast<uint8_t>(random.below(0x3c));
  const uint8_t* table = memory.data() + (64 - reinterpret_cast<uintptr_t>(memory.data()) % 64) % 64;
  std::vector<uint8_t> query(table, table + kDim * 4);
  for (const Task& task : kTasks) {
    std::vector<Timing> timings[2];
    // A table that stays in the second cache, and one that does not fit any.
    size_t counts[2] = {std::min(sizes.walk_rows, sizes.cache_bytes / task.row_bytes), sizes.walk_rows};
    for (int where = 0; where < 2; ++where) {
      std::vector<uint32_t> ids(kWalks * kGroups * kGroup);
      for (uint32_t& id : ids) id = static_cast<uint32_t>(random.below(counts[where]));
      size_t turn = 0;
      std::vector<std::function<void()>> contestants;
      for (simd::Tier tier : tiers()) {
        const simd::Kernels& k = simd::kernels_for(tier);
        contestants.push_back([&] {
          const uint32_t* walk_ids = ids.data() + turn++ % kWalks * kGroups * kGroup;
          task.run(k, Walk{table, task.row_bytes, query.data(), walk_ids});
        });
      }
      timings[where] = time_in_turns(sizes, contestants);
    }
    for (size_t i = 0; i < tiers().size(); ++i) {
      std::string line = fmt::format("{:<15} {:<12}", task.name, simd::name(tiers()[i]));
      for (const std::vector<Timing>& timing : timings) {
        auto ns = [](double seconds) { return seconds / double{kGroups * kGroup} * 1e9; };
        line += fmt::format(" | {:>8.2f} {:>15}", ns(timing[i].median),
                            fmt::format("{:.2f}-{:.2f}", ns(timing[i].min), ns(timing[i].max)));
      }
      fmt::print("{}\n", line);
    }
  }
}

}  // namespace sextant::bench
