// tensor/matrix.h: rows of floats, and batches of sequences without padding.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/threads.h"

namespace sextant::tensor {

// [rows, columns] floats, row-major, not initialised.
class Matrix {
 public:
  Matrix() = default;
  Matrix(size_t rows, size_t columns)
      : rows_(rows), columns_(columns), data_(std::make_unique_for_overwrite<float[]>(rows * columns)) {}

  size_t rows() const { return rows_; }
  size_t columns() const { return columns_; }
  float* data() { return data_.get(); }
  const float* data() const { return data_.get(); }
  float* row(size_t i) { return data_.get() + i * columns_; }
  const float* row(size_t i) const { return data_.get() + i * columns_; }
  std::span<float> values() { return {data_.get(), rows_ * columns_}; }
  std::span<const float> values() const { return {data_.get(), rows_ * columns_}; }

 private:
  size_t rows_ = 0;
  size_t columns_ = 0;
  std::unique_ptr<float[]> data_;
};

// Columns of a matrix that are a matrix of their own: row i begins i * stride floats after data.
struct Columns {
  const float* data;
  size_t stride;
};
inline Columns columns(const Matrix& matrix, size_t first = 0) { return {matrix.data() + first, matrix.columns()}; }

// Sequences packed end to end, as rows of a Matrix: sequence s has the rows [starts[s], starts[s + 1]).
struct Sequences {
  std::vector<size_t> starts = {0};

  size_t count() const { return starts.size() - 1; }
  size_t begin(size_t s) const { return starts[s]; }
  size_t length(size_t s) const { return starts[s + 1] - starts[s]; }
  size_t row_count() const { return starts.back(); }
  size_t longest() const {
    size_t most = 0;
    for (size_t s = 0; s < count(); ++s) most = std::max(most, length(s));
    return most;
  }
  void append(size_t length) { starts.push_back(starts.back() + length); }
};

// What a computation runs on.
struct Context {
  base::ThreadPool& pool;
};

}  // namespace sextant::tensor
