// io/testing_zstd.h: for tests: compressed bytes.
#pragma once

#include <zstd.h>

#include <string>

namespace sextant::io {

inline std::string zstd(const std::string& bytes) {
  std::string out(ZSTD_compressBound(bytes.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), 1));
  return out;
}

}  // namespace sextant::io
