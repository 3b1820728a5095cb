// simd/emulation/immintrin.h: the AVX-512 and AMX instructions that our kernels use, in plain C++, for tests alone.
//
// The tests compile kernels_avx512*.cc and kernels_amx.cc a second time with this folder ahead of the compiler's own
// headers, so that their loops, masks and arithmetic are checked on machines that lack the instructions, and under
// sanitizers. It is written from the instructions' descriptions (Intel's manual, volume 2), lane by lane, and is as
// slow as it looks. Masked loads and stores touch only the lanes of their mask, tiles only their configured rows, as
// the real ones do. Tiles that an instruction would refuse throw std::logic_error; each thread has its own.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <stdexcept>

struct alignas(16) __m128 {
  float v[4];
};
struct alignas(16) __m128i {
  int32_t v[4];
};
struct alignas(32) __m256 {
  float v[8];
};
struct alignas(32) __m256i {
  int32_t v[8];
};
struct alignas(64) __m512 {
  float v[16];
};
struct alignas(64) __m512i {
  int32_t v[16];
};
struct alignas(64) __m512bh {
  uint16_t v[32];
};
using __mmask16 = uint16_t;
using __mmask32 = uint32_t;
using __mmask64 = uint64_t;

enum {
  _CMP_UNORD_Q = 0x03,
  _CMP_NLT_UQ = 0x05,
  _CMP_ORD_Q = 0x07,
  _CMP_NGT_UQ = 0x0a,
  _CMP_GT_OQ = 0x1e,
};
enum { _MM_FROUND_TO_NEAREST_INT = 0, _MM_FROUND_NO_EXC = 8 };
enum { _MM_HINT_T0 = 3, _MM_HINT_T1 = 2 };
#define _MM_SHUFFLE(z, y, x, w) (((z) << 6) | ((y) << 4) | ((x) << 2) | (w))

#define SEXTANT_KEEP_ZMM(reg) static_cast<void>(reg)
#define SEXTANT_KEEP_REGISTER(reg) static_cast<void>(reg)

namespace sextant_emulation {

template <class To, class From>
To cast(const From& from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof(to));
  return to;
}

// A register seen as N lanes of T.
template <class T, class Reg>
struct Lanes {
  static constexpr int kCount = sizeof(Reg) / sizeof(T);
  T v[kCount];
  explicit Lanes(const Reg& reg) { std::memcpy(v, &reg, sizeof(reg)); }
  Lanes() : v{} {}
  Reg reg() const {
    Reg r;
    std::memcpy(&r, v, sizeof(r));
    return r;
  }
};

template <class Reg>
Reg load(const void* p) {
  Reg r;
  std::memcpy(&r, p, sizeof(r));
  return r;
}

template <class T, class Reg>
Reg load_masked(uint64_t mask, const void* p) {
  Lanes<T, Reg> r;
  for (int i = 0; i < r.kCount; ++i) {
    if (mask >> i & 1) std::memcpy(&r.v[i], static_cast<const char*>(p) + i * sizeof(T), sizeof(T));
  }
  return r.reg();
}

template <class T, class Reg>
void store_masked(void* p, uint64_t mask, const Reg& a) {
  Lanes<T, Reg> lanes(a);
  for (int i = 0; i < lanes.kCount; ++i) {
    if (mask >> i & 1) std::memcpy(static_cast<char*>(p) + i * sizeof(T), &lanes.v[i], sizeof(T));
  }
}

template <class T, class Reg, class Op>
Reg map(const Reg& a, Op op) {
  Lanes<T, Reg> x(a);
  for (T& lane : x.v) lane = static_cast<T>(op(lane));
  return x.reg();
}

template <class T, class Reg, class Op>
Reg zip(const Reg& a, const Reg& b, Op op) {
  Lanes<T, Reg> x(a);
  Lanes<T, Reg> y(b);
  for (int i = 0; i < x.kCount; ++i) x.v[i] = static_cast<T>(op(x.v[i], y.v[i]));
  return x.reg();
}

