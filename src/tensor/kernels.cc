#include "tensor/kernels.h"

#include <array>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace sextant::tensor {
namespace {

#if defined(__x86_64__)
// Asked by vendor rather than by a stopwatch: which precision is chosen must not hang on what else the machine does.
bool bf16_products_outrun_f32() {
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  if (__get_cpuid(0, &a, &b, &c, &d) == 0) return false;
  return b == signature_AMD_ebx && c == signature_AMD_ecx && d == signature_AMD_edx;
}
#endif

void fill_tier(Kernels& kernels, simd::Tier tier) {
  switch (tier) {
    case simd::Tier::scalar:
      return fill_scalar(kernels);
#if defined(__x86_64__)
    case simd::Tier::avx2:
      return fill_avx2(kernels);
    case simd::Tier::avx512:
      return fill_avx512(kernels);
    case simd::Tier::avx512_vnni:
      return fill_avx512_vnni(kernels);
    case simd::Tier::avx512_bf16:
      fill_avx512_bf16(kernels);
      kernels.bf16_native = bf16_products_outrun_f32();
      return;
    case simd::Tier::amx:
      return fill_amx(kernels);
#else
    default:
      return;
#endif
  }
}

}  // namespace

const Kernels& kernels_for(simd::Tier tier) {
  // Tiers past the machine's best stay empty: even filling their tables takes their instructions.
  static const std::array<Kernels, simd::kTierCount> kTables = [] {
    std::array<Kernels, simd::kTierCount> tables{};
    for (int t = 0; t < simd::kTierCount && simd::is_available(static_cast<simd::Tier>(t)); ++t) {
      Kernels& kernels = tables[static_cast<size_t>(t)];
      for (int lower = 0; lower <= t; ++lower) fill_tier(kernels, static_cast<simd::Tier>(lower));
      kernels.tier = static_cast<simd::Tier>(t);
    }
    return tables;
  }();
  return kTables[static_cast<size_t>(tier)];
}

const Kernels& kernels() {
  static const Kernels& chosen = tensor::kernels_for(simd::kernels().tier);
  return chosen;
}

}  // namespace sextant::tensor
