// text/decoder.h: token strings back into text.
//
// Each follows the component of the same name in Hugging Face's tokenizers: a list of strings in, a list out, the text
// being what the last one leaves, joined.
// Threads: apply() from many.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "text/normalizer.h"

namespace sextant::text {

class Decoder {
 public:
  virtual ~Decoder() = default;
  virtual void apply(std::vector<std::string>& tokens) const = 0;
};

class ByteLevelDecoder : public Decoder {
 public:
  void apply(std::vector<std::string>& tokens) const override;
};

class WordPieceDecoder : public Decoder {
 public:
  WordPieceDecoder(std::string prefix, bool cleanup) : prefix_(std::move(prefix)), cleanup_(cleanup) {}
  void apply(std::vector<std::string>& tokens) const override;

 private:
  std::string prefix_;
  bool cleanup_;
};

class MetaspaceDecoder : public Decoder {
 public:
  MetaspaceDecoder(std::string mark, bool drop_first) : mark_(std::move(mark)), drop_first_(drop_first) {}
  void apply(std::vector<std::string>& tokens) const override;

 private:
  std::string mark_;
  bool drop_first_;  // the marks of the first token: they were put there
};

class BpeDecoder : public Decoder {
 public:
  explicit BpeDecoder(std::string suffix) : suffix_(std::move(suffix)) {}
  void apply(std::vector<std::string>& tokens) const override;

 private:
  std::string suffix_;
};

// Runs of <0x..> tokens become the characters that their bytes make, or a U+FFFD a byte.
class ByteFallbackDecoder : public Decoder {
 public:
  void apply(std::vector<std::string>& tokens) const override;
};

class FuseDecoder : public Decoder {
 public:
  void apply(std::vector<std::string>& tokens) const override;
};

// At most START and STOP times CONTENT goes from the ends of each token.
class StripDecoder : public Decoder {
 public:
  StripDecoder(char32_t content, size_t start, size_t stop) : content_(content), start_(start), stop_(stop) {}
  void apply(std::vector<std::string>& tokens) const override;

 private:
  char32_t content_;
  size_t start_;
  size_t stop_;
};

class ReplaceDecoder : public Decoder {
 public:
  explicit ReplaceDecoder(std::unique_ptr<ReplaceNormalizer> replace) : replace_(std::move(replace)) {}
  void apply(std::vector<std::string>& tokens) const override;

 private:
  std::unique_ptr<ReplaceNormalizer> replace_;
};

// Connectionist temporal classification: repeats are one, padding goes.
class CtcDecoder : public Decoder {
 public:
  CtcDecoder(std::string padding, std::string delimiter, bool cleanup)
      : padding_(std::move(padding)), delimiter_(std::move(delimiter)), cleanup_(cleanup) {}
  void apply(std::vector<std::string>& tokens) const override;

 private:
  std::string padding_;
  std::string delimiter_;
  bool cleanup_;
};

class DecoderSequence : public Decoder {
 public:
  explicit DecoderSequence(std::vector<std::unique_ptr<Decoder>> steps) : steps_(std::move(steps)) {}
  void apply(std::vector<std::string>& tokens) const override {
    for (const auto& step : steps_) step->apply(tokens);
  }

 private:
  std::vector<std::unique_ptr<Decoder>> steps_;
};

}  // namespace sextant::text