// Each lane of T becomes a lane of U.
template <class T, class U, class To, class From>
To widen(const From& a) {
  Lanes<T, From> x(a);
  Lanes<U, To> r;
  static_assert(Lanes<T, From>::kCount == Lanes<U, To>::kCount);
  for (int i = 0; i < x.kCount; ++i) r.v[i] = static_cast<U>(x.v[i]);
  return r.reg();
}

inline bool compare(float a, float b, int predicate) {
  bool unordered = std::isnan(a) || std::isnan(b);
  switch (predicate) {
    case _CMP_UNORD_Q:
      return unordered;
    case _CMP_ORD_Q:
      return !unordered;
    case _CMP_NLT_UQ:
      return !(a < b);
    case _CMP_NGT_UQ:
      return !(a > b);
    case _CMP_GT_OQ:
      return a > b;
  }
  return false;
}

inline float from_half(uint16_t bits) {
  uint32_t sign = static_cast<uint32_t>(bits >> 15) << 31;
  int exponent = bits >> 10 & 31;
  uint32_t mantissa = bits & 1023;
  if (exponent == 31 && mantissa != 0) return cast<float>(sign | 0x7fc00000u | mantissa << 13);
  float magnitude = exponent == 31  ? INFINITY
                    : exponent == 0 ? std::ldexp(static_cast<float>(mantissa), -24)
                                    : std::ldexp(static_cast<float>(1024 + mantissa), exponent - 25);
  return cast<float>(cast<uint32_t>(magnitude) | sign);
}

inline uint16_t to_half(float value) {
  uint32_t bits = cast<uint32_t>(value);
  uint16_t sign = static_cast<uint16_t>(bits >> 31 << 15);
  if (std::isnan(value)) return static_cast<uint16_t>(sign | 0x7e00 | (bits >> 13 & 0x3ff));
  double magnitude = std::fabs(static_cast<double>(value));
  if (magnitude == 0) return sign;
  int exponent = magnitude < 0x1p-14 ? -14 : std::isinf(magnitude) ? 16 : std::ilogb(magnitude);
  if (exponent > 15) return static_cast<uint16_t>(sign | 0x7c00);
  // The mantissa in units of its last place; a carry moves into the exponent by itself.
  int units = static_cast<int>(std::nearbyint(std::ldexp(magnitude, 10 - exponent)));
  return static_cast<uint16_t>(sign | (((exponent + 14) << 10) + units));
}

}  // namespace sextant_emulation

inline void _mm_prefetch(const void*, int) {}

// ---- 128 bits
inline __m128i _mm_loadu_si128(const __m128i* p) { return sextant_emulation::load<__m128i>(p); }
inline void _mm_storeu_si128(__m128i* p, __m128i a) { std::memcpy(static_cast<void*>(p), &a, sizeof(a)); }
inline void _mm_storeu_ps(float* p, __m128 a) { std::memcpy(p, &a, sizeof(a)); }
inline __m128i _mm_maskz_loadu_epi8(__mmask16 m, const void* p) {
  return sextant_emulation::load_masked<int8_t, __m128i>(m, p);
}
inline void _mm_mask_storeu_epi8(void* p, __mmask16 m, __m128i a) { sextant_emulation::store_masked<int8_t>(p, m, a); }
inline __m128i _mm_add_epi32(__m128i a, __m128i b) {
  return sextant_emulation::zip<uint32_t>(a, b, [](uint32_t x, uint32_t y) { return x + y; });
}
inline __m128i _mm_setzero_si128() { return {}; }
inline void _mm_storel_epi64(__m128i* p, __m128i a) { std::memcpy(static_cast<void*>(p), &a, 8); }
inline __m128i _mm_hadd_epi32(__m128i a, __m128i b) {
  auto add = [](int32_t x, int32_t y) {
    return static_cast<int32_t>(static_cast<uint32_t>(x) + static_cast<uint32_t>(y));
  };
  return {{add(a.v[0], a.v[1]), add(a.v[2], a.v[3]), add(b.v[0], b.v[1]), add(b.v[2], b.v[3])}};
}
inline __m128i _mm_unpackhi_epi64(__m128i a, __m128i b) { return {{a.v[2], a.v[3], b.v[2], b.v[3]}}; }
inline __m128i _mm_shuffle_epi32(__m128i a, int order) {
  return {{a.v[order & 3], a.v[order >> 2 & 3], a.v[order >> 4 & 3], a.v[order >> 6 & 3]}};
}
inline int _mm_cvtsi128_si32(__m128i a) { return a.v[0]; }
inline float _mm_cvtss_f32(__m128 a) { return a.v[0]; }
inline __m128 _mm_add_ss(__m128 a, __m128 b) {
  a.v[0] += b.v[0];
  return a;
}
inline __m128 _mm_add_ps(__m128 a, __m128 b) {
  return sextant_emulation::zip<float>(a, b, [](float x, float y) { return x + y; });
}

