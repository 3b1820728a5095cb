#include "sextant/error.h"

#include <array>

namespace sextant {
namespace {

struct Row {
  ErrorCode code;
  std::string_view name;
  int exit_status;
  int http_status;
};

constexpr std::array<Row, 8> kTable = {{
    {ErrorCode::invalid_argument, "invalid_argument", 2, 400},
    {ErrorCode::not_found, "not_found", 3, 404},
    {ErrorCode::already_exists, "already_exists", 1, 409},
    {ErrorCode::corrupted, "corrupted", 4, 500},
    {ErrorCode::exhausted, "exhausted", 1, 507},
    {ErrorCode::unavailable, "unavailable", 5, 503},
    {ErrorCode::unsupported, "unsupported", 1, 501},
    {ErrorCode::internal, "internal", 1, 500},
}};

const Row& row(ErrorCode code) {
  for (const Row& r : kTable) {
    if (r.code == code) return r;
  }
  return kTable.back();
}

}  // namespace

std::string_view name(ErrorCode code) { return row(code).name; }
int exit_status(ErrorCode code) { return row(code).exit_status; }
int http_status(ErrorCode code) { return row(code).http_status; }

}  // namespace sextant
