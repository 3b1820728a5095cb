// Kernels for AVX2 with FMA, F16C and POPCNT: 8 floats or 16 bytes a step, 16 registers.
#include <immintrin.h>

#include "simd/shapes_codes.h"

namespace sextant::simd {
namespace {

// The first n lanes of a partial load or store: kMask + 8 - n.
alignas(64) constexpr int32_t kMask[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};

__m256i mask_of(size_t n) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kMask + 8 - n)); }

// No instruction loads part of a register of 8- or 16-bit elements: by way of memory of our own, which holds zeros.
template <class T>
void copy_part(T* to, const T* from, size_t n) {
  for (size_t i = 0; i < n; ++i) to[i] = from[i];
}

struct Avx2Floats {
  static constexpr size_t kLanes = 8;
  static constexpr size_t kBlockQueries = 2;  // 2 x 3 x 2 accumulators, 2 queries and a row: 15 of 16 registers
  static constexpr size_t kBlockRows = 3;
  using Reg = __m256;

  static void keep_in_register(Reg& a) { __asm__("" : "+x"(a)); }
  static Reg zero() { return _mm256_setzero_ps(); }
  static Reg broadcast(float value) { return _mm256_set1_ps(value); }

  static Reg load(const float* p) { return _mm256_loadu_ps(p); }
  static Reg load(const Float16* p) { return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))); }
  static Reg load(const BFloat16* p) {
    __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
  }
  static Reg load(const int8_t* p) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
  }
  static Reg load(const int32_t* p) {
    return _mm256_cvtepi32_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }

  static Reg load_part(const float* p, size_t n) { return _mm256_maskload_ps(p, mask_of(n)); }
  static Reg load_part(const int32_t* p, size_t n) { return _mm256_cvtepi32_ps(_mm256_maskload_epi32(p, mask_of(n))); }
  template <class T>
  static Reg load_part(const T* p, size_t n) {
    T whole[kLanes] = {};
    copy_part(whole, p, n);
    return load(whole);
  }

  static void store(float* p, Reg a) { _mm256_storeu_ps(p, a); }
  static void store(Float16* p, Reg a) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT));
  }
  static void store(BFloat16* p, Reg a) {
    __m256i bits = _mm256_castps_si256(a);
    __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    __m256i rounded = _mm256_srli_epi32(_mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd), 16);
    __m256i quiet = _mm256_or_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(0x40));
    __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(a, a, _CMP_UNORD_Q));
    __m256i wide = _mm256_blendv_epi8(rounded, quiet, nan);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                     _mm_packus_epi32(_mm256_castsi256_si128(wide), _mm256_extracti128_si256(wide, 1)));
  }
  static void store(int8_t* p, Reg a) {
    a = _mm256_and_ps(a, _mm256_cmp_ps(a, a, _CMP_ORD_Q));
    a = _mm256_max_ps(_mm256_min_ps(a, _mm256_set1_ps(127.0f)), _mm256_set1_ps(-127.0f));
    __m256i wide = _mm256_cvtps_epi32(a);
    __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(wide), _mm256_extracti128_si256(wide, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packs_epi16(words, words));
  }

  static void store_part(float* p, Reg a, size_t n) { _mm256_maskstore_ps(p, mask_of(n), a); }
  template <class T>
  static void store_part(T* p, Reg a, size_t n) {
    T whole[kLanes];
    store(whole, a);
    copy_part(p, whole, n);
  }

  static Reg add(Reg a, Reg b) { return _mm256_add_ps(a, b); }
  static Reg sub(Reg a, Reg b) { return _mm256_sub_ps(a, b); }
  static Reg mul(Reg a, Reg b) { return _mm256_mul_ps(a, b); }
  static Reg fma(Reg a, Reg b, Reg c) { return _mm256_fmadd_ps(a, b, c); }
  static Reg abs(Reg a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
  static Reg max_or_second(Reg a, Reg b) { return _mm256_max_ps(a, b); }

  // ((0+1)+(2+3)) + ((4+5)+(6+7)), in both.
  static float sum(Reg a) {
    Reg twos = _mm256_hadd_ps(a, a);
    Reg fours = _mm256_hadd_ps(twos, twos);
    return _mm_cvtss_f32(_mm_add_ss(_mm256_castps256_ps128(fours), _mm256_extractf128_ps(fours, 1)));
  }
  static void sum4(const Reg* a, float* out) {
    Reg fours = _mm256_hadd_ps(_mm256_hadd_ps(a[0], a[1]), _mm256_hadd_ps(a[2], a[3]));
    _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(fours), _mm256_extractf128_ps(fours, 1)));
  }

  static uint32_t not_below(Reg a, Reg b) {
    return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_NLT_UQ)));
  }
  static uint32_t not_above(Reg a, Reg b) {
    return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_NGT_UQ)));
  }
  static uint8_t sign_bits_of_8(const float* p) {
    Reg backwards = _mm256_permutevar8x32_ps(load(p), _mm256_setr_epi32(7, 6, 5, 4, 3, 2, 1, 0));
    return static_cast<uint8_t>(_mm256_movemask_ps(_mm256_cmp_ps(backwards, zero(), _CMP_GT_OQ)));
  }
};

