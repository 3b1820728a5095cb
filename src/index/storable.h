// index/storable.h: which vectors an index takes: numbers that its element type can say and whose distances float32 can
// tell.
#pragma once

#include <cstddef>
#include <span>

#include "sextant/index.h"

namespace sextant::index {

// vectors [n, dim], the first of which is called FIRST_NUMBER. All throw invalid_argument, naming the vector's number,
// the component and what was expected.
void check_finite(size_t dim, std::span<const float> vectors, size_t first_number = 0);
void check_lengths(size_t dim, std::span<const float> vectors, size_t first_number = 0);
void check_range(ElementType type, size_t dim, std::span<const float> vectors, size_t first_number = 0);
// All of these.
void check_storable(ElementType type, size_t dim, std::span<const float> vectors, size_t first_number = 0);

}  // namespace sextant::index
