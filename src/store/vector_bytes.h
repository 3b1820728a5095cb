// store/vector_bytes.h: a point's vector as the truth keeps it, checked before it is written and after it is read.
//
//   dense    dim elements of the vector's type
//   multi    n * dim elements, n from 1 to 65,536; of bits each vector begins on a byte of its own
//   sparse   u32 n, n indices u32 ascending, n values float32; n at most 1,048,576
// Little-endian.     Threads: functions of values.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "store/operation.h"
#include "store/store_config.h"

namespace sextant::store {

constexpr size_t kSparseComponentsMax = size_t{1} << 20;

// Throws invalid_argument that names the vector, its component, what was found and what was expected. What the
// vector's element type cannot say is refused, not rounded away, except that reals are rounded to 16 bits.
void check_vector(const VectorConfig& config, const VectorValue& value);

// REQUIRES: it passed check_vector.
std::string write_vector(const VectorConfig& config, const VectorValue& value);
// nullopt where the bytes are no such vector.
std::optional<VectorValue> read_vector(const VectorConfig& config, std::string_view bytes);
// How many vectors a multi vector's bytes hold; 0 where they hold none.
size_t count_vectors(const VectorConfig& config, std::string_view bytes);

}  // namespace sextant::store