// Bytes are widened to 16 bits: multiplying them as they are (maddubs) would saturate.
struct Avx2Bytes {
  static constexpr size_t kLanes = 16;
  static constexpr size_t kBlockQueries = 2;
  static constexpr size_t kBlockRows = 4;
  using Reg = __m256i;
  using Acc = __m256i;

  static Acc zero() { return _mm256_setzero_si256(); }
  static Reg load(const int8_t* p) {
    return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static Reg load_part(const int8_t* p, size_t n) {
    int8_t whole[kLanes] = {};
    copy_part(whole, p, n);
    return load(whole);
  }
  static Acc dot_step(Acc acc, Reg x, Reg y) { return _mm256_add_epi32(acc, _mm256_madd_epi16(x, y)); }
  static Acc squared_step(Acc acc, Reg x, Reg y) {
    __m256i d = _mm256_sub_epi16(x, y);
    return _mm256_add_epi32(acc, _mm256_madd_epi16(d, d));
  }
  static Acc add(Acc a, Acc b) { return _mm256_add_epi32(a, b); }
  static int32_t sum(Acc a) {
    __m128i v = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    v = _mm_add_epi32(v, _mm_shuffle_epi32(v, _MM_SHUFFLE(1, 0, 3, 2)));
    v = _mm_add_epi32(v, _mm_shuffle_epi32(v, _MM_SHUFFLE(2, 3, 0, 1)));
    return _mm_cvtsi128_si32(v);
  }
};

// Counts by looking up half bytes (Mula): 32 bytes in about eight instructions.
uint32_t hamming(const uint8_t* a, const uint8_t* b, size_t bytes) {
  const __m256i counts = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,  //
                                          0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
  const __m256i low = _mm256_set1_epi8(0x0f);
  __m256i acc = _mm256_setzero_si256();
  size_t i = 0;
  for (; i + 32 <= bytes; i += 32) {
    __m256i x = _mm256_xor_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(a + i)),
                                 _mm256_loadu_si256(reinterpret_cast<const __m256i*>(b + i)));
    __m256i bits = _mm256_add_epi8(_mm256_shuffle_epi8(counts, _mm256_and_si256(x, low)),
                                   _mm256_shuffle_epi8(counts, _mm256_and_si256(_mm256_srli_epi16(x, 4), low)));
    acc = _mm256_add_epi64(acc, _mm256_sad_epu8(bits, _mm256_setzero_si256()));
  }
  __m128i two = _mm_add_epi64(_mm256_castsi256_si128(acc), _mm256_extracti128_si256(acc, 1));
  uint64_t total = static_cast<uint64_t>(_mm_cvtsi128_si64(two)) + static_cast<uint64_t>(_mm_extract_epi64(two, 1));
  for (; i + 8 <= bytes; i += 8) {
    uint64_t x;
    uint64_t y;
    __builtin_memcpy(&x, a + i, 8);
    __builtin_memcpy(&y, b + i, 8);
    total += static_cast<uint64_t>(_mm_popcnt_u64(x ^ y));
  }
  for (; i < bytes; ++i) total += static_cast<uint64_t>(_mm_popcnt_u32(static_cast<uint32_t>(a[i] ^ b[i])));
  return static_cast<uint32_t>(total);
}

