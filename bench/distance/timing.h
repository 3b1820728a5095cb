// bench/distance/timing.h: how much is measured, the clock, and contestants that take turns.
#pragma once

#include <functional>
#include <vector>

#include "simd/kernels.h"

namespace sextant::bench {

struct Sizes {
  size_t cache_bytes = 256 << 10;
  size_t memory_bytes = 96 << 20;
  int runs = 7;
  double run_seconds = 0.002;  // a run repeats its work until it has taken so long
  std::vector<size_t> dims = {64, 256, 384, 768};
  size_t walk_rows = 200000;
  size_t search_rows = 100000;
  size_t search_queries = 64;
};

struct Timing {
  double min = 0, median = 0, max = 0;  // seconds a call
};

// Times the contestants in turn.
std::vector<Timing> time_in_turns(const Sizes& sizes, const std::vector<std::function<void()>>& contestants);

// Those that this machine has.
std::vector<simd::Tier> tiers();

// Rows by number, scattered over a table as a graph index meets them.
void bench_walks(const Sizes& sizes);

}  // namespace sextant::bench
