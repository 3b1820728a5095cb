#include "sextant/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sextant/error.h"
#include "text/test_tokenizers.h"

namespace sextant {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using text::TestParts;
using text::tokens_of;
using Strings = std::vector<std::string>;

std::vector<std::pair<uint32_t, uint32_t>> offsets_of(const Encoding& encoding) {
  std::vector<std::pair<uint32_t, uint32_t>> out;
  for (const TokenOffset& offset : encoding.offsets) out.emplace_back(offset.begin, offset.end);
  return out;
}

// The pieces that a pre-tokenizer makes.
Strings pieces_of(const std::string& pre_tokenizer, std::string_view text) {
  TestParts parts;
  parts.pre_tokenizer = pre_tokenizer;
  return tokens_of(text::test_tokenizer(parts), text);
}

std::string normalized(const std::string& normalizer, std::string_view text) {
  TestParts parts;
  parts.normalizer = normalizer;
  return text::test_tokenizer(parts).normalize(text);
}

template <class Call>
Error caught(Call call) {
  try {
    call();
  } catch (const Error& e) {
    return e;
  }
  return Error(ErrorCode::internal, "nothing was thrown");
}

TEST(WordPiece, TakesTheLongestPieceAgainAndAgain) {
  Tokenizer tokenizer = text::test_tokenizer(text::bert_parts());
  Encoding encoding = tokenizer.encode("The unaffable TAP.");
  EXPECT_THAT(encoding.tokens, ElementsAre("[CLS]", "the", "un", "##aff", "##able", "tap", ".", "[SEP]"));
  EXPECT_THAT(encoding.ids, ElementsAre(2, 5, 6, 7, 8, 9, 20, 3));
  EXPECT_THAT(encoding.special_mask, ElementsAre(1, 0, 0, 0, 0, 0, 0, 1));
  EXPECT_THAT(offsets_of(encoding),
              ElementsAre(std::pair(0, 0), std::pair(0, 3), std::pair(4, 6), std::pair(6, 9), std::pair(9, 13),
                          std::pair(14, 17), std::pair(17, 18), std::pair(0, 0)));
}

TEST(WordPiece, MakesAWordThatItCannotCoverOneUnknownToken) {
  Tokenizer tokenizer = text::test_tokenizer(text::bert_parts());
  EXPECT_THAT(tokens_of(tokenizer, "tapx abc"), ElementsAre("[UNK]", "a", "##b", "##c"));
  EXPECT_THAT(tokens_of(tokenizer, std::string(20, 'a')).size(), 20u);
  EXPECT_THAT(tokens_of(tokenizer, std::string(21, 'a')), ElementsAre("[UNK]"));
  EXPECT_EQ(tokenizer.unknown_id(), 1);
}

TEST(WordPiece, CountsCharactersNotBytesForItsLongestWord) {
  Tokenizer tokenizer = text::test_tokenizer(text::bert_parts());
  std::string word;
  for (int i = 0; i < 20; ++i) word += "ж";
  std::vector<TokenId> ids;
  tokenizer.encode_ids(word + word, {.add_special_tokens = false}, ids);
  EXPECT_THAT(ids, ElementsAre(1));
}

TEST(BertNormalizer, CleansLowersAndStripsAccents) {
  EXPECT_EQ(normalized(text::kBertNormalizer, "Caf\xC3\xA9\tDE\x01\xE6\xB0\xB4"), "cafe de \xE6\xB0\xB4 ");
  std::string keep =
      R"({"type":"BertNormalizer","clean_text":false,"handle_chinese_chars":false,"strip_accents":false,"lowercase":true})";
  EXPECT_EQ(normalized(keep, "CAF\xC3\x89\t\xE6\xB0\xB4"), "caf\xC3\xA9\t\xE6\xB0\xB4");
}

TEST(BertNormalizer, KeepsTheOffsetsOfWhatItDecomposes) {
  Tokenizer tokenizer = text::test_tokenizer(text::bert_parts());
  Encoding encoding = tokenizer.encode("\x01 Caf\xC3\xA9s", {.add_special_tokens = false});
  EXPECT_THAT(encoding.tokens, ElementsAre("cafe", "##s"));
  EXPECT_THAT(offsets_of(encoding), ElementsAre(std::pair(2, 7), std::pair(7, 8)));
}

TEST(Normalizers, DoWhatTheirNamesSay) {
  EXPECT_EQ(normalized(R"({"type":"NFC"})", "e\u0301"), "\u00E9");
  EXPECT_EQ(normalized(R"({"type":"NFD"})", "\u00E9"), "e\u0301");
  EXPECT_EQ(normalized(R"({"type":"NFKC"})", "\uFB01\u00BD"), "fi1\u20442");
  EXPECT_EQ(normalized(R"({"type":"NFKD"})", "\uAC01"), "\u1100\u1161\u11A8");
  EXPECT_EQ(normalized(R"({"type":"Lowercase"})", "\u0130A\u01C4"), "i\u0307a\u01C6");
  EXPECT_EQ(normalized(R"({"type":"StripAccents"})", "e\u0301a"), "ea");
  EXPECT_EQ(normalized(R"({"type":"Nmt"})", "a\u0001b\u200Bc\td"), "ab c d");
  EXPECT_EQ(normalized(R"({"type":"Strip","strip_left":true,"strip_right":false})", " \u3000a "), "a ");
  EXPECT_EQ(normalized(R"({"type":"Prepend","prepend":"__"})", "a"), "__a");
  EXPECT_EQ(normalized(R"({"type":"Prepend","prepend":"__"})", ""), "");
  EXPECT_EQ(normalized(R"({"type":"Replace","pattern":{"String":".."},"content":"+"})", "a...b"), "a+.b");
  EXPECT_EQ(normalized(R"({"type":"Replace","pattern":{"Regex":"\\s+"},"content":" "})", "a \t\u0085b"), "a b");
  EXPECT_EQ(normalized(R"({"type":"ByteLevel"})", " \u00E9"), "\u0120\u00C3\u00A9");
  EXPECT_EQ(
      normalized(R"({"type":"Sequence","normalizers":[{"type":"Lowercase"},{"type":"Prepend","prepend":"X"}]})", "AB"),
      "Xab");
}

TEST(Normalizers, OrderMarksBeforeTheyCompose) {
  // A cedilla (class 202) comes before an acute (230), whatever order they were typed in.
  EXPECT_EQ(normalized(R"({"type":"NFD"})", "c\u0301\u0327"), "c\u0327\u0301");
  EXPECT_EQ(normalized(R"({"type":"NFC"})", "c\u0301\u0327"), "\u1E09");
}

TEST(PreTokenizers, CutWhereTheirNamesSay) {
  EXPECT_THAT(pieces_of(R"({"type":"Whitespace"})", "Hey, a_b 12!?"), ElementsAre("Hey", ",", "a_b", "12", "!?"));
  EXPECT_THAT(pieces_of(R"({"type":"WhitespaceSplit"})", " Hey,\u3000you "), ElementsAre("Hey,", "you"));
  EXPECT_THAT(pieces_of(R"({"type":"BertPreTokenizer"})", "Hey, it's"), ElementsAre("Hey", ",", "it", "'", "s"));
  EXPECT_THAT(pieces_of(R"({"type":"Digits","individual_digits":true})", "a12b"), ElementsAre("a", "1", "2", "b"));
  EXPECT_THAT(pieces_of(R"({"type":"Digits","individual_digits":false})", "a12b"), ElementsAre("a", "12", "b"));
  EXPECT_THAT(pieces_of(R"({"type":"CharDelimiterSplit","delimiter":"-"})", "a--b"), ElementsAre("a", "b"));
  EXPECT_THAT(pieces_of(R"({"type":"UnicodeScripts"})", "abc\u65E5\u3042 \u0416"),
              ElementsAre("abc", "\u65E5\u3042 ", "\u0416"));
  EXPECT_THAT(pieces_of(R"({"type":"FixedLength","length":2})", "a\u00E9c"), ElementsAre("a\u00E9", "c"));
  EXPECT_THAT(pieces_of(R"({"type":"Metaspace","replacement":"▁","prepend_scheme":"always","split":true})", "a b  c"),
              ElementsAre("▁a", "▁b", "▁", "▁c"));
  EXPECT_THAT(pieces_of(R"({"type":"Metaspace","replacement":"▁","add_prefix_space":false})", "a b"),
              ElementsAre("a", "▁b"));
  EXPECT_THAT(pieces_of(R"({"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true})",
                        "it's  12\u00E9"),
              ElementsAre("\u0120it", "'s", "\u0120", "\u012012", "\u00C3\u00A9"));
}

