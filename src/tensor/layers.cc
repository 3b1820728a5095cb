#include "tensor/layers.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "sextant/error.h"
#include "simd/kernels.h"
#include "tensor/gemm.h"

namespace sextant::tensor {
namespace {

float sigmoid(float x) { return 1.0f / (1.0f + std::exp(-x)); }

float gelu_tanh(float x) {
  constexpr float kRootTwoOverPi = 0.7978845608028654f;
  return 0.5f * x * (1.0f + std::tanh(kRootTwoOverPi * (x + 0.044715f * x * x * x)));
}

float activated(Activation activation, float x) {
  switch (activation) {
    case Activation::identity:
      return x;
    case Activation::gelu:
      return 0.5f * x * (1.0f + std::erf(x * 0.7071067811865476f));
    case Activation::gelu_tanh:
      return gelu_tanh(x);
    case Activation::gelu_quick:
      return x * sigmoid(1.702f * x);
    case Activation::relu:
      return x > 0 ? x : 0.0f;
    case Activation::silu:
      return x * sigmoid(x);
    case Activation::tanh:
      return std::tanh(x);
    case Activation::sigmoid:
      return sigmoid(x);
  }
  return x;
}

}  // namespace

Activation parse_activation(std::string_view name, std::string_view source) {
  struct Named {
    std::string_view name;
    Activation activation;
  };
  static constexpr Named kNames[] = {
      {"gelu", Activation::gelu},
      {"gelu_python", Activation::gelu},
      {"GELU", Activation::gelu},
      {"gelu_new", Activation::gelu_tanh},
      {"gelu_fast", Activation::gelu_tanh},
      {"gelu_pytorch_tanh", Activation::gelu_tanh},
      {"quick_gelu", Activation::gelu_quick},
      {"relu", Activation::relu},
      {"ReLU", Activation::relu},
      {"silu", Activation::silu},
      {"swish", Activation::silu},
      {"SiLU", Activation::silu},
      {"tanh", Activation::tanh},
      {"Tanh", Activation::tanh},
      {"sigmoid", Activation::sigmoid},
      {"Sigmoid", Activation::sigmoid},
      {"linear", Activation::identity},
      {"Identity", Activation::identity},
  };
  // PyTorch's classes are written with their modules.
  const std::string_view last = name.substr(name.rfind('.') + 1);
  for (const Named& known : kNames) {
    if (known.name == last) return known.activation;
  }
  throw Error(
      ErrorCode::unsupported,
      fmt::format("{}: activation '{}' is unknown; known are gelu, gelu_new, gelu_pytorch_tanh, quick_gelu, relu, "
                  "silu, tanh, sigmoid and linear",
                  source, name));
}

void activate(Activation activation, std::span<float> values) {
  if (activation == Activation::identity) return;
  for (float& x : values) x = activated(activation, x);
}

Linear::Linear(Parameter weight, Parameter bias) : weight_(std::move(weight)), bias_(std::move(bias)) {}

Matrix Linear::operator()(const Matrix& x, Context& context) const { return (*this)(columns(x), x.rows(), context); }

Matrix Linear::operator()(Columns x, size_t row_count, Context& context) const {
  Matrix y(row_count, out());
  if (bias_.empty()) {
    std::fill(y.values().begin(), y.values().end(), 0.0f);
  } else {
    for (size_t i = 0; i < row_count; ++i) std::memcpy(y.row(i), bias_.data, out() * sizeof(float));
  }
  gemm({row_count, out(), in()}, rows(x.data, x.stride), transposed(weight_.data, in()), y.data(), out(), true,
       context.pool);
  return y;
}

void standardize(Matrix& x, float epsilon, Context& context) {
  const size_t n = x.columns();
  for_rows(x.rows(), context, [&](size_t i) {
    float* row = x.row(i);
    double sum = 0;
    for (size_t c = 0; c < n; ++c) sum += row[c];
    const auto mean = static_cast<float>(sum / static_cast<double>(n));
    double squares = 0;
    for (size_t c = 0; c < n; ++c) squares += static_cast<double>(row[c] - mean) * (row[c] - mean);
    const float factor = 1.0f / std::sqrt(static_cast<float>(squares / static_cast<double>(n)) + epsilon);
    for (size_t c = 0; c < n; ++c) row[c] = (row[c] - mean) * factor;
  });
}

void LayerNorm::operator()(Matrix& x, Context& context) const {
  standardize(x, epsilon_, context);
  for_rows(x.rows(), context, [&](size_t i) {
    float* row = x.row(i);
    for (size_t c = 0; c < x.columns(); ++c) row[c] *= weight_.data[c];
    if (bias_.empty()) return;
    for (size_t c = 0; c < x.columns(); ++c) row[c] += bias_.data[c];
  });
}

namespace {

void rms_norm(float* row, size_t n, const float* weight, float epsilon, float offset) {
  double squares = 0;
  for (size_t c = 0; c < n; ++c) squares += static_cast<double>(row[c]) * row[c];
  const float factor = 1.0f / std::sqrt(static_cast<float>(squares / static_cast<double>(n)) + epsilon);
  for (size_t c = 0; c < n; ++c) row[c] = row[c] * factor * (offset + weight[c]);
}

}  // namespace

void RmsNorm::operator()(Matrix& x, Context& context) const {
  for_rows(x.rows(), context, [&](size_t i) { rms_norm(x.row(i), x.columns(), weight_.data, epsilon_, offset_); });
}

void RmsNorm::over_heads(Matrix& x, size_t first_column, size_t head_count, Context& context) const {
  const size_t dim = weight_.size();
  for_rows(x.rows(), context, [&](size_t i) {
    for (size_t h = 0; h < head_count; ++h) {
      rms_norm(x.row(i) + first_column + h * dim, dim, weight_.data, epsilon_, offset_);
    }
  });
}

Matrix gather(const Parameter& table, std::span<const int32_t> ids, Context& context) {
  const size_t dim = table.shape[1];
  Matrix out(ids.size(), dim);
  for_rows(ids.size(), context, [&](size_t i) {
    std::memcpy(out.row(i), table.data + static_cast<size_t>(ids[i]) * dim, dim * sizeof(float));
  });
  return out;
}

void add(Matrix& x, const Matrix& y, Context& context) {
  for_rows(x.rows(), context, [&](size_t i) {
    float* row = x.row(i);
    const float* other = y.row(i);
    for (size_t c = 0; c < x.columns(); ++c) row[c] += other[c];
  });
}

void multiply(Matrix& x, const Matrix& y, Context& context) {
  for_rows(x.rows(), context, [&](size_t i) {
    float* row = x.row(i);
    const float* other = y.row(i);
    for (size_t c = 0; c < x.columns(); ++c) row[c] *= other[c];
  });
}

void scale(Matrix& x, float factor, Context& context) {
  for_rows(x.rows(), context, [&](size_t i) { simd::kernels().scale_f32(x.row(i), x.columns(), factor); });
}

Matrix gated(const Matrix& x, Activation activation, GateHalf half, Context& context) {
  const size_t n = x.columns() / 2;
  Matrix out(x.rows(), n);
  for_rows(x.rows(), context, [&](size_t i) {
    const float* gate = x.row(i) + (half == GateHalf::first ? 0 : n);
    const float* other = x.row(i) + (half == GateHalf::first ? n : 0);
    float* row = out.row(i);
    for (size_t c = 0; c < n; ++c) row[c] = activated(activation, gate[c]) * other[c];
  });
  return out;
}

}  // namespace sextant::tensor
