// SentencePiece .model files (protocol buffers).
#include <cstdlib>

#include "fuzz/fuzz.h"
#include "sextant/tokenizer.h"

namespace {

std::string field(int number, const std::string& bytes) {
  return std::string(1, static_cast<char>(number << 3 | 2)) + static_cast<char>(bytes.size()) + bytes;
}

// ModelProto.SentencePiece {1: piece, 2: score (float), 3: type}
std::string piece(const std::string& text, int type) {
  return field(1, field(1, text) + std::string("\x15\x00\x00\x80\xBF", 5) + "\x18" + static_cast<char>(type));
}

}  // namespace

std::vector<std::string> fuzz_seeds() {
  const std::string pieces = piece("<unk>", 2) + piece("\xE2\x96\x81", 1) + piece("a", 1) +
                             piece(
                                 "\xE2\x96\x81"
                                 "a",
                                 1) +
                             piece("b", 1);
  const std::string normalizer = field(3, field(1, "identity") + std::string("\x18\x01\x20\x01", 4));
  return {pieces + field(2, std::string("\x18\x01", 2)) + normalizer,
          pieces + field(2, std::string("\x18\x02", 2)) + normalizer};
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sextant::Tokenizer tokenizer = sextant::Tokenizer::load(sextant::fuzz::as_file(data, size, ".model"));
  sextant::Encoding encoding = tokenizer.encode("a b aab \xE4\xB8\xAD");
  for (const sextant::TokenOffset& offset : encoding.offsets) {
    if (offset.begin > offset.end || offset.end > 11) std::abort();
  }
  return 0;
}
