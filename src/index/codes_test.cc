#include "index/codes.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"
#include "index/rotation.h"
#include "index/space.h"
#include "simd/kernels.h"

namespace sextant::index {
namespace {

std::vector<float> normal_vector(size_t dim, uint64_t seed) {
  base::Random random(seed);
  std::vector<float> out(dim);
  for (float& value : out) value = static_cast<float>(random.normal());
  return out;
}

double dot(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

TEST(Rotation, keeps_lengths_and_angles_and_spreads_what_was_in_one_place) {
  for (size_t dim : {64, 128, 192, 384, 832}) {
    const Rotation rotation(dim, 3);
    std::vector<float> a = normal_vector(dim, 1), b = normal_vector(dim, 2);
    const double before = dot(a, b), length = dot(a, a);
    rotation.apply(a.data());
    rotation.apply(b.data());
    EXPECT_NEAR(dot(a, b), before, 1e-3 * length) << dim;
    EXPECT_NEAR(dot(a, a), length, 1e-4 * length) << dim;
    std::vector<float> one(dim);
    one[dim / 2] = 1;
    rotation.apply(one.data());
    float largest = 0;
    for (float value : one) largest = std::max(largest, std::abs(value));
    EXPECT_LT(largest, 6 / std::sqrt(static_cast<float>(dim))) << dim;
  }
}

class CodesOf : public testing::TestWithParam<CodeKind> {};
INSTANTIATE_TEST_SUITE_P(Kinds, CodesOf, testing::Values(CodeKind::sq1, CodeKind::sq4, CodeKind::sq8));

TEST_P(CodesOf, estimate_products_without_bias_and_as_well_as_they_say) {
  const size_t dim = 384, count = 400;
  Codes codes(GetParam(), dim, count);
  std::vector<std::vector<float>> rows;
  double error = 0;
  for (size_t i = 0; i < count; ++i) {
    rows.push_back(normal_vector(dim, 100 + i));
    error += codes.encode(i, rows.back().data(), 1) / count;
  }
  switch (GetParam()) {
    case CodeKind::sq1:
      // Half pi less 1: what signs leave out of normal variables.
      EXPECT_NEAR(error, 0.571, 0.02);
      break;
    case CodeKind::sq4:
      EXPECT_LT(error, 0.015);
      break;
    default:
      EXPECT_LT(error, 0.0002);
  }
  const std::vector<float> query_values = normal_vector(dim, 7);
  CodedQuery query;
  codes.make_query(query_values.data(), query);
  std::vector<uint32_t> ids;
  for (uint32_t i = 0; i < count; ++i) ids.push_back(count - 1 - i);
  std::vector<float> products(count);
  codes.products(query, ids.data(), count, products.data());
  std::vector<float> first(count);
  codes.first_products(query, count, first.data());
  for (size_t i = 0; i < count; ++i) EXPECT_EQ(products[i], first[ids[i]]);
  double bias = 0, squared = 0;
  for (size_t i = 0; i < count; ++i) {
    const double difference = products[i] - dot(query_values, rows[ids[i]]);
    bias += difference / count;
    squared += difference * difference / count;
  }
  // |q| |x| sqrt(error / dim), and what the query loses in 8 bits, or in 4.
  const double of_query = GetParam() == CodeKind::sq1 ? 0.03 : 1e-4;
  const double expected = std::sqrt(dot(query_values, query_values) * (error + of_query));
  EXPECT_LT(std::sqrt(squared), 1.3 * expected);
  EXPECT_LT(std::abs(bias), 4 * expected / std::sqrt(static_cast<double>(count)));
}

TEST_P(CodesOf, estimate_products_of_rows_with_each_other) {
  if (GetParam() == CodeKind::sq1) GTEST_SKIP() << "of two codes of signs nothing unbiased is known";
  const size_t dim = 128, count = 50;
  Codes codes(GetParam(), dim, count);
  std::vector<std::vector<float>> rows;
  for (size_t i = 0; i < count; ++i) {
    rows.push_back(normal_vector(dim, 100 + i));
    codes.encode(i, rows.back().data(), 1);
  }
  CodedQuery query;
  for (size_t a = 0; a < count; ++a) {
    codes.make_query(a, query);
    for (uint32_t b = 0; b < count; ++b) {
      float product;
      codes.products(query, &b, 1, &product);
      // Both sides are off: six deviations of sqrt(2 error / dim).
      EXPECT_NEAR(product, dot(rows[a], rows[b]), a == b ? 0.05 * dim : 6 * dim * std::sqrt(2 * 0.012 / dim));
    }
  }
}

TEST_P(CodesOf, take_zero_and_very_long_vectors) {
  Codes codes(GetParam(), 64, 2);
  std::vector<float> zero(64), large(64, 1e15f);
  EXPECT_EQ(codes.encode(0, zero.data(), 0), 0);
  codes.encode(1, large.data(), 1);
  CodedQuery query;
  codes.make_query(large.data(), query);
  const uint32_t ids[] = {0, 1};
  float products[2];
  codes.products(query, ids, 2, products);
  EXPECT_EQ(products[0], 0);
  EXPECT_NEAR(products[1] / 64e30f, 1, 0.05);
  codes.make_query(zero.data(), query);
  codes.products(query, ids, 2, products);
  EXPECT_EQ(products[1], 0);
}

TEST(Space, turns_the_largest_product_into_the_nearest_vector) {
  const size_t dim = 10;
  const Space space(Metric::dot, dim, std::vector<float>(dim), 5.0f, 1);
  std::vector<float> out(space.padded_dim());
  std::vector<float> row(dim, 1.0f);
  const float squared = space.transform_row(row.data(), out.data());
  EXPECT_NEAR(squared, 10, 1e-4);
  EXPECT_NEAR(space.lift(squared), std::sqrt(15.0f), 1e-4);
  EXPECT_EQ(space.lift(100), 0) << "longer than all others were";
}

}  // namespace
}  // namespace sextant::index
