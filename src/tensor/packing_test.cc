// What is packed is read through a product kernel of the test's own, whose shape no tier has.
#include "tensor/packing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include "base/random.h"
#include "sextant/error.h"
#include "tensor/testing_matrices.h"

namespace sextant::tensor {
namespace {

Product captured;
void capture(const Product& product) { captured = product; }

// Panels of 5 columns, groups and depths as given.
Kernels capturing(size_t group, size_t depth) {
  Kernels kernels{};
  kernels.f32 = {{5, 1, 1}, 1, capture};
  kernels.bf16 = {{5, group, depth}, 1, capture};
  kernels.i8 = {{5, group, depth}, 1, capture};
  return kernels;
}

// Where the formula of PanelShape puts element (p, j).
size_t place(const PanelShape& shape, size_t k, size_t p, size_t j) {
  const size_t panel = j / shape.width * shape.width * shape.filled(k);
  return panel + (p / shape.group * shape.width + j % shape.width) * shape.group + p % shape.group;
}

// Every element of the packed B [filled k, whole panels].
template <class T, class Want>
void expect_panels(const T* packed, const PanelShape& shape, size_t out, size_t in, Want want) {
  const size_t columns = (out + shape.width - 1) / shape.width * shape.width;
  for (size_t j = 0; j < columns; ++j) {
    for (size_t p = 0; p < shape.filled(in); ++p) {
      T expected{};
      if (j < out && p < in) expected = want(j, p);
      ASSERT_EQ(std::memcmp(&packed[place(shape, in, p, j)], &expected, sizeof expected), 0) << p << ", " << j;
    }
  }
}

simd::BFloat16 rounded(float value) {
  simd::BFloat16 half{};
  simd::kernels().f32_to_bf16(&value, 1, &half);
  return half;
}

TEST(Packing, PutsEveryElementWhereTheFormulaSaysAndZerosElsewhere) {
  for (size_t out : {1, 4, 5, 12}) {
    for (size_t in : {1, 2, 7, 8, 9, 40}) {
      const std::vector<float> w = random_floats(out * in, out * 100 + in);
      const Rows part{w.data(), out, in};
      for (size_t depth : {4, 8}) {
        const Kernels kernels = capturing(4, depth);
        for (Compute compute : {Compute::float32, Compute::bfloat16}) {
          const PackedWeights packed({&part, 1}, in, compute, kernels);
          const PanelShape& shape = product_kernel(kernels, compute).panel;
          EXPECT_EQ(packed.in(), in);
          EXPECT_EQ(packed.out(), out);
          EXPECT_EQ(packed.depth(), shape.filled(in));
          packed.multiply(kernels, nullptr, 0, 3, 0, out, nullptr, 0);
          EXPECT_EQ(captured.m, 3u);
          EXPECT_EQ(captured.n, out);
          EXPECT_EQ(captured.k, packed.depth());
          if (compute == Compute::float32) {
            expect_panels(static_cast<const float*>(captured.b), shape, out, in,
                          [&](size_t j, size_t p) { return w[j * in + p]; });
          } else {
            expect_panels(static_cast<const simd::BFloat16*>(captured.b), shape, out, in,
                          [&](size_t j, size_t p) { return rounded(w[j * in + p]); });
          }
        }
      }
    }
  }
}

TEST(Packing, StacksPartsOneUnderAnotherWhateverTheirStride) {
  const size_t in = 6;
  const std::vector<float> first = random_floats(3 * 10, 1), second = random_floats(4 * in, 2);
  const Rows parts[] = {{first.data(), 3, 10}, {second.data(), 4, in}};
  const Kernels kernels = capturing(2, 2);
  const PackedWeights packed(parts, in, Compute::float32, kernels);
  ASSERT_EQ(packed.out(), 7u);
  packed.multiply(kernels, nullptr, 0, 1, 0, 7, nullptr, 0);
  expect_panels(static_cast<const float*>(captured.b), kernels.f32.panel, 7, in,
                [&](size_t j, size_t p) { return j < 3 ? first[j * 10 + p] : second[(j - 3) * in + p]; });
}

TEST(Packing, RoundsInt8ByColumnAndKeepsScalesAndSums) {
  const size_t out = 12, in = 9;
  std::vector<float> w = random_floats(out * in, 3);
  std::fill_n(w.begin() + 2 * in, in, 0.0f);  // a column of nothing
  const Rows part{w.data(), out, in};
  const Kernels kernels = capturing(4, 8);
  const PackedWeights packed({&part, 1}, in, Compute::int8, kernels);
  packed.multiply(kernels, nullptr, 0, 1, 0, out, nullptr, 0);
  const auto* codes = static_cast<const int8_t*>(captured.b);
  for (size_t j = 0; j < 15; ++j) {
    float most = 0;
    for (size_t p = 0; p < in && j < out; ++p) most = std::max(most, std::fabs(w[j * in + p]));
    const float scale = most / 127;
    EXPECT_EQ(captured.column_scales[j], scale) << j;
    int sum = 0;
    bool reaches_the_end = false;
    for (size_t p = 0; p < 16; ++p) {
      const int code = codes[place(kernels.i8.panel, in, p, j)];
      sum += code;
      reaches_the_end |= std::abs(code) == 127;
      if (j >= out || p >= in) {
        ASSERT_EQ(code, 0) << p << ", " << j;
      } else {
        ASSERT_NEAR(code * scale, w[j * in + p], 0.501 * scale) << p << ", " << j;
      }
    }
    EXPECT_EQ(reaches_the_end, most > 0) << j;
    EXPECT_EQ(captured.column_sums[j], static_cast<float>(sum)) << j;
  }
}

TEST(Packing, MultipliesFromAnyPanelOn) {
  const size_t out = 13, in = 10;
  const std::vector<float> w = random_floats(out * in, 4);
  const Rows part{w.data(), out, in};
  const Kernels kernels = capturing(4, 8);
  const PackedWeights packed({&part, 1}, in, Compute::int8, kernels);
  packed.multiply(kernels, nullptr, 0, 1, 0, out, nullptr, 0);
  const Product all = captured;
  packed.multiply(kernels, nullptr, 0, 1, 10, 3, nullptr, 0);
  EXPECT_EQ(static_cast<const int8_t*>(captured.b), static_cast<const int8_t*>(all.b) + 2 * 5 * 16);
  EXPECT_EQ(captured.column_scales, all.column_scales + 10);
  EXPECT_EQ(captured.column_sums, all.column_sums + 10);
  EXPECT_EQ(captured.n, 3u);
}

// A copy of bytes at an address that views may have.
std::shared_ptr<std::byte[]> aligned_copy(std::span<const std::byte> bytes) {
  auto* data = static_cast<std::byte*>(::operator new(bytes.size() + 1, std::align_val_t(kPackedAlignment)));
  std::copy(bytes.begin(), bytes.end(), data);
  return {data, [](std::byte* p) { ::operator delete(p, std::align_val_t(kPackedAlignment)); }};
}

TEST(Packing, MadeOfKeptBytesIsTheSameAndKeepsThemAlive) {
  const size_t out = 12, in = 9;
  const std::vector<float> w = random_floats(out * in, 7), ranges(in, 3.0f);
  const Rows part{w.data(), out, in};
  const Kernels kernels = capturing(4, 8);
  for (Compute compute : {Compute::float32, Compute::bfloat16, Compute::int8}) {
    PackedWeights first({&part, 1}, in, compute, kernels, ranges);
    const PackedBytes kept = first.kept_bytes();
    EXPECT_EQ(kept.columns.empty() && kept.factors.empty(), compute != Compute::int8);
    using Copies = std::vector<std::shared_ptr<std::byte[]>>;
    auto copies = std::make_shared<Copies>(
        Copies{aligned_copy(kept.panels), aligned_copy(kept.columns), aligned_copy(kept.factors)});
    const std::weak_ptr<Copies> watched = copies;
    PackedBytes views{{(*copies)[0].get(), kept.panels.size()},
                      {(*copies)[1].get(), kept.columns.size()},
                      {(*copies)[2].get(), kept.factors.size()}};
    PackedWeights second(out, in, compute, kernels, views, std::move(copies));
    EXPECT_FALSE(watched.expired());
    EXPECT_EQ(second.depth(), first.depth());
    EXPECT_EQ(second.bytes(), first.bytes());
    EXPECT_EQ(second.kept_bytes().panels.data(), views.panels.data()) << "a view, no copy";
    auto same = [](std::span<const std::byte> a, std::span<const std::byte> b) {
      return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin());
    };
    EXPECT_TRUE(same(second.kept_bytes().panels, kept.panels));
    EXPECT_TRUE(same(second.kept_bytes().columns, kept.columns));
    EXPECT_TRUE(same(second.kept_bytes().factors, kept.factors));
    second.multiply(kernels, nullptr, 0, 1, 5, 7, nullptr, 0);
    const Product from_copies = captured;
    first.multiply(kernels, nullptr, 0, 1, 5, 7, nullptr, 0);
    EXPECT_EQ(static_cast<const std::byte*>(from_copies.b) - views.panels.data(),
              static_cast<const std::byte*>(captured.b) - kept.panels.data());
    EXPECT_EQ(second.input_factors() != nullptr, compute == Compute::int8);
    second = {};
    EXPECT_TRUE(watched.expired());
  }
}

TEST(Packing, RefusesKeptBytesOfAnotherSizeOrAtAnotherAddress) {
  const size_t out = 12, in = 9;
  const std::vector<float> w = random_floats(out * in, 7), ranges(in, 3.0f);
  const Rows part{w.data(), out, in};
  const Kernels kernels = capturing(4, 8);
  const PackedWeights weights({&part, 1}, in, Compute::int8, kernels, ranges);
  const PackedBytes good = weights.kept_bytes();
  auto refused = [&](const PackedBytes& kept, Compute compute = Compute::int8, size_t inputs = 9) {
    try {
      PackedWeights(out, inputs, compute, kernels, kept, nullptr);
      return false;
    } catch (const Error& e) {
      return e.code() == ErrorCode::corrupted;
    }
  };
  EXPECT_FALSE(refused(good));
  EXPECT_FALSE(refused({good.panels, good.columns, {}})) << "a layer may do without factors";
  EXPECT_TRUE(refused({good.panels.first(good.panels.size() - 1), good.columns, good.factors}));
  EXPECT_TRUE(refused({good.panels.subspan(1), good.columns, good.factors}));
  EXPECT_TRUE(refused({good.panels, good.columns.first(4), good.factors}));
  EXPECT_TRUE(refused({good.panels, {}, good.factors}));
  EXPECT_TRUE(refused({good.panels, good.columns, good.factors.first(4)}));
  EXPECT_TRUE(refused(good, Compute::bfloat16));
  EXPECT_TRUE(refused(good, Compute::float32));
  EXPECT_TRUE(refused(good, Compute::int8, 17));
  const auto moved = aligned_copy(good.factors);
  std::memmove(moved.get() + 1, moved.get(), good.factors.size());
  EXPECT_TRUE(refused({good.panels, good.columns, {moved.get() + 1, good.factors.size()}}));
}

// The machine's own kernels in place of the test's: what is packed is what they expect.
TEST(Packing, FitsTheKernelsOfThisMachine) {
  const Kernels& kernels = tensor::kernels();
  const size_t m = 5, in = 70, out = 45;
  const std::vector<float> w = random_floats(out * in, 5), x = random_floats(m * in, 6);
  const Rows part{w.data(), out, in};
  for (Compute compute : {Compute::float32, Compute::bfloat16, Compute::int8}) {
    const PackedWeights packed({&part, 1}, in, compute, kernels);
    std::vector<std::byte> a(m * packed.depth() * element_bytes(compute));
    std::vector<float> scales(m), offsets(m), c(m * out);
    for (size_t i = 0; i < m; ++i) {
      std::byte* row = a.data() + i * packed.depth() * element_bytes(compute);
      if (compute == Compute::float32) std::memcpy(row, x.data() + i * in, in * sizeof(float));
      if (compute == Compute::bfloat16) {
        simd::kernels().f32_to_bf16(x.data() + i * in, in, reinterpret_cast<simd::BFloat16*>(row));
      }
      if (compute == Compute::int8) {
        kernels.quantize(x.data() + i * in, in, kernels.i8_max, reinterpret_cast<uint8_t*>(row), &scales[i],
                         &offsets[i]);
      }
    }
    packed.multiply(kernels, a.data(), packed.depth() * element_bytes(compute), m, 0, out, c.data(), out, scales.data(),
                    offsets.data());
    double error = 0, size = 0;
    for (size_t i = 0; i < m; ++i) {
      for (size_t j = 0; j < out; ++j) {
        double want = 0;
        for (size_t p = 0; p < in; ++p) want += static_cast<double>(x[i * in + p]) * w[j * in + p];
        error += (c[i * out + j] - want) * (c[i * out + j] - want);
        size += want * want;
      }
    }
    const double bar = compute == Compute::float32 ? 1e-6 : compute == Compute::bfloat16 ? 5e-3 : 2e-2;
    EXPECT_LT(std::sqrt(error / size), bar) << static_cast<int>(compute);
  }
}

}  // namespace
}  // namespace sextant::tensor
