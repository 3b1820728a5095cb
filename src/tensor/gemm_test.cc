#include "tensor/gemm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/random.h"
#include "tensor/kernels.h"
#include "tensor/testing_matrices.h"

namespace sextant::tensor {
namespace {

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

}  // namespace
}  // namespace sextant::tensor
