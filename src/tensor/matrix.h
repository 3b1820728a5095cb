// tensor/matrix.h: rows of floats, batches of sequences without padding, and the memory they live in.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "base/threads.h"

namespace sextant::tensor {

// Memory for the matrices of a computation, used again once they are gone: a large block from the system costs more
// than filling it. Blocks are aligned to 64 bytes. Threads: safe from many.
class Buffers {
 public:
  struct Free {
    std::shared_ptr<Buffers> owner;  // nullptr: the block goes back to the system
    size_t capacity = 0;
    void operator()(float* block) const;
  };
  using Block = std::unique_ptr<float[], Free>;

  // What is kept for later use is at most so many bytes.
  explicit Buffers(size_t kept_bytes_max = size_t{64} << 20) : kept_bytes_max_(kept_bytes_max) {}
  Buffers(const Buffers&) = delete;
  Buffers& operator=(const Buffers&) = delete;
  ~Buffers();

  // Of COUNT floats, not initialised; OWNER may be nullptr.
  static Block take(size_t count, const std::shared_ptr<Buffers>& owner);
  size_t kept_bytes() const;

 private:
  struct Kept {
    float* block;
    size_t capacity;
  };
  void give_back(float* block, size_t capacity);

  const size_t kept_bytes_max_;
  mutable std::mutex mutex_;
  std::vector<Kept> kept_;  // guarded by mutex_, as is kept_bytes_
  size_t kept_bytes_ = 0;
};

// What a computation runs on.
struct Context {
  base::ThreadPool& pool;
  std::shared_ptr<Buffers> buffers = nullptr;  // nullptr: each matrix takes its memory from the system
};

// [rows, columns] floats, row-major, not initialised.
class Matrix {
 public:
  Matrix() = default;
  Matrix(size_t rows, size_t columns) : Matrix(rows, columns, nullptr) {}
  Matrix(size_t rows, size_t columns, const Context& context) : Matrix(rows, columns, context.buffers) {}

  size_t rows() const { return rows_; }
  size_t columns() const { return columns_; }
  float* data() { return data_.get(); }
  const float* data() const { return data_.get(); }
  float* row(size_t i) { return data_.get() + i * columns_; }
  const float* row(size_t i) const { return data_.get() + i * columns_; }
  std::span<float> values() { return {data_.get(), rows_ * columns_}; }
  std::span<const float> values() const { return {data_.get(), rows_ * columns_}; }

 private:
  Matrix(size_t rows, size_t columns, const std::shared_ptr<Buffers>& buffers)
      : rows_(rows), columns_(columns), data_(Buffers::take(rows * columns, buffers)) {}

  size_t rows_ = 0;
  size_t columns_ = 0;
  Buffers::Block data_;
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

}  // namespace sextant::tensor
