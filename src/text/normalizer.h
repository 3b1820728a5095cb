// text/normalizer.h: what a text goes through before it is cut: cleaning, case, accents, Unicode forms.
//
// Each follows the component of the same name in Hugging Face's tokenizers, alignments included.
// Threads: apply() from many.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "text/aligned_text.h"

namespace sextant::text {

class Normalizer {
 public:
  virtual ~Normalizer() = default;
  virtual void apply(AlignedText& text) const = 0;
};

struct BertNormalizerOptions {
  bool clean_text = true;
  bool space_ideographs = true;
  std::optional<bool> strip_accents;  // absent: as lowercase
  bool lowercase = true;
};

class BertNormalizer : public Normalizer {
 public:
  explicit BertNormalizer(BertNormalizerOptions options) : options_(options) {}
  void apply(AlignedText& text) const override;
  const BertNormalizerOptions& options() const { return options_; }
  bool strips_accents() const { return options_.strip_accents.value_or(options_.lowercase); }

 private:
  BertNormalizerOptions options_;
};

enum class UnicodeForm { nfc, nfd, nfkc, nfkd };

// The text in a Unicode normalization form; alignments as if composed and decomposed character by character.
void apply_unicode_form(AlignedText& text, UnicodeForm form);
void apply_lower_case(AlignedText& text);

class NormalizerSequence : public Normalizer {
 public:
  explicit NormalizerSequence(std::vector<std::unique_ptr<Normalizer>> steps) : steps_(std::move(steps)) {}
  void apply(AlignedText& text) const override {
    for (const auto& step : steps_) step->apply(text);
  }
  const std::vector<std::unique_ptr<Normalizer>>& steps() const { return steps_; }

 private:
  std::vector<std::unique_ptr<Normalizer>> steps_;
};

}  // namespace sextant::text
