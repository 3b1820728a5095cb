#include "store/payload/order_values.h"

#include <fmt/format.h>

#include <algorithm>

#include "sextant/error.h"
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

bool has_order(const FieldSchema& schema) {
  return schema.kind == FieldKind::floating || schema.kind == FieldKind::datetime ||
         (schema.kind == FieldKind::integer && schema.has_range());
}

void check_order(const KeyPath& path, const FieldSchema* schema) {
  if (schema != nullptr && has_order(*schema)) return;
  throw Error(ErrorCode::invalid_argument,
              fmt::format("points cannot be ordered by '{}': it has {}, expected one of type integer with range, float "
                          "or datetime",
                          path.text(),
                          schema == nullptr ? "no index" : fmt::format("an index of type {}", name(schema->kind))));
}

bool is_less(const OrderValue& a, const OrderValue& b) {
  return std::visit(
      [](auto x, auto y) {
        if constexpr (std::is_same_v<decltype(x), decltype(y)>) {
          return x < y;
        } else {
          return static_cast<double>(x) < static_cast<double>(y);
        }
      },
      a, b);
}

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