TEST(PreTokenizers, TreatDelimitersAsTheBehaviorSays) {
  auto punctuation = [](const std::string& behavior) {
    return pieces_of(R"({"type":"Punctuation","behavior":")" + behavior + "\"}", "a..b.c");
  };
  EXPECT_THAT(punctuation("Removed"), ElementsAre("a", "b", "c"));
  EXPECT_THAT(punctuation("Isolated"), ElementsAre("a", ".", ".", "b", ".", "c"));
  EXPECT_THAT(punctuation("MergedWithPrevious"), ElementsAre("a.", ".", "b.", "c"));
  EXPECT_THAT(punctuation("MergedWithNext"), ElementsAre("a", ".", ".b", ".c"));
  EXPECT_THAT(punctuation("Contiguous"), ElementsAre("a", "..", "b", ".", "c"));
}

TEST(PreTokenizers, SplitByAPatternOrBetweenItsMatches) {
  EXPECT_THAT(pieces_of(R"({"type":"Split","pattern":{"Regex":"\\d+"},"behavior":"Isolated","invert":false})", "a12b"),
              ElementsAre("a", "12", "b"));
  EXPECT_THAT(pieces_of(R"({"type":"Split","pattern":{"Regex":"\\d+"},"behavior":"Removed","invert":true})", "a12b3"),
              ElementsAre("12", "3"));
  EXPECT_THAT(pieces_of(R"({"type":"Split","pattern":{"String":"."},"behavior":"Removed","invert":false})", "a.b"),
              ElementsAre("a", "b"));
  EXPECT_THAT(pieces_of(R"({"type":"Split","pattern":{"String":""},"behavior":"Isolated","invert":true})", "a\u00E9"),
              ElementsAre("a", "\u00E9"));
}

