// store/best_rows.h: the k best of scored rows, of equal scores the smaller number.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace sextant::store {

struct ScoredRow {
  uint64_t row;
  float score;
};

class BestRows {
  bool before(const ScoredRow& a, const ScoredRow& b) const {
    if (a.score != b.score) return higher_ ? a.score > b.score : a.score < b.score;
    return a.row < b.row;
  }
  auto order() const {
    return [this](const ScoredRow& a, const ScoredRow& b) { return before(a, b); };
  }

 public:
  BestRows(size_t k, bool higher_is_nearer) : k_(k), higher_(higher_is_nearer) {}
  // Rows come in ascending order or with numbers that decide between equals. What is no number is left out.
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
  std::vector<ScoredRow> heap_;
};

}  // namespace sextant::store
