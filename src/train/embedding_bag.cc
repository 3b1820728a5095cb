#include "train/embedding_bag.h"

#include <algorithm>
#include <cmath>

#include "base/random.h"

namespace sextant::train {
namespace {

constexpr size_t kTextBlock = 64;
constexpr size_t kGroupBlock = 256;

}  // namespace

EmbeddingBag::EmbeddingBag(size_t row_count, size_t dim, uint64_t seed)
    : row_count_(row_count), dim_(dim), rows_(row_count * dim), squares_(row_count * dim, 0.0f) {
  base::Random random(seed);
  const double deviation = 1.0 / std::sqrt(static_cast<double>(dim));
  for (float& value : rows_) value = static_cast<float>(random.normal() * deviation);
}

void EmbeddingBag::forward(const TokenLists& texts, std::span<float> out, base::ThreadPool& pool) const {
  const size_t count = texts.size();
  pool.parallel_for((count + kTextBlock - 1) / kTextBlock, [&](size_t block, size_t) {
    for (size_t i = block * kTextBlock; i < std::min(count, (block + 1) * kTextBlock); ++i) {
      float* to = out.data() + i * dim_;
      std::fill_n(to, dim_, 0.0f);
      std::span<const uint32_t> tokens = texts[i];
      if (tokens.empty()) continue;
      for (uint32_t token : tokens) {
        const float* row = rows_.data() + token * dim_;
        for (size_t c = 0; c < dim_; ++c) to[c] += row[c];
      }
      const float scale = 1.0f / static_cast<float>(tokens.size());
      for (size_t c = 0; c < dim_; ++c) to[c] *= scale;
    }
  });
}

void EmbeddingBag::backward(const TokenLists& texts, std::span<const float> gradient, float learning_rate,
                            base::ThreadPool& pool) {
  occurrences_.clear();
  for (size_t i = 0; i < texts.size(); ++i) {
    for (uint32_t token : texts[i]) occurrences_.push_back(uint64_t{token} << 32 | i);
  }
  std::sort(occurrences_.begin(), occurrences_.end());
  group_begins_.clear();
  for (size_t i = 0; i < occurrences_.size(); ++i) {
    if (i == 0 || occurrences_[i] >> 32 != occurrences_[i - 1] >> 32) group_begins_.push_back(i);
  }
  const size_t groups = group_begins_.size();
  group_begins_.push_back(occurrences_.size());

  pool.parallel_for((groups + kGroupBlock - 1) / kGroupBlock, [&](size_t block, size_t) {
    std::vector<float> sum(dim_);
    for (size_t g = block * kGroupBlock; g < std::min(groups, (block + 1) * kGroupBlock); ++g) {
      std::fill(sum.begin(), sum.end(), 0.0f);
      for (size_t o = group_begins_[g]; o < group_begins_[g + 1]; ++o) {
        const size_t text = occurrences_[o] & 0xFFFFFFFFu;
        const float share = 1.0f / static_cast<float>(texts[text].size());
        const float* from = gradient.data() + text * dim_;
        for (size_t c = 0; c < dim_; ++c) sum[c] += share * from[c];
      }
      const size_t row = occurrences_[group_begins_[g]] >> 32;
      float* weights = rows_.data() + row * dim_;
      float* squares = squares_.data() + row * dim_;
      for (size_t c = 0; c < dim_; ++c) {
        squares[c] += sum[c] * sum[c];
        weights[c] -= learning_rate * sum[c] / (std::sqrt(squares[c]) + 1e-12f);
      }
    }
  });
}

}  // namespace sextant::train
