// base/environment.h: what the environment of the process says.
#pragma once

#include <cstdlib>
#include <string>

namespace sextant::base {

// Empty where it is not set.
inline std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace sextant::base
