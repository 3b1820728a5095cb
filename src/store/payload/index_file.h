// store/payload/index_file.h: how a segment's payload index lies in its file (index/section_file.h).
//
//   head      {u64 rows, fields, version}: the version of the truth that it was made from
//   schema    the fields' schema as JSON; field N below is the N-th of it, in the order of their paths
//   fields    a FieldHead each
//   sets      sets of rows as RowSet::bytes() gives them, one after the other
// and of each field what its kind has; lists are sorted by their first column, then by the row:
//   N.keys, N.key_ends      the distinct values: strings one after the other and u64 where each ends; UUIDs of 16 bytes
//                           and integers of 8 (true is 1) without ends
//   N.postings, N.ends      the rows of each of them: a byte for the form, 0 u32 rows or 1 RowSet::bytes(); u64 ends
//   N.values, N.value_rows  numbers (i64 or f64; moments in microseconds) and u32 rows
//   N.codes, N.places, N.code_rows   geo_code(), {f64 lon, lat}, u32 rows
//   N.counts, N.count_rows  u32 numbers of values above one, u32 rows
// keyword, text, uuid, bool and integer with lookup have keys; integer with range, float and datetime values; geo
// codes. A value of another kind than the field's is not in here; the set "other" says which rows have such.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sextant::store {

inline constexpr uint32_t kPayloadIndexKind = 20;
inline constexpr uint32_t kPayloadIndexVersion = 2;
inline constexpr size_t kSectionsPerField = 7;

struct IndexHead {
  uint64_t rows, fields, version;
};

// Bytes of the section "sets".
struct SetPlace {
  uint64_t offset, bytes;
};

// Rows by what stands at the field's path.
enum class FieldSet : uint8_t {
  filled,   // not is_empty
  null,     // is_null
  indexed,  // a value that is in here
  other,    // a value that is not, nulls aside
  multi,    // more than one that is in here
  several,  // more than one value at the path, before lists are looked into: a[].b
};
inline constexpr size_t kFieldSets = 6;

struct FieldHead {
  uint64_t keys, values, codes, counts;  // how many of each
  uint64_t distinct;                     // values that differ
  SetPlace sets[kFieldSets];
};
static_assert(sizeof(FieldHead) == 8 * (5 + 2 * kFieldSets));

inline constexpr char kListForm = 0, kSetForm = 1;

}  // namespace sextant::store
