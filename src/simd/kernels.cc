#include "simd/kernels.h"

#include <fmt/format.h>

#include <array>
#include <cstdlib>
#include <string>

#include "sextant/error.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace sextant::simd {
namespace {

constexpr std::array<std::string_view, kTierCount> kTierNames = {"scalar",      "avx2",        "avx512",
                                                                 "avx512_vnni", "avx512_bf16", "amx"};

struct Processor {
  Tier best = Tier::scalar;
  bool popcnt512 = false;
};

#if defined(__x86_64__)

bool bit(unsigned word, int position) { return (word >> position & 1) != 0; }

// Linux gives a process its tiles (8 KB for every thread's state) only when asked, and may refuse.
bool ask_for_tiles() {
  constexpr int kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr int kTileData = 18;               // the component's number in XCR0
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

// Asks the processor which instructions it has, and the operating system (XCR0) whose registers it saves.
Processor ask_processor() {
  Processor result;
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0) return result;
  bool osxsave = bit(c, 27);
  bool with_avx2 =
      osxsave && bit(c, 28) /* AVX */ && bit(c, 12) /* FMA */ && bit(c, 29) /* F16C */ && bit(c, 23) /* POPCNT */;
  if (!with_avx2) return result;
  unsigned xcr0 = 0;
  unsigned xcr0_high = 0;
  __asm__ volatile("xgetbv" : "=a"(xcr0), "=d"(xcr0_high) : "c"(0));
  if ((xcr0 & 0x6) != 0x6) return result;  // XMM, YMM
  unsigned b7 = 0;
  unsigned c7 = 0;
  unsigned d7 = 0;
  if (__get_cpuid_count(7, 0, &a, &b7, &c7, &d7) == 0) return result;
  unsigned subleaves = a;
  if (!bit(b7, 5)) return result;  // AVX2
  result.best = Tier::avx2;

  bool with_avx512 = (xcr0 & 0xe0) == 0xe0 /* masks and ZMM */ && bit(b7, 16) /* F */ && bit(b7, 17) /* DQ */ &&
                     bit(b7, 30) /* BW */ && bit(b7, 31) /* VL */;
  if (!with_avx512) return result;
  result.best = Tier::avx512;
  result.popcnt512 = bit(c7, 14);
  if (!bit(c7, 11)) return result;
  result.best = Tier::avx512_vnni;
  if (subleaves < 1 || __get_cpuid_count(7, 1, &a, &b, &c, &d) == 0 || !bit(a, 5)) return result;
  result.best = Tier::avx512_bf16;
  bool with_amx = (xcr0 & 0x60000) == 0x60000 /* tiles */ && bit(d7, 24) /* TILE */ && bit(d7, 25) /* INT8 */ &&
                  bit(d7, 22) /* BF16 */;
  if (with_amx && ask_for_tiles()) result.best = Tier::amx;
  return result;
}

void fill_tier(Kernels& kernels, Tier tier) {
  switch (tier) {
    case Tier::scalar:
      return fill_scalar(kernels);
    case Tier::avx2:
      return fill_avx2(kernels);
    case Tier::avx512:
      return fill_avx512(kernels);
    case Tier::avx512_vnni:
      return fill_avx512_vnni(kernels);
    case Tier::avx512_bf16:
      return fill_avx512_bf16(kernels);
    case Tier::amx:
      return;
  }
}

void fill_extras(Kernels& kernels, const Processor& processor) {
  if (kernels.tier >= Tier::avx512 && processor.popcnt512) fill_avx512_popcnt(kernels);
}

#else

Processor ask_processor() { return {}; }
void fill_tier(Kernels& kernels, Tier) { fill_scalar(kernels); }
void fill_extras(Kernels&, const Processor&) {}

#endif

const Processor& processor() {
  static const Processor kProcessor = ask_processor();
  return kProcessor;
}

// Tiers past the best stay empty: even filling their tables takes their instructions.
std::array<Kernels, kTierCount> fill_tables() {
  std::array<Kernels, kTierCount> tables{};
  for (int t = 0; t <= static_cast<int>(processor().best); ++t) {
    Kernels& kernels = tables[static_cast<size_t>(t)];
    for (int lower = 0; lower <= t; ++lower) fill_tier(kernels, static_cast<Tier>(lower));
    kernels.tier = static_cast<Tier>(t);
    fill_extras(kernels, processor());
  }
  return tables;
}

const Kernels& choose() {
  const char* wanted = std::getenv("SEXTANT_SIMD");
  if (wanted == nullptr || *wanted == '\0') return kernels_for(best_tier());
  try {
    return kernels_for(parse_tier(wanted));
  } catch (const Error& error) {
    throw Error(error.code(), std::string("environment variable SEXTANT_SIMD: ") + error.what());
  }
}

}  // namespace

std::string_view name(Tier tier) { return kTierNames[static_cast<size_t>(tier)]; }

Tier parse_tier(std::string_view text) {
  for (size_t i = 0; i < kTierNames.size(); ++i) {
    if (kTierNames[i] == text) return static_cast<Tier>(i);
  }
  throw Error(ErrorCode::invalid_argument,
              fmt::format("SIMD tier '{}' is unknown; expected {}", text, fmt::join(kTierNames, ", ")));
}

Tier best_tier() { return processor().best; }

bool is_available(Tier tier) { return tier <= best_tier(); }

const Kernels& kernels_for(Tier tier) {
  static const std::array<Kernels, kTierCount> kTables = fill_tables();
  if (!is_available(tier)) {
    throw Error(ErrorCode::unsupported, fmt::format("SIMD tier '{}' needs instructions that this processor or system "
                                                    "lacks; the best here is '{}'",
                                                    name(tier), name(best_tier())));
  }
  return kTables[static_cast<size_t>(tier)];
}

const Kernels& kernels() {
  static const Kernels& kChosen = choose();
  return kChosen;
}

}  // namespace sextant::simd
