// bench/encode/peak_loops.h: the loops of peak.h, one file per instruction set. Includes next to nothing: an inline
// function of the standard library, compiled for those instructions, could end up in ordinary files.
#pragma once

#include <cstdint>
#include <initializer_list>

namespace sextant::bench {

// Run the loop ITERATIONS times and return the operations done. SINK keeps the result alive.
double peak_avx2_f32(uint64_t iterations, float* sink);
double peak_avx2_int8(uint64_t iterations, float* sink);
double peak_avx512_f32(uint64_t iterations, float* sink);
double peak_avx512_int8(uint64_t iterations, float* sink);
double peak_avx512_bf16(uint64_t iterations, float* sink);
double peak_amx_bf16(uint64_t iterations, float* sink);
double peak_amx_int8(uint64_t iterations, float* sink);

}  // namespace sextant::bench
