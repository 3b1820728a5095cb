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