// ---- 256 bits
inline __m256 _mm256_setzero_ps() { return {}; }
inline __m256i _mm256_setr_epi32(int a, int b, int c, int d, int e, int f, int g, int h) {
  return {{a, b, c, d, e, f, g, h}};
}
inline __m256 _mm256_loadu_ps(const float* p) { return sextant_emulation::load<__m256>(p); }
inline __m256i _mm256_loadu_si256(const __m256i* p) { return sextant_emulation::load<__m256i>(p); }
inline void _mm256_storeu_si256(__m256i* p, __m256i a) { std::memcpy(static_cast<void*>(p), &a, sizeof(a)); }
inline __m256i _mm256_maskz_loadu_epi8(__mmask32 m, const void* p) {
  return sextant_emulation::load_masked<int8_t, __m256i>(m, p);
}
inline __m256i _mm256_maskz_loadu_epi16(__mmask16 m, const void* p) {
  return sextant_emulation::load_masked<int16_t, __m256i>(m, p);
}
inline void _mm256_mask_storeu_epi16(void* p, __mmask16 m, __m256i a) {
  sextant_emulation::store_masked<int16_t>(p, m, a);
}
inline __m256 _mm256_add_ps(__m256 a, __m256 b) {
  return sextant_emulation::zip<float>(a, b, [](float x, float y) { return x + y; });
}
inline __m256i _mm256_add_epi32(__m256i a, __m256i b) {
  return sextant_emulation::zip<uint32_t>(a, b, [](uint32_t x, uint32_t y) { return x + y; });
}
inline __m256 _mm256_hadd_ps(__m256 a, __m256 b) {
  const float* x = a.v;
  const float* y = b.v;
  return {{x[0] + x[1], x[2] + x[3], y[0] + y[1], y[2] + y[3], x[4] + x[5], x[6] + x[7], y[4] + y[5], y[6] + y[7]}};
}
inline __m128 _mm256_castps256_ps128(__m256 a) { return sextant_emulation::load<__m128>(a.v); }
inline __m128 _mm256_extractf128_ps(__m256 a, int i) { return sextant_emulation::load<__m128>(a.v + 4 * i); }
inline __m128i _mm256_castsi256_si128(__m256i a) { return sextant_emulation::load<__m128i>(a.v); }
inline __m128i _mm256_extracti128_si256(__m256i a, int i) { return sextant_emulation::load<__m128i>(a.v + 4 * i); }
// Within each half of the register, as most of AVX2's shuffles.
namespace sextant_emulation {
inline __m256i join(__m128i low, __m128i high) {
  __m256i r;
  std::memcpy(r.v, low.v, sizeof(low.v));
  std::memcpy(r.v + 4, high.v, sizeof(high.v));
  return r;
}
}  // namespace sextant_emulation
inline __m256i _mm256_hadd_epi32(__m256i a, __m256i b) {
  return sextant_emulation::join(_mm_hadd_epi32(_mm256_castsi256_si128(a), _mm256_castsi256_si128(b)),
                                 _mm_hadd_epi32(_mm256_extracti128_si256(a, 1), _mm256_extracti128_si256(b, 1)));
}
inline __m256i _mm256_unpacklo_epi64(__m256i a, __m256i b) {
  return {{a.v[0], a.v[1], b.v[0], b.v[1], a.v[4], a.v[5], b.v[4], b.v[5]}};
}
inline __m256i _mm256_unpackhi_epi64(__m256i a, __m256i b) {
  return {{a.v[2], a.v[3], b.v[2], b.v[3], a.v[6], a.v[7], b.v[6], b.v[7]}};
}
inline __m256 _mm256_cmp_ps(__m256 a, __m256 b, int predicate) {
  __m256i r{};
  for (int i = 0; i < 8; ++i) r.v[i] = sextant_emulation::compare(a.v[i], b.v[i], predicate) ? -1 : 0;
  return sextant_emulation::cast<__m256>(r);
}
inline int _mm256_movemask_ps(__m256 a) {
  int mask = 0;
  for (int i = 0; i < 8; ++i) mask |= (std::signbit(a.v[i]) ? 1 : 0) << i;
  return mask;
}
inline __m256 _mm256_permutevar8x32_ps(__m256 a, __m256i order) {
  __m256 r{};
  for (int i = 0; i < 8; ++i) r.v[i] = a.v[order.v[i] & 7];
  return r;
}

