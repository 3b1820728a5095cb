// tokenizer.json files: whatever loads must also tokenize, with offsets inside the text.
#include "sextant/tokenizer.h"

#include <cstdlib>

#include "fuzz/fuzz.h"

std::vector<std::string> fuzz_seeds() {
  auto file = [](const char* normalizer, const char* pre, const char* post, const char* model) {
    return std::string(
               "{\"version\": \"1.0\", \"truncation\": null, \"padding\": null, \"added_tokens\": [{\"id\": 0, "
               "\"content\": \"[X]\", \"single_word\": true, \"lstrip\": true, \"rstrip\": false, \"normalized\": "
               "true, \"special\": true}], \"normalizer\": ") +
           normalizer + ", \"pre_tokenizer\": " + pre + ", \"post_processor\": " + post +
           ", \"decoder\": null, \"model\": " + model + "}";
  };
  const char* wordpiece =
      R"({"type": "WordPiece", "unk_token": "[X]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100, "vocab": {"[X]": 0, "a": 1, "##b": 2, "ab": 3}})";
  const char* bpe =
      R"({"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "", "end_of_word_suffix": "", "fuse_unk": false, "byte_fallback": true, "vocab": {"[X]": 0, "a": 1, "b": 2, "ab": 3, "abab": 4}, "merges": ["a b", "ab ab"]})";
  const char* unigram =
      R"({"type": "Unigram", "unk_id": 0, "vocab": [["[X]", 0.0], ["a", -1.5], ["ab", -2.0], ["\u2581", -3.0]]})";
  return {
      file(
          R"({"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true})",
          R"({"type": "BertPreTokenizer"})",
          R"({"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "[X]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}], "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}], "special_tokens": {"[X]": {"id": "[X]", "ids": [0], "tokens": ["[X]"]}}})",
          wordpiece),
      file(
          R"({"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}]})",
          R"({"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": "\\p{L}+|\\s"}, "behavior": "Isolated", "invert": false}, {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": false}]})",
          R"({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true})", bpe),
      file("null", R"({"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": true})",
           "null", unigram),
      file(R"({"type": "Lowercase"})", R"({"type": "Whitespace"})", "null",
           R"({"type": "WordLevel", "vocab": {"[X]": 0, "a": 1}, "unk_token": "[X]"})"),
  };
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sextant::Tokenizer tokenizer =
      sextant::Tokenizer::from_json({reinterpret_cast<const char*>(data), size}, "fuzz.json");
  for (std::string_view text :
       {std::string_view("ab a\xCC\x81 [X] b\n\tAB"), std::string_view("\xFF\x00\xE4\xB8\xAD ", 6)}) {
    sextant::Encoding encoding = tokenizer.encode(text);
    for (const sextant::TokenOffset& offset : encoding.offsets) {
      if (offset.begin > offset.end || offset.end > text.size()) std::abort();
    }
    std::vector<sextant::TokenId> ids;
    tokenizer.encode_ids(text, {}, ids);
    if (ids != encoding.ids) std::abort();
    tokenizer.decode(ids);
  }
  return 0;
}
