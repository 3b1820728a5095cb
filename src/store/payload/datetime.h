// store/payload/datetime.h: moments as payloads and filters write them, in microseconds since 1970 (UTC).
//
// RFC 3339 (2024-02-29T12:00:00.5+01:00), and what Qdrant takes beside it: a space for the T, zones as +0100, +01 or
// " UTC", no zone at all (UTC then), "2024-02-29 12:00" and the date alone. Years have four digits. Finer fractions are
// cut off. Threads: all functions may be called from many.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sextant::store {

std::optional<int64_t> read_datetime(std::string_view text);

// "2024-02-29T12:00:00Z", with six digits of a fraction where there is one. REQUIRES: is_writable_datetime().
std::string datetime_text(int64_t microseconds);
// Within the years 0 to 9999, in which datetime_text() is read back.
bool is_writable_datetime(int64_t microseconds);

}  // namespace sextant::store