TEST(PreTokenizers, PutAMarkOnlyBeforeTheFirstWordOfTheText) {
  TestParts parts;
  parts.pre_tokenizer = R"({"type":"Metaspace","replacement":"▁","prepend_scheme":"first","split":false})";
  parts.added_tokens = text::special_tokens({"<unk>"});
  Tokenizer tokenizer = text::test_tokenizer(parts);
  EXPECT_THAT(tokens_of(tokenizer, "a<unk>b"), ElementsAre("▁a", "<unk>", "b"));
  EXPECT_THAT(tokens_of(tokenizer, "<unk>b"), ElementsAre("<unk>", "b"));
}

TEST(Bpe, MergesTheBestRankFirst) {
  TestParts parts;
  parts.pre_tokenizer = R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true})";
  parts.model = text::byte_level_model();
  parts.decoder = R"({"type":"ByteLevel"})";
  Tokenizer tokenizer = text::test_tokenizer(parts);
  EXPECT_THAT(tokens_of(tokenizer, "the water"), ElementsAre("the", "\u0120water"));
  EXPECT_THAT(tokens_of(tokenizer, "aaaaa"), ElementsAre("aaaa", "a"));
  EXPECT_THAT(tokens_of(tokenizer, "\u00E9\n\n"), ElementsAre("\u00C3\u00A9", "\u010A\u010A"));
  Encoding encoding = tokenizer.encode("the \xF0\x9F\x99\x82");
  EXPECT_EQ(tokenizer.decode(encoding.ids), "the \xF0\x9F\x99\x82");
  EXPECT_THAT(offsets_of(encoding).back(), testing::Pair(4, 8));
}

TEST(Bpe, TakesAWholeTokenWhereMergesAreIgnored) {
  TestParts parts;
  parts.pre_tokenizer = R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true})";
  parts.model = text::byte_level_model(true);
  EXPECT_THAT(tokens_of(text::test_tokenizer(parts), "xyz xyzz"), ElementsAre("xyz", "\u0120", "x", "y", "z", "z"));
}

