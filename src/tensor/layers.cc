#include "tensor/layers.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "sextant/error.h"
#include "simd/kernels.h"
#include "tensor/kernels.h"

namespace sextant::tensor {
namespace {

// Rows of a block: enough for the weights to be worth reading, few enough for the block to stay in the second cache.
constexpr size_t kBlockRows = 96;

// Memory of this thread that grows to what is asked, for what lives as long as a block.
template <class T>
T* scratch(size_t count) {
  thread_local Buffers::Block block;
  const size_t floats = (count * sizeof(T) + sizeof(float) - 1) / sizeof(float);
  if (block == nullptr || block.get_deleter().capacity < floats) block = Buffers::take(floats, nullptr);
  return reinterpret_cast<T*>(block.get());
}

// Rows in the types that a product takes.
struct Operand {
  const void* data;
  size_t stride;  // bytes
  const float* scales = nullptr;
  const float* offsets = nullptr;
};

Operand operand_of(const Kernels& kernels, const PackedWeights& weights, Columns x, size_t first, size_t count) {
  const Compute compute = weights.compute();
  const size_t in = weights.in();
  const size_t depth = weights.depth();
  const float* rows = x.data + first * x.stride;
  if (compute != Compute::bfloat16 && compute != Compute::int8) return {rows, x.stride * sizeof(float)};
  if (compute == Compute::bfloat16) {
    auto* halves = scratch<simd::BFloat16>(count * depth);
    for (size_t i = 0; i < count; ++i) {
      simd::kernels().f32_to_bf16(rows + i * x.stride, in, halves + i * depth);
      std::fill(halves + i * depth + in, halves + (i + 1) * depth, simd::BFloat16{0});
    }
    return {halves, depth * sizeof(simd::BFloat16)};
  }
  auto* scales = scratch<float>(2 * count + in + (count * depth + sizeof(float) - 1) / sizeof(float));
  float* offsets = scales + count;
  float* evened = offsets + count;
  auto* codes = reinterpret_cast<uint8_t*>(evened + in);
  for (size_t i = 0; i < count; ++i) {
    const float* row = rows + i * x.stride;
    if (weights.input_factors() != nullptr) {
      kernels.gate(row, weights.input_factors(), evened, in, Activation::identity);
      row = evened;
    }
    kernels.quantize(row, in, kernels.i8_max, codes + i * depth, scales + i, offsets + i);
    std::fill(codes + i * depth + in, codes + (i + 1) * depth, uint8_t{0});
  }
  return {codes, depth, scales, offsets};
}

size_t ceil_div(size_t a, size_t b) { return (a + b - 1) / b; }

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
  kernels().finish(values.data(), values.size(), nullptr, activation, nullptr);
}

namespace {

// Side by side, zeros where there is none; empty where there are none at all.
std::vector<float> joined(std::span<const Parameter> biases, std::span<const size_t> outs) {
  std::vector<float> bias;
  if (std::all_of(biases.begin(), biases.end(), [](const Parameter& b) { return b.empty(); })) return bias;
  for (size_t i = 0; i < outs.size(); ++i) {
    if (biases[i].empty()) {
      bias.resize(bias.size() + outs[i], 0.0f);
    } else {
      bias.insert(bias.end(), biases[i].data, biases[i].data + outs[i]);
    }
  }
  return bias;
}

}  // namespace

struct Linear::State {
  std::vector<Table> weights;  // until they are packed
  std::vector<float> bias;     // [out], or empty
  Compute compute;
  std::vector<float> input_ranges;
  std::vector<float>* observed = nullptr;
  std::once_flag once;
  PackedWeights packed;
};

Compute compute_of(std::span<const Table> weights, Compute wanted) {
  if (wanted != Compute::float32) return wanted;
  const Kept kept = weights[0].kept;
  for (const Table& weight : weights) {
    if (weight.kept != kept) return wanted;
  }
  return kept == Kept::bf16 ? Compute::float32_bf16 : kept == Kept::f16 ? Compute::float32_f16 : wanted;
}

Linear::Linear(Table weight, Parameter bias, Compute compute)
    : Linear(std::vector<Table>{std::move(weight)}, std::vector<Parameter>{std::move(bias)}, compute) {}

Linear::Linear(std::vector<Table> weights, std::vector<Parameter> biases, Compute compute,
               std::vector<float> input_ranges)
    : in_(weights.at(0).shape.at(1)), state_(std::make_shared<State>()) {
  std::vector<size_t> outs;
  for (const Table& weight : weights) outs.push_back(weight.shape[0]);
  for (size_t out : outs) out_ += out;
  state_->bias = joined(biases, outs);
  state_->compute = compute_of(weights, compute);
  state_->weights = std::move(weights);
  state_->input_ranges = std::move(input_ranges);
}

Linear::Linear(PackedWeights weights, std::span<const Parameter> biases, std::span<const size_t> outs)
    : in_(weights.in()), out_(weights.out()), state_(std::make_shared<State>()) {
  state_->bias = joined(biases, outs);
  state_->compute = weights.compute();
  std::call_once(state_->once, [&] { state_->packed = std::move(weights); });
}

void Linear::observe(std::vector<float>& ranges) {
  ranges.assign(in_, 0.0f);
  state_->observed = &ranges;
}

const PackedWeights& Linear::packed() const {
  std::call_once(state_->once, [&] {
    std::vector<Rows> parts;
    for (const Table& weight : state_->weights) parts.push_back({weight.data, weight.shape[0], in_, weight.kept});
    state_->packed = PackedWeights(parts, in_, state_->compute, kernels(), state_->input_ranges);
    state_->weights.clear();
  });
  return state_->packed;
}

Matrix Linear::operator()(const Matrix& x, Context& context, const Finish& finish) const {
  return (*this)(columns(x), x.rows(), context, finish);
}

Matrix Linear::operator()(Columns x, size_t row_count, Context& context, const Finish& finish) const {
  Matrix y(row_count, out(), context);
  if (row_count == 0) return y;
  const PackedWeights& weights = packed();
  const Kernels& kernel = kernels();
  if (state_->observed != nullptr) {
    for (size_t i = 0; i < row_count; ++i) {
      for (size_t c = 0; c < in_; ++c) {
        float& range = (*state_->observed)[c];
        range = std::max(range, std::abs(x.data[i * x.stride + c]));
      }
    }
  }
  const ProductKernel& product = product_kernel(kernel, weights.compute());
  // Blocks of equal height, whole tiles but for the last; where they are fewer than the threads, columns are cut, too.
  const size_t blocks_wanted = ceil_div(row_count, kBlockRows);
  const size_t block_rows = ceil_div(ceil_div(row_count, blocks_wanted), product.rows) * product.rows;
  const size_t blocks = ceil_div(row_count, block_rows);
  const size_t panels = ceil_div(out(), product.panel.width);
  const size_t threads = context.pool.thread_count();
  const size_t parts = blocks >= 2 * threads || threads == 1 ? 1 : std::min(panels, ceil_div(2 * threads, blocks));
  const size_t part_columns = ceil_div(panels, parts) * product.panel.width;
  context.pool.parallel_for(blocks * parts, [&](size_t task, size_t) {
    const size_t first_row = task / parts * block_rows;
    const size_t first_column = task % parts * part_columns;
    if (first_column >= out()) return;
    const size_t m = std::min(block_rows, row_count - first_row);
    const size_t n = std::min(part_columns, out() - first_column);
    const Operand a = operand_of(kernel, weights, x, first_row, m);
    weights.multiply(kernel, a.data, a.stride, m, first_column, n, y.row(first_row) + first_column, out(), a.scales,
                     a.offsets);
    const float* bias = state_->bias.empty() ? nullptr : state_->bias.data() + first_column;
    if (bias == nullptr && finish.activation == Activation::identity && finish.residual == nullptr) return;
    for (size_t i = first_row; i < first_row + m; ++i) {
      kernel.finish(y.row(i) + first_column, n, bias, finish.activation,
                    finish.residual == nullptr ? nullptr : finish.residual->row(i) + first_column);
    }
  });
  return y;
}

void standardize(Matrix& x, float epsilon, Context& context) {
  const Kernels& kernel = kernels();
  for_rows(x.rows(), context,
           [&](size_t i) { kernel.layer_norm(x.row(i), x.row(i), x.columns(), nullptr, nullptr, epsilon); });
}

void LayerNorm::operator()(const Matrix& x, Matrix& out, Context& context) const {
  const Kernels& kernel = kernels();
  for_rows(x.rows(), context,
           [&](size_t i) { kernel.layer_norm(x.row(i), out.row(i), x.columns(), weight_.data, bias_.data, epsilon_); });
}

void RmsNorm::operator()(const Matrix& x, Matrix& out, Context& context) const {
  const Kernels& kernel = kernels();
  for_rows(x.rows(), context,
           [&](size_t i) { kernel.rms_norm(x.row(i), out.row(i), x.columns(), weight_.data, offset_, epsilon_); });
}

void RmsNorm::over_heads(Matrix& x, size_t first_column, size_t head_count, Context& context) const {
  const Kernels& kernel = kernels();
  const size_t dim = weight_.size();
  for_rows(x.rows(), context, [&](size_t i) {
    for (size_t h = 0; h < head_count; ++h) {
      float* head = x.row(i) + first_column + h * dim;
      kernel.rms_norm(head, head, dim, weight_.data, offset_, epsilon_);
    }
  });
}

void Table::read_row(size_t i, float* out) const { widen(data, kept, i * columns(), columns(), out); }

Matrix gather(const Table& table, std::span<const int32_t> ids, Context& context) {
  Matrix out(ids.size(), table.columns(), context);
  for_rows(ids.size(), context, [&](size_t i) { table.read_row(static_cast<size_t>(ids[i]), out.row(i)); });
  return out;
}

void add(Matrix& x, const Matrix& y, Context& context) {
  for_rows(x.rows(), context, [&](size_t i) {
    float* row = x.row(i);
    const float* other = y.row(i);
    for (size_t c = 0; c < x.columns(); ++c) row[c] += other[c];
  });
}

void scale(Matrix& x, float factor, Context& context) {
  for_rows(x.rows(), context, [&](size_t i) { simd::kernels().scale_f32(x.row(i), x.columns(), factor); });
}

Matrix gated(const Matrix& x, Activation activation, GateHalf half, Context& context) {
  const Kernels& kernel = kernels();
  const size_t n = x.columns() / 2;
  Matrix out(x.rows(), n, context);
  for_rows(x.rows(), context, [&](size_t i) {
    const float* gate = x.row(i) + (half == GateHalf::first ? 0 : n);
    const float* other = x.row(i) + (half == GateHalf::first ? n : 0);
    kernel.gate(gate, other, out.row(i), n, activation);
  });
  return out;
}

}  // namespace sextant::tensor
