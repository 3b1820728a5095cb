// tensor/layers.h: the layers that networks for text are made of.
//
// Every layer works on rows independently, and each row's result is computed in one fixed order: it depends neither on
// the other rows nor on the number of threads. Parameters may be views of a mapped file.
// Threads: layers are immutable once made.
#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <vector>

#include "tensor/kernel_table.h"
#include "tensor/matrix.h"
#include "tensor/packing.h"

namespace sextant::tensor {

// A parameter's floats with their shape; OWNER keeps alive what data points into.
struct Parameter {
  std::vector<size_t> shape;
  const float* data = nullptr;
  std::shared_ptr<const void> owner;

  bool empty() const { return data == nullptr; }
  size_t size() const {
    size_t n = 1;
    for (size_t s : shape) n *= s;
    return n;
  }
};

// By the names of Hugging Face's configs and of PyTorch's classes, e.g. "gelu_new", "torch.nn.modules.activation.Tanh".
// Throws unsupported, naming SOURCE, for any other.
Activation parse_activation(std::string_view name, std::string_view source);
void activate(Activation activation, std::span<float> values);

// A matrix in the type that its file keeps it in: embeddings, of which a text needs a few rows, and weights that are
// packed. Types of 16 bits are widened where they are used, which loses nothing.
struct Table {
  std::vector<size_t> shape;  // [rows, columns]
  const void* data = nullptr;
  Kept kept = Kept::f32;
  std::shared_ptr<const void> owner;

  Table() = default;
  Table(Parameter parameter)  // NOLINT: every parameter is a table
      : shape(std::move(parameter.shape)), data(parameter.data), owner(std::move(parameter.owner)) {}
  bool empty() const { return data == nullptr; }
  size_t rows() const { return shape[0]; }
  size_t columns() const { return shape[1]; }
  // Writes columns() floats.
  void read_row(size_t i, float* out) const;
};

// What a layer computes with: WANTED, or where that is float32 and all weights are kept in one type of 16 bits, float32
// with these.
Compute compute_of(std::span<const Table> weights, Compute wanted);

// What becomes of a product before it is written.
struct Finish {
  Activation activation = Activation::identity;
  const Matrix* residual = nullptr;  // added last
};

// y = finish(x W^T + b).
class Linear {
 public:
  Linear() = default;
  // weight [out, in]; bias [out] or empty. COMPUTE says what the operands are rounded to; the bias and all that follows
  // are float32.
  Linear(Table weight, Parameter bias, Compute compute = Compute::float32);
  // Several that share their input, as one: their outputs side by side. BIASES has an entry for each, which may be
  // empty. INPUT_RANGES as PackedWeights takes them. COMPUTE becomes compute_of(weights, COMPUTE).
  Linear(std::vector<Table> weights, std::vector<Parameter> biases, Compute compute = Compute::float32,
         std::vector<float> input_ranges = {});
  // Of weights packed before; OUTS are the rows of those that were put together, as BIASES has an entry for each.
  Linear(PackedWeights weights, std::span<const Parameter> biases, std::span<const size_t> outs);

  bool empty() const { return state_ == nullptr; }
  size_t in() const { return in_; }
  size_t out() const { return out_; }
  Matrix operator()(const Matrix& x, Context& context, const Finish& finish = {}) const;
  // The same over rows that lie STRIDE floats apart.
  Matrix operator()(Columns x, size_t row_count, Context& context, const Finish& finish = {}) const;
  // Brings the weights into the kernels' form now instead of at the first use.
  void prepare() const { packed(); }
  const PackedWeights& packed() const;
  // From now on RANGES [in] grow to the largest magnitude of each input of this layer. For one thread at a time.
  void observe(std::vector<float>& ranges);

 private:
  struct State;

  size_t in_ = 0, out_ = 0;
  std::shared_ptr<State> state_;
};

// (x - mean) / sqrt(variance + epsilon) * weight + bias over each row.
class LayerNorm {
 public:
  LayerNorm() = default;
  LayerNorm(Parameter weight, Parameter bias, float epsilon)
      : weight_(std::move(weight)), bias_(std::move(bias)), epsilon_(epsilon) {}
  bool empty() const { return weight_.empty(); }
  void operator()(Matrix& x, Context& context) const { (*this)(x, x, context); }
  // Into OUT of the same size, which may be x.
  void operator()(const Matrix& x, Matrix& out, Context& context) const;

 private:
  Parameter weight_, bias_;
  float epsilon_ = 0;
};

// x / sqrt(mean of squares + epsilon) * weight; Gemma's weights are kept as what they differ from 1 by.
class RmsNorm {
 public:
  RmsNorm() = default;
  RmsNorm(Parameter weight, float epsilon, bool weight_is_offset_from_one = false)
      : weight_(std::move(weight)), epsilon_(epsilon), offset_(weight_is_offset_from_one ? 1.0f : 0.0f) {}
  bool empty() const { return weight_.empty(); }
  void operator()(Matrix& x, Context& context) const { (*this)(x, x, context); }
  void operator()(const Matrix& x, Matrix& out, Context& context) const;
  // Over each run of weight.size() columns in its own right: the heads of a query or key. Columns beyond are left.
  void over_heads(Matrix& x, size_t first_column, size_t head_count, Context& context) const;

 private:
  Parameter weight_;
  float epsilon_ = 0;
  float offset_ = 0;
};

// (x - mean) / sqrt(variance + epsilon) over each row: a layer norm without parameters.
void standardize(Matrix& x, float epsilon, Context& context);

// Rows of a table. REQUIRES: every id is below the table's rows.
Matrix gather(const Table& table, std::span<const int32_t> ids, Context& context);

void add(Matrix& x, const Matrix& y, Context& context);
void scale(Matrix& x, float factor, Context& context);
// x [rows, 2 n] -> [rows, n]: activation(x[:, first]) * x[:, other], FIRST the first or the second half.
enum class GateHalf { first, second };
Matrix gated(const Matrix& x, Activation activation, GateHalf activated, Context& context);

// Calls body(row) for every row, shared out over the threads.
template <class Body>
void for_rows(size_t row_count, Context& context, Body body) {
  constexpr size_t kRows = 16;
  context.pool.parallel_for((row_count + kRows - 1) / kRows, [&](size_t block, size_t) {
    for (size_t i = block * kRows; i < std::min(row_count, (block + 1) * kRows); ++i) body(i);
  });
}

}  // namespace sextant::tensor