TEST(Bpe, FallsBackToBytesOrTheUnknownToken) {
  TestParts parts;
  parts.model = R"({"type":"BPE","unk_token":"<unk>","fuse_unk":true,"byte_fallback":true,"vocab":{"<unk>":0,"a":1,)"
                R"("<0xC3>":2,"<0xA9>":3},"merges":[]})";
  EXPECT_THAT(tokens_of(text::test_tokenizer(parts), "a\u00E9\u0416\u0416a"),
              ElementsAre("a", "<0xC3>", "<0xA9>", "<unk>", "a"));
  parts.model = R"({"type":"BPE","unk_token":"<unk>","fuse_unk":false,"vocab":{"<unk>":0,"a":1},"merges":[]})";
  EXPECT_THAT(tokens_of(text::test_tokenizer(parts), "axxa"), ElementsAre("a", "<unk>", "<unk>", "a"));
  parts.model = R"({"type":"BPE","unk_token":null,"vocab":{"a":1},"merges":[]})";
  EXPECT_THAT(tokens_of(text::test_tokenizer(parts), "axa"), ElementsAre("a", "a"));
}

TEST(Bpe, DecoratesWordsWithPrefixAndSuffix) {
  TestParts parts;
  parts.pre_tokenizer = R"({"type":"WhitespaceSplit"})";
  parts.model =
      R"({"type":"BPE","unk_token":null,"continuing_subword_prefix":"##","end_of_word_suffix":"</w>","vocab":)"
      R"({"a":0,"##b":1,"##c</w>":2,"ab":3,"abc</w>":4,"##b</w>":5},"merges":[["a","##b"],["ab","##c</w>"]]})";
  EXPECT_THAT(tokens_of(text::test_tokenizer(parts), "abc ab"), ElementsAre("abc</w>", "a", "##b</w>"));
}

TEST(Unigram, TakesTheMostProbableCut) {
  TestParts parts;
  parts.model =
      R"({"type":"Unigram","unk_id":0,"vocab":[["<unk>",0],["a",-2],["b",-2],["ab",-3],["abb",-7],["bb",-4.5]]})";
  Tokenizer tokenizer = text::test_tokenizer(parts);
  EXPECT_THAT(tokens_of(tokenizer, "abb"), ElementsAre("ab", "b"));
  EXPECT_THAT(tokens_of(tokenizer, "xxab"), ElementsAre("xx", "ab"));
  EXPECT_THAT(tokenizer.encode("xxab").ids, ElementsAre(0, 3));
}

TEST(Unigram, FallsBackToBytes) {
  TestParts parts;
  parts.model = R"({"type":"Unigram","unk_id":0,"byte_fallback":true,"vocab":[["<unk>",0],["a",-1],["<0xC3>",-5],)"
                R"(["<0xA9>",-5]]})";
  Tokenizer tokenizer = text::test_tokenizer(parts);
  EXPECT_THAT(tokens_of(tokenizer, "a\u00E9\u0416"), ElementsAre("a", "\u00E9\u0416"));
  EXPECT_THAT(tokens_of(tokenizer, "a\u00E9"), ElementsAre("a", "<0xC3>", "<0xA9>"));
}

TEST(WordLevel, KnowsWholePiecesAlone) {
  TestParts parts;
  parts.pre_tokenizer = R"({"type":"Whitespace"})";
  parts.model = R"({"type":"WordLevel","unk_token":"?","vocab":{"?":0,"tap":1}})";
  EXPECT_THAT(tokens_of(text::test_tokenizer(parts), "tap taps"), ElementsAre("tap", "?"));
}

TEST(AddedTokens, AreFoundBeforeTheModelSeesTheText) {
  TestParts parts = text::bert_parts();
  Tokenizer tokenizer = text::test_tokenizer(parts);
  EXPECT_THAT(tokens_of(tokenizer, "tap[MASK]tap"), ElementsAre("tap", "[MASK]", "tap"));
  EXPECT_THAT(tokens_of(tokenizer, "[mask]"), testing::Not(ElementsAre("[MASK]")));
}

TEST(AddedTokens, SwallowSpacesStandAloneAndMatchNormalizedText) {
  TestParts parts = text::bert_parts();
  parts.added_tokens = R"([{"id":100,"content":"<m>","lstrip":true,"rstrip":true,"normalized":false,"special":true},)"
                       R"({"id":101,"content":"Tap","single_word":true,"normalized":true,"special":false},)"
                       R"({"id":102,"content":"<m>x","normalized":false,"special":false}])";
  Tokenizer tokenizer = text::test_tokenizer(parts);
  Encoding encoding = tokenizer.encode("the \t<m> water", {.add_special_tokens = false});
  EXPECT_THAT(encoding.tokens, ElementsAre("the", " \t<m> ", "water"));
  EXPECT_THAT(offsets_of(encoding)[1], testing::Pair(3, 9));
  // Ids go by the vocabulary's size, not by what the file says.
  EXPECT_THAT(encoding.ids, ElementsAre(5, 27, 12));
  EXPECT_THAT(tokens_of(tokenizer, "TAP taps"), ElementsAre("tap", "tap", "##s"));
  EXPECT_THAT(tokenizer.encode("TAP taps", {.add_special_tokens = false}).ids, ElementsAre(28, 9, 26));
  EXPECT_THAT(tokens_of(tokenizer, "<m>x"), ElementsAre("<m>x"));
  EXPECT_EQ(tokenizer.vocabulary_size(), 30u);
}

