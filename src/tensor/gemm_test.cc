#include "tensor/gemm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/random.h"
#include "tensor/kernels.h"

namespace sextant::tensor {
namespace {

std::vector<float> random_floats(size_t count, uint64_t seed) {
  base::Random random(seed);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(random.normal());
  return values;
}

TEST(Gemm, EqualsTheDoubleReferenceForEveryShapeAroundTheBlockEdges) {
  base::ThreadPool pool(2);
  const size_t sizes[] = {1, 5, 6, 17, 96, 97, 193, 257};
  for (size_t m : sizes) {
    for (size_t n : {size_t{1}, size_t{16}, size_t{31}, size_t{200}}) {
      for (size_t k : {size_t{0}, size_t{1}, size_t{64}, size_t{256}, size_t{300}}) {
        std::vector<float> a = random_floats(m * k, 1);
        std::vector<float> b = random_floats(k * n, 2);
        for (bool accumulate : {false, true}) {
          std::vector<float> got(m * n, 3.0f);
          std::vector<float> want(m * n, 3.0f);
          gemm({m, n, k}, rows(a.data(), k), rows(b.data(), n), got.data(), n, accumulate, pool);
          gemm_reference({m, n, k}, rows(a.data(), k), rows(b.data(), n), want.data(), n, accumulate);
          for (size_t i = 0; i < got.size(); ++i) {
            ASSERT_NEAR(got[i], want[i], 2e-5 * std::sqrt(static_cast<double>(k) + 1))
                << "m " << m << " n " << n << " k " << k << " element " << i;
          }
        }
      }
    }
  }
}

TEST(Gemm, ReadsTransposedOperandsInPlace) {
  base::ThreadPool pool(1);
  const size_t m = 33, n = 47, k = 65;
  std::vector<float> a = random_floats(k * m, 3);  // stored [k, m]
  std::vector<float> b = random_floats(n * k, 4);  // stored [n, k]
  std::vector<float> got(m * n), want(m * n);
  gemm({m, n, k}, transposed(a.data(), m), transposed(b.data(), k), got.data(), n, false, pool);
  gemm_reference({m, n, k}, transposed(a.data(), m), transposed(b.data(), k), want.data(), n, false);
  for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], want[i], 1e-4);
}

TEST(Gemm, GivesTheSameBytesOnAnyNumberOfThreads) {
  base::ThreadPool one(1), three(3);
  const size_t m = 200, n = 400, k = 700;
  std::vector<float> a = random_floats(m * k, 5), b = random_floats(k * n, 6);
  std::vector<float> first(m * n), second(m * n);
  gemm({m, n, k}, rows(a.data(), k), rows(b.data(), n), first.data(), n, false, one);
  gemm({m, n, k}, rows(a.data(), k), rows(b.data(), n), second.data(), n, false, three);
  EXPECT_EQ(first, second);
}

class TensorKernels : public testing::TestWithParam<simd::Tier> {
 protected:
  void SetUp() override {
    if (!simd::is_available(GetParam())) GTEST_SKIP() << "this processor lacks " << simd::name(GetParam());
  }
};

TEST_P(TensorKernels, TileEqualsTheReference) {
  const Kernels& kernel = tensor::kernels_for(GetParam());
  for (size_t k : {1, 2, 63, 256}) {
    std::vector<float> a = random_floats(k * kernel.mr, 7), b = random_floats(k * kernel.nr, 8);
    std::vector<float> c(kernel.mr * kernel.nr, 1.0f);
    kernel.gemm_tile(k, a.data(), b.data(), c.data(), kernel.nr, true);
    for (size_t i = 0; i < kernel.mr; ++i) {
      for (size_t j = 0; j < kernel.nr; ++j) {
        double want = 1.0;
        for (size_t p = 0; p < k; ++p) want += static_cast<double>(a[p * kernel.mr + i]) * b[p * kernel.nr + j];
        ASSERT_NEAR(c[i * kernel.nr + j], want, 1e-4) << i << ", " << j;
      }
    }
  }
}

TEST_P(TensorKernels, ExponentialsAreWithinAFewUnitsOfTheLastPlace) {
  const Kernels& kernel = tensor::kernels_for(GetParam());
  for (size_t n : {1, 7, 8, 9, 16, 31, 1000}) {
    std::vector<float> in(n), out(n, -1.0f);
    for (size_t i = 0; i < n; ++i) in[i] = -2.0f + 3.0f * static_cast<float>(i) / static_cast<float>(n);
    float sum = kernel.exp_sum(in.data(), out.data(), n, 20.0f, 1.0f);
    double want_sum = 0;
    for (size_t i = 0; i < n; ++i) {
      // The argument itself is rounded to float: at 60 that moves the exponential by up to 60 * 2^-24 * 2.
      double want = std::exp(static_cast<double>(20.0f * (in[i] - 1.0f)));
      want_sum += want;
      ASSERT_NEAR(out[i] / want, 1.0, 5e-7) << "at " << in[i];
    }
    EXPECT_NEAR(sum / want_sum, 1.0, 1e-5);
  }
}

TEST_P(TensorKernels, AnExcludedEntryAddsNothingToTheSum) {
  const Kernels& kernel = tensor::kernels_for(GetParam());
  float values[3] = {0.5f, -1e4f, 0.25f};
  float sum = kernel.exp_sum(values, values, 3, 20.0f, 1.0f);
  EXPECT_NEAR(sum, std::exp(-10.0) + std::exp(-15.0), 1e-9);
  EXPECT_LT(values[1], 1e-37f);
}

INSTANTIATE_TEST_SUITE_P(Tiers, TensorKernels,
                         testing::Values(simd::Tier::scalar, simd::Tier::avx2, simd::Tier::avx512),
                         [](const auto& tier) { return std::string(simd::name(tier.param)); });

}  // namespace
}  // namespace sextant::tensor
