// What lies between libFuzzer and a fuzzer: an Error is an answer, not a crash, and `--write-seeds FOLDER` gives the
// corpus to start from.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "fuzz/fuzz.h"
#include "sextant/error.h"

// The fuzzer's LLVMFuzzerTestOneInput, by the name that CMakeLists.txt gives it.
extern "C" int sextant_fuzz_one_input(const uint8_t* data, size_t size);

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  if (*argc != 3 || std::string_view((*argv)[1]) != "--write-seeds") return 0;
  const std::filesystem::path folder = (*argv)[2];
  std::filesystem::create_directories(folder);
  const std::vector<std::string> seeds = fuzz_seeds();
  for (size_t i = 0; i < seeds.size(); ++i) {
    std::ofstream(folder / ("seed-" + std::to_string(i)), std::ios::binary) << seeds[i];
  }
  std::printf("%zu seeds in %s\n", seeds.size(), folder.c_str());
  std::exit(0);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    return sextant_fuzz_one_input(data, size);
  } catch (const sextant::Error& e) {
    if (e.code() == sextant::ErrorCode::internal) throw;
    return 0;
  }
}
