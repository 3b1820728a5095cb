// index/rotation.h: a random rotation, which spreads a vector's weight evenly over its components.
//
// Codes of a few bits a component are at their best where all components are alike. Random signs and a fast
// Walsh-Hadamard transform, four times over, come near a random rotation at the cost of n log n additions. Where the
// dimension is no power of two, the transforms take turns on the first and the last components.
// Source: the transform of RaBitQ's library (Gao et al. 2024, arXiv:2405.12497); Ailon & Chazelle 2009.
// Deterministic by seed.     Threads: immutable, all members from many.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sextant::index {

class Rotation {
 public:
  // dim must be a multiple of 64.
  Rotation(size_t dim, uint64_t seed);
  size_t dim() const { return dim_; }
  // values [dim], in place; lengths and angles stay as they are, up to rounding.
  void apply(float* values) const;

 private:
  static constexpr size_t kRounds = 4;
  size_t dim_;
  size_t span_;                // the largest power of two not above dim_
  std::vector<float> factors_;  // [kRounds, dim]: signs, over the transform's own scale where it reaches
};

}  // namespace sextant::index
