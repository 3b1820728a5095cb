// Kernels in plain C++: the tier that runs everywhere, and the slow paths that all tiers share.
#include "simd/shapes_codes.h"

namespace sextant::simd {
namespace {

constexpr uint32_t kF32Infinity = 0x7f800000;

float float_of(uint32_t bits) { return __builtin_bit_cast(float, bits); }
uint32_t bits_of(float value) { return __builtin_bit_cast(uint32_t, value); }

float widen(float value) { return value; }

// Without branches, so that compilers make vectors of it: the exponent's bias is put right by a multiplication, which
// also gives denormals their place.
float widen(Float16 half) {
  uint32_t sign = static_cast<uint32_t>(half.bits & 0x8000) << 16;
  uint32_t magnitude = static_cast<uint32_t>(half.bits & 0x7fff) << 13;
  uint32_t number = bits_of(float_of(magnitude) * 0x1p112f);
  uint32_t special = magnitude | kF32Infinity | (magnitude > 0x0f800000 ? 0x400000 : 0);
  return float_of(sign | (magnitude >= 0x0f800000 ? special : number));
}

float widen(BFloat16 half) { return float_of(static_cast<uint32_t>(half.bits) << 16); }

void narrow(float value, Float16* out) {
  uint32_t bits = bits_of(value);
  uint32_t sign = bits >> 16 & 0x8000;
  uint32_t magnitude = bits & 0x7fffffff;
  uint32_t half;
  if (magnitude > kF32Infinity) {
    half = 0x7e00 | (magnitude >> 13 & 0x3ff);
  } else if (magnitude >= 0x477ff000) {  // 65520 and more round up past the largest number
    half = 0x7c00;
  } else if (magnitude < 0x38800000) {  // below 2^-14: a denormal half, whose last place is that of floats near 0.5
    half = bits_of(float_of(magnitude) + 0.5f) - bits_of(0.5f);
  } else {
    half = (magnitude + 0xfff + (magnitude >> 13 & 1) - (112u << 23)) >> 13;
  }
  out->bits = static_cast<uint16_t>(sign | half);
}

void narrow(float value, BFloat16* out) {
  uint32_t bits = bits_of(value);
  bool nan = (bits & 0x7fffffff) > kF32Infinity;
  out->bits = static_cast<uint16_t>(nan ? bits >> 16 | 0x40 : (bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

void narrow(float value, float* out) { *out = value; }

void narrow(float value, int8_t* out) {
  float held = value != value ? 0.0f : value < -127.0f ? -127.0f : value > 127.0f ? 127.0f : value;
  // Adding 1.5 * 2^23 rounds to nearest even and leaves the integer in the low bits.
  *out = static_cast<int8_t>(bits_of(held + 0x1.8p23f) & 0xff);
}

float widen(int8_t value) { return static_cast<float>(value); }
float widen(int32_t value) { return static_cast<float>(value); }

struct ScalarFloats {
  static constexpr size_t kLanes = 8;
  static constexpr size_t kBlockQueries = 1;
  static constexpr size_t kBlockRows = 2;
  struct Reg {
    float lane[kLanes];
  };

  static void keep_in_register(Reg&) {}
  static Reg zero() { return Reg{}; }
  static Reg broadcast(float value) {
    Reg r;
    for (float& lane : r.lane) lane = value;
    return r;
  }
  template <class T>
  static Reg load(const T* p) {
    Reg r;
    for (size_t i = 0; i < kLanes; ++i) r.lane[i] = widen(p[i]);
    return r;
  }
  template <class T>
  static Reg load_part(const T* p, size_t n) {
    Reg r{};
    for (size_t i = 0; i < n; ++i) r.lane[i] = widen(p[i]);
    return r;
  }
  template <class T>
  static void store(T* p, Reg a) {
    for (size_t i = 0; i < kLanes; ++i) narrow(a.lane[i], p + i);
  }
  template <class T>
  static void store_part(T* p, Reg a, size_t n) {
    for (size_t i = 0; i < n; ++i) narrow(a.lane[i], p + i);
  }
  static Reg add(Reg a, Reg b) {
    for (size_t i = 0; i < kLanes; ++i) a.lane[i] += b.lane[i];
    return a;
  }
  static Reg sub(Reg a, Reg b) {
    for (size_t i = 0; i < kLanes; ++i) a.lane[i] -= b.lane[i];
    return a;
  }
  static Reg mul(Reg a, Reg b) {
    for (size_t i = 0; i < kLanes; ++i) a.lane[i] *= b.lane[i];
    return a;
  }
  // Two roundings here: a fused one in software would be slow.
  static Reg fma(Reg a, Reg b, Reg c) {
    for (size_t i = 0; i < kLanes; ++i) c.lane[i] += a.lane[i] * b.lane[i];
    return c;
  }
  static Reg abs(Reg a) {
    for (size_t i = 0; i < kLanes; ++i) a.lane[i] = __builtin_fabsf(a.lane[i]);
    return a;
  }
  static Reg max_or_second(Reg a, Reg b) {
    for (size_t i = 0; i < kLanes; ++i) a.lane[i] = a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i];
    return a;
  }
  static float sum(Reg a) {
    const float* v = a.lane;
    return ((v[0] + v[1]) + (v[2] + v[3])) + ((v[4] + v[5]) + (v[6] + v[7]));
  }
  static void sum4(const Reg* a, float* out) {
    for (int i = 0; i < 4; ++i) out[i] = sum(a[i]);
  }
  static uint32_t not_below(Reg a, Reg b) {
    uint32_t mask = 0;
    for (size_t i = 0; i < kLanes; ++i) mask |= static_cast<uint32_t>(!(a.lane[i] < b.lane[i])) << i;
    return mask;
  }
  static uint32_t not_above(Reg a, Reg b) {
    uint32_t mask = 0;
    for (size_t i = 0; i < kLanes; ++i) mask |= static_cast<uint32_t>(!(a.lane[i] > b.lane[i])) << i;
    return mask;
  }
  static uint8_t sign_bits_of_8(const float* p) {
    unsigned byte = 0;
    for (int i = 0; i < 8; ++i) byte |= (p[i] > 0.0f ? 0x80u : 0u) >> i;
    return static_cast<uint8_t>(byte);
  }
};

struct ScalarBytes {
  static constexpr size_t kLanes = 16;
  static constexpr size_t kBlockQueries = 1;
  static constexpr size_t kBlockRows = 2;
  struct Reg {
    int16_t lane[kLanes];
  };
  struct Acc {
    uint32_t lane[kLanes];
  };

  static Acc zero() { return Acc{}; }
  static Reg load(const int8_t* p) {
    Reg r;
    for (size_t i = 0; i < kLanes; ++i) r.lane[i] = p[i];
    return r;
  }
  static Reg load_part(const int8_t* p, size_t n) {
    Reg r{};
    for (size_t i = 0; i < n; ++i) r.lane[i] = p[i];
    return r;
  }
  static Acc dot_step(Acc acc, Reg x, Reg y) {
    for (size_t i = 0; i < kLanes; ++i) acc.lane[i] += static_cast<uint32_t>(x.lane[i] * y.lane[i]);
    return acc;
  }
  static Acc squared_step(Acc acc, Reg x, Reg y) {
    for (size_t i = 0; i < kLanes; ++i) {
      int d = x.lane[i] - y.lane[i];
      acc.lane[i] += static_cast<uint32_t>(d * d);
    }
    return acc;
  }
  static Acc add(Acc a, Acc b) {
    for (size_t i = 0; i < kLanes; ++i) a.lane[i] += b.lane[i];
    return a;
  }
  static int32_t sum(Acc a) {
    uint32_t total = 0;
    for (uint32_t lane : a.lane) total += lane;
    return static_cast<int32_t>(total);
  }
};

uint32_t hamming(const uint8_t* a, const uint8_t* b, size_t bytes) {
  uint32_t total = 0;
  size_t i = 0;
  for (; i + 8 <= bytes; i += 8) {
    uint64_t x;
    uint64_t y;
    __builtin_memcpy(&x, a + i, 8);
    __builtin_memcpy(&y, b + i, 8);
    total += static_cast<uint32_t>(__builtin_popcountll(x ^ y));
  }
  for (; i < bytes; ++i) total += static_cast<uint32_t>(__builtin_popcount(static_cast<unsigned>(a[i] ^ b[i])));
  return total;
}

struct ScalarNibbles : NibbleShape {
  template <size_t R>
  static void sums(const int8_t* query, const uint8_t* const (&rows)[R], size_t dim, int32_t* out) {
    for (size_t r = 0; r < R; ++r) {
      const uint8_t* row = rows[r];
      int32_t total = 0;
      for (size_t i = 0; i < dim; i += kNibbleDims, row += kNibbleBytes) {
        for (size_t j = 0; j < kNibbleBytes; ++j) {
          total += (row[j] & 15) * query[i + j] + (row[j] >> 4) * query[i + kNibbleBytes + j];
        }
      }
      out[r] = total;
    }
  }
};

struct ScalarPlanes : BitShape {
  template <size_t R>
  static void sums(const uint8_t* planes, const uint8_t* const (&rows)[R], size_t bytes, uint32_t* out) {
    for (size_t r = 0; r < R; ++r) {
      uint32_t total = 0;
      for (size_t p = 0; p < kPlanes; ++p) total += common_bits(planes + p * bytes, rows[r], bytes) << p;
      out[r] = total;
    }
  }

 private:
  static uint32_t common_bits(const uint8_t* a, const uint8_t* b, size_t bytes) {
    uint32_t total = 0;
    size_t i = 0;
    for (; i + 8 <= bytes; i += 8) {
      uint64_t x;
      uint64_t y;
      __builtin_memcpy(&x, a + i, 8);
      __builtin_memcpy(&y, b + i, 8);
      total += static_cast<uint32_t>(__builtin_popcountll(x & y));
    }
    for (; i < bytes; ++i) total += static_cast<uint32_t>(__builtin_popcount(static_cast<unsigned>(a[i] & b[i])));
    return total;
  }
};

template <class A, class B>
float cosine_wide_of(const A* a, const B* b, size_t dim) {
  double ab = 0;
  double aa = 0;
  double bb = 0;
  for (size_t i = 0; i < dim; ++i) {
    double x = widen(a[i]);
    double y = widen(b[i]);
    ab += x * y;
    aa += x * x;
    bb += y * y;
  }
  if (aa == 0 || bb == 0) return static_cast<float>(ab);  // 0, or NaN where the other is not finite
  float c = static_cast<float>(ab / __builtin_sqrt(aa * bb));
  return c > 1.0f ? 1.0f : c < -1.0f ? -1.0f : c;
}

}  // namespace

float cosine_wide(const float* a, const float* b, size_t dim) { return cosine_wide_of(a, b, dim); }
float cosine_wide(const float* a, const Float16* b, size_t dim) { return cosine_wide_of(a, b, dim); }
float cosine_wide(const Float16* a, const Float16* b, size_t dim) { return cosine_wide_of(a, b, dim); }
float cosine_wide(const float* a, const BFloat16* b, size_t dim) { return cosine_wide_of(a, b, dim); }
float cosine_wide(const BFloat16* a, const BFloat16* b, size_t dim) { return cosine_wide_of(a, b, dim); }

float normalize_wide(float* values, size_t dim) {
  double square = 0;
  for (size_t i = 0; i < dim; ++i) square += static_cast<double>(values[i]) * static_cast<double>(values[i]);
  if (square == 0) return 0;
  double length = __builtin_sqrt(square);
  for (size_t i = 0; i < dim; ++i) values[i] = static_cast<float>(values[i] / length);
  return static_cast<float>(length);
}

void fill_scalar(Kernels& kernels) {
  fill<ScalarFloats, ScalarBytes>(kernels);
  kernels.hamming = hamming;
  fill_differences<WordDifferences>(kernels);
  fill_nibbles<ScalarNibbles>(kernels);
  fill_planes<ScalarPlanes>(kernels);
}

}  // namespace sextant::simd
