// Every kernel on every tier that this machine has, and the AVX-512 files over emulated instructions everywhere,
// against references in double: all short lengths, offsets that no register is aligned to, and the numbers that
// arithmetic stumbles over. What surrounds the vectors is NaN (or 77 for bytes), so that reading it shows.
#include "simd/kernels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "base/random.h"
#include "sextant/error.h"
#include "simd/kernels_test_fixture.h"

namespace sextant::simd {
namespace {

uint32_t bits_of(float value) { return std::bit_cast<uint32_t>(value); }
float float_of(uint32_t bits) { return std::bit_cast<float>(bits); }

// What the conversions must do, by way of double arithmetic.
float reference_f32(Float16 half) {
  int exponent = half.bits >> 10 & 31;
  int mantissa = half.bits & 1023;
  double sign = half.bits >> 15 != 0 ? -1.0 : 1.0;
  if (exponent == 31) return mantissa != 0 ? kNan : static_cast<float>(sign) * kInf;
  return static_cast<float>(sign *
                            (exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25)));
}
float reference_f32(BFloat16 half) { return float_of(static_cast<uint32_t>(half.bits) << 16); }
float reference_f32(float value) { return value; }
float reference_f32(int8_t value) { return value; }

// Sums in double, and the sum of magnitudes that their rounding errors are proportional to.
struct Reference {
  double dot = 0, dot_size = 0, aa = 0, bb = 0, l2 = 0, l1 = 0;
  double cosine() const { return aa == 0 || bb == 0 ? 0 : dot / std::sqrt(aa) / std::sqrt(bb); }
};

template <class A, class B>
Reference reference_of(const A* a, const B* b, size_t dim) {
  Reference r;
  for (size_t i = 0; i < dim; ++i) {
    double x = reference_f32(a[i]);
    double y = reference_f32(b[i]);
    r.dot += x * y;
    r.dot_size += std::fabs(x * y);
    r.aa += x * x;
    r.bb += y * y;
    r.l2 += (x - y) * (x - y);
    r.l1 += std::fabs(x - y);
  }
  return r;
}

// Sums run over at least 8 lanes; each addition may be off by half a unit in the last place.
double tolerance(size_t dim, double size) { return (6.0 + static_cast<double>(dim) / 8) * 0x1p-24 * size + 1e-44; }

std::vector<size_t> lengths() {
  std::vector<size_t> all;
  for (size_t i = 0; i <= 131; ++i) all.push_back(i);
  for (size_t i : {191, 255, 256, 257, 384, 511, 768, 1000, 1025, 4096}) all.push_back(i);
  return all;
}

INSTANTIATE_TEST_SUITE_P(Tier, KernelsOf, testing::ValuesIn(contestants()),
                         [](const auto& contestant) { return contestant.param; });

// ---- Distances.

template <class T>
struct PairKernels {
  float (*dot)(const T*, const T*, size_t);
  float (*cosine)(const T*, const T*, size_t);
  float (*l2_squared)(const T*, const T*, size_t);
};

template <class T>
void expect_pairs_equal_the_reference(base::Random& random, const PairKernels<T>& kernels) {
  for (size_t dim : lengths()) {
    for (size_t offset = 0; offset < 4; ++offset) {
      Padded<T> a = random_vector<T>(random, dim, offset);
      Padded<T> b = random_vector<T>(random, dim, (offset * 3 + dim) % 5);
      Reference r = reference_of(a.data(), b.data(), dim);
      SCOPED_TRACE("dim " + std::to_string(dim) + ", offset " + std::to_string(offset));
      ASSERT_NEAR(kernels.dot(a.data(), b.data(), dim), r.dot, tolerance(dim, r.dot_size));
      ASSERT_NEAR(kernels.l2_squared(a.data(), b.data(), dim), r.l2, 2 * tolerance(dim, r.l2));
      ASSERT_NEAR(kernels.cosine(a.data(), b.data(), dim), r.cosine(), 3 * tolerance(dim, 1));
    }
  }
}

TEST_P(KernelsOf, distances_of_f32_pairs_equal_the_reference) {
  expect_pairs_equal_the_reference<float>(random, {k->dot_f32, k->cosine_f32, k->l2_squared_f32});
}
TEST_P(KernelsOf, distances_of_f16_pairs_equal_the_reference) {
  expect_pairs_equal_the_reference<Float16>(random, {k->dot_f16, k->cosine_f16, k->l2_squared_f16});
}
TEST_P(KernelsOf, distances_of_bf16_pairs_equal_the_reference) {
  expect_pairs_equal_the_reference<BFloat16>(random, {k->dot_bf16, k->cosine_bf16, k->l2_squared_bf16});
}

TEST_P(KernelsOf, l1_of_f32_pairs_equals_the_reference) {
  for (size_t dim : lengths()) {
    Padded<float> a = random_vector<float>(random, dim, dim % 4);
    Padded<float> b = random_vector<float>(random, dim, dim % 3);
    double expected = reference_of(a.data(), b.data(), dim).l1;
    ASSERT_NEAR(k->l1_f32(a.data(), b.data(), dim), expected, tolerance(dim, expected)) << "dim " << dim;
  }
}

TEST_P(KernelsOf, distances_of_int8_pairs_are_exact) {
  for (size_t dim : lengths()) {
    for (size_t offset = 0; offset < 4; ++offset) {
      Padded<int8_t> a = random_vector<int8_t>(random, dim, offset);
      Padded<int8_t> b = random_vector<int8_t>(random, dim, (offset * 3 + dim) % 5);
      Reference r = reference_of(a.data(), b.data(), dim);
      SCOPED_TRACE("dim " + std::to_string(dim) + ", offset " + std::to_string(offset));
      ASSERT_EQ(k->dot_i8(a.data(), b.data(), dim), static_cast<int64_t>(r.dot));
      ASSERT_EQ(k->l2_squared_i8(a.data(), b.data(), dim), static_cast<int64_t>(r.l2));
      ASSERT_FLOAT_EQ(k->cosine_i8(a.data(), b.data(), dim), static_cast<float>(r.cosine()));
    }
  }
}

TEST_P(KernelsOf, int8_extremes_do_not_overflow_up_to_65536_dimensions) {
  for (size_t dim : {size_t{16}, size_t{65535}, size_t{65536}}) {
    std::vector<int8_t> low(dim, -128);
    std::vector<int8_t> high(dim, 127);
    int64_t n = static_cast<int64_t>(dim);
    EXPECT_EQ(k->dot_i8(low.data(), low.data(), dim), 16384 * n);
    EXPECT_EQ(k->dot_i8(low.data(), high.data(), dim), -16256 * n);
    EXPECT_EQ(k->dot_i8(high.data(), low.data(), dim), -16256 * n);
    EXPECT_EQ(k->dot_i8(high.data(), high.data(), dim), 16129 * n);
    EXPECT_EQ(k->l2_squared_i8(low.data(), high.data(), dim), 65025 * n);
    EXPECT_EQ(k->cosine_i8(low.data(), low.data(), dim), 1.0f);
    EXPECT_EQ(k->cosine_i8(low.data(), high.data(), dim), -1.0f);
  }
}

TEST_P(KernelsOf, hamming_counts_the_bits_that_differ) {
  for (size_t bytes : lengths()) {
    for (size_t offset = 0; offset < 4; ++offset) {
      Padded<uint8_t> a = random_vector<uint8_t>(random, bytes, offset);
      Padded<uint8_t> b = random_vector<uint8_t>(random, bytes, (offset + bytes) % 7);
      uint32_t expected = 0;
      for (size_t i = 0; i < bytes; ++i) expected += static_cast<uint32_t>(std::popcount<unsigned>(a[i] ^ b[i]));
      ASSERT_EQ(k->hamming(a.data(), b.data(), bytes), expected) << "bytes " << bytes << ", offset " << offset;
    }
  }
  std::vector<uint8_t> zeros(100000, 0);
  std::vector<uint8_t> ones(100000, 0xff);
  EXPECT_EQ(k->hamming(zeros.data(), ones.data(), zeros.size()), 800000u);
}

// A row among many must have the bytes of the same pair alone, whatever the stride, the count and the neighbours.
template <class Q, class T, class Score>
void expect_rows_equal_pairs(base::Random& random, void (*rows_kernel)(const Q*, Rows<T>, Score*),
                             Score (*pair_kernel)(const Q*, const T*, size_t)) {
  for (size_t dim : {0, 1, 7, 8, 15, 16, 17, 24, 31, 33, 63, 64, 65, 100, 128, 256, 333}) {
    for (size_t count : {0, 1, 2, 3, 4, 5, 8, 11}) {
      for (size_t gap : {0, 3}) {
        Padded<Q> query = random_vector<Q>(random, dim, dim % 3);
        Padded<T> table((dim + gap) * count, 1, poison<T>());
        for (size_t i = 0; i < count; ++i)
          for (size_t j = 0; j < dim; ++j) table[i * (dim + gap) + j] = random_value<T>(random);
        std::vector<Score> scores(count + 1, Score{99});
        rows_kernel(query.data(), Rows<T>{table.data(), count, dim, (dim + gap) * sizeof(T)}, scores.data());
        for (size_t i = 0; i < count; ++i) {
          Score alone = pair_kernel(query.data(), table.data() + i * (dim + gap), dim);
          ASSERT_EQ(std::bit_cast<uint32_t>(scores[i]), std::bit_cast<uint32_t>(alone))
              << "dim " << dim << ", row " << i << " of " << count << ", gap " << gap << ": " << scores[i] << " and "
              << alone;
        }
        ASSERT_EQ(scores[count], Score{99});
      }
    }
  }
}

TEST_P(KernelsOf, rows_of_f32_have_the_bytes_of_pairs) {
  expect_rows_equal_pairs(random, k->dot_f32_rows, k->dot_f32);
  expect_rows_equal_pairs(random, k->cosine_f32_rows, k->cosine_f32);
  expect_rows_equal_pairs(random, k->l2_squared_f32_rows, k->l2_squared_f32);
  expect_rows_equal_pairs(random, k->l1_f32_rows, k->l1_f32);
}

TEST_P(KernelsOf, rows_of_int8_and_bits_equal_pairs) {
  expect_rows_equal_pairs(random, k->dot_i8_rows, k->dot_i8);
  expect_rows_equal_pairs(random, k->cosine_i8_rows, k->cosine_i8);
  expect_rows_equal_pairs(random, k->l2_squared_i8_rows, k->l2_squared_i8);
  expect_rows_equal_pairs(random, k->hamming_rows, k->hamming);
}

// Rows of f16 and bf16 are what the same rows would be after conversion to f32.
template <class T>
void expect_half_rows_equal_f32_rows(base::Random& random, const Kernels& k, void (*widen)(const T*, size_t, float*),
                                     void (*half_kernel)(const float*, Rows<T>, float*),
                                     void (*f32_kernel)(const float*, Rows<float>, float*)) {
  for (size_t dim : {0, 1, 7, 8, 9, 16, 17, 31, 32, 33, 48, 64, 100, 256, 333}) {
    for (size_t count : {1, 2, 4, 7}) {
      Padded<float> query = random_vector<float>(random, dim);
      Padded<T> half = random_vector<T>(random, dim * count, 1);
      std::vector<float> wide(dim * count);
      widen(half.data(), wide.size(), wide.data());
      for (size_t i = 0; i < wide.size(); ++i) ASSERT_EQ(wide[i], reference_f32(half[i]));
      std::vector<float> expected(count);
      std::vector<float> scores(count);
      f32_kernel(query.data(), Rows<float>{wide.data(), count, dim, dim * sizeof(float)}, expected.data());
      half_kernel(query.data(), Rows<T>{half.data(), count, dim, dim * sizeof(T)}, scores.data());
      ASSERT_EQ(scores, expected) << "dim " << dim << ", count " << count << ", tier " << name(k.tier);
    }
  }
}

TEST_P(KernelsOf, rows_of_f16_and_bf16_equal_the_same_rows_in_f32) {
  expect_half_rows_equal_f32_rows(random, *k, k->f16_to_f32, k->dot_f16_rows, k->dot_f32_rows);
  expect_half_rows_equal_f32_rows(random, *k, k->f16_to_f32, k->cosine_f16_rows, k->cosine_f32_rows);
  expect_half_rows_equal_f32_rows(random, *k, k->f16_to_f32, k->l2_squared_f16_rows, k->l2_squared_f32_rows);
  expect_half_rows_equal_f32_rows(random, *k, k->bf16_to_f32, k->dot_bf16_rows, k->dot_f32_rows);
  expect_half_rows_equal_f32_rows(random, *k, k->bf16_to_f32, k->cosine_bf16_rows, k->cosine_f32_rows);
  expect_half_rows_equal_f32_rows(random, *k, k->bf16_to_f32, k->l2_squared_bf16_rows, k->l2_squared_f32_rows);
}

template <class T, class Score>
void expect_block_equals_pairs(base::Random& random, void (*block)(Rows<T>, Rows<T>, Score*, size_t),
                               Score (*pair_kernel)(const T*, const T*, size_t), size_t query_count, size_t row_count,
                               size_t dim) {
  SCOPED_TRACE(std::to_string(query_count) + " queries, " + std::to_string(row_count) + " rows, dim " +
               std::to_string(dim));
  Padded<T> queries = random_vector<T>(random, query_count * (dim + 2), 1);
  Padded<T> rows = random_vector<T>(random, row_count * (dim + 1), 2);
  size_t stride = row_count + 3;
  std::vector<Score> scores(query_count * stride, Score{99});
  block(Rows<T>{queries.data(), query_count, dim, (dim + 2) * sizeof(T)},
        Rows<T>{rows.data(), row_count, dim, (dim + 1) * sizeof(T)}, scores.data(), stride);
  for (size_t q = 0; q < query_count; ++q) {
    for (size_t r = 0; r < stride; ++r) {
      Score expected =
          r < row_count ? pair_kernel(queries.data() + q * (dim + 2), rows.data() + r * (dim + 1), dim) : Score{99};
      ASSERT_EQ(std::bit_cast<uint32_t>(scores[q * stride + r]), std::bit_cast<uint32_t>(expected))
          << "query " << q << ", row " << r;
    }
  }
}

TEST_P(KernelsOf, blocks_of_queries_have_the_bytes_of_pairs) {
  for (size_t dim : {0, 1, 8, 17, 40, 64, 130}) {
    for (size_t query_count : {0, 1, 2, 3, 4, 5, 7, 9}) {
      for (size_t row_count : {0, 1, 2, 3, 4, 5, 9}) {
        expect_block_equals_pairs(random, k->dot_f32_block, k->dot_f32, query_count, row_count, dim);
        expect_block_equals_pairs(random, k->dot_i8_block, k->dot_i8, query_count, row_count, dim);
      }
    }
  }
  // Several tiles of queries and of rows.
  expect_block_equals_pairs(random, k->dot_f32_block, k->dot_f32, 41, 29, 2048);
  expect_block_equals_pairs(random, k->dot_i8_block, k->dot_i8, 41, 29, 8192);
  // Rows longer than a tile.
  expect_block_equals_pairs(random, k->dot_f32_block, k->dot_f32, 3, 5, 6000);
}

TEST_P(KernelsOf, nan_anywhere_makes_every_distance_nan) {
  for (size_t dim = 1; dim <= 70; ++dim) {
    for (size_t at : {size_t{0}, dim / 2, dim - 1}) {
      std::vector<float> a(dim, 0.5f);
      std::vector<float> b(dim, 0.25f);
      std::vector<float> zero(dim, 0.0f);
      b[at] = kNan;
      std::vector<Float16> a16(dim, Float16{0x3800});
      std::vector<Float16> b16(dim, Float16{0x3400});
      b16[at].bits = 0x7e00;
      std::vector<BFloat16> abf(dim, BFloat16{0x3f00});
      std::vector<BFloat16> bbf(dim, BFloat16{0x3e80});
      bbf[at].bits = 0x7fc0;
      SCOPED_TRACE("dim " + std::to_string(dim) + ", at " + std::to_string(at));
      for (float value :
           {k->dot_f32(a.data(), b.data(), dim), k->cosine_f32(a.data(), b.data(), dim),
            k->cosine_f32(b.data(), a.data(), dim), k->cosine_f32(zero.data(), b.data(), dim),
            k->l2_squared_f32(a.data(), b.data(), dim), k->l1_f32(a.data(), b.data(), dim),
            k->dot_f16(a16.data(), b16.data(), dim), k->cosine_f16(a16.data(), b16.data(), dim),
            k->l2_squared_f16(a16.data(), b16.data(), dim), k->dot_bf16(abf.data(), bbf.data(), dim),
            k->cosine_bf16(abf.data(), bbf.data(), dim), k->l2_squared_bf16(abf.data(), bbf.data(), dim)}) {
        ASSERT_TRUE(std::isnan(value));
      }
    }
  }
}

TEST_P(KernelsOf, infinity_propagates_as_arithmetic_says) {
  for (size_t dim = 2; dim <= 70; ++dim) {
    std::vector<float> ones(dim, 1.0f);
    std::vector<float> b(dim, 1.0f);
    b[dim - 1] = -kInf;
    std::vector<BFloat16> ones_bf(dim, BFloat16{0x3f80});
    std::vector<BFloat16> b_bf(dim, BFloat16{0x3f80});
    b_bf[dim - 1].bits = 0xff80;
    SCOPED_TRACE("dim " + std::to_string(dim));
    ASSERT_EQ(k->dot_f32(ones.data(), b.data(), dim), -kInf);
    ASSERT_EQ(k->dot_bf16(ones_bf.data(), b_bf.data(), dim), -kInf);
    ASSERT_EQ(k->l2_squared_f32(ones.data(), b.data(), dim), kInf);
    ASSERT_EQ(k->l1_f32(ones.data(), b.data(), dim), kInf);
    ASSERT_TRUE(std::isnan(k->cosine_f32(ones.data(), b.data(), dim)));
    ASSERT_TRUE(std::isnan(k->l2_squared_f32(b.data(), b.data(), dim)));
    b[0] = kInf;
    ASSERT_TRUE(std::isnan(k->dot_f32(ones.data(), b.data(), dim)));
  }
}

TEST_P(KernelsOf, denormals_count_in_full) {
  for (size_t dim : {1, 5, 8, 16, 31, 64, 100}) {
    std::vector<float> tiny(dim, 1e-40f);
    std::vector<float> ones(dim, 1.0f);
    double expected = static_cast<double>(1e-40f) * static_cast<double>(dim);
    EXPECT_NEAR(k->dot_f32(tiny.data(), ones.data(), dim), expected, expected * 1e-5);
    EXPECT_NEAR(k->l1_f32(tiny.data(), std::vector<float>(dim, 0.0f).data(), dim), expected, expected * 1e-5);
    std::vector<Float16> tiny_half(dim, Float16{0x0001});
    std::vector<Float16> one_half(dim, Float16{0x3c00});
    EXPECT_EQ(k->dot_f16(tiny_half.data(), one_half.data(), dim), static_cast<float>(dim) * 0x1p-24f);
  }
}

TEST_P(KernelsOf, cosine_holds_for_vectors_whose_squares_leave_the_range_of_float) {
  for (float size : {1e-42f, 1e-30f, 1e-20f, 1.0f, 1e18f, 1e25f, 3e38f}) {
    for (float other : {1e-42f, 1e-20f, 1.0f, 1e25f}) {
      for (size_t dim : {3, 16, 37}) {
        std::vector<float> a(dim);
        std::vector<float> b(dim);
        for (size_t i = 0; i < dim; ++i) {
          a[i] = size * static_cast<float>(random.uniform() - 0.5);
          b[i] = other * static_cast<float>(random.uniform() - 0.5);
        }
        double expected = reference_of(a.data(), b.data(), dim).cosine();
        ASSERT_NEAR(k->cosine_f32(a.data(), b.data(), dim), expected, 1e-5) << size << " " << other << " " << dim;
        std::vector<float> row(1);
        k->cosine_f32_rows(a.data(), Rows<float>{b.data(), 1, dim, dim * sizeof(float)}, row.data());
        ASSERT_NEAR(row[0], expected, 1e-5);
      }
    }
  }
}

TEST_P(KernelsOf, cosine_is_zero_for_a_zero_vector_and_one_for_a_vector_with_itself) {
  for (size_t dim = 0; dim <= 100; ++dim) {
    std::vector<float> zero(dim, 0.0f);
    Padded<float> a = random_vector<float>(random, dim);
    EXPECT_EQ(k->cosine_f32(zero.data(), a.data(), dim), 0.0f);
    EXPECT_EQ(k->cosine_f32(a.data(), zero.data(), dim), 0.0f);
    EXPECT_EQ(k->cosine_f32(zero.data(), zero.data(), dim), 0.0f);
    std::vector<int8_t> zero_bytes(dim, 0);
    std::vector<int8_t> bytes(dim, -128);
    EXPECT_EQ(k->cosine_i8(zero_bytes.data(), bytes.data(), dim), 0.0f);
    if (dim == 0) continue;
    EXPECT_EQ(k->cosine_f32(a.data(), a.data(), dim), 1.0f);
    std::vector<float> minus(dim);
    for (size_t i = 0; i < dim; ++i) minus[i] = -a[i];
    EXPECT_EQ(k->cosine_f32(a.data(), minus.data(), dim), -1.0f);
    for (float& value : minus) value *= 1.7f;
    float opposite = k->cosine_f32(a.data(), minus.data(), dim);
    EXPECT_GE(opposite, -1.0f);
    EXPECT_LT(opposite, -0.999999f);
  }
}

// ---- Conversions.

// Values around every half: itself, its neighbours in float, and the midpoints to the next half.
std::vector<float> numbers_around_halves(int dropped_bits) {
  std::vector<float> all;
  for (uint32_t half = 0; half < 0x10000; ++half) {
    uint32_t bits;
    if (dropped_bits == 16) {
      bits = half << 16;
    } else {
      bits = bits_of(reference_f32(Float16{static_cast<uint16_t>(half)}));
    }
    uint32_t middle = 1u << (dropped_bits - 1);
    for (uint32_t extra : {0u, 1u, middle - 1, middle, middle + 1}) all.push_back(float_of(bits + extra));
  }
  return all;
}

// The nearest half by search in double, ties to the even one.
uint16_t reference_f16(float value) {
  if (std::isnan(value))
    return static_cast<uint16_t>((bits_of(value) >> 16 & 0x8000) | 0x7e00 | (bits_of(value) >> 13 & 0x3ff));
  uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  double magnitude = std::fabs(static_cast<double>(value));
  auto size_of = [](uint32_t half) {  // what lies past the largest number counts as 2^16
    return half >= 0x7c00 ? 65536.0 : static_cast<double>(reference_f32(Float16{static_cast<uint16_t>(half)}));
  };
  uint32_t low = 0;
  uint32_t high = 0x7c00;
  while (high - low > 1) {
    uint32_t middle = (low + high) / 2;
    (size_of(middle) <= magnitude ? low : high) = middle;
  }
  double below = magnitude - size_of(low);
  double above = size_of(high) - magnitude;
  bool up = above < below || (above == below && high % 2 == 0);
  return static_cast<uint16_t>(sign | (up ? high : low));
}

TEST_P(KernelsOf, f16_widens_to_f32_exactly_for_all_65536_patterns) {
  std::vector<Float16> in(65536);
  for (size_t i = 0; i < in.size(); ++i) in[i].bits = static_cast<uint16_t>(i);
  std::vector<float> out(in.size());
  k->f16_to_f32(in.data(), in.size(), out.data());
  for (size_t i = 0; i < in.size(); ++i) {
    float expected = reference_f32(in[i]);
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(out[i])) << i;
    } else {
      ASSERT_EQ(bits_of(out[i]), bits_of(expected)) << i;
    }
  }
}

