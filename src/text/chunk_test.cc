#include "text/chunk.h"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/utf8.h"
#include "sextant/error.h"

namespace sextant::text {
namespace {

std::vector<std::string> sentences(const std::string& text, size_t bytes_max = 8192) {
  std::vector<ByteRange> ranges;
  SentenceSplitter().split(text, bytes_max, ranges);
  std::vector<std::string> out;
  for (ByteRange range : ranges) out.push_back(text.substr(range.begin, range.end - range.begin));
  return out;
}

using Strings = std::vector<std::string>;

TEST(Sentences, EndAtFullStopsQuestionsAndExclamations) {
  EXPECT_EQ(sentences("One two. Three? Four! \"Five.\" Six 3.5 kg."),
            (Strings{"One two.", "Three?", "Four!", "\"Five.\"", "Six 3.5 kg."}));
  EXPECT_EQ(sentences("\xE4\xB8\x80\xE3\x80\x82\xE4\xBA\x8C\xE3\x80\x82"),
            (Strings{"\xE4\xB8\x80\xE3\x80\x82", "\xE4\xBA\x8C\xE3\x80\x82"}));
  EXPECT_EQ(sentences(""), Strings{});
  EXPECT_EQ(sentences(" \n\n\t "), Strings{});
}

TEST(Sentences, DoNotEndAtAbbreviationsAndInitials) {
  EXPECT_EQ(sentences("Dr. Smith met J. R. Hartley. They spoke, e.g. about Fig. 3 vs. Fig. 4. Done."),
            (Strings{"Dr. Smith met J. R. Hartley.", "They spoke, e.g. about Fig. 3 vs. Fig. 4.", "Done."}));
  EXPECT_EQ(sentences("So did I. Then we left."), (Strings{"So did I.", "Then we left."}));
}

TEST(Sentences, RunAcrossWrappedLinesButNotAcrossParagraphsOrItems) {
  EXPECT_EQ(
      sentences("This line is long enough that an editor has wrapped it\nright here. Next.\n\nTitle without a stop\n\n"
                "A list that follows a line of more than fifty bytes:\n- one\n- two\nShort line\nanother"),
      (Strings{"This line is long enough that an editor has wrapped it\nright here.", "Next.", "Title without a stop",
               "A list that follows a line of more than fifty bytes:", "- one", "- two", "Short line", "another"}));
}

TEST(Sentences, TooLongAreCutAtWhiteSpaceElseBetweenCodePoints) {
  EXPECT_EQ(sentences("aaa bbb ccc ddd", 8), (Strings{"aaa bbb", "ccc ddd"}));
  EXPECT_EQ(sentences("\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9", 9),
            (Strings{"\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9", "\xC3\xA9\xC3\xA9"}));
}

// WordPiece over single letters and a few words, so that counts can be worked out by hand: a word of the list is one
// token, any other word as many as it has letters. [CLS] and [SEP] are added.
Tokenizer small_tokenizer() {
  std::string vocab = "\"[UNK]\":0,\"[CLS]\":1,\"[SEP]\":2";
  int id = 3;
  for (char c = '!'; c <= '~'; ++c) {
    std::string token = c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
    vocab += ",\"" + token + "\":" + std::to_string(id);
    vocab += ",\"##" + token + "\":" + std::to_string(id + 1);
    id += 2;
  }
  for (const char* word : {"the", "tap", "drips", "water", "fix", "it", "now"}) {
    vocab += std::string(",\"") + word + "\":" + std::to_string(id++);
  }
  return Tokenizer::from_json(
      R"({"version":"1.0","truncation":null,"padding":null,"added_tokens":[],)"
      R"("normalizer":{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true},)"
      R"("pre_tokenizer":{"type":"BertPreTokenizer"},)"
      R"("post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"[CLS]","type_id":0}},)"
      R"({"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"[SEP]","type_id":0}}],)"
      R"("pair":[{"Sequence":{"id":"A","type_id":0}},{"Sequence":{"id":"B","type_id":1}}],)"
      R"("special_tokens":{"[CLS]":{"id":"[CLS]","ids":[1],"tokens":["[CLS]"]},"[SEP]":{"id":"[SEP]","ids":[2],"tokens":["[SEP]"]}}},)"
      R"("decoder":null,"model":{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":100,"vocab":{)" +
      vocab + "}}}");
}

Strings passages(const std::string& text, const std::vector<Chunk>& chunks) {
  Strings out;
  for (const Chunk& chunk : chunks) out.push_back(text.substr(chunk.begin, chunk.end - chunk.begin));
  return out;
}

std::vector<Chunk> chunk_whole(const Tokenizer& tokenizer, const std::string& text, ChunkOptions options,
                               std::string_view context = {}) {
  Section section{0, text.size(), context};
  return Chunker(tokenizer, options).chunk(text, {&section, 1});
}