TEST(PostProcessing, WrapsPairsAndNumbersTheirTypes) {
  Tokenizer tokenizer = text::test_tokenizer(text::bert_parts());
  Encoding pair = tokenizer.encode_pair("tap", "the water");
  EXPECT_THAT(pair.tokens, ElementsAre("[CLS]", "tap", "[SEP]", "the", "water", "[SEP]"));
  EXPECT_THAT(pair.type_ids, ElementsAre(0, 0, 0, 1, 1, 1));
  EXPECT_THAT(pair.sequence_ids, ElementsAre(-1, 0, -1, 1, 1, -1));
  EXPECT_EQ(tokenizer.special_token_count(), 2u);
}

TEST(PostProcessing, GivesRobertaTwoSeparatorsAndTrimsSpacesFromOffsets) {
  TestParts parts;
  parts.pre_tokenizer = R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true})";
  parts.model = text::byte_level_model();
  parts.post_processor =
      R"({"type":"RobertaProcessing","sep":["</s>",2],"cls":["<s>",0],"trim_offsets":true,"add_prefix_space":false})";
  Tokenizer tokenizer = text::test_tokenizer(parts);
  Encoding pair = tokenizer.encode_pair("the", "in water");
  EXPECT_THAT(pair.tokens, ElementsAre("<s>", "the", "</s>", "</s>", "in", "\u0120water", "</s>"));
  EXPECT_THAT(pair.type_ids, testing::Each(0));
  EXPECT_THAT(offsets_of(pair)[5], testing::Pair(3, 8));
}

TEST(PostProcessing, TrimsSeveralLeadingSpacesButNotTheOneThatWasAdded) {
  TestParts parts;
  parts.pre_tokenizer = R"({"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true})";
  parts.model = text::byte_level_model();
  parts.post_processor = R"({"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true})";
  parts.added_tokens = R"([{"id":300,"content":"<m>","lstrip":true,"normalized":false,"special":true}])";
  Tokenizer tokenizer = text::test_tokenizer(parts);
  EXPECT_THAT(offsets_of(tokenizer.encode("the")), ElementsAre(std::pair(0, 3)));
  EXPECT_THAT(offsets_of(tokenizer.encode(" the")), ElementsAre(std::pair(0, 4)));
  EXPECT_THAT(offsets_of(tokenizer.encode("  \n<m> the")), ElementsAre(std::pair(3, 6), std::pair(7, 10)));
}

TEST(Truncation, ShortensTheLongestFirst) {
  Tokenizer tokenizer = text::test_tokenizer(text::bert_parts());
  Encoding pair = tokenizer.encode_pair("tap the water", "a b c a b c", {.max_length = 8});
  EXPECT_THAT(pair.tokens, ElementsAre("[CLS]", "tap", "the", "[SEP]", "a", "b", "c", "[SEP]"));
  EXPECT_EQ(pair.tokens_dropped, 4u);
  Encoding shorter = tokenizer.encode_pair("tap", "a b c a b c", {.max_length = 8});
  EXPECT_THAT(shorter.tokens, ElementsAre("[CLS]", "tap", "[SEP]", "a", "b", "c", "a", "[SEP]"));
}

