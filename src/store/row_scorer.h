// store/row_scorer.h: exact scores of single points' vectors with one query, for points that no index covers.
//
// Dense scores have the bytes that an index gives for the same rows.     Threads: one.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "index/max_sim.h"
#include "index/rows.h"
#include "store/operation.h"
#include "store/store_config.h"

namespace sextant::store {

class RowScorer {
 public:
  // The query must have passed check_vector; both must outlive this.
  RowScorer(const VectorConfig& config, const VectorValue& query);

  // Dense: scores of rows ids[0..count).
  void score(const index::Rows& rows, const uint32_t* ids, size_t count, float* out) const;
  // Multi: MaxSim of the vectors at places begin..end of ROWS, which is the same in every call.
  float score_multi(const index::Rows& rows, uint32_t begin, uint32_t end);
  // Sparse: the sum of the products of common components; NaN where there is none, so that no search returns it.
  float score_sparse(std::span<const uint32_t> indices, std::span<const float> values) const;
  // Any kind, of a vector as the truth has it; nullopt where the bytes are none.
  std::optional<float> score_bytes(std::string_view bytes);

 private:
  const VectorConfig& config_;
  const VectorValue& query_;
  std::vector<uint8_t> bits_;
  std::optional<index::MaxSim> max_sim_;
  const index::Rows* max_sim_rows_ = nullptr;
  std::vector<uint32_t> places_;
};

}  // namespace sextant::store
