// The fuzzers' own driver: mutates seeds by flipping, cutting, doubling, splicing and by writing extreme numbers.
// Debian's g++ has no libFuzzer; with clang, libfuzzer.cc in place of this file is guided by coverage.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "base/random.h"
#include "fuzz/fuzz.h"
#include "sextant/error.h"

namespace {

constexpr size_t kInputBytesMax = 1 << 20;
constexpr double kOneInputSecondsMax = 10;

std::string mutate(std::string input, const std::vector<std::string>& seeds, sextant::base::Random& random) {
  static constexpr std::string_view kTokens[] = {"\"",
                                                 "{",
                                                 "}",
                                                 "[",
                                                 "]",
                                                 ",",
                                                 ":",
                                                 "null",
                                                 "-1",
                                                 "1e999",
                                                 "\\u0000",
                                                 "\xFF\xFE",
                                                 "\xF0\x9F\x92\xA9",
                                                 "<",
                                                 ">",
                                                 "&",
                                                 "#",
                                                 "```",
                                                 "\n\n",
                                                 "18446744073709551616"};
  for (uint64_t times = 1 + random.below(6); times > 0; --times) {
    if (input.empty()) input = seeds[random.below(seeds.size())];
    size_t at = random.below(input.size() + 1);
    size_t length = random.below(std::min<size_t>(input.size() - at, 64) + 1);
    switch (random.below(8)) {
      case 0:
        if (at < input.size()) input[at] = static_cast<char>(random.below(256));
        break;
      case 1:
        if (at < input.size()) input[at] ^= static_cast<char>(1 << random.below(8));
        break;
      case 2:
        input.erase(at, length);
        break;
      case 3:
        input.resize(at);
        break;
      case 4:
        input.insert(at, input.substr(at, length));
        break;
      case 5:
        input.insert(at, kTokens[random.below(std::size(kTokens))]);
        break;
      case 6: {
        const std::string& other = seeds[random.below(seeds.size())];
        size_t from = random.below(other.size() + 1);
        input.insert(at, other.substr(from, random.below(256)));
        break;
      }
      case 7: {
        static constexpr uint64_t kExtreme[] = {0,      1,          0x7F,       0xFF,       0x7FFF,
                                                0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, UINT64_MAX, UINT64_MAX / 2};
        uint64_t value = kExtreme[random.below(std::size(kExtreme))];
        size_t width = size_t{1} << random.below(4);
        if (at + width <= input.size()) input.replace(at, width, reinterpret_cast<const char*>(&value), width);
        break;
      }
    }
    if (input.size() > kInputBytesMax) input.resize(kInputBytesMax);
  }
  return input;
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// False, with the input kept in a file, when it deserves attention.
bool try_input(const std::string& input, uint64_t round) {
  auto start = std::chrono::steady_clock::now();
  std::string what;
  try {
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
  } catch (const sextant::Error& e) {
    if (e.code() == sextant::ErrorCode::internal) what = e.what();
  } catch (const std::exception& e) {
    what = e.what();
  }
  if (seconds_since(start) > kOneInputSecondsMax) what = "took longer than ten seconds";
  if (what.empty()) return true;
  std::string kept = "fuzz-failure-" + std::to_string(round);
  std::ofstream(kept, std::ios::binary) << input;
  std::fprintf(stderr, "round %lu: %s; the input is in %s\n", static_cast<unsigned long>(round), what.c_str(),
               kept.c_str());
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  double seconds = 10;
  uint64_t seed = static_cast<uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
  std::vector<std::string> files;
  for (int i = 1; i < argc; ++i) {
    std::string_view argument = argv[i];
    if (argument == "--seconds" && i + 1 < argc) {
      seconds = std::atof(argv[++i]);
    } else if (argument == "--seed" && i + 1 < argc) {
      seed = std::strtoull(argv[++i], nullptr, 10);
    } else {
      files.emplace_back(argument);
    }
  }
  if (!files.empty()) {
    for (const std::string& file : files) {
      std::ifstream in(file, std::ios::binary);
      if (!try_input(std::string(std::istreambuf_iterator<char>(in), {}), 0)) return 1;
    }
    return 0;
  }
  std::printf("seed %lu\n", static_cast<unsigned long>(seed));
  sextant::base::Random random(seed);
  const std::vector<std::string> seeds = fuzz_seeds();
  uint64_t rounds = 0;
  for (const std::string& one : seeds) {
    if (!try_input(one, rounds++)) return 1;
  }
  auto start = std::chrono::steady_clock::now();
  for (; seconds_since(start) < seconds; ++rounds) {
    if (!try_input(mutate(seeds[random.below(seeds.size())], seeds, random), rounds)) return 1;
  }
  std::printf("%lu inputs\n", static_cast<unsigned long>(rounds));
  return 0;
}
