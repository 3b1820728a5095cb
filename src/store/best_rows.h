// store/best_rows.h: the k best of scored rows, of equal scores the one that comes first.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace sextant::store {

struct ScoredRow {
  uint64_t row;
  float score;
};

// COMES_FIRST(a, b): whether row a is taken before row b where their scores are equal; it is asked for no others.
template <class ComesFirst>
class BestRows {
  bool before(const ScoredRow& a, const ScoredRow& b) const {
    if (a.score != b.score) return higher_ ? a.score > b.score : a.score < b.score;
    return comes_first_(a.row, b.row);
  }
  auto order() const {
    return [this](const ScoredRow& a, const ScoredRow& b) { return before(a, b); };
  }

 public:
  BestRows(size_t k, bool higher_is_nearer, ComesFirst comes_first)
      : k_(k), higher_(higher_is_nearer), comes_first_(std::move(comes_first)) {}
  // What is no number is left out.
  void push(uint64_t row, float score) {
    if (k_ == 0 || std::isnan(score)) return;
    if (heap_.size() == k_) {
      if (!before({row, score}, heap_.front())) return;
      std::pop_heap(heap_.begin(), heap_.end(), order());
      heap_.pop_back();
    }
    heap_.push_back({row, score});
    std::push_heap(heap_.begin(), heap_.end(), order());
  }
  // Best first.
  std::vector<ScoredRow> take() {
    std::sort(heap_.begin(), heap_.end(), order());
    return std::move(heap_);
  }

 private:
  size_t k_;
  bool higher_;
  ComesFirst comes_first_;
  std::vector<ScoredRow> heap_;
};

}  // namespace sextant::store