TEST_P(KernelsOf, f32_narrows_to_f16_to_nearest_even) {
  std::vector<float> in = numbers_around_halves(13);
  for (float value : {65519.996f, 65520.0f, 65504.0f, 1e9f, -1e9f, kInf, -kInf, kNan, -kNan, 0x1p-25f, 0x1.000002p-25f,
                      -0x1p-26f, 1e-45f, -0.0f}) {
    in.push_back(value);
  }
  for (int i = 0; i < 100000; ++i) in.push_back(float_of(static_cast<uint32_t>(random.next())));
  std::vector<Float16> out(in.size());
  k->f32_to_f16(in.data(), in.size(), out.data());
  for (size_t i = 0; i < in.size(); ++i) ASSERT_EQ(out[i].bits, reference_f16(in[i])) << std::hexfloat << in[i];
}

TEST_P(KernelsOf, f32_narrows_to_bf16_to_nearest_even_and_back) {
  std::vector<float> in = numbers_around_halves(16);
  for (int i = 0; i < 100000; ++i) in.push_back(float_of(static_cast<uint32_t>(random.next())));
  std::vector<BFloat16> out(in.size());
  k->f32_to_bf16(in.data(), in.size(), out.data());
  std::vector<float> back(in.size());
  k->bf16_to_f32(out.data(), out.size(), back.data());
  for (size_t i = 0; i < in.size(); ++i) {
    ASSERT_EQ(bits_of(back[i]), static_cast<uint32_t>(out[i].bits) << 16);
    if (std::isnan(in[i])) {
      ASSERT_EQ(out[i].bits, bits_of(in[i]) >> 16 | 0x40);
      continue;
    }
    // One of the two neighbours, the nearer one, the even one of a tie. The step past the largest number is infinity.
    uint32_t low = bits_of(in[i]) >> 16;
    uint32_t rest = bits_of(in[i]) & 0xffff;
    uint32_t expected = rest > 0x8000 || (rest == 0x8000 && low % 2 == 1) ? low + 1 : low;
    ASSERT_EQ(out[i].bits, expected) << std::hexfloat << in[i];
  }
}

