// bindings/testing_vectors.h: vectors to fill an index with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sextant::bindings {

// [count, dim], components in [-0.5, 0.5), the same every time.
inline std::vector<float> some_vectors(size_t count, size_t dim, uint32_t seed) {
  std::vector<float> out(count * dim);
  uint32_t state = seed;
  for (float& value : out) {
    state = state * 1664525u + 1013904223u;
    value = static_cast<float>(state >> 8) / 16777216.0f - 0.5f;
  }
  return out;
}

}  // namespace sextant::bindings