// ---- 512 bits: constants, loads, stores
inline __m512 _mm512_setzero_ps() { return {}; }
inline __m512i _mm512_setzero_si512() { return {}; }
inline __m512 _mm512_set1_ps(float x) {
  return sextant_emulation::map<float>(__m512{}, [x](float) { return x; });
}
inline __m512i _mm512_set1_epi32(int x) {
  return sextant_emulation::map<int32_t>(__m512i{}, [x](int32_t) { return x; });
}
inline __m512i _mm512_set1_epi16(short x) {
  return sextant_emulation::map<int16_t>(__m512i{}, [x](int16_t) { return x; });
}
inline __m512i _mm512_set1_epi8(char x) {
  return sextant_emulation::map<int8_t>(__m512i{}, [x](int8_t) { return static_cast<int8_t>(x); });
}
inline __m512 _mm512_loadu_ps(const void* p) { return sextant_emulation::load<__m512>(p); }
inline __m512i _mm512_loadu_si512(const void* p) { return sextant_emulation::load<__m512i>(p); }
inline void _mm512_storeu_ps(void* p, __m512 a) { std::memcpy(p, &a, sizeof(a)); }
inline void _mm512_storeu_si512(void* p, __m512i a) { std::memcpy(p, &a, sizeof(a)); }
inline __m512 _mm512_maskz_loadu_ps(__mmask16 m, const void* p) {
  return sextant_emulation::load_masked<float, __m512>(m, p);
}
inline __m512i _mm512_maskz_loadu_epi32(__mmask16 m, const void* p) {
  return sextant_emulation::load_masked<int32_t, __m512i>(m, p);
}
inline __m512i _mm512_maskz_loadu_epi16(__mmask32 m, const void* p) {
  return sextant_emulation::load_masked<int16_t, __m512i>(m, p);
}
inline __m512i _mm512_maskz_loadu_epi8(__mmask64 m, const void* p) {
  return sextant_emulation::load_masked<int8_t, __m512i>(m, p);
}
inline void _mm512_mask_storeu_ps(void* p, __mmask16 m, __m512 a) { sextant_emulation::store_masked<float>(p, m, a); }
inline __m512 _mm512_maskz_mov_ps(__mmask16 m, __m512 a) {
  for (int i = 0; i < 16; ++i) a.v[i] = (m >> i & 1) != 0 ? a.v[i] : 0.0f;
  return a;
}

// ---- 512 bits: the same bits seen differently, parts
inline __m512 _mm512_castsi512_ps(__m512i a) { return sextant_emulation::cast<__m512>(a); }
inline __m512i _mm512_castps_si512(__m512 a) { return sextant_emulation::cast<__m512i>(a); }
inline __m256 _mm512_castps512_ps256(__m512 a) { return sextant_emulation::load<__m256>(a.v); }
inline __m256i _mm512_castsi512_si256(__m512i a) { return sextant_emulation::load<__m256i>(a.v); }
inline __m256 _mm512_extractf32x8_ps(__m512 a, int i) { return sextant_emulation::load<__m256>(a.v + 8 * i); }
inline __m256i _mm512_extracti64x4_epi64(__m512i a, int i) { return sextant_emulation::load<__m256i>(a.v + 8 * i); }

