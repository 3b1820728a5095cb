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
#include "text/regex.h"

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
// True where apply_unicode_form() would change nothing; false where it might. REQUIRES: valid UTF-8.
bool is_normalized(std::string_view text, UnicodeForm form);
void apply_lower_case(AlignedText& text);

class UnicodeNormalizer : public Normalizer {
 public:
  explicit UnicodeNormalizer(UnicodeForm form) : form_(form) {}
  void apply(AlignedText& text) const override { apply_unicode_form(text, form_); }
  UnicodeForm form() const { return form_; }

 private:
  UnicodeForm form_;
};

class LowercaseNormalizer : public Normalizer {
 public:
  void apply(AlignedText& text) const override { apply_lower_case(text); }
};

// Every combining mark goes (the text must be decomposed for accents to be such marks).
class StripAccentsNormalizer : public Normalizer {
 public:
  void apply(AlignedText& text) const override;
};

// White space at the ends goes.
class StripNormalizer : public Normalizer {
 public:
  StripNormalizer(bool left, bool right) : left_(left), right_(right) {}
  void apply(AlignedText& text) const override;

 private:
  bool left_;
  bool right_;
};

// The cleaning of neural machine translation: control characters go, odd spaces become spaces.
class NmtNormalizer : public Normalizer {
 public:
  void apply(AlignedText& text) const override;
};

class PrependNormalizer : public Normalizer {
 public:
  explicit PrependNormalizer(std::string prepended) : prepended_(std::move(prepended)) {}
  void apply(AlignedText& text) const override { text.prepend(prepended_); }
  const std::string& prepended() const { return prepended_; }

 private:
  std::string prepended_;
};

// Each occurrence of a string or match of a pattern becomes CONTENT, as it is written.
class ReplaceNormalizer : public Normalizer {
 public:
  static std::unique_ptr<ReplaceNormalizer> of_string(std::string_view searched, std::string content);
  ReplaceNormalizer(Regex pattern, std::string content) : pattern_(std::move(pattern)), content_(std::move(content)) {}
  void apply(AlignedText& text) const override;
  // Empty where a pattern is looked for.
  const std::string& searched() const { return searched_; }
  const std::string& content() const { return content_; }
  void find(std::string_view text, std::vector<TokenOffset>& matches) const;

 private:
  Regex pattern_;
  std::string searched_;
  std::string content_;
};

// Each byte becomes the visible character that stands for it in byte-level vocabularies.
class ByteLevelNormalizer : public Normalizer {
 public:
  void apply(AlignedText& text) const override;
};

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
