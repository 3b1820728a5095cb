// store/payload_edit.h: changing a part of a payload.
//
// Paths are keys with dots between them, `a[]` for each element of a list and `a[0]` for one of them. Numbers that are
// not touched keep their value; the order of keys stays.     Threads: functions of values.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace sextant::store {

// The keys of PATCH, an object, replace those of the object at PATH in PAYLOAD; "" is the payload itself. Objects that
// the path names and that are missing are made; where something else stands in their place, it is replaced.
std::string merge_payload(std::string_view payload, std::string_view path, std::string_view patch);

// PAYLOAD without what stands at these paths.
std::string remove_keys(std::string_view payload, std::span<const std::string> paths);

// Throws invalid_argument for a path that is none.
void check_path(std::string_view path);

}  // namespace sextant::store
