// What is fast must give what is slow gives: encode() runs the stages with alignments, encode_ids() the fast path.
#include "text/fast_path.h"

#include <gtest/gtest.h>

#include "text/pre_tokenizer.h"
#include "text/split_patterns.h"
#include "text/test_tokenizers.h"

namespace sextant::text {
namespace {

void expect_same_ids(const TestParts& parts, const char* what, int rounds = 1500) {
  Tokenizer tokenizer = test_tokenizer(parts);
  base::Random random(11);
  size_t token_count = 0;
  std::vector<TokenId> ids;
  for (int round = 0; round < rounds; ++round) {
    std::string text = random_text(random, 30);
    ids.clear();
    tokenizer.encode_ids(text, {}, ids);
    ASSERT_EQ(ids, tokenizer.encode(text).ids) << what << ", seed 11, round " << round << ": " << text;
    token_count += ids.size();
  }
  EXPECT_GT(token_count, 1000u) << what;
}

TEST(FastPath, AgreesWithTheStagesForBert) {
  expect_same_ids(bert_parts(), "uncased");
  for (const char* flags :
       {R"("clean_text":true,"handle_chinese_chars":false,"strip_accents":null,"lowercase":false)",
        R"("clean_text":false,"handle_chinese_chars":true,"strip_accents":true,"lowercase":false)",
        R"("clean_text":true,"handle_chinese_chars":true,"strip_accents":false,"lowercase":true)"}) {
    TestParts parts = bert_parts();
    parts.normalizer = std::string(R"({"type":"BertNormalizer",)") + flags + "}";
    expect_same_ids(parts, flags);
    parts.model = TestParts().model;
    parts.post_processor = "null";
    expect_same_ids(parts, flags);
  }
}

TEST(FastPath, AgreesWithTheStagesForByteLevelBpe) {
  const char* kLlama =
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+)";
  std::string split =
      std::string(R"({"type":"Split","pattern":{"Regex":")") + kLlama + R"("},"behavior":"Isolated","invert":false})";
  for (bool ignore_merges : {false, true}) {
    for (const char* normalizer : {"null", R"({"type":"NFC"})", R"({"type":"NFKC"})"}) {
      for (const std::string& pre_tokenizer :
           {std::string(R"({"type":"ByteLevel","add_prefix_space":false,"use_regex":true})"),
            std::string(R"({"type":"ByteLevel","add_prefix_space":true,"use_regex":true})"),
            std::string(R"({"type":"ByteLevel","add_prefix_space":false,"use_regex":false})"),
            R"({"type":"Sequence","pretokenizers":[)" + split + R"(,{"type":"ByteLevel","add_prefix_space":false,)" +
                R"("use_regex":false}]})",
            std::string(R"({"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":true},)"
                        R"({"type":"ByteLevel","add_prefix_space":false,"use_regex":true}]})")}) {
        TestParts parts;
        parts.normalizer = normalizer;
        parts.pre_tokenizer = pre_tokenizer;
        parts.model = byte_level_model(ignore_merges);
        parts.added_tokens = R"([{"id":300,"content":"[MASK]","normalized":true,"special":true,"lstrip":true}])";
        expect_same_ids(parts, (normalizer + pre_tokenizer).c_str(), 300);
      }
    }
  }
}

TEST(FastPath, AgreesWithTheStagesForMetaspace) {
  const char* kUnigram =
      R"({"type":"Unigram","unk_id":0,"byte_fallback":false,"vocab":[["<unk>",0],["▁the",-3],["▁",-2],["t",-4],["he",-4.5],)"
      R"(["▁water",-5],["a",-3],["aa",-5.5],["▁a",-3.5],["ing",-4],["d",-5],["r",-5],["i",-5],["p",-5],["日",-6],["1",-3],)"
      R"(["12",-5]]})";
  const char* kBpe =
      R"({"type":"BPE","unk_token":"<unk>","fuse_unk":true,"byte_fallback":true,"vocab":{"<unk>":0,"▁":1,"t":2,"h":3,"e":4,)"
      R"("th":5,"the":6,"▁the":7,"a":8,"aa":9,"▁▁":10,"<0x0A>":11,"w":12,"▁w":13,"▁a":14},"merges":["t h","th e","▁ the",)"
      R"("a a","▁ ▁","▁ w","▁ a"]})";
  for (const char* model : {kUnigram, kBpe}) {
    for (const char* pre_tokenizer :
         {R"({"type":"Metaspace","replacement":"▁","prepend_scheme":"always","split":true})",
          R"({"type":"Metaspace","replacement":"▁","prepend_scheme":"never","split":true})",
          R"({"type":"Metaspace","replacement":"▁","prepend_scheme":"always","split":false})",
          R"({"type":"Metaspace","replacement":"▁","prepend_scheme":"first","split":true})",
          R"({"type":"Sequence","pretokenizers":[{"type":"WhitespaceSplit"},{"type":"Metaspace","replacement":"▁",)"
          R"("prepend_scheme":"always","split":true}]})",
          "null"}) {
      for (const char* normalizer : {"null", R"({"type":"NFKC"})",
                                     R"({"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},)"
                                     R"({"type":"Replace","pattern":{"String":" "},"content":"▁"}]})"}) {
        TestParts parts;
        parts.normalizer = normalizer;
        parts.pre_tokenizer = pre_tokenizer;
        parts.model = model;
        parts.added_tokens = special_tokens({"<unk>"});
        expect_same_ids(parts, (std::string(normalizer) + pre_tokenizer).c_str(), 300);
      }
    }
  }
}

// The pieces of a pattern by the regex engine.
std::vector<size_t> ends_by_regex(const Regex& regex, std::string_view text) {
  std::vector<TokenOffset> matches;
  regex.find_all(text, matches);
  std::vector<size_t> ends;
  for (const TokenOffset& match : matches) ends.push_back(match.end);
  return ends;
}

TEST(SplitPatterns, ByHandCutAsTheRegexDoes) {
  std::string llama3 =
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  std::string qwen = llama3;
  qwen.erase(qwen.find("{1,3}"), 5);
  for (const std::string& pattern : {std::string(ByteLevelPreTokenizer::kPattern), llama3, qwen}) {
    PieceEnd piece_end = find_piece_end(pattern);
    ASSERT_NE(piece_end, nullptr) << pattern;
    Regex regex(pattern);
    base::Random random(13);
    for (int round = 0; round < 5000; ++round) {
      std::string text = random_text(random, 20);
      std::vector<size_t> ends;
      for (size_t begin = 0; begin < text.size(); begin = ends.back()) ends.push_back(piece_end(text, begin));
      ASSERT_EQ(ends, ends_by_regex(regex, text)) << pattern << ", seed 13, round " << round << ": " << text;
    }
  }
  EXPECT_EQ(find_piece_end(R"(\w+)"), nullptr);
}

}  // namespace
}  // namespace sextant::text
