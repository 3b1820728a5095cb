// bindings/c_border.h: what all C interfaces share: the border that no exception crosses, this thread's last message,
// checks of what a caller in C may get wrong, and the structs of index_c.h in their C++ forms.
// Threads: everything may be called from many; the message is each thread's own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <limits>
#include <new>
#include <span>
#include <string>

#include "sextant/error.h"
#include "sextant/index.h"
#include "sextant/index_c.h"

struct sextant_allowed_ids {
  sextant::AllowedIds ids;
};

namespace sextant::bindings {

inline constexpr size_t kThreadsMax = 1024;
// Rows that an index is measured on.
inline constexpr size_t kCalibrateMax = 100'000;
// An array cannot be larger than memory.
inline constexpr size_t kArrayBytesMax = std::numeric_limits<ptrdiff_t>::max();
inline constexpr size_t kHitsMax = kArrayBytesMax / sizeof(sextant_hit);

// Keeps the message for sextant_last_error and gives the status back.
sextant_status fail(sextant_status status, const char* message) noexcept;
const char* last_message() noexcept;
sextant_status status_of(ErrorCode code) noexcept;

// The border that no exception crosses.
template <class Body>
sextant_status guarded(Body body) noexcept {
  try {
    body();
    return SEXTANT_OK;
  } catch (const Error& error) {
    return fail(status_of(error.code()), error.what());
  } catch (const std::bad_alloc&) {
    return fail(SEXTANT_EXHAUSTED, "out of memory");
  } catch (const std::exception& error) {
    return fail(SEXTANT_INTERNAL, error.what());
  } catch (...) {
    return fail(SEXTANT_INTERNAL, "an exception of no known kind");
  }
}

// All of these throw invalid_argument, naming what was called NAME.
[[noreturn]] void refuse(const std::string& what);
void need(const void* pointer, const char* name);
void check_at_most(size_t value, size_t most, const char* name);
void check_struct(size_t found, size_t expected, const char* name);
void check_dim(const IndexOptions& index, size_t dim);

// Throws invalid_argument for null, a struct that was never initialised and numbers that no enum has.
IndexOptions index_options(const sextant_index_options* options);
void fill(const IndexOptions& from, sextant_index_options& out);
// REQUIRES: hits has room for all of from.
void fill(std::span<const IndexHit> from, sextant_hit* hits, size_t& found);
inline const AllowedIds* allowed_ids(const sextant_allowed_ids* allowed) {
  return allowed == nullptr ? nullptr : &allowed->ids;
}

}  // namespace sextant::bindings
