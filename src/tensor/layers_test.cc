#include "tensor/layers.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "base/random.h"
#include "sextant/error.h"
#include "simd/kernels.h"
#include "tensor/testing_matrices.h"

namespace sextant::tensor {
namespace {

Parameter random_parameter(std::vector<size_t> shape, uint64_t seed) {
  Parameter parameter;
  parameter.shape = std::move(shape);
  auto values = std::make_shared<std::vector<float>>(parameter.size());
  base::Random random(seed);
  for (float& value : *values) value = static_cast<float>(random.normal());
  parameter.data = values->data();
  parameter.owner = values;
  return parameter;
}

Matrix copy_of(const Matrix& matrix) {
  Matrix copy(matrix.rows(), matrix.columns());
  std::copy(matrix.values().begin(), matrix.values().end(), copy.values().begin());
  return copy;
}

// Rows [first, first + count) alone.
Matrix part_of(const Matrix& matrix, size_t first, size_t count) {
  Matrix part(count, matrix.columns());
  std::copy_n(matrix.row(first), count * matrix.columns(), part.data());
  return part;
}

double activated(Activation activation, double x) {
  switch (activation) {
    case Activation::identity:
      return x;
    case Activation::gelu:
      return x * 0.5 * std::erfc(-x / std::sqrt(2.0));
    case Activation::gelu_tanh:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)));
    case Activation::gelu_quick:
      return x / (1 + std::exp(-1.702 * x));
    case Activation::relu:
      return std::max(0.0, x);
    case Activation::silu:
      return x / (1 + std::exp(-x));
    case Activation::tanh:
      return std::tanh(x);
    case Activation::sigmoid:
      return 1 / (1 + std::exp(-x));
  }
  return 0;
}

TEST(Activations, EqualTheirFormulasInDouble) {
  for (Activation activation : kActivations) {
    std::vector<float> values;
    for (float x = -12; x <= 12; x += 0.0625f) values.push_back(x);
    const std::vector<float> inputs = values;
    activate(activation, values);
    for (size_t i = 0; i < values.size(); ++i) {
      const double want = activated(activation, inputs[i]);
      EXPECT_NEAR(values[i], want, 6e-7 * std::max(1.0, std::abs(want)))
          << static_cast<int>(activation) << " of " << inputs[i];
    }
  }
}

TEST(Activations, StayFiniteAtTheEndsOfTheirRange) {
  for (Activation activation : kActivations) {
    std::vector<float> values = {-1e4f, -100.0f, -0.0f, 0.0f, 100.0f, 1e4f};
    activate(activation, values);
    for (float value : values) EXPECT_TRUE(std::isfinite(value)) << static_cast<int>(activation);
  }
}

TEST(Activations, AreFoundByTheNamesOfConfigsAndOfPyTorch) {
  EXPECT_EQ(parse_activation("gelu", "f"), Activation::gelu);
  for (const char* name : {"gelu_new", "gelu_fast", "gelu_pytorch_tanh"}) {
    EXPECT_EQ(parse_activation(name, "f"), Activation::gelu_tanh) << name;
  }
  EXPECT_EQ(parse_activation("quick_gelu", "f"), Activation::gelu_quick);
  EXPECT_EQ(parse_activation("swish", "f"), Activation::silu);
  EXPECT_EQ(parse_activation("torch.nn.modules.activation.Tanh", "f"), Activation::tanh);
  EXPECT_EQ(parse_activation("torch.nn.modules.linear.Identity", "f"), Activation::identity);
}

TEST(Activations, AnUnknownNameIsUnsupportedAndNamed) {
  for (const char* name : {"mish", "", ".", "GeLu", "torch.nn.modules.activation.", "gelu "}) {
    try {
      parse_activation(name, "some/config.json");
      ADD_FAILURE() << "'" << name << "' was taken";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::unsupported);
      EXPECT_NE(std::string(e.what()).find("some/config.json"), std::string::npos) << e.what();
      EXPECT_NE(std::string(e.what()).find("'" + std::string(name) + "'"), std::string::npos) << e.what();
    }
  }
}

