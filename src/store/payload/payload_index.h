// store/payload/payload_index.h: what is known of a segment's payloads without looking at them: which rows satisfy a
// filter for certain, which must be looked at, how often values occur, and rows in the order of a number.
//
// The file (index_file.h) is mapped; opening reads the sets of every field and nothing else. Its bytes are checked as
// they are read: whatever they are, the outcome is a result or an Error(corrupted), and verify() compares all
// checksums. PayloadMatcher with schema() is the judge: evaluate() never contradicts it. Threads: an opened index is
// immutable.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/payload/field_index.h"
#include "store/payload/filter.h"
#include "store/payload/payload_schema.h"
#include "store/payload/row_set.h"

namespace sextant::store {

// What a filter asks for that lies in no payload.
class SegmentPoints {
 public:
  virtual ~SegmentPoints() = default;
  virtual std::optional<uint32_t> row_of(const PointId& id) const = 0;
  virtual PointId id_of(uint32_t row) const = 0;
  virtual RowSet with_vector(std::string_view name) const = 0;
};

struct RowBounds {
  RowSet sure;   // these match
  RowSet maybe;  // these must be looked at; none of them is in sure
  // Paths that no index helped with, sorted: what EXPLAIN shows.
  std::vector<std::string> without_index;
};

struct FieldStatistics {
  uint64_t points = 0;    // rows that have a value of the field's kind
  uint64_t distinct = 0;  // such values
};

class PayloadIndex {
 public:
  // Throws not_found, corrupted or unsupported naming the file.
  static PayloadIndex open(const std::filesystem::path& path);
  PayloadIndex(PayloadIndex&&) noexcept;
  PayloadIndex& operator=(PayloadIndex&&) noexcept;
  ~PayloadIndex();

  void verify() const;
  uint32_t rows() const;
  // Of the truth that it was made from: payloads that changed later are not in it.
  uint64_t version() const;
  const PayloadSchema& schema() const;
  // By the path as KeyPath::text() writes it; nullptr where it is not indexed.
  const FieldIndex* field(const std::string& path) const;
  std::optional<FieldStatistics> statistics(const std::string& path) const;

  // Of the rows of ALL, which are this segment's that are not gone.
  RowBounds evaluate(const Filter& filter, const RowSet& all, const SegmentPoints& points) const;

  // FieldIndex::order(). Throws invalid_argument where the path has no index that orders.
  void order_by(const KeyPath& path, const OrderOptions& options, const RowSet& within,
                const std::function<bool(const OrderValue&, uint32_t)>& visit) const;

 private:
  PayloadIndex();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sextant::store
