#include "store/payload_check.h"

#include <fmt/format.h>
#include <simdjson.h>

#include "sextant/error.h"

namespace sextant::store {

void check_payload(std::string_view payload) {
  if (payload.empty()) return;
  thread_local simdjson::dom::parser parser;
  const simdjson::padded_string padded(payload);
  const auto parsed = parser.parse(padded);
  if (parsed.error() != simdjson::SUCCESS) {
    throw Error(ErrorCode::invalid_argument, fmt::format("payload: {}", simdjson::error_message(parsed.error())));
  }
  if (!parsed.is_object()) throw Error(ErrorCode::invalid_argument, "payload: not an object, expected one");
}

}  // namespace sextant::store