// The upper half is undefined on the machine; here it shows.
inline __m512i _mm512_castsi256_si512(__m256i a) {
  __m512i r = _mm512_set1_epi32(0x5a5a5a5a);
  std::memcpy(r.v, a.v, sizeof(a.v));
  return r;
}
inline __m512i _mm512_inserti64x4(__m512i a, __m256i b, int i) {
  std::memcpy(a.v + 8 * i, b.v, sizeof(b.v));
  return a;
}

// ---- 512 bits: floats
inline __m512 _mm512_add_ps(__m512 a, __m512 b) {
  return sextant_emulation::zip<float>(a, b, [](float x, float y) { return x + y; });
}
inline __m512 _mm512_sub_ps(__m512 a, __m512 b) {
  return sextant_emulation::zip<float>(a, b, [](float x, float y) { return x - y; });
}
inline __m512 _mm512_mul_ps(__m512 a, __m512 b) {
  return sextant_emulation::zip<float>(a, b, [](float x, float y) { return x * y; });
}
inline __m512 _mm512_fmadd_ps(__m512 a, __m512 b, __m512 c) {
  for (int i = 0; i < 16; ++i) c.v[i] = std::fma(a.v[i], b.v[i], c.v[i]);
  return c;
}
inline __m512 _mm512_div_ps(__m512 a, __m512 b) {
  return sextant_emulation::zip<float>(a, b, [](float x, float y) { return x / y; });
}
// To integers alone: no fractions of bits are asked for.
inline __m512 _mm512_roundscale_ps(__m512 a, int) {
  return sextant_emulation::map<float>(a, [](float x) { return std::nearbyint(x); });
}
inline __m512 _mm512_abs_ps(__m512 a) {
  return sextant_emulation::map<float>(a, [](float x) { return std::fabs(x); });
}
// Where either is NaN, the second operand.
inline __m512 _mm512_min_ps(__m512 a, __m512 b) {
  return sextant_emulation::zip<float>(a, b, [](float x, float y) { return x < y ? x : y; });
}
inline __m512 _mm512_max_ps(__m512 a, __m512 b) {
  return sextant_emulation::zip<float>(a, b, [](float x, float y) { return x > y ? x : y; });
}
inline __mmask16 _mm512_cmp_ps_mask(__m512 a, __m512 b, int predicate) {
  unsigned mask = 0;
  for (int i = 0; i < 16; ++i) mask |= (sextant_emulation::compare(a.v[i], b.v[i], predicate) ? 1u : 0u) << i;
  return static_cast<__mmask16>(mask);
}
// Reductions halve until one lane is left, as the compilers' sequences do.
namespace sextant_emulation {
template <class Op>
float reduce(__m512 a, Op op) {
  for (int half = 8; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) a.v[i] = op(a.v[i], a.v[i + half]);
  }
  return a.v[0];
}
}  // namespace sextant_emulation
inline float _mm512_reduce_add_ps(__m512 a) {
  return sextant_emulation::reduce(a, [](float x, float y) { return x + y; });
}
inline float _mm512_reduce_max_ps(__m512 a) {
  return sextant_emulation::reduce(a, [](float x, float y) { return x > y ? x : y; });
}
inline float _mm512_reduce_min_ps(__m512 a) {
  return sextant_emulation::reduce(a, [](float x, float y) { return x < y ? x : y; });
}
// Products of pairs of bf16, denormals in and out taken for zero; each addition rounds.
namespace sextant_emulation {
inline float flush(float x) { return std::fpclassify(x) == FP_SUBNORMAL ? std::copysign(0.0f, x) : x; }
inline float widen(uint16_t bits) { return flush(cast<float>(static_cast<uint32_t>(bits) << 16)); }
}  // namespace sextant_emulation
inline __m512 _mm512_dpbf16_ps(__m512 c, __m512bh a, __m512bh b) {
  using sextant_emulation::flush;
  using sextant_emulation::widen;
  for (int i = 0; i < 16; ++i) {
    float odd = flush(std::fma(widen(a.v[2 * i + 1]), widen(b.v[2 * i + 1]), flush(c.v[i])));
    c.v[i] = flush(std::fma(widen(a.v[2 * i]), widen(b.v[2 * i]), odd));
  }
  return c;
}

