// text/post_processor.h: puts special tokens around the tokens of one or two texts.
//
// Works on a list of encodings, one for each text at first; a template turns it into one for each of its pieces.
// Threads: all const members from many.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sextant/tokenizer.h"

namespace sextant::text {

class PostProcessor {
 public:
  virtual ~PostProcessor() = default;
  // TEXTS are the originals that the encodings' offsets refer to, by sequence id.
  virtual void apply(std::vector<Encoding>& encodings, const std::vector<std::string_view>& texts,
                     bool add_special_tokens) const = 0;
  // How many tokens apply() adds to one text or to a pair.
  virtual size_t added_count(bool is_pair) const = 0;
};

struct TemplatePiece {
  int sequence = -1;  // 0: the first text, 1: the second, -1: special tokens
  uint8_t type_id = 0;
  std::vector<TokenId> ids;  // of the special tokens
  std::vector<std::string> tokens;
};

class TemplateProcessing : public PostProcessor {
 public:
  TemplateProcessing(std::vector<TemplatePiece> single, std::vector<TemplatePiece> pair)
      : single_(std::move(single)), pair_(std::move(pair)) {}
  void apply(std::vector<Encoding>& encodings, const std::vector<std::string_view>& texts,
             bool add_special_tokens) const override;
  size_t added_count(bool is_pair) const override;

 private:
  std::vector<TemplatePiece> single_;
  std::vector<TemplatePiece> pair_;
};

// Byte-level vocabularies keep a word's space in its token: this takes it out of the offsets.
class ByteLevelProcessing : public PostProcessor {
 public:
  ByteLevelProcessing(bool add_prefix_space, bool trim_offsets)
      : add_prefix_space_(add_prefix_space), trim_offsets_(trim_offsets) {}
  void apply(std::vector<Encoding>& encodings, const std::vector<std::string_view>& texts,
             bool add_special_tokens) const override;
  size_t added_count(bool) const override { return 0; }

 private:
  bool add_prefix_space_;
  bool trim_offsets_;
};

// [CLS] A [SEP] B [SEP], or RoBERTa's <s> A </s></s> B </s>.
class ClassifierProcessing : public PostProcessor {
 public:
  struct Token {
    TokenId id;
    std::string text;
  };
  struct Options {
    Token first;  // [CLS]
    Token last;   // [SEP]
    bool roberta = false;
    bool trim_offsets = false;  // as ByteLevelProcessing; RoBERTa's alone
    bool add_prefix_space = false;
  };
  explicit ClassifierProcessing(Options options) : options_(std::move(options)) {}
  void apply(std::vector<Encoding>& encodings, const std::vector<std::string_view>& texts,
             bool add_special_tokens) const override;
  size_t added_count(bool is_pair) const override { return !is_pair ? 2 : options_.roberta ? 4 : 3; }

 private:
  Options options_;
};

class PostProcessorSequence : public PostProcessor {
 public:
  explicit PostProcessorSequence(std::vector<std::unique_ptr<PostProcessor>> steps) : steps_(std::move(steps)) {}
  void apply(std::vector<Encoding>& encodings, const std::vector<std::string_view>& texts,
             bool add_special_tokens) const override {
    for (const auto& step : steps_) step->apply(encodings, texts, add_special_tokens);
  }
  size_t added_count(bool is_pair) const override {
    size_t count = 0;
    for (const auto& step : steps_) count += step->added_count(is_pair);
    return count;
  }

 private:
  std::vector<std::unique_ptr<PostProcessor>> steps_;
};

// Appends the tokens of FROM to TO.
void append_encoding(Encoding& to, Encoding&& from);

}  // namespace sextant::text