TEST_P(KernelsOf, conversions_of_every_length_stay_within_their_arrays) {
  for (size_t count = 0; count <= 70; ++count) {
    Padded<float> in = random_vector<float>(random, count, count % 3);
    Padded<Float16> f16(count, 1, Float16{0x1234});
    Padded<BFloat16> bf16(count, 1, BFloat16{0x1234});
    Padded<int8_t> i8(count, 1, 55);
    Padded<float> back(count, 1, 4242.0f);
    Padded<float> scaled = in;
    k->f32_to_f16(in.data(), count, f16.data());
    k->f32_to_bf16(in.data(), count, bf16.data());
    k->f32_to_i8(in.data(), count, 20.0f, i8.data());
    k->i8_to_f32(i8.data(), count, 0.05f, back.data());
    k->scale_f32(scaled.data(), count, -2.0f);
    for (size_t i = 0; i < count; ++i) {
      ASSERT_EQ(f16[i].bits, reference_f16(in[i]));
      ASSERT_NEAR(reference_f32(bf16[i]), in[i], std::fabs(in[i]) / 256);
      ASSERT_EQ(i8[i], static_cast<int8_t>(std::nearbyint(in[i] * 20.0f)));
      ASSERT_EQ(back[i], static_cast<float>(i8[i]) * 0.05f);
      ASSERT_EQ(scaled[i], in[i] * -2.0f);
    }
    auto untouched = [count](const auto& vector, auto same) {
      for (size_t i = 1; i <= kPad; ++i) {
        if (!same(*(vector.data() - i)) || !same(*(vector.data() + count + i - 1))) return false;
      }
      return true;
    };
    ASSERT_TRUE(untouched(f16, [](Float16 v) { return v.bits == 0x1234; }));
    ASSERT_TRUE(untouched(bf16, [](BFloat16 v) { return v.bits == 0x1234; }));
    ASSERT_TRUE(untouched(i8, [](int8_t v) { return v == 55; }));
    ASSERT_TRUE(untouched(back, [](float v) { return v == 4242.0f; }));
    ASSERT_TRUE(untouched(scaled, [](float v) { return std::isnan(v); }));
  }
}

