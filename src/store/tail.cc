#include "store/tail.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "sextant/multi_index.h"
#include "store/vector_bytes.h"

namespace sextant::store {
namespace {

// Vectors, or components, that all rows of a tail may have together. Address space alone is taken for them.
size_t room_of(const VectorConfig& config, size_t capacity) {
  switch (config.kind) {
    case VectorKind::dense:
      return capacity;
    case VectorKind::multi:
      return std::max(kMultiVectorsMax, capacity * 64);
    case VectorKind::sparse:
      return kSparseComponentsMax + capacity * 1024;
  }
  return 0;
}

}  // namespace

Tail::Tail(const StoreConfig& config, size_t capacity) : capacity_(capacity), rows_(capacity), ids_(capacity) {
  for (const VectorConfig& vector : config.vectors) {
    Column column;
    column.kind = vector.kind;
    const size_t room = room_of(vector, capacity);
    column.present = base::GrowingArray<uint8_t>(capacity);
    if (vector.kind == VectorKind::sparse) {
      column.indices = base::GrowingArray<uint32_t>(room);
      column.values = base::GrowingArray<float>(room);
    } else {
      column.vectors = index::Rows(vector.type, vector.dim, room);
      if (vector.kind == VectorKind::dense && index::BoundedRows::suits(vector.metric)) {
        column.bounded.emplace(vector.metric, vector.dim, room);
      }
    }
    if (vector.kind != VectorKind::dense) column.ends = base::GrowingArray<uint32_t>(capacity);
    columns_.emplace(vector.slot, std::move(column));
    configs_.emplace(vector.slot, vector);
  }
}

size_t Tail::memory_bytes() const {
  size_t bytes = size_ * (sizeof(uint64_t) + sizeof(PointId));
  for (const auto& [slot, column] : columns_) {
    const size_t used = column.kind == VectorKind::dense ? size_ : column.used;
    bytes += used * (column.kind == VectorKind::sparse ? sizeof(uint32_t) + sizeof(float) : column.vectors.row_bytes());
    if (column.bounded) bytes += used * index::BoundedRows::row_bytes(column.vectors.dim());
  }
  return bytes;
}

bool Tail::append(uint64_t row, const PointId& id, std::span<const Value> vectors) {
  if (size_ == capacity_) return false;
  for (const Value& value : vectors) {
    const auto found = columns_.find(value.slot);
    if (found == columns_.end()) continue;  // a vector that was taken out of the configuration
    const Column& column = found->second;
    if (column.kind == VectorKind::multi &&
        column.used + count_vectors(configs_.at(value.slot), value.bytes) > column.vectors.capacity()) {
      return false;
    }
    if (column.kind == VectorKind::sparse && column.used + value.bytes.size() / 8 > column.values.capacity()) {
      return false;
    }
  }
  for (const Value& value : vectors) {
    const auto found = columns_.find(value.slot);
    if (found == columns_.end()) continue;
    Column& column = found->second;
    const auto* bytes = reinterpret_cast<const std::byte*>(value.bytes.data());
    switch (column.kind) {
      case VectorKind::dense:
        column.vectors.set(size_, bytes);
        if (column.bounded) {
          values_.resize(column.vectors.dim());
          column.vectors.read(size_, values_.data());
          column.bounded->set(size_, values_.data());
        }
        break;
      case VectorKind::multi: {
        const size_t count = count_vectors(configs_.at(value.slot), value.bytes);
        for (size_t i = 0; i < count; ++i) {
          column.vectors.set(column.used + i, bytes + i * column.vectors.row_bytes());
        }
        column.used += count;
        break;
      }
      case VectorKind::sparse: {
        const size_t count = value.bytes.size() / 8;
        std::memcpy(column.indices.data() + column.used, bytes + 4, count * 4);
        std::memcpy(column.values.data() + column.used, bytes + 4 + count * 4, count * 4);
        column.used += count;
        break;
      }
    }
    column.present[size_] = 1;
  }
  for (auto& [slot, column] : columns_) {
    if (column.kind != VectorKind::dense) column.ends[size_] = static_cast<uint32_t>(column.used);
  }
  rows_[size_] = row;
  ids_[size_] = id;
  ++size_;
  return true;
}

std::vector<uint32_t> Tail::candidates(const VectorConfig& config, const VectorValue& query, size_t k, size_t count,
                                       std::span<const uint64_t> allowed) const {
  std::vector<uint32_t> out;
  const Column* column = this->column(config);
  if (column == nullptr) return out;
  // Rows without the vector have codes of zeros, which would be candidates for nothing.
  std::vector<uint64_t> there(allowed.begin(), allowed.end());
  size_t left = 0;
  for (size_t at = 0; at < count; ++at) {
    if (column->present[at] == 0) there[at / 64] &= ~(uint64_t{1} << (at % 64));
  }
  for (size_t word = 0; word < (count + 63) / 64; ++word) left += static_cast<size_t>(std::popcount(there[word]));
  if (column->bounded && left > 4 * k && left > count / 8) {
    column->bounded->candidates(query.values.data(), k, count, there, out);
    return out;
  }
  out.reserve(left);
  for (size_t at = 0; at < count; ++at) {
    if ((there[at / 64] >> (at % 64) & 1) != 0) out.push_back(static_cast<uint32_t>(at));
  }
  return out;
}

size_t Tail::find(uint64_t row, size_t count) const {
  const uint64_t* end = rows_.data() + count;
  const uint64_t* at = std::lower_bound(rows_.data(), end, row);
  return at != end && *at == row ? static_cast<size_t>(at - rows_.data()) : count;
}

const Tail::Column* Tail::column(const VectorConfig& config) const {
  const auto found = columns_.find(config.slot);
  return found == columns_.end() ? nullptr : &found->second;
}

bool Tail::has_vector(const VectorConfig& config, size_t at) const {
  const Column* column = this->column(config);
  return column != nullptr && column->present[at] != 0;
}

}  // namespace sextant::store
