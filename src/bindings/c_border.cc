#include "bindings/c_border.h"

#include <cstdio>

namespace sextant::bindings {
namespace {

// An array, so that keeping a message cannot fail.
thread_local char last_error[1024] = "";

// LAST: the largest of the enum's numbers.
template <class Enum>
Enum checked(uint32_t value, Enum last, const char* name) {
  check_at_most(value, static_cast<size_t>(last), name);
  return static_cast<Enum>(value);
}

}  // namespace

sextant_status fail(sextant_status status, const char* message) noexcept {
  std::snprintf(last_error, sizeof(last_error), "%s", message);
  return status;
}

const char* last_message() noexcept { return last_error; }

sextant_status status_of(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::invalid_argument:
      return SEXTANT_INVALID_ARGUMENT;
    case ErrorCode::not_found:
      return SEXTANT_NOT_FOUND;
    case ErrorCode::already_exists:
      return SEXTANT_ALREADY_EXISTS;
    case ErrorCode::corrupted:
      return SEXTANT_CORRUPTED;
    case ErrorCode::exhausted:
      return SEXTANT_EXHAUSTED;
    case ErrorCode::unavailable:
      return SEXTANT_UNAVAILABLE;
    case ErrorCode::unsupported:
      return SEXTANT_UNSUPPORTED;
    case ErrorCode::internal:
      return SEXTANT_INTERNAL;
  }
  return SEXTANT_INTERNAL;
}

void refuse(const std::string& what) { throw Error(ErrorCode::invalid_argument, what); }

void need(const void* pointer, const char* name) {
  if (pointer == nullptr) refuse(std::string(name) + " is null");
}

void check_at_most(size_t value, size_t most, const char* name) {
  if (value > most) {
    refuse(std::string(name) + " is " + std::to_string(value) + ", expected at most " + std::to_string(most));
  }
}

void check_struct(size_t found, size_t expected, const char* name) {
  if (found != expected) {
    refuse(std::string(name) + ".struct_bytes is " + std::to_string(found) + ", expected " + std::to_string(expected) +
           ": was its _init called?");
  }
}

void check_dim(const IndexOptions& index, size_t dim) {
  if (dim != index.dim) {
    refuse("dim is " + std::to_string(dim) + ", the index has " + std::to_string(index.dim));
  }
}

IndexOptions index_options(const sextant_index_options* options) {
  need(options, "options");
  check_struct(options->struct_bytes, sizeof(*options), "options");
  return {.dim = options->dim,
          .metric = checked(options->metric, Metric::hamming, "metric"),
          .type = checked(options->type, ElementType::bit, "type"),
          .kind = checked(options->kind, IndexKind::flat, "kind"),
          .codes = checked(options->codes, CodeKind::sq1, "codes"),
          .degree = options->degree,
          .build_breadth = options->build_breadth,
          .capacity = options->capacity,
          .seed = options->seed};
}

void fill(const IndexOptions& from, sextant_index_options& out) {
  out = {.struct_bytes = sizeof(sextant_index_options),
         .dim = from.dim,
         .metric = static_cast<uint32_t>(from.metric),
         .type = static_cast<uint32_t>(from.type),
         .kind = static_cast<uint32_t>(from.kind),
         .codes = static_cast<uint32_t>(from.codes),
         .degree = from.degree,
         .build_breadth = from.build_breadth,
         .capacity = from.capacity,
         .seed = from.seed};
}

void fill(std::span<const IndexHit> from, sextant_hit* hits, size_t& found) {
  for (size_t i = 0; i < from.size(); ++i) hits[i] = {from[i].id, from[i].score};
  found = from.size();
}

}  // namespace sextant::bindings