TEST(Truncation, ShortensOneTextFromEitherEnd) {
  Tokenizer tokenizer = text::test_tokenizer(text::bert_parts());
  EXPECT_THAT(tokenizer.encode("a b c", {.max_length = 4}).tokens, ElementsAre("[CLS]", "a", "b", "[SEP]"));
  EXPECT_THAT(tokenizer.encode("a b c", {.max_length = 4, .truncate_left = true}).tokens,
              ElementsAre("[CLS]", "b", "c", "[SEP]"));
  EXPECT_THAT(tokenizer.encode("a b c", {.max_length = 1}).tokens, ElementsAre("[CLS]", "[SEP]"));
  std::vector<TokenId> ids;
  EXPECT_EQ(tokenizer.encode_ids("a b c", {.max_length = 4, .truncate_left = true}, ids), 1u);
  EXPECT_THAT(ids, ElementsAre(2, 14, 15, 3));
  EncodeOptions second{.max_length = 7, .truncation = TruncationStrategy::only_second};
  EXPECT_THAT(tokenizer.encode_pair("a b", "a b c a", second).tokens,
              ElementsAre("[CLS]", "a", "b", "[SEP]", "a", "b", "[SEP]"));
  EncodeOptions first{.max_length = 6, .truncation = TruncationStrategy::only_first};
  Error error = caught([&] { tokenizer.encode_pair("a", "a b c a", first); });
  EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
}

TEST(InvalidUtf8, IsReplacedAndOffsetsStillPointIntoTheBytesGiven) {
  TestParts parts;
  parts.pre_tokenizer = R"({"type":"WhitespaceSplit"})";
  Tokenizer tokenizer = text::test_tokenizer(parts);
  Encoding encoding = tokenizer.encode("a\xFF b\xE6\xB0");
  EXPECT_THAT(encoding.tokens, ElementsAre("a\uFFFD", "b\uFFFD"));
  EXPECT_THAT(offsets_of(encoding), ElementsAre(std::pair(0, 2), std::pair(3, 6)));
  EXPECT_THAT(tokens_of(tokenizer, std::string_view("a\0b", 3)), ElementsAre(std::string("a\0b", 3)));
}

TEST(Decoding, WritesEnglishAsItIsWritten) {
  Tokenizer tokenizer = text::test_tokenizer(text::bert_parts());
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("The unaffable tap, dripping!").ids), "the unaffable tap, dripping!");
  EXPECT_EQ(tokenizer.decode({2, 9}, false), "[CLS] tap");
  EXPECT_EQ(tokenizer.decode({999, -5}), "");
}

TEST(Decoding, RunsTheStepsOfASequence) {
  TestParts parts;
  parts.model = R"({"type":"BPE","unk_token":null,"vocab":{"▁a":0,"<0xC3>":1,"<0xA9>":2,"b":3},"merges":[]})";
  parts.decoder = R"({"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},)"
                  R"({"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]})";
  Tokenizer tokenizer = text::test_tokenizer(parts);
  EXPECT_EQ(tokenizer.decode({0, 1, 2, 3, 0}), "a\u00E9b a");
  EXPECT_EQ(tokenizer.decode({1, 3}), "\uFFFDb");
}

TEST(TokenizerJson, NamesWhatItDoesNotKnow) {
  TestParts parts;
  parts.normalizer = R"({"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Rot13"}]})";
  Error error = caught([&] { text::test_tokenizer(parts); });
  EXPECT_EQ(error.code(), ErrorCode::unsupported);
  EXPECT_THAT(error.what(), HasSubstr("tokenizer.json: normalizer.normalizers[1]"));
  EXPECT_THAT(error.what(), HasSubstr("Rot13"));
}

