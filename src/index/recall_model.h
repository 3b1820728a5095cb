// index/recall_model.h: how good one walk was, judged by how it went.
//
// Of two walks that were equally broad, one may have found nearly everything and the other not: those that met more
// nodes than others do, or whose finds lie farther away or closer together than others' do, went through harder
// country. The model is a logistic regression on these, fitted to walks whose truth is known (as in DARTH, Chatzakis et
// al. 2025, which does it to stop early), with the recall of all walks of that breadth to start from.
// Threads: immutable once made.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace sextant::index {

// What a walk for k nodes that kept breadth candidates was like; distances as it estimated them.
struct WalkTraits {
  static constexpr size_t kCount = 3;
  // Logarithm of the nodes it compared; distance of the k-th; part of the distance from the first to the last candidate
  // that lies beyond the k-th.
  std::array<float, kCount> values{};
};

// A finished walk.
struct WalkReport {
  size_t compared = 0;           // nodes
  std::vector<float> distances;  // of the candidates that it kept, ascending

  // REQUIRES: k is above 0 and at most distances.size().
  WalkTraits traits(size_t k) const;
};

class RecallModel {
 public:
  // A walk of calibration: of WANTED nodes it found FOUND.
  struct Walk {
    uint32_t k, breadth, found, wanted;
    WalkTraits traits;
  };
  // Of all walks of one k and breadth. Plain numbers, as saved.
  struct Setting {
    uint32_t k, breadth;
    float recall;
    std::array<float, WalkTraits::kCount> means, deviations;
  };
  // Of the recall of all, as a logit; 1; each trait, in deviations from its mean; and its square.
  static constexpr size_t kWeights = 2 + 2 * WalkTraits::kCount;
  struct Weights {
    uint32_t k;
    std::array<float, kWeights> of{};
  };

  RecallModel() = default;
  explicit RecallModel(std::span<const Walk> walks);
  RecallModel(std::vector<Setting> settings, std::vector<Weights> weights);

  bool empty() const { return settings_.empty() || weights_.empty(); }
  const std::vector<Setting>& settings() const { return settings_; }
  const std::vector<Weights>& weights() const { return weights_; }

  // The part of the true k nearest that a walk with these traits probably found; RECALL, that of walks as broad on
  // average, where nothing was measured.
  double recall_of(size_t k, size_t breadth, const WalkTraits& traits, double recall) const;

 private:
  std::vector<Setting> settings_;  // by k, then breadth
  std::vector<Weights> weights_;   // by k
};

}  // namespace sextant::index