TEST(Chunks, HoldWholeSentencesUpToTheMaximumAndRepeatTheLast) {
  Tokenizer tokenizer = small_tokenizer();
  const std::string text = "The tap drips. Fix it now. Fix the tap. Water drips now. ";
  // 4 tokens a sentence, 2 special ones: two sentences are 10.
  std::vector<Chunk> chunks = chunk_whole(tokenizer, text, {.tokens_max = 10, .overlap_tokens = 0});
  EXPECT_EQ(passages(text, chunks), (Strings{"The tap drips. Fix it now.", "Fix the tap. Water drips now."}));
  EXPECT_EQ(chunks[0].token_count, 10u);
  chunks = chunk_whole(tokenizer, text, {.tokens_max = 10, .overlap_tokens = 4});
  EXPECT_EQ(passages(text, chunks),
            (Strings{"The tap drips. Fix it now.", "Fix it now. Fix the tap.", "Fix the tap. Water drips now."}));
  EXPECT_EQ(chunk_whole(tokenizer, text, {.tokens_max = 18, .overlap_tokens = 4}).size(), 1u);
}

TEST(Chunks, CountTheContextThatIsPutAboveThem) {
  Tokenizer tokenizer = small_tokenizer();
  const std::string text = "The tap drips. Fix it now. Fix the tap. Water drips now.";
  std::vector<Chunk> chunks = chunk_whole(tokenizer, text, {.tokens_max = 14, .overlap_tokens = 0}, "Fix water > tap");
  EXPECT_EQ(passages(text, chunks), (Strings{"The tap drips. Fix it now.", "Fix the tap. Water drips now."}));
  EXPECT_EQ(chunks[0].token_count, 14u);
}

TEST(Chunks, StayInsideTheirSections) {
  Tokenizer tokenizer = small_tokenizer();
  const std::string text = "The tap. \n\nFix it. \n \n";
  std::vector<Section> sections = {{0, 10, "a"}, {10, 19, "b"}, {19, text.size(), "c"}};
  std::vector<Chunk> chunks = Chunker(tokenizer, {.tokens_max = 10, .overlap_tokens = 0}).chunk(text, sections);
  EXPECT_EQ(passages(text, chunks), (Strings{"The tap.", "Fix it."}));
  EXPECT_EQ(chunks[1].section, 1u);
}

TEST(Chunks, CutALongSentenceBetweenWordsAndALongWordBetweenTokens) {
  Tokenizer tokenizer = small_tokenizer();
  EXPECT_EQ(passages("the tap the tap the tap the tap the tap the tap the tap",
                     chunk_whole(tokenizer, "the tap the tap the tap the tap the tap the tap the tap",
                                 {.tokens_max = 10, .overlap_tokens = 0})),
            (Strings{"the tap the tap the tap the tap", "the tap the tap the tap"}));
  EXPECT_EQ(
      passages("abcdefghijklmnop", chunk_whole(tokenizer, "abcdefghijklmnop", {.tokens_max = 10, .overlap_tokens = 0})),
      (Strings{"abcdefgh", "ijklmnop"}));
}

TEST(Chunks, RefuseOptionsThatCannotWork) {
  Tokenizer tokenizer = small_tokenizer();
  EXPECT_THROW(Chunker(tokenizer, {.tokens_max = 9}), Error);
  EXPECT_THROW(Chunker(tokenizer, {.tokens_max = 20, .overlap_tokens = 11}), Error);
}

TEST(Chunks, AContextTooLongKeepsItsFirstWords) {
  Tokenizer tokenizer = small_tokenizer();
  Chunker chunker(tokenizer, {.tokens_max = 12, .overlap_tokens = 0});
  EXPECT_EQ(chunker.fit_context("the tap drips water now fix it"), "the tap drips water now");
  EXPECT_EQ(chunker.fit_context("the tap"), "the tap");
  EXPECT_EQ(chunker.fit_context("abcdefghijk"), "");
}