TEST(TokenizerJson, NamesTheFieldThatIsWrong) {
  auto message = [](const TestParts& parts) {
    return std::string(caught([&] { text::test_tokenizer(parts); }).what());
  };
  TestParts parts = text::bert_parts();
  parts.normalizer = R"({"type":"BertNormalizer","clean_text":"yes"})";
  EXPECT_THAT(message(parts), HasSubstr("normalizer.clean_text is a string, expected true or false"));
  parts = {};
  parts.model = R"({"type":"BPE","vocab":{"a":0},"merges":["a b"]})";
  EXPECT_THAT(message(parts), HasSubstr("model.merges[0] needs the token \"b\""));
  parts.model = R"({"type":"BPE","vocab":{"a":0},"merges":["a b c"]})";
  EXPECT_THAT(message(parts), HasSubstr("model.merges has at 0 something other than two tokens"));
  parts.model = R"({"type":"WordLevel","vocab":{"a":4000000000}})";
  EXPECT_THAT(message(parts), HasSubstr("model.vocab"));
  parts.model = R"({"type":"Unigram","unk_id":7,"vocab":[["a",0]]})";
  EXPECT_THAT(message(parts), HasSubstr("model.unk_id is 7"));
  parts.model = R"({"type":"BPE","dropout":0.1,"vocab":{},"merges":[]})";
  EXPECT_THAT(message(parts), HasSubstr("model.dropout"));
  parts = {};
  parts.pre_tokenizer = R"({"type":"Split","pattern":{"Regex":"(a"},"behavior":"Removed"})";
  EXPECT_THAT(message(parts), HasSubstr("pre_tokenizer.pattern"));
  parts.pre_tokenizer = R"({"type":"Split","pattern":{"Regex":"a"},"behavior":"Eaten"})";
  EXPECT_THAT(message(parts), HasSubstr("pre_tokenizer.behavior is \"Eaten\""));
  parts = {};
  parts.normalizer = R"({"type":"Precompiled","precompiled_charsmap":"//8A"})";
  EXPECT_THAT(message(parts), HasSubstr("normalizer.precompiled_charsmap"));
}

TEST(TokenizerJson, CutAnywhereIsAnErrorAndNeverACrash) {
  std::string json = text::test_json(text::bert_parts());
  for (size_t size = 0; size < json.size(); ++size) {
    Error error = caught([&] { Tokenizer::from_json(std::string_view(json).substr(0, size)); });
    ASSERT_EQ(error.code(), ErrorCode::corrupted) << size;
  }
}

TEST(TokenizerJson, WithBytesChangedLoadsOrIsRefused) {
  base::Random random(7);
  std::string json = text::test_json(text::bert_parts());
  int refused = 0;
  for (int round = 0; round < 2000; ++round) {
    std::string changed = json;
    for (size_t i = 0; i <= random.below(3); ++i)
      changed[random.below(changed.size())] = static_cast<char>(random.next());
    try {
      Tokenizer::from_json(changed).encode("the [MASK] tap");
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 100);
}

TEST(TokenizerJson, NestedAbsurdlyIsRefused) {
  std::string normalizer = R"({"type":"NFC"})";
  for (int i = 0; i < 100; ++i) normalizer = R"({"type":"Sequence","normalizers":[)" + normalizer + "]}";
  TestParts parts;
  parts.normalizer = normalizer;
  EXPECT_EQ(caught([&] { text::test_tokenizer(parts); }).code(), ErrorCode::unsupported);
  std::string deep(100000, '[');
  EXPECT_EQ(caught([&] { Tokenizer::from_json(deep); }).code(), ErrorCode::corrupted);
}

TEST(TokenizerJson, MergesThatLeadNowhereNewComeToAnEnd) {
  TestParts parts;
  // "a"+"a" is "aa" again and again, and one merge claims a token that is there twice under other names.
  parts.model =
      R"({"type":"BPE","unk_token":null,"vocab":{"a":0,"aa":1,"aaa":1,"aaaa":0},"merges":["a a","aa a","aa aa",)"
      R"("a aa","aaa a"]})";
  Tokenizer tokenizer = text::test_tokenizer(parts);
  EXPECT_FALSE(tokenizer.encode(std::string(1000, 'a')).ids.empty());
}

TEST(TokenizerLoad, NamesAFolderWithoutATokenizer) {
  Error error = caught([&] { Tokenizer::load(SEXTANT_SOURCE_DIR "/include"); });
  EXPECT_EQ(error.code(), ErrorCode::not_found);
  EXPECT_THAT(error.what(), HasSubstr("include: no tokenizer in this folder"));
  EXPECT_EQ(caught([&] { Tokenizer::load("/nowhere/tokenizer.json"); }).code(), ErrorCode::not_found);
}

TEST(Tokenizer, TellsItsVocabulary) {
  Tokenizer tokenizer = text::test_tokenizer(text::bert_parts());
  EXPECT_EQ(tokenizer.vocabulary_size(), 27u);
  EXPECT_EQ(tokenizer.token_to_id("tap"), 9);
  EXPECT_EQ(tokenizer.token_to_id("nothing"), std::nullopt);
  EXPECT_EQ(tokenizer.id_to_token(9), "tap");
  EXPECT_EQ(tokenizer.id_to_token(-1), "");
  EXPECT_EQ(tokenizer.model_name(), "WordPiece");
}

}  // namespace
}  // namespace sextant
