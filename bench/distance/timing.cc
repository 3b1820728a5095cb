#include "timing.h"

#include <time.h>

#include <algorithm>

namespace sextant::bench {
namespace {

// Processor time of this thread: what other programs do on the machine then counts less.
double now_seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

}  // namespace

std::vector<Timing> time_in_turns(const Sizes& sizes, const std::vector<std::function<void()>>& contestants) {
  std::vector<std::vector<double>> seconds(contestants.size());
  for (int run = -1; run < sizes.runs; ++run) {  // the first warms up
    for (size_t c = 0; c < contestants.size(); ++c) {
      size_t calls = 0;
      double begin = now_seconds();
      double end = begin;
      do {
        contestants[c]();
        ++calls;
        end = now_seconds();
      } while (end - begin < sizes.run_seconds);
      if (run >= 0) seconds[c].push_back((end - begin) / static_cast<double>(calls));
    }
  }
  std::vector<Timing> timings;
  for (std::vector<double>& s : seconds) {
    std::sort(s.begin(), s.end());
    timings.push_back({s.front(), s[s.size() / 2], s.back()});
  }
  return timings;
}

std::vector<simd::Tier> tiers() {
  std::vector<simd::Tier> all;
  for (int t = 0; t <= static_cast<int>(simd::best_tier()); ++t) all.push_back(static_cast<simd::Tier>(t));
  return all;
}

}  // namespace sextant::bench
