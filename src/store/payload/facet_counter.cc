#include "store/payload/facet_counter.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "sextant/error.h"
#include "store/payload/payload_values.h"

namespace sextant::store {
namespace {

std::optional<FacetValue> facet_value(FieldKind kind, simdjson::dom::element value) {
  std::string_view text;
  int64_t integer = 0;
  bool flag = false;
  if (kind == FieldKind::integer) {
    if (value.get(integer) == simdjson::SUCCESS) return integer;
  } else if (kind == FieldKind::boolean) {
    if (value.get(flag) == simdjson::SUCCESS) return flag;
  } else if (value.get(text) == simdjson::SUCCESS) {
    const std::optional<PointId> id = kind == FieldKind::uuid ? PointId::read_uuid(text) : std::nullopt;
    if (kind == FieldKind::keyword || (id && id->text() == text)) return std::string(text);
  }
  return std::nullopt;
}

}  // namespace

FacetCounter::FacetCounter(KeyPath path, const FieldSchema& schema) : path_(std::move(path)), kind_(schema.kind) {
  const bool good = kind_ == FieldKind::keyword || kind_ == FieldKind::boolean || kind_ == FieldKind::uuid ||
                    (kind_ == FieldKind::integer && schema.has_lookup());
  if (!good) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("values of '{}' cannot be counted: its index is of type {}, expected keyword, integer with "
                            "lookup, bool or uuid",
                            path_.text(), name(kind_)));
  }
}

void FacetCounter::add(const PayloadIndex& index, const RowSet& within) {
  const FieldIndex* field = index.field(path_.text());
  if (field == nullptr || !field->has_facets() || field->schema().kind != kind_) {
    throw Error(ErrorCode::internal, fmt::format("the index of a segment has no facets of '{}'", path_.text()));
  }
  field->facets(within, [&](const FacetValue& value, uint64_t count) { counts_[value] += count; });
}

void FacetCounter::add(const PointView& point) {
  if (point.payload == nullptr) return;
  std::set<FacetValue> values;
  visit_values(*point.payload, path_.steps(), [&](simdjson::dom::element value) {
    return visit_elements(value, [&](simdjson::dom::element one) {
      if (std::optional<FacetValue> found = facet_value(kind_, one)) values.insert(*std::move(found));
      return false;
    });
  });
  for (const FacetValue& value : values) ++counts_[value];
}

std::vector<FacetCount> FacetCounter::top(size_t limit) const {
  std::vector<FacetCount> out;
  for (const auto& [value, count] : counts_) out.push_back({value, count});
  std::stable_sort(out.begin(), out.end(), [](const FacetCount& a, const FacetCount& b) { return a.count > b.count; });
  out.resize(std::min(limit, out.size()));
  return out;
}

}  // namespace sextant::store
