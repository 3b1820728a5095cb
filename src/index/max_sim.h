// index/max_sim.h: MaxSim (Khattab & Zaharia 2020): the sum, over a query's vectors, of the greatest similarity that
// any of a row's vectors has with it.
//
// Similarities have the bytes of Rows::score, so that a row of one vector and a query of one get what an Index gives.
// A sum is made in double. What is no number counts as the least one there is, so every row has a score.
// Threads: one. Memory: a block of vectors and of scores, used again by the next row.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "index/rows.h"
#include "sextant/metric.h"

namespace sextant::index {

class MaxSim {
 public:
  // queries [m, rows.dim()], m >= 1; both must outlive this. metric: cosine or dot.
  MaxSim(const Rows& rows, Metric metric, std::span<const float> queries);

  size_t query_count() const { return query_count_; }
  // Of the vectors at these places of rows.
  float score(std::span<const uint32_t> places);

 private:
  const float* block(std::span<const uint32_t> places);
  void look_at(const float* vectors, size_t count);
  void make_cosines(const float* vectors, size_t count);

  const Rows& rows_;
  Metric metric_;
  std::span<const float> queries_;
  size_t dim_, query_count_, block_size_;
  std::vector<float> vectors_;       // [block_size_, dim], where they do not lie together
  std::vector<float> similarities_;  // [m, block_size_]
  // What makes a cosine of a product, of each query vector and of each vector of the block; 0 where its length is so
  // far from 1 that products cannot be trusted.
  std::vector<float> query_scales_, scales_;
  struct Best {
    float value;  // that orders them: a cosine may be off by its last bit
    float score;
  };
  std::vector<Best> best_;  // [m]
};

}  // namespace sextant::index
