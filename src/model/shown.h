// model/shown.h: names out of untrusted files, made fit for a one-line message.
#pragma once

#include <string>
#include <string_view>

namespace sextant::model {

// 'name', without control or non-ASCII bytes, and cut where it is longer than any name that is meant to be read.
inline std::string shown(std::string_view name) {
  constexpr size_t kShownMax = 120;
  std::string out = "'";
  for (char c : name.substr(0, kShownMax)) out += c >= 0x20 && c < 0x7F ? c : '?';
  if (name.size() > kShownMax) out += "...";
  return out + "'";
}

}  // namespace sextant::model