TEST(Linear, EqualsTheProductInDouble) {
  base::ThreadPool pool(2);
  Context context{pool};
  for (size_t rows : {0, 1, 2, 7, 33}) {
    for (size_t in : {1, 8, 45, 300}) {
      for (size_t out : {1, 6, 50}) {
        for (bool biased : {false, true}) {
          const Parameter weight = random_parameter({out, in}, 1);
          const Parameter bias = biased ? random_parameter({out}, 2) : Parameter();
          const Matrix x = random_matrix(rows, in, 3);
          const Matrix y = Linear(weight, bias)(x, context);
          ASSERT_EQ(y.rows(), rows);
          ASSERT_EQ(y.columns(), out);
          for (size_t i = 0; i < rows; ++i) {
            for (size_t o = 0; o < out; ++o) {
              double want = biased ? bias.data[o] : 0;
              for (size_t c = 0; c < in; ++c) want += static_cast<double>(x.row(i)[c]) * weight.data[o * in + c];
              ASSERT_NEAR(y.row(i)[o], want, 1e-5 * std::sqrt(static_cast<double>(in)));
            }
          }
        }
      }
    }
  }
}

TEST(Linear, ReadsRowsThatLieApart) {
  base::ThreadPool pool(1);
  Context context{pool};
  const Matrix wide = random_matrix(5, 30, 4);
  Matrix narrow(5, 8);
  for (size_t i = 0; i < 5; ++i) std::copy_n(wide.row(i) + 11, 8, narrow.row(i));
  const Linear linear(random_parameter({3, 8}, 5), random_parameter({3}, 6));
  const Matrix strided = linear(columns(wide, 11), 5, context);
  const Matrix plain = linear(narrow, context);
  EXPECT_TRUE(same_bytes(strided.data(), plain.data(), 15));
}

TEST(Norms, EqualTheirFormulasInDouble) {
  base::ThreadPool pool(2);
  Context context{pool};
  for (size_t width : {1, 3, 32, 100}) {
    const Parameter weight = random_parameter({width}, 7), bias = random_parameter({width}, 8);
    const Matrix x = random_matrix(19, width, 9, 3);
    const double epsilon = 1e-3;
    Matrix layer = copy_of(x), bare = copy_of(x), plain = copy_of(x), rms = copy_of(x), offset = copy_of(x);
    LayerNorm(weight, bias, 1e-3f)(layer, context);
    LayerNorm(weight, {}, 1e-3f)(bare, context);
    standardize(plain, 1e-3f, context);
    RmsNorm(weight, 1e-3f)(rms, context);
    RmsNorm(weight, 1e-3f, true)(offset, context);
    for (size_t i = 0; i < x.rows(); ++i) {
      double mean = 0, variance = 0, squares = 0;
      const auto n = static_cast<double>(width);
      for (size_t c = 0; c < width; ++c) mean += x.row(i)[c] / n;
      for (size_t c = 0; c < width; ++c) {
        variance += (x.row(i)[c] - mean) * (x.row(i)[c] - mean) / n;
        squares += static_cast<double>(x.row(i)[c]) * x.row(i)[c] / n;
      }
      for (size_t c = 0; c < width; ++c) {
        const double z = (x.row(i)[c] - mean) / std::sqrt(variance + epsilon);
        const double r = x.row(i)[c] / std::sqrt(squares + epsilon);
        ASSERT_NEAR(plain.row(i)[c], z, 3e-6);
        ASSERT_NEAR(bare.row(i)[c], z * weight.data[c], 1e-5);
        ASSERT_NEAR(layer.row(i)[c], z * weight.data[c] + bias.data[c], 1e-5);
        ASSERT_NEAR(rms.row(i)[c], r * weight.data[c], 1e-5);
        ASSERT_NEAR(offset.row(i)[c], r * (1 + weight.data[c]), 1e-5);
      }
    }
  }
}