// ---- 512 bits: integers
inline __m512i _mm512_and_si512(__m512i a, __m512i b) {
  return sextant_emulation::zip<uint32_t>(a, b, [](uint32_t x, uint32_t y) { return x & y; });
}
inline __m512i _mm512_xor_si512(__m512i a, __m512i b) {
  return sextant_emulation::zip<uint32_t>(a, b, [](uint32_t x, uint32_t y) { return x ^ y; });
}
inline __m512i _mm512_mask_or_epi32(__m512i other, __mmask16 m, __m512i a, __m512i b) {
  for (int i = 0; i < 16; ++i) other.v[i] = (m >> i & 1) != 0 ? (a.v[i] | b.v[i]) : other.v[i];
  return other;
}
inline __m512i _mm512_slli_epi32(__m512i a, unsigned count) {
  return sextant_emulation::map<uint32_t>(a, [count](uint32_t x) { return x << count; });
}
inline __m512i _mm512_srli_epi32(__m512i a, unsigned count) {
  return sextant_emulation::map<uint32_t>(a, [count](uint32_t x) { return x >> count; });
}
inline __m512i _mm512_srli_epi16(__m512i a, unsigned count) {
  return sextant_emulation::map<uint16_t>(a, [count](uint16_t x) { return x >> count; });
}
inline __m512i _mm512_slli_epi64(__m512i a, unsigned count) {
  return sextant_emulation::map<uint64_t>(a, [count](uint64_t x) { return x << count; });
}
// Wraps around, as the lanes do.
inline __m512i _mm512_add_epi16(__m512i a, __m512i b) {
  return sextant_emulation::zip<uint16_t>(a, b, [](uint16_t x, uint16_t y) { return x + y; });
}
inline __m512i _mm512_add_epi32(__m512i a, __m512i b) {
  return sextant_emulation::zip<uint32_t>(a, b, [](uint32_t x, uint32_t y) { return x + y; });
}
inline __m512i _mm512_add_epi64(__m512i a, __m512i b) {
  return sextant_emulation::zip<uint64_t>(a, b, [](uint64_t x, uint64_t y) { return x + y; });
}
inline __m512i _mm512_sub_epi16(__m512i a, __m512i b) {
  return sextant_emulation::zip<int16_t>(a, b, [](int16_t x, int16_t y) { return x - y; });
}
inline __m512i _mm512_madd_epi16(__m512i a, __m512i b) {
  sextant_emulation::Lanes<int16_t, __m512i> x(a);
  sextant_emulation::Lanes<int16_t, __m512i> y(b);
  __m512i r{};
  for (int i = 0; i < 16; ++i) {
    r.v[i] = static_cast<int32_t>(static_cast<int64_t>(x.v[2 * i]) * y.v[2 * i] +
                                  static_cast<int64_t>(x.v[2 * i + 1]) * y.v[2 * i + 1]);
  }
  return r;
}
// Sums of two products, held within 16 bits.
inline __m512i _mm512_maddubs_epi16(__m512i a, __m512i b) {
  sextant_emulation::Lanes<uint8_t, __m512i> x(a);
  sextant_emulation::Lanes<int8_t, __m512i> y(b);
  sextant_emulation::Lanes<int16_t, __m512i> r;
  for (int i = 0; i < 32; ++i) {
    int sum = x.v[2 * i] * y.v[2 * i] + x.v[2 * i + 1] * y.v[2 * i + 1];
    r.v[i] = static_cast<int16_t>(sum > INT16_MAX ? INT16_MAX : sum < INT16_MIN ? INT16_MIN : sum);
  }
  return r.reg();
}
inline __m512i _mm512_dpbusd_epi32(__m512i c, __m512i a, __m512i b) {
  sextant_emulation::Lanes<uint8_t, __m512i> x(a);
  sextant_emulation::Lanes<int8_t, __m512i> y(b);
  for (int i = 0; i < 16; ++i) {
    int sum = 0;
    for (int j = 4 * i; j < 4 * i + 4; ++j) sum += x.v[j] * y.v[j];
    c.v[i] = static_cast<int32_t>(static_cast<uint32_t>(c.v[i]) + static_cast<uint32_t>(sum));
  }
  return c;
}
inline __m512i _mm512_popcnt_epi64(__m512i a) {
  return sextant_emulation::map<uint64_t>(a, [](uint64_t x) {
    int count = 0;
    for (; x != 0; x &= x - 1) ++count;
    return count;
  });
}

