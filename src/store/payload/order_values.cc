#include "store/payload/order_values.h"

#include <algorithm>

#include "store/payload/datetime.h"
#include "store/payload/payload_values.h"

namespace sextant::store {
namespace {

std::optional<OrderValue> order_value(const FieldSchema& schema, simdjson::dom::element value) {
  int64_t integer = 0;
  double number = 0;
  std::string_view text;
  switch (schema.kind) {
    case FieldKind::integer:
      if (schema.has_range() && value.get(integer) == simdjson::SUCCESS) return integer;
      break;
    case FieldKind::floating:
      if (value.get(number) == simdjson::SUCCESS) return number;
      break;
    case FieldKind::datetime:
      if (value.get(text) == simdjson::SUCCESS) {
        if (const std::optional<int64_t> moment = read_datetime(text)) return *moment;
      }
      break;
    default:
      break;
  }
  return std::nullopt;
}

}  // namespace

std::vector<OrderValue> order_values(const KeyPath& path, const FieldSchema& schema, const PointView& point) {
  std::vector<OrderValue> out;
  if (point.payload == nullptr) return out;
  visit_values(*point.payload, path.steps(), [&](simdjson::dom::element value) {
    return visit_elements(value, [&](simdjson::dom::element one) {
      if (const std::optional<OrderValue> found = order_value(schema, one)) out.push_back(*found);
      return false;
    });
  });
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

}  // namespace sextant::store