TEST(Norms, KeepARowOfEqualLargeValuesFromCancelling) {
  base::ThreadPool pool(1);
  Context context{pool};
  Matrix x(1, 64);
  // A spread of 1 upon a mean of 4096: in float32 the mean of squares less the squared mean would lose it.
  for (size_t c = 0; c < 64; ++c) x.row(0)[c] = 4096.0f + (c % 2 == 0 ? 1.0f : -1.0f);
  standardize(x, 1e-12f, context);
  for (size_t c = 0; c < 64; ++c) EXPECT_NEAR(x.row(0)[c], c % 2 == 0 ? 1 : -1, 1e-5);
}

TEST(Norms, OfHeadsTouchOnlyTheirColumns) {
  base::ThreadPool pool(2);
  Context context{pool};
  const Parameter weight = random_parameter({4}, 10);
  const Matrix x = random_matrix(20, 17, 11);
  Matrix y = copy_of(x);
  RmsNorm(weight, 1e-6f).over_heads(y, 3, 3, context);
  for (size_t i = 0; i < 20; ++i) {
    for (size_t c = 0; c < 17; ++c) {
      if (c < 3 || c >= 15) {
        ASSERT_EQ(y.row(i)[c], x.row(i)[c]);
        continue;
      }
      const size_t head = (c - 3) / 4;
      double squares = 0;
      for (size_t d = 0; d < 4; ++d) {
        const double value = x.row(i)[3 + head * 4 + d];
        squares += value * value / 4;
      }
      ASSERT_NEAR(y.row(i)[c], x.row(i)[c] / std::sqrt(squares + 1e-6) * weight.data[(c - 3) % 4], 1e-5);
    }
  }
}

TEST(Layers, GatherAddAndScaleByRows) {
  base::ThreadPool pool(3);
  Context context{pool};
  const Parameter table = random_parameter({9, 5}, 12);
  std::vector<int32_t> ids;
  for (int32_t i = 0; i < 40; ++i) ids.push_back(i * 7 % 9);
  const Matrix rows = gather(table, ids, context);
  const Matrix other = random_matrix(40, 5, 13);
  Matrix sum = copy_of(rows), scaled = copy_of(rows);
  add(sum, other, context);
  scale(scaled, 0.3f, context);
  for (size_t i = 0; i < 40; ++i) {
    for (size_t c = 0; c < 5; ++c) {
      const float x = table.data[static_cast<size_t>(ids[i]) * 5 + c];
      ASSERT_EQ(rows.row(i)[c], x);
      ASSERT_EQ(sum.row(i)[c], x + other.row(i)[c]);
      ASSERT_EQ(scaled.row(i)[c], x * 0.3f);
    }
  }
  EXPECT_EQ(gather(table, {}, context).rows(), 0u);
}

TEST(Layers, AGateActivatesTheHalfThatIsNamed) {
  base::ThreadPool pool(1);
  Context context{pool};
  const Matrix x = random_matrix(18, 14, 14);
  const Matrix first = gated(x, Activation::gelu, GateHalf::first, context);
  const Matrix second = gated(x, Activation::silu, GateHalf::second, context);
  ASSERT_EQ(first.columns(), 7u);
  for (size_t i = 0; i < 18; ++i) {
    for (size_t c = 0; c < 7; ++c) {
      const double a = x.row(i)[c], b = x.row(i)[7 + c];
      ASSERT_NEAR(first.row(i)[c], activated(Activation::gelu, a) * b, 1e-6);
      ASSERT_NEAR(second.row(i)[c], a * activated(Activation::silu, b), 1e-6);
    }
  }
}

