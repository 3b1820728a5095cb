#include "peak.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <thread>

#include "peak_loops.h"
#include "sextant/error.h"
#include "simd/kernels.h"

namespace sextant::bench {
namespace {

struct Peak {
  std::string_view name;
  simd::Tier tier;
  double (*loop)(uint64_t iterations, float* sink);
};

#if defined(__x86_64__)
constexpr std::array<Peak, 7> kPeaks = {{
    {"avx2 f32", simd::Tier::avx2, peak_avx2_f32},
    {"avx2 int8", simd::Tier::avx2, peak_avx2_int8},
    {"avx512 f32", simd::Tier::avx512, peak_avx512_f32},
    {"avx512 int8", simd::Tier::avx512_vnni, peak_avx512_int8},
    {"avx512 bf16", simd::Tier::avx512_bf16, peak_avx512_bf16},
    {"amx bf16", simd::Tier::amx, peak_amx_bf16},
    {"amx int8", simd::Tier::amx, peak_amx_int8},
}};
#else
constexpr std::array<Peak, 0> kPeaks = {};
#endif

// Linux hands out the tiles only to processes that ask.
bool ask_for_tiles() {
#if defined(__x86_64__)
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

bool is_usable(const Peak& peak) {
  if (!simd::is_available(peak.tier)) return false;
  return peak.tier != simd::Tier::amx || ask_for_tiles();
}

// By this thread's processor time: what the arithmetic can do does not depend on who else is on the machine.
double thread_seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

double rate_of_one_thread(const Peak& peak, double seconds_min) {
  float sink = 0;
  double operations = 0, seconds = 0;
  const double start = thread_seconds();
  do {
    operations += peak.loop(20000, &sink);
    seconds = thread_seconds() - start;
  } while (seconds < seconds_min);
  return operations / seconds;
}

}  // namespace

std::vector<std::string> peak_names() {
  std::vector<std::string> names;
  for (const Peak& peak : kPeaks) {
    if (is_usable(peak)) names.emplace_back(peak.name);
  }
  return names;
}

double measure_peak(std::string_view name, size_t threads, double seconds) {
  for (const Peak& peak : kPeaks) {
    if (peak.name != name || !is_usable(peak)) continue;
    std::vector<double> rates(threads);
    std::vector<std::thread> others;
    for (size_t i = 1; i < threads; ++i) {
      others.emplace_back([&, i] { rates[i] = rate_of_one_thread(peak, seconds); });
    }
    double sum = rate_of_one_thread(peak, seconds);
    for (std::thread& other : others) other.join();
    for (double rate : rates) sum += rate;
    return sum;
  }
  throw Error(ErrorCode::invalid_argument,
              fmt::format("peak '{}' is unknown here; expected one of {}", name, fmt::join(peak_names(), ", ")));
}

}  // namespace sextant::bench
