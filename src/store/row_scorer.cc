#include "store/row_scorer.h"

#include <limits>
#include <numeric>

#include "store/vector_bytes.h"

namespace sextant::store {

RowScorer::RowScorer(const VectorConfig& config, const VectorValue& query) : config_(config), query_(query) {
  if (config.type == ElementType::bit && config.kind == VectorKind::dense) {
    bits_.resize(index::row_bytes(config.type, config.dim));
    index::pack_bits(query.values.data(), config.dim, bits_.data());
  }
}

void RowScorer::score(const index::Rows& rows, const uint32_t* ids, size_t count, float* out) const {
  if (!bits_.empty()) return rows.score_bits(bits_.data(), ids, count, out);
  rows.score(config_.metric, query_.values.data(), ids, count, out);
}

float RowScorer::score_multi(const index::Rows& rows, uint32_t begin, uint32_t end) {
  if (max_sim_rows_ != &rows) {
    max_sim_.emplace(rows, config_.metric, query_.values);
    max_sim_rows_ = &rows;
  }
  places_.resize(end - begin);
  std::iota(places_.begin(), places_.end(), begin);
  return max_sim_->score(places_);
}

float RowScorer::score_sparse(std::span<const uint32_t> indices, std::span<const float> values) const {
  double sum = 0;
  bool any = false;
  size_t q = 0;
  for (size_t i = 0; i < indices.size() && q < query_.indices.size(); ++i) {
    while (q < query_.indices.size() && query_.indices[q] < indices[i]) ++q;
    if (q < query_.indices.size() && query_.indices[q] == indices[i]) {
      sum += double{values[i]} * double{query_.values[q]};
      any = true;
    }
  }
  return any ? static_cast<float>(sum) : std::numeric_limits<float>::quiet_NaN();
}

std::optional<float> RowScorer::score_bytes(std::string_view bytes) {
  if (config_.kind == VectorKind::sparse) {
    const std::optional<VectorValue> value = read_vector(config_, bytes);
    if (!value) return std::nullopt;
    return score_sparse(value->indices, value->values);
  }
  const size_t count = count_vectors(config_, bytes);
  if (count == 0) return std::nullopt;
  const index::Rows rows(config_.type, config_.dim, std::as_bytes(std::span(bytes.data(), bytes.size())));
  if (config_.kind == VectorKind::multi) {
    index::MaxSim max_sim(rows, config_.metric, query_.values);
    places_.resize(count);
    std::iota(places_.begin(), places_.end(), 0u);
    return max_sim.score(places_);
  }
  const uint32_t row = 0;
  float out = 0;
  score(rows, &row, 1, &out);
  return out;
}

}  // namespace sextant::store