TEST_P(KernelsOf, f32_to_int8_rounds_to_even_and_holds_what_is_too_large) {
  std::vector<float> in = {0.5f,    1.5f,   2.5f, -0.5f, -1.5f, 126.5f, 127.4f,      128.0f, 1e30f,
                           -127.6f, -1e30f, kInf, -kInf, kNan,  -kNan,  0.49999997f, 0.0f};
  std::vector<int8_t> expected = {0, 2, 2, 0, -2, 126, 127, 127, 127, -127, -127, 127, -127, 0, 0, 0, 0};
  std::vector<int8_t> out(in.size());
  k->f32_to_i8(in.data(), in.size(), 1.0f, out.data());
  EXPECT_EQ(out, expected);
}

TEST_P(KernelsOf, integer_scores_become_floats_with_and_without_scales) {
  for (size_t count = 0; count <= 40; ++count) {
    std::vector<int32_t> in(count);
    std::vector<float> scales(count);
    for (size_t i = 0; i < count; ++i) {
      in[i] = static_cast<int32_t>(random.next());
      scales[i] = static_cast<float>(random.uniform());
    }
    std::vector<float> out(count);
    k->i32_to_f32(in.data(), count, 0.5f, nullptr, out.data());
    for (size_t i = 0; i < count; ++i) ASSERT_EQ(out[i], static_cast<float>(in[i]) * 0.5f);
    k->i32_to_f32(in.data(), count, 0.3f, scales.data(), out.data());
    for (size_t i = 0; i < count; ++i) ASSERT_EQ(out[i], static_cast<float>(in[i]) * 0.3f * scales[i]);
  }
}

