#include "simd/top_k.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

namespace sextant::simd {

namespace {
// Long enough to make the call worth it, short enough for the threshold to keep up.
constexpr size_t kBlockScores = 256;
}  // namespace

TopK::TopK(size_t k, Nearer nearer, const Kernels& kernels) : k_(k), nearer_(nearer), kernels_(&kernels) {
  reset_threshold();
}

void TopK::reset_threshold() {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  threshold_ = nearer_ == Nearer::higher ? -kInfinity : kInfinity;
}

bool TopK::better(const Scored& a, const Scored& b) const {
  if (a.score != b.score) return nearer_ == Nearer::higher ? a.score > b.score : a.score < b.score;
  return a.id < b.id;
}

void TopK::push(uint64_t id, float score) {
  if (k_ == 0) return;
  if (std::isnan(score)) {
    ++nan_count_;
    return;
  }
  auto order = [this](const Scored& a, const Scored& b) { return better(a, b); };
  Scored candidate{id, score};
  if (heap_.size() == k_) {
    if (!better(candidate, heap_.front())) return;
    std::pop_heap(heap_.begin(), heap_.end(), order);
    heap_.back() = candidate;
  } else {
    heap_.push_back(candidate);
  }
  std::push_heap(heap_.begin(), heap_.end(), order);
  if (heap_.size() == k_) threshold_ = heap_.front().score;
}

template <class IdOf>
void TopK::push_scores(std::span<const float> scores, IdOf id_of) {
  if (k_ == 0) return;
  auto select = nearer_ == Nearer::higher ? kernels_->select_high : kernels_->select_low;
  std::array<uint32_t, kBlockScores> positions;
  for (size_t begin = 0; begin < scores.size(); begin += kBlockScores) {
    size_t count = std::min(kBlockScores, scores.size() - begin);
    size_t found = select(scores.data() + begin, count, threshold_, positions.data());
    for (size_t i = 0; i < found; ++i) push(id_of(begin + positions[i]), scores[begin + positions[i]]);
  }
}

void TopK::push_block(uint64_t first_id, std::span<const float> scores) {
  push_scores(scores, [first_id](size_t i) { return first_id + i; });
}

void TopK::push_block(std::span<const uint64_t> ids, std::span<const float> scores) {
  push_scores(scores, [ids](size_t i) { return ids[i]; });
}

std::vector<Scored> TopK::take() {
  std::sort_heap(heap_.begin(), heap_.end(), [this](const Scored& a, const Scored& b) { return better(a, b); });
  reset_threshold();
  return std::exchange(heap_, {});
}

}  // namespace sextant::simd
