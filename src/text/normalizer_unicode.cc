// Unicode forms with alignments: ICU knows the mappings, this file the order in which characters pass.
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <algorithm>

#include "sextant/error.h"
#include "text/normalizer.h"

namespace sextant::text {
namespace {

// The reference's tables are those of Unicode 9: what came later is left as it is.
constexpr int kUnicodeAge = 9;

struct ChangedChar {
  char32_t c;
  int change;
  uint8_t combining_class;
};

const icu::Normalizer2& icu_normalizer(bool compatibility) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* normalizer =
      compatibility ? icu::Normalizer2::getNFKCInstance(status) : icu::Normalizer2::getNFCInstance(status);
  if (U_FAILURE(status)) {
    throw Error(ErrorCode::unavailable, std::string("ICU has no normalization data: ") + u_errorName(status));
  }
  return *normalizer;
}

// Appends the full decomposition of the text, combining marks in canonical order.
std::vector<ChangedChar> decompose(std::string_view text, const icu::Normalizer2& normalizer) {
  std::vector<ChangedChar> out;
  out.reserve(text.size() + 16);
  size_t starter_end = 0;  // what follows the last starter waits to be ordered
  auto order = [&] {
    if (out.size() - starter_end > 1) {
      std::stable_sort(
          out.begin() + static_cast<ptrdiff_t>(starter_end), out.end(),
          [](const ChangedChar& a, const ChangedChar& b) { return a.combining_class < b.combining_class; });
    }
    starter_end = out.size();
  };
  auto push = [&](char32_t c, int change) {
    uint8_t combining_class = char_classes(c) & kCombining ? u_getCombiningClass(static_cast<UChar32>(c)) : uint8_t{0};
    if (combining_class == 0) {
      order();
      ++starter_end;
    }
    out.push_back({c, change, combining_class});
  };
  icu::UnicodeString mapping;
  for (size_t i = 0; i < text.size();) {
    char32_t c = next_code_point(text, i);
    if (c < 0x80 || !normalizer.getDecomposition(static_cast<UChar32>(c), mapping) || unicode_age(c) > kUnicodeAge) {
      push(c, 0);
      continue;
    }
    int change = 0;
    for (int32_t k = 0; k < mapping.length();) {
      UChar32 part = mapping.char32At(k);
      k += U16_LENGTH(part);
      push(static_cast<char32_t>(part), change);
      change = 1;
    }
  }
  order();
  return out;
}

// Canonical composition (Unicode 15, section 3.11); a composed character stands for all that it swallowed.
std::vector<ChangedChar> compose(const std::vector<ChangedChar>& in, const icu::Normalizer2& normalizer) {
  std::vector<ChangedChar> out;
  out.reserve(in.size());
  constexpr size_t kNone = static_cast<size_t>(-1);
  size_t starter = kNone;
  int last_class = -1;  // of the character kept after the starter; -1: none
  for (const ChangedChar& next : in) {
    if (starter != kNone && last_class < static_cast<int>(next.combining_class)) {
      UChar32 composed = normalizer.composePair(static_cast<UChar32>(out[starter].c), static_cast<UChar32>(next.c));
      if (composed >= 0 && unicode_age(static_cast<char32_t>(composed)) <= kUnicodeAge) {
        out[starter].c = static_cast<char32_t>(composed);
        out[starter].change += next.change - 1;
        continue;
      }
    }
    if (next.combining_class == 0) {
      starter = out.size();
      last_class = -1;
    } else {
      last_class = next.combining_class;
    }
    out.push_back(next);
  }
  return out;
}

}  // namespace

bool is_normalized(std::string_view text, UnicodeForm form) {
  if (std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; })) return true;
  // Newer tables compose and decompose more, never less: normalized by them is normalized by the older ones.
  if (form != UnicodeForm::nfc && form != UnicodeForm::nfkc) return false;
  UErrorCode status = U_ZERO_ERROR;
  icu::StringPiece piece(text.data(), static_cast<int32_t>(text.size()));
  return icu_normalizer(form == UnicodeForm::nfkc).isNormalizedUTF8(piece, status) && U_SUCCESS(status);
}

void apply_unicode_form(AlignedText& text, UnicodeForm form) {
  std::string_view old = text.view();
  if (is_normalized(old, form)) return;
  const icu::Normalizer2& normalizer = icu_normalizer(form == UnicodeForm::nfkc || form == UnicodeForm::nfkd);
  std::vector<ChangedChar> chars = decompose(old, normalizer);
  if (form == UnicodeForm::nfc || form == UnicodeForm::nfkc) chars = compose(chars, icu_normalizer(false));
  AlignedText::Rewrite rewrite(text);
  for (const ChangedChar& c : chars) rewrite.put(c.c, c.change);
  rewrite.finish();
}

void apply_lower_case(AlignedText& text) {
  AlignedText::Rewrite rewrite(text);
  std::string_view old = text.view();
  for (size_t i = 0; i < old.size();) {
    char32_t lower[2];
    int count = lower_case(next_code_point(old, i), lower);
    for (int k = 0; k < count; ++k) rewrite.put(lower[k], k > 0);
  }
  rewrite.finish();
}

}  // namespace sextant::text