TEST_P(KernelsOf, signs_become_bits_from_the_highest_down) {
  std::vector<float> in = {1.0f, -1.0f, 0.0f, 1e-45f, -0.0f, kNan, kInf, -kInf, 2.0f, 3.0f, -3.0f};
  std::vector<uint8_t> out(3, 0x55);
  k->f32_to_bits(in.data(), in.size(), out.data());
  EXPECT_EQ(out, (std::vector<uint8_t>{0b10010010, 0b11000000, 0x55}));
  for (size_t count = 0; count <= 70; ++count) {
    Padded<float> values = random_vector<float>(random, count);
    std::vector<uint8_t> bits((count + 7) / 8, 0xff);
    k->f32_to_bits(values.data(), count, bits.data());
    for (size_t i = 0; i < bits.size() * 8; ++i) {
      bool expected = i < count && values[i] > 0;
      ASSERT_EQ(bits[i / 8] >> (7 - i % 8) & 1, expected ? 1 : 0) << "count " << count << ", bit " << i;
    }
  }
}

// ---- Lengths and sums.

TEST_P(KernelsOf, the_largest_magnitude_leaves_out_nan) {
  EXPECT_EQ(k->max_abs_f32(nullptr, 0), 0.0f);
  for (size_t count = 1; count <= 70; ++count) {
    std::vector<float> values(count, 0.25f);
    values[random.below(count)] = -3.5f;
    EXPECT_EQ(k->max_abs_f32(values.data(), count), 3.5f);
    values[random.below(count)] = -kInf;
    EXPECT_EQ(k->max_abs_f32(values.data(), count), kInf);
    std::fill(values.begin(), values.end(), kNan);
    EXPECT_EQ(k->max_abs_f32(values.data(), count), 0.0f);
  }
}

