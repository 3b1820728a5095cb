// store/payload/field_index.h: one field of a payload index as it lies in its file, and which rows it finds for a test.
//
// Bounds are two sets around the truth: lower's rows match for certain, rows outside of upper do not. What lies between
// must be looked at. Everything that is read from the file is checked first; throws corrupted naming the file.
// Threads: const functions may be called from many.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "index/section_file.h"
#include "store/payload/filter.h"
#include "store/payload/index_file.h"
#include "store/payload/payload_schema.h"
#include "store/payload/row_set.h"
#include "store/payload/text_words.h"

namespace sextant::store {

struct Bounds {
  RowSet lower, upper;
};

// What a facet counts.
using FacetValue = std::variant<bool, int64_t, std::string>;
// What points are ordered by; moments are microseconds since 1970.
using OrderValue = std::variant<int64_t, double>;

struct OrderOptions {
  bool descending = false;
  std::optional<OrderValue> start_from;  // values before it are left out
};

class FieldIndex {
 public:
  // FILE must outlive it.
  FieldIndex(const index::SectionFile& file, size_t number, uint32_t rows, const FieldHead& head,
             const FieldSchema& schema);

  const FieldSchema& schema() const { return schema_; }
  const RowSet& set(FieldSet which) const { return sets_[static_cast<size_t>(which)]; }
  // Values that differ; of a text, words.
  uint64_t distinct() const { return distinct_; }

  // Whether the index knows more of this test than which rows have values of another kind.
  bool serves(const FieldTest& test) const;
  // Of the rows of ALL.
  Bounds evaluate(const FieldTest& test, const RowSet& all) const;

  bool has_facets() const;
  // Calls VISIT with each value, ascending, and how many of WITHIN have it, where any has. REQUIRES: has_facets().
  void facets(const RowSet& within, const std::function<void(const FacetValue&, uint64_t)>& visit) const;

  bool has_order() const { return has_values_; }
  // Calls VISIT with the values of WITHIN in order, those that are equal by ascending rows, until it returns false; a
  // row that has several comes several times. REQUIRES: has_order().
  void order(const OrderOptions& options, const RowSet& within,
             const std::function<bool(const OrderValue&, uint32_t)>& visit) const;

 private:
  struct Tester;
  class Postings;

  [[noreturn]] void fail(std::string_view what) const;
  template <class T>
  std::span<const T> section(std::string_view name, uint64_t count) const;
  uint32_t checked_row(uint32_t row) const;

  // Keys by their places.
  std::string_view string_key(uint64_t place) const;
  uint64_t first_string(std::string_view key) const;  // not below KEY
  bool is_string_key(uint64_t place, std::string_view key) const;

  const index::SectionFile& file_;
  size_t number_;
  uint32_t rows_;
  uint64_t distinct_;
  FieldSchema schema_;
  WordRules rules_;
  RowSet sets_[kFieldSets];

  bool has_keys_ = false, has_string_keys_ = false, has_values_ = false;
  std::span<const std::byte> key_bytes_;
  std::span<const uint64_t> key_ends_;
  std::span<const int64_t> integer_keys_;
  std::span<const std::byte> postings_;
  std::span<const uint64_t> posting_ends_;
  std::span<const int64_t> integers_;
  std::span<const double> numbers_;
  std::span<const uint32_t> value_rows_;
  std::span<const uint64_t> codes_;
  std::span<const double> places_;
  std::span<const uint32_t> code_rows_;
  std::span<const uint32_t> counts_, count_rows_;
};

}  // namespace sextant::store
