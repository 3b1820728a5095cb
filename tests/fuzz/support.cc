// What fuzzers need beside their driver, be it ours or libFuzzer's.
#include <fstream>

#include "base/files.h"
#include "fuzz/fuzz.h"

namespace sextant::fuzz {

std::string as_file(const uint8_t* data, size_t size, std::string_view ending) {
  static const base::TemporaryFolder folder;
  std::string path = folder.path() / ("input" + std::string(ending));
  std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  return path;
}

}  // namespace sextant::fuzz
