// Files of vectors in every format, plain and compressed, and files of nearest rows.
#include <zstd.h>

#include <algorithm>
#include <array>
#include <vector>

#include "fuzz/fuzz.h"
#include "io/truth_file.h"
#include "io/vector_file.h"
#include "sextant/error.h"

namespace {

constexpr std::array<const char*, 6> kEndings = {".fbin", ".u8bin", ".i8bin", ".npy", ".fvecs", ".bvecs"};

std::string zstd(const std::string& bytes) {
  std::string out(ZSTD_compressBound(bytes.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), 1));
  return out;
}

}  // namespace

std::vector<std::string> fuzz_seeds() {
  const std::string two("\2\0\0\0", 4), one("\1\0\0\0", 4);
  std::string header = "{'descr': '<f2', 'fortran_order': False, 'shape': (2, 2), }";
  header.resize(117, ' ');
  std::vector<std::string> seeds = {two + two + std::string(16, '\1'),
                                    two + two + "1234",
                                    two + "12345678" + two + "12345678",
                                    two + "12" + two + "34" + two + "56",
                                    std::string("\x93NUMPY\x01\x00\x76\x00", 10) + header + "\n12345678",
                                    one + two + "12345678"};
  for (size_t i = 0, plain = seeds.size(); i < plain; ++i) seeds.push_back(zstd(seeds[i]));
  return seeds;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // Each reader gets the bytes, whatever the others think of them.
  auto attempt = [](auto read) {
    try {
      read();
    } catch (const sextant::Error&) {
    }
  };
  for (const std::string compressed : {"", ".zst"}) {
    for (const char* ending : kEndings) {
      attempt([&] {
        auto file = sextant::io::VectorFile::open(sextant::fuzz::as_file(data, size, ending + compressed));
        const size_t count = std::min<size_t>(file.rows(), (size_t{1} << 20) / file.dim());
        std::vector<float> out(count * file.dim());
        file.read(0, count, out);
        file.read(file.rows() - count, count, out);
      });
    }
    attempt([&] {
      const auto truth = sextant::io::TruthFile::open(sextant::fuzz::as_file(data, size, ".truth" + compressed));
      volatile uint32_t last = 0;
      for (size_t i = 0; i < std::min<size_t>(truth.queries(), 1000); ++i) last = truth.ids(i).back();
      static_cast<void>(last);
    });
  }
  return 0;
}
