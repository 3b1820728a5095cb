// text/test_tokenizers.h: small tokenizers that the tests make up, as tokenizer.json texts.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "base/utf8.h"
#include "sextant/tokenizer.h"

namespace sextant::text {

// "null" for what a tokenizer does not have.
struct TestParts {
  std::string normalizer = "null";
  std::string pre_tokenizer = "null";
  std::string post_processor = "null";
  std::string decoder = "null";
  std::string added_tokens = "[]";
  // Knows nothing: each piece comes out as one unknown token whose text is the piece.
  std::string model = R"({"type":"Unigram","unk_id":0,"vocab":[["<unk>",0.0]]})";
};

inline std::string test_json(const TestParts& parts) {
  return R"({"version":"1.0","truncation":null,"padding":null,"added_tokens":)" + parts.added_tokens +
         R"(,"normalizer":)" + parts.normalizer + R"(,"pre_tokenizer":)" + parts.pre_tokenizer +
         R"(,"post_processor":)" + parts.post_processor + R"(,"decoder":)" + parts.decoder + R"(,"model":)" +
         parts.model + "}";
}

inline Tokenizer test_tokenizer(const TestParts& parts) { return Tokenizer::from_json(test_json(parts)); }

inline const char* const kBertNormalizer =
    R"({"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true})";

inline const char* const kBertTemplate =
    R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"[CLS]","type_id":0}},{"Sequence":{"id":"A",)"
    R"("type_id":0}},{"SpecialToken":{"id":"[SEP]","type_id":0}}],"pair":[{"SpecialToken":{"id":"[CLS]","type_id":0}},)"
    R"({"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"[SEP]","type_id":0}},{"Sequence":{"id":"B","type_id":)"
    R"(1}},{"SpecialToken":{"id":"[SEP]","type_id":1}}],"special_tokens":{"[CLS]":{"id":"[CLS]","ids":[2],"tokens":)"
    R"(["[CLS]"]},"[SEP]":{"id":"[SEP]","ids":[3],"tokens":["[SEP]"]}}})";

inline std::string special_tokens(const std::vector<std::string>& contents) {
  std::string out = "[";
  for (size_t i = 0; i < contents.size(); ++i) {
    if (i > 0) out += ',';
    out += std::string(R"({"id":)") + std::to_string(i) + R"(,"content":")" + contents[i] +
           R"(","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true})";
  }
  return out + "]";
}

// WordPiece with BERT's stages: words, their pieces, single letters.
inline TestParts bert_parts() {
  std::vector<std::string> tokens = {"[PAD]", "[UNK]", "[CLS]",  "[SEP]", "[MASK]", "the", "un",   "##aff", "##able",
                                     "tap",   "drip",  "##ping", "water", "a",      "b",   "c",    "##a",   "##b",
                                     "##c",   ",",     ".",      "!",     "'",      "s",   "cafe", "水",    "##s"};
  std::string vocabulary;
  for (size_t i = 0; i < tokens.size(); ++i) {
    vocabulary += (i ? ",\"" : "\"") + tokens[i] + "\":" + std::to_string(i);
  }
  TestParts parts;
  parts.normalizer = kBertNormalizer;
  parts.pre_tokenizer = R"({"type":"BertPreTokenizer"})";
  parts.post_processor = kBertTemplate;
  parts.decoder = R"({"type":"WordPiece","prefix":"##","cleanup":true})";
  parts.added_tokens = special_tokens({"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"});
  parts.model = R"({"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##",)"
                R"("max_input_chars_per_word":20,"vocab":{)" +
                vocabulary + "}}";
  return parts;
}

// Byte-level BPE: all 256 bytes, then a few merges.
inline std::string byte_level_model(bool ignore_merges = false) {
  std::string vocabulary;
  int id = 0;
  auto add = [&](const std::string& token) {
    std::string escaped;
    for (char c : token) {
      if (c == '"' || c == '\\') escaped += '\\';
      escaped += c;
    }
    vocabulary += (id ? ",\"" : "\"") + escaped + "\":" + std::to_string(id);
    ++id;
  };
  char32_t next = 0x100;
  for (char32_t byte = 0; byte < 256; ++byte) {
    bool visible = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    std::string character;
    base::append_utf8(character, visible ? byte : next++);
    add(character);
  }
  std::string merges;
  const std::pair<const char*, const char*> kMerges[] = {
      {"t", "h"}, {"th", "e"}, {"Ġ", "t"},   {"Ġ", "the"}, {"i", "n"},     {"in", "g"},
      {"Ġ", "w"}, {"a", "t"},  {"Ġw", "at"}, {"e", "r"},   {"Ġwat", "er"}, {"Ã", "©"},
      {"1", "2"}, {"Ġ", "Ġ"},  {"ĠĠ", "Ġ"},  {"a", "a"},   {"aa", "aa"},   {"Ċ", "Ċ"}};
  for (auto [left, right] : kMerges) {
    merges += std::string(merges.empty() ? "\"" : ",\"") + left + " " + right + "\"";
    add(std::string(left) + right);
  }
  if (ignore_merges) add("xyz");
  return R"({"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":"","end_of_word_suffix":"",)"
         R"("fuse_unk":false,"byte_fallback":false,"ignore_merges":)" +
         std::string(ignore_merges ? "true" : "false") + R"(,"vocab":{)" + vocabulary + R"(},"merges":[)" + merges +
         "]}";
}

// Random text that meets every kind of character the stages tell apart.
inline std::string random_text(base::Random& random, size_t length_max) {
  static const std::vector<std::string> kParts = {"the",
                                                  "water",
                                                  "tap",
                                                  "dripping",
                                                  "unaffable",
                                                  "Caf\xC3\xA9",
                                                  "a",
                                                  "aa",
                                                  "aaaa",
                                                  "ing",
                                                  " ",
                                                  " ",
                                                  "  ",
                                                  "   ",
                                                  "\t",
                                                  "\n",
                                                  "\r\n",
                                                  "\n\n",
                                                  ".",
                                                  ",",
                                                  "!",
                                                  "'s",
                                                  "'LL",
                                                  "'",
                                                  "1",
                                                  "12",
                                                  "123",
                                                  "4567",
                                                  "[MASK]",
                                                  "[SEP",
                                                  "[CLS]",
                                                  "<s>",
                                                  "水",
                                                  "日本",
                                                  "\u0301",
                                                  "e\u0301",
                                                  "\u0327\u0301",
                                                  "한글",
                                                  "Ж",
                                                  "ß",
                                                  "İ",
                                                  "ſ",
                                                  "ﬁ",
                                                  "½",
                                                  "\u00A0",
                                                  "\u3000",
                                                  "\u200B",
                                                  "\u00AD",
                                                  "\u2581",
                                                  "🙂",
                                                  "👩‍👩‍👧",
                                                  "\u0001",
                                                  "\x7F",
                                                  "xyz",
                                                  "Ǆ",
                                                  "\u1E9B\u0323",
                                                  "\u0915\u094D\u0937",
                                                  "\u0E33",
                                                  "＠",
                                                  "\uFFFD",
                                                  "-",
                                                  "_",
                                                  "``",
                                                  "''"};
  std::string text;
  size_t count = random.below(length_max + 1);
  for (size_t i = 0; i < count; ++i) text += kParts[random.below(kParts.size())];
  return text;
}

// What TEXT is cut into, without what a post-processor adds.
inline std::vector<std::string> tokens_of(const Tokenizer& tokenizer, std::string_view text) {
  return tokenizer.encode(text, {.add_special_tokens = false}).tokens;
}

}  // namespace sextant::text
