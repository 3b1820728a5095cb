// index/smallest.h: the k smallest of many numbers.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <vector>

namespace sextant::index {

class Smallest {
 public:
  explicit Smallest(size_t k) : k_(k) {}
  // The largest of them; infinite as long as there are fewer than k, and less than any number where k is 0.
  float last() const {
    constexpr float kInfinite = std::numeric_limits<float>::infinity();
    if (k_ == 0) return -kInfinite;
    return heap_.size() == k_ ? heap_.front() : kInfinite;
  }
  void add(float number) {
    if (k_ == 0) return;
    if (heap_.size() < k_) {
      heap_.push_back(number);
      std::push_heap(heap_.begin(), heap_.end());
    } else if (number < heap_.front()) {
      std::pop_heap(heap_.begin(), heap_.end());
      heap_.back() = number;
      std::push_heap(heap_.begin(), heap_.end());
    }
  }
  const std::vector<float>& all() const { return heap_; }

 private:
  size_t k_;
  std::vector<float> heap_;  // the largest on top
};

}  // namespace sextant::index
