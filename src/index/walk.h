// index/walk.h: from node to node towards a query: the search of a layer (Malkov & Yashunin 2016, algorithm 2, with the
// sorted list of NSG instead of two heaps).
//
// Kept are the nearest nodes found so far; the nearest of them whose links were not yet followed comes next, until none
// is left. Memory is slower than arithmetic: the codes of the node that will probably come next are asked for before
// those of this one are compared.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "index/layer.h"
#include "index/scorer.h"

namespace sextant::index {

struct Candidate {
  float distance;
  uint32_t node;
};

// Of equal distances, the smaller number: so that the same is chosen on any number of threads.
inline bool is_nearer(const Candidate& a, const Candidate& b) {
  return a.distance != b.distance ? a.distance < b.distance : a.node < b.node;
}

// Bits that say which rows are gone; nullptr where none is. And one row that is to be looked past.
struct Gone {
  const uint64_t* words = nullptr;
  uint32_t except = kNoNode;
  bool any() const { return words != nullptr || except != kNoNode; }
  bool contains(uint32_t row) const {
    if (row == except) return true;
    return words != nullptr && (__atomic_load_n(words + row / 64, __ATOMIC_ACQUIRE) >> (row % 64) & 1) != 0;
  }
};

// Which nodes a walk has met; its memory is used again by the next.
class WalkMemory {
 public:
  // Room for nodes below bound.
  void reserve(size_t bound) {
    if (seen_.size() * 64 < bound) seen_.resize(bound / 64 + 1);
  }
  // Room for so many more nodes that are met.
  void expect(size_t more) {
    if (met_.size() < met_count_ + more) met_.resize(2 * met_.size() + more);
  }
  // Returns whether node is met for the first time. REQUIRES: node below reserve's bound, expect() was called.
  bool meet(uint32_t node) {
    uint64_t& word = seen_[node / 64];
    const uint64_t bit = uint64_t{1} << (node % 64);
    const bool first = (word & bit) == 0;
    word |= bit;
    met_[met_count_] = node;
    met_count_ += first ? 1 : 0;
    return first;
  }
  std::vector<float> distances;  // for whoever needs some

  bool was_met(uint32_t node) const { return (seen_[node / 64] >> (node % 64) & 1) != 0; }
  void forget() {
    for (size_t i = 0; i < met_count_; ++i) seen_[met_[i] / 64] = 0;
    met_count_ = 0;
  }

 private:
  std::vector<uint64_t> seen_;
  std::vector<uint32_t> met_;
  size_t met_count_ = 0;
};

// Rows that a search may return.
struct Allowed {
  const uint64_t* words = nullptr;  // nullptr: all
  size_t bound = 0;                 // rows from here on are not allowed
  bool contains(uint32_t row) const {
    return words == nullptr || (row < bound && (words[row / 64] >> (row % 64) & 1) != 0);
  }
};

// In: where to start, distances known, in found. Out: the BREADTH nearest nodes that were found, nearest first (of
// equal distances, the one found first). Nodes from BOUND on are not there yet. COMPARED counts distances.
void walk(const Layer& layer, const Scorer& scorer, size_t breadth, size_t bound, Gone gone, WalkMemory& memory,
          std::vector<Candidate>& found, size_t& compared);

// The same in the lowest layer for allowed rows alone: where a node's neighbour is not allowed, the neighbour's
// neighbours take its place (ACORN, Patel et al. 2024), so that paths do not break where few rows are allowed. Starts
// need not be allowed and are not returned unless they are.
void walk_allowed(const Layer& layer, const Scorer& scorer, size_t breadth, size_t bound, Gone gone, Allowed allowed,
                  WalkMemory& memory, std::vector<Candidate>& found, size_t& compared);

}  // namespace sextant::index
