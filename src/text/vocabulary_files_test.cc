// The kinds of file other than tokenizer.json, written here byte by byte.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "base/files.h"
#include "sextant/error.h"
#include "sextant/tokenizer.h"
#include "text/test_tokenizers.h"

namespace sextant {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using text::tokens_of;

class VocabularyFiles : public testing::Test {
 protected:
  std::filesystem::path write(const std::string& name, std::string_view bytes) {
    std::ofstream(folder_.path() / name, std::ios::binary) << bytes;
    return folder_.path() / name;
  }
  Error failure(const std::filesystem::path& path) {
    try {
      Tokenizer::load(path);
    } catch (const Error& e) {
      return e;
    }
    return Error(ErrorCode::internal, "nothing was thrown");
  }
  base::TemporaryFolder folder_;
};

// One field of a protocol buffer.
std::string bytes_field(int number, std::string_view bytes) {
  std::string out(1, static_cast<char>(number << 3 | 2));
  size_t size = bytes.size();
  for (; size >= 128; size >>= 7) out += static_cast<char>(size | 128);
  out += static_cast<char>(size);
  return out.append(bytes);
}
std::string number_field(int number, unsigned value) {
  std::string out;
  unsigned key = static_cast<unsigned>(number) << 3;
  for (unsigned part : {key, value}) {
    for (; part >= 128; part >>= 7) out += static_cast<char>(part | 128);
    out += static_cast<char>(part);
  }
  return out;
}
std::string piece(std::string_view text, float score, unsigned type = 1) {
  std::string bits(4, '\0');
  std::memcpy(bits.data(), &score, 4);
  std::string message = bytes_field(1, text);
  message += static_cast<char>(2 << 3 | 5);
  message += bits;
  message += number_field(3, type);
  return bytes_field(1, message);
}

std::string sentencepiece_model(bool is_bpe, const std::string& normalizer = "") {
  std::string bytes = piece("<unk>", 0, 2) + piece("<s>", 0, 3) + piece("</s>", 0, 3) + piece("▁", -2) +
                      piece("t", -5) + piece("a", -5) + piece("p", -5) + piece("ta", -4) + piece("tap", -3) +
                      piece("▁tap", -2.5f) + piece("▁t", -6) + piece("[X]", 0, 4) + piece("s", -5) + piece("ap", -9, 5);
  return bytes + bytes_field(2, number_field(3, is_bpe ? 2 : 1)) + bytes_field(3, normalizer);
}

TEST_F(VocabularyFiles, VocabTxtIsWordPieceWithBertsStages) {
  std::string lines = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\r\ntap\n\n##s\n";
  Tokenizer tokenizer = Tokenizer::load(write("vocab.txt", lines));
  EXPECT_THAT(tokenizer.encode("The T\u00C1PS[MASK]").ids, ElementsAre(2, 5, 6, 8, 4, 3));
  write("tokenizer_config.json", R"({"do_lower_case":false})");
  EXPECT_THAT(Tokenizer::load(folder_.path()).encode("The tap").ids, ElementsAre(2, 1, 6, 3));
  EXPECT_THAT(failure(write("vocab.txt", "a\nb\n")).what(), HasSubstr("[UNK]"));
}

TEST_F(VocabularyFiles, VocabJsonAndMergesAreByteLevelBpe) {
  std::string model = text::byte_level_model();
  std::string vocabulary = model.substr(model.find("\"vocab\":") + 8);
  vocabulary.resize(vocabulary.find("},\"merges\"") + 1);
  write("vocab.json", vocabulary);
  EXPECT_THAT(failure(folder_.path()).what(), HasSubstr("merges.txt"));
  write("merges.txt", "#version: 0.2\nt h\nth e\n\u0120 the\n");
  Tokenizer tokenizer = Tokenizer::load(folder_.path());
  EXPECT_THAT(tokens_of(tokenizer, "the the"), ElementsAre("the", "\u0120the"));
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("the the").ids), "the the");
  write("merges.txt", "t h e\n");
  EXPECT_THAT(failure(folder_.path()).what(), HasSubstr("line 1"));
}

