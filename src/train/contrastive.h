// train/contrastive.h: in-batch softmax over scaled cosines, with its gradient (multiple negatives ranking loss,
// Henderson et al. 2017; both directions as in van den Oord et al. 2018; nested prefixes as in Matryoshka, Kusupati et
// al. 2022).
//
// Anchors x [b, dim] and candidates y [n, dim], n >= b: candidate i is the match of anchor i, candidates b.. are hard
// negatives. For each prefix length d of `dims`, with s(i, j) = scale * cos(x_i[:d], y_j[:d]),
//   loss_d = 1/(2b) * ( sum_i -log softmax_j s(i, .)[i]  +  sum_{j<b} -log softmax_i s(., j)[j] )
// where excluded (i, j) take no part. The total is the weighted mean over dims.
// Sums run in an order that does not depend on the number of threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "base/threads.h"

namespace sextant::train {

struct ContrastiveOptions {
  float scale = 20.0f;
  bool both_directions = true;
  std::vector<size_t> dims;        // prefix lengths, each <= dim
  std::vector<float> dim_weights;  // as many as dims; normalised to sum 1
};

class ContrastiveLoss {
 public:
  explicit ContrastiveLoss(ContrastiveOptions options);

  struct Batch {
    size_t anchor_count;     // b
    size_t candidate_count;  // n
    size_t dim;
    std::span<const float> anchors;     // [b, dim]
    std::span<const float> candidates;  // [n, dim]
    // (anchor, candidate) pairs that say the same thing by accident and must not be pushed apart; never (i, i).
    std::span<const std::pair<uint32_t, uint32_t>> excluded;
  };

  // Returns the loss; writes d loss / d anchors [b, dim] and d loss / d candidates [n, dim].
  double forward_backward(const Batch& batch, std::span<float> anchor_gradient, std::span<float> candidate_gradient,
                          base::ThreadPool& pool);

  // The loss of the last call by prefix length, in the order of dims, not weighted.
  const std::vector<double>& loss_by_dim() const { return loss_by_dim_; }

 private:
  double one_prefix(const Batch& batch, size_t d, float weight, std::span<float> anchor_gradient,
                    std::span<float> candidate_gradient, base::ThreadPool& pool);

  ContrastiveOptions options_;
  std::vector<double> loss_by_dim_;
  std::vector<float> x_, y_;                    // unit prefixes [b, d], [n, d]
  std::vector<float> x_scale_, y_scale_;        // 1 / length
  std::vector<float> similarity_;               // [b, n]: cosines, then exponentials, then gradients
  std::vector<float> x_gradient_, y_gradient_;  // [b, d], [n, d]
  std::vector<float> row_sum_, column_sum_, partial_;
};

}  // namespace sextant::train