// Holds every promise of chunk.h for any text.
void expect_promises(const Tokenizer& tokenizer, const std::string& text, const std::vector<Section>& sections,
                     ChunkOptions options, const std::string& trace) {
  SCOPED_TRACE(trace);
  std::vector<Chunk> chunks = Chunker(tokenizer, options).chunk(text, sections);
  std::vector<bool> covered(text.size(), false);
  const Chunk* before = nullptr;
  for (const Chunk& chunk : chunks) {
    ASSERT_LT(chunk.begin, chunk.end);
    ASSERT_LT(chunk.section, sections.size());
    const Section& section = sections[chunk.section];
    ASSERT_GE(chunk.begin, section.begin);
    ASSERT_LE(chunk.end, section.end);
    std::string passage = text.substr(chunk.begin, chunk.end - chunk.begin);
    ASSERT_TRUE(base::is_valid_utf8(passage));
    size_t count = tokenizer.encode(with_context(section.context, passage)).ids.size();
    ASSERT_EQ(count, chunk.token_count);
    if (base::count_code_points(passage) > 1) {
      ASSERT_LE(count, options.tokens_max) << passage;
    }
    if (before && before->section == chunk.section) {
      ASSERT_GT(chunk.end, before->end);
      ASSERT_GT(chunk.begin, before->begin);
    }
    std::fill(covered.begin() + static_cast<std::ptrdiff_t>(chunk.begin),
              covered.begin() + static_cast<std::ptrdiff_t>(chunk.end), true);
    before = &chunk;
  }
  for (size_t i = 0; i < text.size(); ++i) {
    if (covered[i]) continue;
    ASSERT_NE(std::string(" \t\n\r\f\v").find(text[i]), std::string::npos) << "byte " << i;
  }
  ASSERT_EQ(chunks, Chunker(tokenizer, options).chunk(text, sections));
}

std::string random_text(base::Random& random, size_t words) {
  const Strings pieces = {"the ",
                          "tap ",
                          "drips. ",
                          "Water ",
                          "xyz ",
                          "\xC3\xA9t\xC3\xA9 ",
                          "\xE4\xB8\xAD\xE6\x96\x87\xE3\x80\x82",
                          "\xF0\x9F\x98\x80",
                          "\n\n",
                          "\n",
                          "3.5 ",
                          "Dr. ",
                          "e.g. ",
                          "longunbrokenword",
                          "! ",
                          "\t",
                          "\xE2\x80\x83",
                          "\xEF\xB7\xBA",
                          "a",
                          "-- ",
                          "Mr.",
                          "(x) ",
                          "\xCC\x81"};
  std::string out;
  for (size_t i = 0; i < words; ++i) out += pieces[random.below(pieces.size())];
  return out;
}

void expect_promises_of_random_texts(const Tokenizer& tokenizer, int rounds, const std::string& name) {
  base::Random random(5);
  for (int round = 0; round < rounds; ++round) {
    std::string text = random_text(random, random.below(300));
    size_t middle = random.below(text.size() + 1);
    while (middle < text.size() && (static_cast<unsigned char>(text[middle]) & 0xC0) == 0x80) ++middle;
    ChunkOptions options{.tokens_max = 10 + random.below(60), .overlap_tokens = 0};
    options.overlap_tokens = random.below(options.tokens_max / 2 + 1);
    std::string context = Chunker(tokenizer, options).fit_context("A title > heading");
    std::vector<Section> sections = {{0, middle, context}, {middle, text.size(), ""}};
    expect_promises(tokenizer, text, sections, options, name + " seed 5 round " + std::to_string(round));
    if (testing::Test::HasFatalFailure()) return;
  }
}

TEST(Chunks, KeepTheirPromisesForRandomTexts) { expect_promises_of_random_texts(small_tokenizer(), 400, "small"); }

TEST(Chunks, KeepTheirPromisesWithRealTokenizers) {
  std::filesystem::path folder = std::filesystem::path(SEXTANT_BINARY_DIR) / "golden/tokenizers";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "the recorded tokenizers are not unpacked in " << folder;
  for (const char* name : {"tiny__jammi__tiny_bert", "family__roberta-addprefix", "family__xlmr-bge-m3-style",
                           "family__mistral-v1-real-vocab", "family__wordlevel"}) {
    expect_promises_of_random_texts(Tokenizer::load(folder / name), 30, name);
  }
}

TEST(Chunks, OfMegabytesOnOneLineTakeLinearTime) {
  Tokenizer tokenizer = small_tokenizer();
  auto seconds = [&](const std::string& text) {
    auto start = std::chrono::steady_clock::now();
    std::vector<Chunk> chunks = chunk_whole(tokenizer, text, {.tokens_max = 256, .overlap_tokens = 32});
    EXPECT_FALSE(chunks.empty());
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  std::string words;
  while (words.size() < 10 << 20) words += "the tap drips water ";
  std::string sentences;
  while (sentences.size() < 2 << 20) sentences += "The tap drips. Fix it now! ";
  // Quadratic work would take hours; the bound is loose because machines are shared and sanitizers are slow.
  EXPECT_LT(seconds(words), 60);
  EXPECT_LT(seconds(sentences), 60);
  EXPECT_LT(seconds(std::string(2 << 20, 'x')), 60);
  EXPECT_LT(seconds(std::string(1 << 20, '.')), 60);
}

}  // namespace
}  // namespace sextant::text
