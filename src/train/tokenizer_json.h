// train/tokenizer_json.h: trained vocabularies as tokenizer.json, the file that Hugging Face's tokenizers library
// writes.
//
// In: a vocabulary.      Out: the whole file, every field that the library's version 0.22 writes, in its order.
// Merges are written as "a b" strings, which every version reads (newer ones write pairs).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "train/tokenizer_bpe.h"
#include "train/tokenizer_unigram.h"

namespace sextant::train {

// What the special tokens are for, read from their names; absent where none has such a name.
struct SpecialTokens {
  std::vector<std::string> all;        // by id
  std::optional<std::string> unknown;  // [UNK] or <unk>
  std::optional<std::string> first;    // [CLS] or <s>: before a text
  std::optional<std::string> last;     // [SEP] or </s>: after a text
  std::optional<std::string> padding;  // [PAD] or <pad>
  std::optional<std::string> mask;     // [MASK] or <mask>
};
// Throws invalid_argument when a token is empty or named twice.
SpecialTokens parse_special_tokens(const std::vector<std::string>& tokens);

// BertNormalizer, BertPreTokenizer, [CLS] A [SEP] B [SEP].   REQUIRES: special.unknown.
std::string wordpiece_json(const BpeVocabulary& vocabulary, const SpecialTokens& special, bool lowercase);
// ByteLevel with GPT-2's pattern, <s> A </s></s> B </s> as RoBERTa has it.
std::string byte_level_bpe_json(const BpeVocabulary& vocabulary, const SpecialTokens& special, bool lowercase);
// Nmt and NFKC as SentencePiece's nmt_nfkc, Metaspace, <s> A </s></s> B </s> as XLM-RoBERTa has it.
// REQUIRES: special.unknown.
std::string unigram_json(const UnigramVocabulary& vocabulary, const SpecialTokens& special, bool lowercase);

// tokenizer_config.json, which tells Hugging Face's transformers what the special tokens are for.
std::string tokenizer_config_json(const SpecialTokens& special, bool lowercase);

}  // namespace sextant::train