// Every row of every layer is the same bytes, whichever rows lie around it and however many threads share the work.
TEST(Layers, ARowDoesNotDependOnItsNeighboursNorOnTheThreads) {
  const size_t width = 40;
  const Linear linear(random_parameter({57, width}, 15), random_parameter({57}, 16));
  const LayerNorm layer_norm(random_parameter({width}, 17), random_parameter({width}, 18), 1e-6f);
  const RmsNorm rms_norm(random_parameter({width}, 19), 1e-6f);
  const std::vector<std::function<Matrix(const Matrix&, Context&)>> layers = {
      [&](const Matrix& x, Context& context) { return linear(x, context); },
      [&](const Matrix& x, Context& context) {
        Matrix y = copy_of(x);
        layer_norm(y, context);
        return y;
      },
      [&](const Matrix& x, Context& context) {
        Matrix y = copy_of(x);
        rms_norm(y, context);
        return y;
      },
      [&](const Matrix& x, Context& context) { return gated(x, Activation::gelu, GateHalf::first, context); }};
  const Matrix all = random_matrix(701, width, 20);
  for (size_t l = 0; l < layers.size(); ++l) {
    base::ThreadPool one(1);
    Context single{one};
    const Matrix together = layers[l](all, single);
    for (size_t threads : {2, 3}) {
      base::ThreadPool pool(threads);
      Context context{pool};
      const Matrix shared = layers[l](all, context);
      EXPECT_TRUE(same_bytes(shared.data(), together.data(), together.values().size())) << l << ", " << threads;
    }
    for (auto [first, count] : {std::pair<size_t, size_t>{0, 1}, {1, 1}, {5, 3}, {100, 95}, {193, 97}, {699, 2}}) {
      const Matrix alone = layers[l](part_of(all, first, count), single);
      EXPECT_TRUE(same_bytes(alone.data(), together.row(first), alone.values().size()))
          << "layer " << l << ", rows " << first << " to " << first + count;
    }
  }
}

// Weights of 16 bits are as exact as their floats, in half the memory.
TEST(Linears, KeepWeightsOf16BitsAndGiveTheBytesOfTheirFloats) {
  base::ThreadPool pool(1);
  Context context{pool};
  const size_t in = 300, out = 45;
  const Matrix w = random_matrix(out, in, 30), x = random_matrix(20, in, 31);
  std::vector<simd::BFloat16> bf16(out * in);
  std::vector<simd::Float16> f16(out * in);
  simd::kernels().f32_to_bf16(w.data(), bf16.size(), bf16.data());
  simd::kernels().f32_to_f16(w.data(), f16.size(), f16.data());
  auto table_of = [&](const void* data, Kept kept) {
    Table table;
    table.shape = {out, in};
    table.data = data;
    table.kept = kept;
    return table;
  };
  for (const Table& kept : {table_of(bf16.data(), Kept::bf16), table_of(f16.data(), Kept::f16)}) {
    Matrix floats(out, in);
    for (size_t i = 0; i < out; ++i) kept.read_row(i, floats.row(i));
    const Table wide = table_of(floats.data(), Kept::f32);
    const Linear half({kept}, {{}}), whole({wide}, {{}}), mixed({kept, wide}, {{}, {}});
    EXPECT_EQ(2 * half.packed().bytes(), whole.packed().bytes());
    EXPECT_EQ(mixed.packed().compute(), Compute::float32);
    const Matrix got = half(x, context), wanted = whole(x, context), both = mixed(x, context);
    for (size_t i = 0; i < x.rows(); ++i) {
      for (size_t j = 0; j < out; ++j) {
        ASSERT_EQ(got.row(i)[j], wanted.row(i)[j]) << i << ", " << j;
        ASSERT_EQ(both.row(i)[j], wanted.row(i)[j]) << i << ", " << j;
        ASSERT_EQ(both.row(i)[out + j], wanted.row(i)[j]) << i << ", " << j;
      }
    }
    for (Compute compute : {Compute::bfloat16, Compute::int8}) {
      const Linear low({kept}, {{}}, compute), low_of_floats({wide}, {{}}, compute);
      const Matrix a = low(x, context), b = low_of_floats(x, context);
      EXPECT_TRUE(std::equal(a.values().begin(), a.values().end(), b.values().begin()));
    }
  }
}

}  // namespace
}  // namespace sextant::tensor