__m256i load_32(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }

// g++ would else multiply first and add at the end, with more products at hand than there are registers.
void keep_order(__m256i& a) { __asm__("" : "+x"(a)); }

// Products are summed in pairs and then in 16 bits, which four blocks of 64 dimensions cannot fill: a lane gets 2 * 2
// products of 15 * 128 from each, 30720 in all. Then they go on to 32 bits.
struct Avx2Nibbles : NibbleShape {
  template <size_t R>
  static void sums(const int8_t* query, const uint8_t* const (&rows)[R], size_t dim, int32_t* out) {
    constexpr size_t kBlocksOf16Bits = 4;
    __m256i acc[R];
    SEXTANT_UNROLL
    for (size_t r = 0; r < R; ++r) acc[r] = _mm256_setzero_si256();
    size_t blocks = dim / kNibbleDims;
    size_t b = 0;
    for (; b + kBlocksOf16Bits <= blocks; b += kBlocksOf16Bits) add<R, kBlocksOf16Bits>(query, rows, b, acc);
    if (b + 2 <= blocks) {
      add<R, 2>(query, rows, b, acc);
      b += 2;
    }
    if (b < blocks) add<R, 1>(query, rows, b, acc);
    store_sums(acc, out);
  }

  // A lane gets 2 * 2 products of 15 * 15 from a block: it holds 36 of them.

 private:
  template <size_t R, size_t kBlocks>
  static inline __attribute__((always_inline)) void add(const int8_t* query, const uint8_t* const (&rows)[R],
                                                        size_t first, __m256i (&acc)[R]) {
    const __m256i low = _mm256_set1_epi8(15);
    __m256i words[R];
    for (size_t b = 0; b < kBlocks; ++b) {
      __m256i query_low = load_32(query + (first + b) * kNibbleDims);
      __m256i query_high = load_32(query + (first + b) * kNibbleDims + kNibbleBytes);
      SEXTANT_UNROLL
      for (size_t r = 0; r < R; ++r) {
        __m256i codes = load_32(rows[r] + (first + b) * kNibbleBytes);
        __m256i lower = _mm256_maddubs_epi16(_mm256_and_si256(codes, low), query_low);
        __m256i upper = _mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16(codes, 4), low), query_high);
        words[r] = b == 0 ? lower : _mm256_add_epi16(words[r], lower);
        words[r] = _mm256_add_epi16(words[r], upper);
        keep_order(words[r]);
      }
    }
    SEXTANT_UNROLL
    for (size_t r = 0; r < R; ++r) {
      acc[r] = _mm256_add_epi32(acc[r], _mm256_madd_epi16(words[r], _mm256_set1_epi16(1)));
    }
  }

  static void store_sums(const __m256i (&a)[4], int32_t* out) {
    __m256i fours = _mm256_hadd_epi32(_mm256_hadd_epi32(a[0], a[1]), _mm256_hadd_epi32(a[2], a[3]));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out),
                     _mm_add_epi32(_mm256_castsi256_si128(fours), _mm256_extracti128_si256(fours, 1)));
  }
  static void store_sums(const __m256i (&a)[2], int32_t* out) {
    __m256i twos = _mm256_hadd_epi32(a[0], a[1]);
    __m128i four = _mm_add_epi32(_mm256_castsi256_si128(twos), _mm256_extracti128_si256(twos, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(out), _mm_hadd_epi32(four, four));
  }
  static void store_sums(const __m256i (&a)[1], int32_t* out) { out[0] = Avx2Bytes::sum(a[0]); }
};