TEST_P(KernelsOf, normalize_makes_the_length_one_and_returns_what_it_was) {
  for (size_t dim : lengths()) {
    for (float size : {1e-42f, 1e-25f, 1.0f, 1e25f}) {
      Padded<float> values = random_vector<float>(random, dim, dim % 4);
      for (size_t i = 0; i < dim; ++i) values[i] *= size;
      Padded<float> before = values;
      double length = std::sqrt(reference_of(values.data(), values.data(), dim).aa);
      ASSERT_NEAR(k->normalize_f32(values.data(), dim), length, length * 1e-5 + 2e-45);
      for (size_t i = 0; i < dim; ++i) ASSERT_NEAR(values[i], before[i] / length, 1e-6) << dim << " " << size;
    }
  }
}

TEST_P(KernelsOf, normalize_leaves_a_zero_vector_and_spreads_nan) {
  std::vector<float> zero(37, 0.0f);
  EXPECT_EQ(k->normalize_f32(zero.data(), zero.size()), 0.0f);
  EXPECT_EQ(zero, std::vector<float>(37, 0.0f));
  std::vector<float> values(37, 1.0f);
  values[36] = kNan;
  EXPECT_TRUE(std::isnan(k->normalize_f32(values.data(), values.size())));
  for (float value : values) EXPECT_TRUE(std::isnan(value));
}

