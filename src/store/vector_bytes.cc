#include "store/vector_bytes.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>

#include "index/rows.h"
#include "index/storable.h"
#include "sextant/error.h"
#include "sextant/multi_index.h"

namespace sextant::store {
namespace {

[[noreturn]] void refuse(const VectorConfig& config, const std::string& what) {
  throw Error(ErrorCode::invalid_argument,
              config.name.empty() ? what : fmt::format("vector '{}': {}", config.name, what));
}

void check_sparse(const VectorConfig& config, const VectorValue& value) {
  // Any tail has room for so many.
  if (value.values.size() > kSparseComponentsMax) {
    refuse(config, fmt::format("{} components, expected at most {}", value.values.size(), kSparseComponentsMax));
  }
  if (value.indices.size() != value.values.size()) {
    refuse(config, fmt::format("{} indices and {} values, expected as many of each", value.indices.size(),
                               value.values.size()));
  }
  for (size_t i = 0; i < value.values.size(); ++i) {
    if (!std::isfinite(value.values[i])) {
      refuse(config,
             fmt::format("the value at index {} is {}, expected a finite number", value.indices[i], value.values[i]));
    }
    if (i > 0 && value.indices[i] <= value.indices[i - 1]) {
      refuse(config,
             fmt::format("index {} after {}: indices must ascend, each once", value.indices[i], value.indices[i - 1]));
    }
  }
}

}  // namespace

void check_vector(const VectorConfig& config, const VectorValue& value) {
  if (config.kind == VectorKind::sparse) return check_sparse(config, value);
  if (!value.indices.empty()) refuse(config, "a sparse vector, expected a dense one");
  if (config.kind == VectorKind::dense && value.values.size() != config.dim) {
    refuse(config, fmt::format("{} components, expected {}", value.values.size(), config.dim));
  }
  if (config.kind == VectorKind::multi) {
    if (value.values.empty() || value.values.size() % config.dim != 0) {
      refuse(config, fmt::format("{} components, expected a multiple of {}", value.values.size(), config.dim));
    }
    if (value.values.size() / config.dim > kMultiVectorsMax) {
      refuse(config, fmt::format("{} vectors of one point, expected at most {}", value.values.size() / config.dim,
                                 kMultiVectorsMax));
    }
  }
  try {
    index::check_storable(config.type, config.dim, value.values);
  } catch (const Error& error) {
    refuse(config, error.what());
  }
}

std::string write_vector(const VectorConfig& config, const VectorValue& value) {
  std::string bytes;
  if (config.kind == VectorKind::sparse) {
    const auto count = static_cast<uint32_t>(value.values.size());
    bytes.resize(4 + size_t{count} * 8);
    std::memcpy(bytes.data(), &count, 4);
    if (count == 0) return bytes;  // there may be nothing to copy from
    std::memcpy(bytes.data() + 4, value.indices.data(), size_t{count} * 4);
    std::memcpy(bytes.data() + 4 + size_t{count} * 4, value.values.data(), size_t{count} * 4);
    return bytes;
  }
  const size_t row_bytes = index::row_bytes(config.type, config.dim);
  const size_t count = value.values.size() / config.dim;
  bytes.resize(count * row_bytes);
  for (size_t i = 0; i < count; ++i) {
    index::narrow(config.type, value.values.data() + i * config.dim, config.dim,
                  reinterpret_cast<std::byte*>(bytes.data()) + i * row_bytes);
  }
  return bytes;
}

size_t count_vectors(const VectorConfig& config, std::string_view bytes) {
  const size_t row_bytes = index::row_bytes(config.type, config.dim);
  const size_t count = bytes.size() / row_bytes;
  if (bytes.size() % row_bytes != 0 || count > kMultiVectorsMax) return 0;
  return config.kind == VectorKind::dense && count != 1 ? 0 : count;
}

std::optional<VectorValue> read_vector(const VectorConfig& config, std::string_view bytes) {
  VectorValue value;
  if (config.kind == VectorKind::sparse) {
    uint32_t count = 0;
    if (bytes.size() < 4) return std::nullopt;
    std::memcpy(&count, bytes.data(), 4);
    if (bytes.size() != 4 + size_t{count} * 8) return std::nullopt;
    value.indices.resize(count);
    value.values.resize(count);
    if (count == 0) return value;
    std::memcpy(value.indices.data(), bytes.data() + 4, size_t{count} * 4);
    std::memcpy(value.values.data(), bytes.data() + 4 + size_t{count} * 4, size_t{count} * 4);
    return value;
  }
  const size_t row_bytes = index::row_bytes(config.type, config.dim);
  const size_t count = count_vectors(config, bytes);
  if (count == 0) return std::nullopt;
  value.values.resize(count * config.dim);
  for (size_t i = 0; i < count; ++i) {
    index::widen(config.type, bytes.data() + i * row_bytes, config.dim, value.values.data() + i * config.dim);
  }
  return value;
}

}  // namespace sextant::store