TEST_F(VocabularyFiles, TiktokenRanksAreByteLevelBpe) {
  // 256 bytes, then "he", "the", " the", " t": the ranks say in which order they merge.
  std::string lines;
  const char* kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (int byte = 0; byte < 256; ++byte) {
    lines += std::string(1, kAlphabet[byte >> 2]) + kAlphabet[(byte & 3) << 4] + "== " + std::to_string(byte) + "\n";
  }
  lines += "aGU= 256\ndGhl 257\nIHRoZQ== 258\nIHQ= 259\n";
  Tokenizer tokenizer = Tokenizer::load(write("some.tiktoken", lines));
  EXPECT_THAT(tokenizer.encode("the the th").ids, ElementsAre(257, 258, 259, 'h'));
  EXPECT_THAT(Tokenizer::load(write("tokenizer.model", lines)).encode("the").ids, ElementsAre(257));
  EXPECT_THAT(failure(write("bad.tiktoken", "aGU= 1\n?? 2\n")).what(), HasSubstr("line 2"));
  EXPECT_THAT(failure(write("bad.tiktoken", "aGU= 1\naGU= 2\n")).what(), HasSubstr("line 2"));
  EXPECT_THAT(failure(write("bad.tiktoken", "aGU= x\n")).what(), HasSubstr("rank"));
}

TEST_F(VocabularyFiles, SentencePieceUnigramTakesTheBestPath) {
  Tokenizer tokenizer = Tokenizer::load(write("tokenizer.model", sentencepiece_model(false)));
  EXPECT_EQ(tokenizer.model_name(), "Unigram");
  EXPECT_THAT(tokens_of(tokenizer, "  tap   taps "), ElementsAre("▁tap", "▁tap", "s"));
  EXPECT_THAT(tokenizer.encode("<s>tap").ids, ElementsAre(3, 0, 12, 0, 8));
  EXPECT_THAT(tokens_of(tokenizer, "xyz[X]a"), ElementsAre("▁", "xyz", "[X]", "a"));
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("tap taps").ids), "tap taps");
  Encoding encoding = tokenizer.encode("  tap");
  EXPECT_EQ(encoding.offsets[0], (TokenOffset{2, 5}));
}

TEST_F(VocabularyFiles, SentencePieceBpeMergesTheHighestScore) {
  Tokenizer tokenizer = Tokenizer::load(write("spiece.model", sentencepiece_model(true)));
  EXPECT_EQ(tokenizer.model_name(), "BPE");
  EXPECT_THAT(tokens_of(tokenizer, "tap tas[X]tap"), ElementsAre("▁tap", "▁", "ta", "s", "[X]", "tap"));
  // "ap" is an unused piece: it may form on the way and is taken apart again.
  EXPECT_THAT(tokens_of(tokenizer, "ap"), ElementsAre("▁", "a", "p"));
}

TEST_F(VocabularyFiles, SentencePieceKeepsSpacesWhereItsRulesSaySo) {
  std::string normalizer = number_field(3, 0) + number_field(4, 0);
  Tokenizer tokenizer = Tokenizer::load(write("tokenizer.model", sentencepiece_model(false, normalizer)));
  EXPECT_THAT(tokens_of(tokenizer, "tap  tap "), ElementsAre("tap", "▁", "▁tap", "▁"));
}

TEST_F(VocabularyFiles, SentencePieceCutAnywhereIsRefusedOrLoads) {
  std::string bytes = sentencepiece_model(false);
  int refused = 0;
  for (size_t size = 0; size < bytes.size(); ++size) {
    Error error = failure(write("tokenizer.model", std::string_view(bytes).substr(0, size)));
    if (error.code() == ErrorCode::corrupted) ++refused;
  }
  EXPECT_GT(refused, 100);
  base::Random random(5);
  for (int round = 0; round < 1000; ++round) {
    std::string changed = bytes;
    for (size_t i = 0; i <= random.below(3); ++i)
      changed[random.below(changed.size())] = static_cast<char>(random.next());
    try {
      Tokenizer::load(write("tokenizer.model", changed)).encode("a tap [X]");
    } catch (const Error& e) {
      EXPECT_NE(e.code(), ErrorCode::internal) << e.what();
    }
  }
}

}  // namespace
}  // namespace sextant
