#include "train/contrastive.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "sextant/error.h"
#include "tensor/gemm.h"
#include "tensor/kernels.h"

namespace sextant::train {
namespace {

// Rows that one work item takes; partial column sums are kept by block and added in block order.
constexpr size_t kRowBlock = 64;

// A cosine that far below -1 has an exponential of zero at any useful scale.
constexpr float kExcluded = -1e4f;

// Copies the first d components of each row, scaled to unit length; a zero row stays zero and gets no gradient.
void normalize_prefix(std::span<const float> rows, size_t count, size_t dim, size_t d, std::vector<float>& unit,
                      std::vector<float>& inverse_norm, base::ThreadPool& pool) {
  unit.resize(count * d);
  inverse_norm.resize(count);
  pool.parallel_for((count + kRowBlock - 1) / kRowBlock, [&](size_t block, size_t) {
    for (size_t i = block * kRowBlock; i < std::min(count, (block + 1) * kRowBlock); ++i) {
      const float* from = rows.data() + i * dim;
      double squares = 0;
      for (size_t c = 0; c < d; ++c) squares += static_cast<double>(from[c]) * from[c];
      inverse_norm[i] = squares > 1e-24 ? static_cast<float>(1.0 / std::sqrt(squares)) : 0.0f;
      for (size_t c = 0; c < d; ++c) unit[i * d + c] = from[c] * inverse_norm[i];
    }
  });
}

// Through the normalisation: dx = (du - (du . u) u) / |x|, added to the gradient's first d components.
void add_prefix_gradient(const std::vector<float>& unit, const std::vector<float>& unit_gradient,
                         const std::vector<float>& inverse_norm, size_t count, size_t dim, size_t d,
                         std::span<float> gradient, base::ThreadPool& pool) {
  pool.parallel_for((count + kRowBlock - 1) / kRowBlock, [&](size_t block, size_t) {
    for (size_t i = block * kRowBlock; i < std::min(count, (block + 1) * kRowBlock); ++i) {
      const float* u = unit.data() + i * d;
      const float* g = unit_gradient.data() + i * d;
      float* out = gradient.data() + i * dim;
      float along = 0;
      for (size_t c = 0; c < d; ++c) along += u[c] * g[c];
      for (size_t c = 0; c < d; ++c) out[c] += (g[c] - along * u[c]) * inverse_norm[i];
    }
  });
}

}  // namespace

ContrastiveLoss::ContrastiveLoss(ContrastiveOptions options) : options_(std::move(options)) {
  if (options_.dims.empty() || options_.dims.size() != options_.dim_weights.size()) {
    throw Error(ErrorCode::invalid_argument, "contrastive loss: dims and dim_weights must be of one non-zero length");
  }
  float total = std::accumulate(options_.dim_weights.begin(), options_.dim_weights.end(), 0.0f);
  if (!(total > 0)) throw Error(ErrorCode::invalid_argument, "contrastive loss: dim_weights must sum to more than 0");
  for (float& weight : options_.dim_weights) weight /= total;
}

double ContrastiveLoss::forward_backward(const Batch& batch, std::span<float> anchor_gradient,
                                         std::span<float> candidate_gradient, base::ThreadPool& pool) {
  std::fill(anchor_gradient.begin(), anchor_gradient.end(), 0.0f);
  std::fill(candidate_gradient.begin(), candidate_gradient.end(), 0.0f);
  loss_by_dim_.clear();
  double loss = 0;
  for (size_t k = 0; k < options_.dims.size(); ++k) {
    float weight = options_.dim_weights[k];
    double one = one_prefix(batch, options_.dims[k], weight, anchor_gradient, candidate_gradient, pool);
    loss_by_dim_.push_back(one);
    loss += weight * one;
  }
  return loss;
}

double ContrastiveLoss::one_prefix(const Batch& batch, size_t d, float weight, std::span<float> anchor_gradient,
                                   std::span<float> candidate_gradient, base::ThreadPool& pool) {
  const size_t b = batch.anchor_count;
  const size_t n = batch.candidate_count;
  const float scale = options_.scale;
  const tensor::Kernels& kernel = tensor::kernels();
  normalize_prefix(batch.anchors, b, batch.dim, d, x_, x_scale_, pool);
  normalize_prefix(batch.candidates, n, batch.dim, d, y_, y_scale_, pool);

  similarity_.resize(b * n);
  tensor::gemm({b, n, d}, tensor::rows(x_.data(), d), tensor::transposed(y_.data(), d), similarity_.data(), n, false,
               pool);

  // Cosines of matches are needed after the exponentials have replaced them.
  std::vector<float> match(b);
  for (size_t i = 0; i < b; ++i) match[i] = similarity_[i * n + i];
  for (auto [i, j] : batch.excluded) similarity_[size_t{i} * n + j] = kExcluded;

  // With cosines at most 1, exp(scale * (cos - 1)) never overflows: no row maximum is needed.
  const size_t blocks = (b + kRowBlock - 1) / kRowBlock;
  row_sum_.resize(b);
  partial_.assign(blocks * b, 0.0f);
  pool.parallel_for(blocks, [&](size_t block, size_t) {
    float* partial = partial_.data() + block * b;
    for (size_t i = block * kRowBlock; i < std::min(b, (block + 1) * kRowBlock); ++i) {
      float* row = similarity_.data() + i * n;
      row_sum_[i] = kernel.exp_sum(row, row, n, scale, 1.0f);
      for (size_t j = 0; j < b; ++j) partial[j] += row[j];
    }
  });
  column_sum_.assign(b, 0.0f);
  for (size_t block = 0; block < blocks; ++block) {
    for (size_t j = 0; j < b; ++j) column_sum_[j] += partial_[block * b + j];
  }

  double loss = 0;
  const double share = options_.both_directions ? 0.5 : 1.0;
  for (size_t i = 0; i < b; ++i) {
    double logit = static_cast<double>(scale) * (match[i] - 1.0f);
    loss += share * (std::log(static_cast<double>(row_sum_[i])) - logit);
    if (options_.both_directions) loss += share * (std::log(static_cast<double>(column_sum_[i])) - logit);
  }
  loss /= static_cast<double>(b);

  // d loss / d cosine, in place of the exponentials.
  const float row_factor = static_cast<float>(share) * scale * weight / static_cast<float>(b);
  for (float& sum : column_sum_) sum = options_.both_directions ? row_factor / sum : 0.0f;
  pool.parallel_for(blocks, [&](size_t block, size_t) {
    for (size_t i = block * kRowBlock; i < std::min(b, (block + 1) * kRowBlock); ++i) {
      float* row = similarity_.data() + i * n;
      const float by_row = row_factor / row_sum_[i];
      for (size_t j = 0; j < b; ++j) row[j] *= by_row + column_sum_[j];
      for (size_t j = b; j < n; ++j) row[j] *= by_row;
      row[i] -= scale * weight / static_cast<float>(b);
    }
  });

  x_gradient_.resize(b * d);
  y_gradient_.resize(n * d);
  tensor::gemm({b, d, n}, tensor::rows(similarity_.data(), n), tensor::rows(y_.data(), d), x_gradient_.data(), d, false,
               pool);
  tensor::gemm({n, d, b}, tensor::transposed(similarity_.data(), n), tensor::rows(x_.data(), d), y_gradient_.data(), d,
               false, pool);
  add_prefix_gradient(x_, x_gradient_, x_scale_, b, batch.dim, d, anchor_gradient, pool);
  add_prefix_gradient(y_, y_gradient_, y_scale_, n, batch.dim, d, candidate_gradient, pool);
  return loss;
}

}  // namespace sextant::train
