// train/embedding_bag.h: a table of token vectors, texts as the mean of their rows, and its sparse update (Adagrad,
// Duchi et al. 2011).
//
// Texts are token lists packed end to end. Only rows that occur in a batch are touched. A row's gradient is summed over
// its occurrences in their order in the batch, so results do not depend on the number of threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/threads.h"

namespace sextant::train {

// Texts packed end to end: text i holds tokens[begins[i] .. begins[i + 1]).
struct TokenLists {
  std::vector<uint32_t> tokens;
  std::vector<uint32_t> begins = {0};

  size_t size() const { return begins.size() - 1; }
  std::span<const uint32_t> operator[](size_t i) const {
    return {tokens.data() + begins[i], tokens.data() + begins[i + 1]};
  }
  void append(std::span<const uint32_t> text) {
    tokens.insert(tokens.end(), text.begin(), text.end());
    begins.push_back(static_cast<uint32_t>(tokens.size()));
  }
  void clear() {
    tokens.clear();
    begins.assign(1, 0);
  }
};

class EmbeddingBag {
 public:
  // Rows are drawn from a normal distribution with expected length 1, from the seed alone.
  EmbeddingBag(size_t row_count, size_t dim, uint64_t seed);

  size_t row_count() const { return row_count_; }
  size_t dim() const { return dim_; }
  std::span<float> rows() { return rows_; }  // [row_count, dim]
  std::span<const float> rows() const { return rows_; }
  std::span<float> squares() { return squares_; }  // Adagrad's sums, [row_count, dim]

  // out [texts, dim] = mean of the texts' rows; zeros for a text without tokens.
  void forward(const TokenLists& texts, std::span<float> out, base::ThreadPool& pool) const;

  // One Adagrad step of learning_rate from d loss / d out [texts, dim].
  void backward(const TokenLists& texts, std::span<const float> gradient, float learning_rate, base::ThreadPool& pool);

 private:
  size_t row_count_;
  size_t dim_;
  std::vector<float> rows_;
  std::vector<float> squares_;
  std::vector<uint64_t> occurrences_;  // token << 32 | text, sorted
  std::vector<size_t> group_begins_;
};

}  // namespace sextant::train