// ---- 512 bits: conversions
inline __m512 _mm512_cvtepi32_ps(__m512i a) { return sextant_emulation::widen<int32_t, float, __m512>(a); }
inline __m512i _mm512_cvtepi8_epi16(__m256i a) { return sextant_emulation::widen<int8_t, int16_t, __m512i>(a); }
inline __m512i _mm512_cvtepi8_epi32(__m128i a) { return sextant_emulation::widen<int8_t, int32_t, __m512i>(a); }
inline __m512i _mm512_cvtepu16_epi32(__m256i a) { return sextant_emulation::widen<uint16_t, int32_t, __m512i>(a); }
// The low bits are kept, as the truncating moves do.
inline __m256i _mm512_cvtepi32_epi16(__m512i a) { return sextant_emulation::widen<uint32_t, uint16_t, __m256i>(a); }
inline __m128i _mm512_cvtepi32_epi8(__m512i a) { return sextant_emulation::widen<uint32_t, uint8_t, __m128i>(a); }
inline __m512i _mm512_cvtps_epi32(__m512 a) {
  __m512i r{};
  for (int i = 0; i < 16; ++i) {
    bool fits = std::fabs(a.v[i]) < 0x1p31f;
    r.v[i] = fits ? static_cast<int32_t>(std::nearbyint(a.v[i])) : INT32_MIN;
  }
  return r;
}
// As unsigned numbers, held within [0, 255].
inline void _mm512_mask_cvtusepi32_storeu_epi8(void* p, __mmask16 m, __m512i a) {
  for (int i = 0; i < 16; ++i) {
    uint32_t value = static_cast<uint32_t>(a.v[i]);
    if (m >> i & 1) static_cast<uint8_t*>(p)[i] = static_cast<uint8_t>(value > 255 ? 255 : value);
  }
}
inline __m512 _mm512_cvtph_ps(__m256i a) {
  sextant_emulation::Lanes<uint16_t, __m256i> x(a);
  __m512 r{};
  for (int i = 0; i < 16; ++i) r.v[i] = sextant_emulation::from_half(x.v[i]);
  return r;
}
inline __m256i _mm512_cvtps_ph(__m512 a, int) {
  sextant_emulation::Lanes<uint16_t, __m256i> r;
  for (int i = 0; i < 16; ++i) r.v[i] = sextant_emulation::to_half(a.v[i]);
  return r.reg();
}

// ---- AMX: eight tiles of up to 16 rows of up to 64 bytes

namespace sextant_emulation {

struct Tile {
  int rows = 0;
  int row_bytes = 0;
  unsigned char bytes[16][64] = {};

  template <class T>
  T at(int row, int element) const {
    T value;
    std::memcpy(&value, &bytes[row][element * sizeof(T)], sizeof(T));
    return value;
  }
};

struct Tiles {
  bool configured = false;
  Tile tile[8];
};
inline thread_local Tiles tiles;

inline Tile& tile(int number) {
  if (!tiles.configured) throw std::logic_error("a tile is used without a configuration");
  Tile& t = tiles.tile[number];
  if (t.rows == 0) throw std::logic_error("a tile is used that the configuration leaves out");
  return t;
}

// The tiles of c += a b, checked as the instructions check them.
struct Operands {
  Tile& c;
  const Tile& a;
  const Tile& b;
};
inline Operands operands(int c, int a, int b) {
  if (a == b || a == c || b == c) throw std::logic_error("a product of tiles names one twice");
  Operands o{tile(c), tile(a), tile(b)};
  if (o.c.row_bytes != o.b.row_bytes || o.a.rows != o.c.rows || o.a.row_bytes / 4 != o.b.rows) {
    throw std::logic_error("the shapes of tiles do not make a product");
  }
  return o;
}

}  // namespace sextant_emulation

