// text/fast_path.h: ids of a text in one pass, for the pipelines that most models use.
//
// The stages work on a whole text each, one after another; a fast path does for each character, and then for each word,
// what they would do together. Its tables are made by asking the stages themselves, so that the two cannot differ in
// what a character means; tests compare them on every recorded string and on random ones.
// Threads: encode() from many.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "sextant/tokenizer.h"

namespace sextant::text {

struct Pipeline;

class FastPath {
 public:
  virtual ~FastPath() = default;
  // Appends the ids of TEXT, which holds no added token that is looked for in raw text and, where the pipeline has no
  // normalizer, none at all. False where this text needs the stages; OUT is then as it was.
  virtual bool encode(std::string_view text, std::vector<TokenId>& out) const = 0;
};

// Null where no fast path fits the pipeline.
std::unique_ptr<FastPath> make_fast_path(const Pipeline& pipeline);

// For BertNormalizer and BertPreTokenizer, with any model.
std::unique_ptr<FastPath> make_bert_fast_path(const Pipeline& pipeline);

// For byte-level BPE without a normalizer or with NFC, whatever cuts the text before the bytes are mapped.
std::unique_ptr<FastPath> make_byte_level_fast_path(const Pipeline& pipeline);

// For Metaspace that splits, alone or after WhitespaceSplit, with any normalizer and model.
std::unique_ptr<FastPath> make_metaspace_fast_path(const Pipeline& pipeline);

}  // namespace sextant::text