// Counts by looking up half bytes, as hamming does; a plane's table holds what its bits are worth, so that all four
// planes are added as bytes (at most 8 * 15 = 120) before the bytes are added up.
struct Avx2Planes : BitShape {
  template <size_t R>
  static void sums(const uint8_t* planes, const uint8_t* const (&rows)[R], size_t bytes, uint32_t* out) {
    __m256i acc[R];
    SEXTANT_UNROLL
    for (size_t r = 0; r < R; ++r) acc[r] = _mm256_setzero_si256();
    size_t i = 0;
    for (; i + 32 <= bytes; i += 32) add<R, 32>(planes, rows, bytes, i, acc);
    if (i + 16 <= bytes) {
      add<R, 16>(planes, rows, bytes, i, acc);
      i += 16;
    }
    if (i + 8 <= bytes) {
      add<R, 8>(planes, rows, bytes, i, acc);
      i += 8;
    }
    store_sums(acc, out);
    for (; i < bytes; ++i) {
      for (size_t r = 0; r < R; ++r) {
        for (size_t p = 0; p < kPlanes; ++p) {
          out[r] += static_cast<uint32_t>(_mm_popcnt_u32(static_cast<uint32_t>(planes[p * bytes + i] & rows[r][i])))
                    << p;
        }
      }
    }
  }

 private:
  // Sums fit 32 bits, so that two rows share a lane of 64.
  static __m256i both(__m256i a, __m256i b) { return _mm256_or_si256(a, _mm256_slli_epi64(b, 32)); }
  static void store_sums(const __m256i (&a)[4], uint32_t* out) {
    __m256i first = both(a[0], a[1]);
    __m256i second = both(a[2], a[3]);
    __m256i sum = _mm256_add_epi32(_mm256_unpacklo_epi64(first, second), _mm256_unpackhi_epi64(first, second));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out),
                     _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1)));
  }
  static __m128i halves(__m256i a) {
    __m128i two = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    return _mm_add_epi32(two, _mm_unpackhi_epi64(two, two));
  }
  static void store_sums(const __m256i (&a)[2], uint32_t* out) {
    _mm_storel_epi64(reinterpret_cast<__m128i*>(out), halves(both(a[0], a[1])));
  }
  static void store_sums(const __m256i (&a)[1], uint32_t* out) {
    out[0] = static_cast<uint32_t>(_mm_cvtsi128_si32(halves(a[0])));
  }

  template <size_t kBytes>
  static __m256i load(const void* p) {
    if constexpr (kBytes == 32) return load_32(p);
    __m128i part = kBytes == 16 ? _mm_loadu_si128(static_cast<const __m128i*>(p))
                                : _mm_loadl_epi64(static_cast<const __m128i*>(p));
    return _mm256_zextsi128_si256(part);
  }

  template <size_t R, size_t kBytes>
  static inline __attribute__((always_inline)) void add(const uint8_t* planes, const uint8_t* const (&rows)[R],
                                                        size_t bytes, size_t i, __m256i (&acc)[R]) {
    const __m256i low = _mm256_set1_epi8(15);
    const __m256i counts = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,  //
                                            0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    __m256i worth[R];
    SEXTANT_UNROLL
    for (size_t r = 0; r < R; ++r) worth[r] = _mm256_setzero_si256();
    SEXTANT_UNROLL
    for (int p = 0; p < static_cast<int>(kPlanes); ++p) {
      __m256i plane = load<kBytes>(planes + static_cast<size_t>(p) * bytes + i);
      __m256i table = _mm256_slli_epi16(counts, p);
      SEXTANT_UNROLL
      for (size_t r = 0; r < R; ++r) {
        __m256i x = _mm256_and_si256(load<kBytes>(rows[r] + i), plane);
        __m256i lower = _mm256_shuffle_epi8(table, _mm256_and_si256(x, low));
        __m256i upper = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(x, 4), low));
        worth[r] = _mm256_add_epi8(worth[r], _mm256_add_epi8(lower, upper));
        keep_order(worth[r]);
      }
    }
    SEXTANT_UNROLL
    for (size_t r = 0; r < R; ++r) {
      acc[r] = _mm256_add_epi64(acc[r], _mm256_sad_epu8(worth[r], _mm256_setzero_si256()));
    }
  }
};

}  // namespace

void fill_avx2(Kernels& kernels) {
  fill<Avx2Floats, Avx2Bytes>(kernels);
  kernels.hamming = hamming;
  fill_differences<WordDifferences>(kernels);
  fill_nibbles<Avx2Nibbles>(kernels);
  fill_planes<Avx2Planes>(kernels);
}

}  // namespace sextant::simd