inline void _tile_loadconfig(const void* memory) {
  unsigned char raw[64];
  std::memcpy(raw, memory, sizeof(raw));
  bool valid = raw[0] == 1 && raw[1] == 0;
  for (int i = 2; i < 16; ++i) valid = valid && raw[i] == 0;
  sextant_emulation::Tiles fresh;
  fresh.configured = true;
  for (int t = 0; t < 16; ++t) {
    uint16_t row_bytes = 0;
    std::memcpy(&row_bytes, raw + 16 + 2 * t, sizeof(row_bytes));
    int rows = raw[48 + t];
    valid = valid && rows <= 16 && row_bytes <= 64 && (rows == 0) == (row_bytes == 0) && (t < 8 || rows == 0);
    if (!valid) throw std::logic_error("LDTILECFG would refuse this configuration");
    if (t >= 8) continue;
    fresh.tile[t].rows = rows;
    fresh.tile[t].row_bytes = row_bytes;
  }
  sextant_emulation::tiles = fresh;
}
inline void _tile_release() { sextant_emulation::tiles = {}; }
inline void _tile_zero(int number) { std::memset(sextant_emulation::tile(number).bytes, 0, 1024); }
inline void _tile_loadd(int number, const void* base, size_t stride) {
  sextant_emulation::Tile& tile = sextant_emulation::tile(number);
  std::memset(tile.bytes, 0, sizeof(tile.bytes));
  for (int row = 0; row < tile.rows; ++row) {
    std::memcpy(tile.bytes[row], static_cast<const char*>(base) + static_cast<size_t>(row) * stride,
                static_cast<size_t>(tile.row_bytes));
  }
}
inline void _tile_stored(int number, void* base, size_t stride) {
  const sextant_emulation::Tile& tile = sextant_emulation::tile(number);
  for (int row = 0; row < tile.rows; ++row) {
    std::memcpy(static_cast<char*>(base) + static_cast<size_t>(row) * stride, tile.bytes[row],
                static_cast<size_t>(tile.row_bytes));
  }
}
// Even and odd elements are summed apart, then their sums together, then onto C; denormals are zero throughout.
inline void _tile_dpbf16ps(int c, int a, int b) {
  using sextant_emulation::flush;
  using sextant_emulation::widen;
  sextant_emulation::Operands o = sextant_emulation::operands(c, a, b);
  for (int row = 0; row < o.c.rows; ++row) {
    for (int column = 0; column < o.c.row_bytes / 4; ++column) {
      float sums[2] = {0, 0};
      for (int k = 0; k < o.a.row_bytes / 4; ++k) {
        for (int odd = 0; odd < 2; ++odd) {
          sums[odd] = flush(std::fma(widen(o.a.at<uint16_t>(row, 2 * k + odd)),
                                     widen(o.b.at<uint16_t>(k, 2 * column + odd)), sums[odd]));
        }
      }
      float sum = flush(flush(o.c.at<float>(row, column)) + flush(sums[0] + sums[1]));
      std::memcpy(&o.c.bytes[row][column * 4], &sum, sizeof(sum));
    }
  }
}
// Bytes of a are unsigned, those of b signed.
inline void _tile_dpbusd(int c, int a, int b) {
  sextant_emulation::Operands o = sextant_emulation::operands(c, a, b);
  for (int row = 0; row < o.c.rows; ++row) {
    for (int column = 0; column < o.c.row_bytes / 4; ++column) {
      uint32_t sum = o.c.at<uint32_t>(row, column);
      for (int k = 0; k < o.a.row_bytes; ++k) {
        sum += static_cast<uint32_t>(o.a.at<uint8_t>(row, k) * o.b.at<int8_t>(k / 4, 4 * column + k % 4));
      }
      std::memcpy(&o.c.bytes[row][column * 4], &sum, sizeof(sum));
    }
  }
}