template <class T>
void expect_bags_equal_sums(base::Random& random, void (*add_row)(float*, const T*, float, size_t),
                            void (*bag_kernel)(Rows<T>, const float*, Bag, float*)) {
  constexpr size_t kRowsThere = 23;
  for (size_t dim : {0, 1, 7, 8, 16, 31, 63, 64, 65, 100, 127, 128, 129, 200, 256, 300}) {
    for (size_t count : {0, 1, 5, 40}) {
      Padded<T> table = random_vector<T>(random, kRowsThere * (dim + 1), 1);
      std::vector<uint32_t> ids(count);
      std::vector<float> weights(count);
      std::vector<float> scales(kRowsThere);
      for (uint32_t& id : ids) id = static_cast<uint32_t>(random.below(kRowsThere));
      for (float& weight : weights) weight = static_cast<float>(random.normal());
      for (float& scale : scales) scale = static_cast<float>(random.uniform());
      Rows<T> rows{table.data(), kRowsThere, dim, (dim + 1) * sizeof(T)};
      for (bool weighted : {false, true}) {
        for (bool scaled : {false, true}) {
          Padded<float> start = random_vector<float>(random, dim, dim % 3);
          Padded<float> one_by_one = start;
          Padded<float> together = start;
          std::vector<double> expected(start.data(), start.data() + dim);
          std::vector<double> size(dim, 1.0);
          for (size_t i = 0; i < count; ++i) {
            float weight = (weighted ? weights[i] : 1.0f) * (scaled ? scales[ids[i]] : 1.0f);
            const T* row = table.data() + ids[i] * (dim + 1);
            add_row(one_by_one.data(), row, weight, dim);
            for (size_t j = 0; j < dim; ++j) {
              expected[j] += static_cast<double>(weight) * static_cast<double>(reference_f32(row[j]));
              size[j] += std::fabs(static_cast<double>(weight) * static_cast<double>(reference_f32(row[j])));
            }
          }
          bag_kernel(rows, scaled ? scales.data() : nullptr,
                     Bag{ids.data(), weighted ? weights.data() : nullptr, count}, together.data());
          SCOPED_TRACE("dim " + std::to_string(dim) + ", count " + std::to_string(count));
          for (size_t j = 0; j < dim; ++j) ASSERT_NEAR(together[j], expected[j], 1e-5 * size[j]);
          ASSERT_EQ(std::memcmp(together.memory().data(), one_by_one.memory().data(),
                                together.memory().size() * sizeof(float)),
                    0);
        }
      }
    }
  }
}

