// bench/encode/peak_loops.h: the loops of peak.h, one file per instruction set. Includes next to nothing: an inline
// function of the standard library, compiled for those instructions, could end up in ordinary files.
#pragma once

#include <cstdint>

namespace sextant::bench {

// Run the loop ITERATIONS times and return the operations done. SINK keeps the result alive.
double peak_avx2_f32(uint64_t iterations, float* sink);
double peak_avx2_int8(uint64_t iterations, float* sink);
double peak_avx512_f32(uint64_t iterations, float* sink);
double peak_avx512_int8(uint64_t iterations, float* sink);
double peak_avx512_bf16(uint64_t iterations, float* sink);
double peak_amx_bf16(uint64_t iterations, float* sink);
double peak_amx_int8(uint64_t iterations, float* sink);

namespace {

// So many independent sums, each a member of its own: an array would be kept in memory.
template <class Register, int kCount>
struct Sums {
  Register first;
  Sums<Register, kCount - 1> rest;
  template <class Body>
  inline __attribute__((always_inline)) void for_each(Body body) {
    body(first);
    rest.for_each(body);
  }
};
template <class Register>
struct Sums<Register, 0> {
  template <class Body>
  inline __attribute__((always_inline)) void for_each(Body) {}
};

// STEP on each of kCount sums, ITERATIONS times; then FINISH on each.
template <int kCount, class Register, class Step, class Finish>
inline __attribute__((always_inline)) void repeat(uint64_t iterations, Register zero, Step step, Finish finish) {
  Sums<Register, kCount> sums;
  sums.for_each([&](Register& sum) { sum = zero; });
  for (uint64_t i = 0; i < iterations; ++i) sums.for_each(step);
  sums.for_each(finish);
}

}  // namespace

}  // namespace sextant::bench
