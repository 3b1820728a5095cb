// simd/kernels.h: the kernels that this machine runs best, chosen once.
//
//   const simd::Kernels& k = simd::kernels();
//   k.dot_f32_rows(query, {.data = rows, .count = n, .dim = 256, .stride_bytes = 256 * sizeof(float)}, scores);
//
// What the kernels do, and what they promise, is written in simd/kernel_table.h. Fetch the table once outside a loop.
// Threads: all functions may be called from many.
#pragma once

#include <string_view>

#include "simd/kernel_table.h"

namespace sextant::simd {

// scalar, avx2, avx512, avx512_vnni, avx512_bf16, amx.
std::string_view name(Tier tier);
// Throws invalid_argument for any other name.
Tier parse_tier(std::string_view name);

// The best tier whose instructions processor and operating system both offer.
Tier best_tier();
bool is_available(Tier tier);

// Throws unsupported, naming the tier, where the machine lacks it.
const Kernels& kernels_for(Tier tier);

// The table of the tier that the environment variable SEXTANT_SIMD names, else of best_tier(); decided at the first
// call. Throws what parse_tier and kernels_for throw, with the variable named.
const Kernels& kernels();

}  // namespace sextant::simd
