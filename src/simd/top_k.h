// simd/top_k.h: the k best of a stream of scored ids, the same whatever order they come in.
//
// Better means a nearer score; of equal scores, the smaller id. A NaN score is never taken, and counted. Most scores of
// a scan are worse than the k-th so far: whole blocks are compared with it at once, and only the rest is looked at.
// Memory: grows with what is kept, so that an absurd k costs nothing.     Threads: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "simd/kernels.h"

namespace sextant::simd {

struct Scored {
  uint64_t id;
  float score;
  bool operator==(const Scored&) const = default;
};

enum class Nearer { higher, lower };

class TopK {
 public:
  // k may be 0: nothing is kept.
  TopK(size_t k, Nearer nearer, const Kernels& kernels = simd::kernels());

  void push(uint64_t id, float score);
  // Ids first_id, first_id + 1, ...
  void push_block(uint64_t first_id, std::span<const float> scores);
  // REQUIRES: ids.size() == scores.size().
  void push_block(std::span<const uint64_t> ids, std::span<const float> scores);

  // A score must be at least this near to enter, once k are kept; until then, infinitely far.
  float threshold() const { return threshold_; }
  size_t size() const { return heap_.size(); }
  // How many NaN scores were pushed so far; take() leaves it. 0 when k is 0: nothing is looked at.
  size_t nan_count() const { return nan_count_; }

  // Best first. Leaves nothing kept, ready for the next stream.
  std::vector<Scored> take();

 private:
  template <class IdOf>
  void push_scores(std::span<const float> scores, IdOf id_of);
  bool better(const Scored& a, const Scored& b) const;
  void reset_threshold();

  size_t k_;
  Nearer nearer_;
  const Kernels* kernels_;
  float threshold_;
  size_t nan_count_ = 0;
  std::vector<Scored> heap_;  // the worst on top
};

}  // namespace sextant::simd
