// tests/fuzz/fuzz.h: what a fuzzer gives: seeds to start from, and one function that takes hostile bytes.
//
// The function may throw sextant::Error, which is what hostile bytes deserve; anything else (a crash, another
// exception, a sanitizer's report, more than ten seconds for one input) is a failure. The signature is libFuzzer's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

std::vector<std::string> fuzz_seeds();
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace sextant::fuzz {

// Puts the bytes into a file, overwritten each time, for readers that want a path; ENDING says how the name ends.
std::string as_file(const uint8_t* data, size_t size, std::string_view ending);

}  // namespace sextant::fuzz
