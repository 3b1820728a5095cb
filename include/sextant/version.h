// sextant/version.h: the version of the library and the program.
#pragma once

namespace sextant {

inline constexpr const char* kVersion = "0.1.0";

}  // namespace sextant