TEST_P(KernelsOf, bags_equal_their_rows_added_one_by_one) {
  expect_bags_equal_sums(random, k->add_row_f32, k->bag_f32);
  expect_bags_equal_sums(random, k->add_row_f16, k->bag_f16);
  expect_bags_equal_sums(random, k->add_row_i8, k->bag_i8);
}

TEST_P(KernelsOf, select_finds_what_is_not_worse_than_the_threshold_and_nan) {
  for (size_t count = 0; count <= 100; ++count) {
    std::vector<float> scores(count);
    for (float& score : scores) {
      score = static_cast<float>(random.below(5));
      if (random.below(10) == 0) score = kNan;
    }
    for (float threshold : {-kInf, 2.0f, kInf}) {
      for (bool high : {false, true}) {
        std::vector<uint32_t> expected;
        for (size_t i = 0; i < count; ++i) {
          bool worse = high ? scores[i] < threshold : scores[i] > threshold;
          if (!worse) expected.push_back(static_cast<uint32_t>(i));
        }
        std::vector<uint32_t> positions(count);
        auto select = high ? k->select_high : k->select_low;
        positions.resize(select(scores.data(), count, threshold, positions.data()));
        ASSERT_EQ(positions, expected);
      }
    }
  }
}

// ---- The choice of a tier.

TEST(Tiers, names_are_read_back_and_unknown_ones_are_refused) {
  for (int t = 0; t < kTierCount; ++t) EXPECT_EQ(parse_tier(name(static_cast<Tier>(t))), static_cast<Tier>(t));
  try {
    parse_tier("avx1024");
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    EXPECT_THAT(error.what(), testing::AllOf(testing::HasSubstr("avx1024"), testing::HasSubstr("avx512_vnni")));
  }
}

TEST(Tiers, every_tier_up_to_the_best_is_available_and_the_rest_are_refused_by_name) {
  for (int t = 0; t < kTierCount; ++t) {
    Tier tier = static_cast<Tier>(t);
    if (tier <= best_tier()) {
      EXPECT_EQ(kernels_for(tier).tier, tier);
      continue;
    }
    try {
      kernels_for(tier);
      ADD_FAILURE() << name(tier) << " accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::unsupported);
      EXPECT_THAT(error.what(), testing::HasSubstr(std::string(name(tier))));
    }
  }
}

// The choice is made once in a process, so each of these runs in one of its own.
class TierFromEnvironment : public testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }

  [[noreturn]] static void print_choice(const char* value) {
    setenv("SEXTANT_SIMD", value, 1);
    try {
      std::fprintf(stderr, "chosen %s.\n", std::string(name(kernels().tier)).c_str());
    } catch (const Error& error) {
      std::fprintf(stderr, "%s: %s\n", std::string(sextant::name(error.code())).c_str(), error.what());
    }
    std::exit(0);
  }
};

TEST_F(TierFromEnvironment, a_named_tier_is_used) {
  EXPECT_EXIT(print_choice("scalar"), testing::ExitedWithCode(0), "chosen scalar\\.");
}

TEST_F(TierFromEnvironment, an_empty_name_means_the_best) {
  EXPECT_EXIT(print_choice(""), testing::ExitedWithCode(0), "chosen " + std::string(name(best_tier())) + "\\.");
}

TEST_F(TierFromEnvironment, an_unknown_name_is_an_error_that_names_the_variable) {
  EXPECT_EXIT(print_choice("sse9"), testing::ExitedWithCode(0), "invalid_argument: .*SEXTANT_SIMD.*sse9");
}

TEST_F(TierFromEnvironment, a_tier_that_the_machine_lacks_is_unsupported) {
  if (best_tier() == Tier::amx) GTEST_SKIP() << "this machine has every tier";
  EXPECT_EXIT(print_choice("amx"), testing::ExitedWithCode(0), "unsupported: .*SEXTANT_SIMD.*amx");
}

}  // namespace
}  // namespace sextant::simd
