#include <algorithm>

#include "text/normalizer.h"

namespace sextant::text {

void BertNormalizer::apply(AlignedText& text) const {
  if (options_.clean_text) {
    text.filter([](char32_t c) { return c != 0 && c != base::kReplacement && !(char_classes(c) & kControl); });
    text.map([](char32_t c) { return is_white_space(c) ? U' ' : c; });
  }
  std::string_view old = text.view();
  bool ascii = std::all_of(old.begin(), old.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  if (options_.space_ideographs && !ascii) {
    AlignedText::Rewrite rewrite(text);
    for (size_t i = 0; i < old.size();) {
      char32_t c = next_code_point(old, i);
      if (char_classes(c) & kIdeograph) {
        rewrite.put(' ', 0);
        rewrite.put(c, 1);
        rewrite.put(' ', 1);
      } else {
        rewrite.put(c, 0);
      }
    }
    rewrite.finish();
  }
  if (strips_accents() && !ascii) {
    apply_unicode_form(text, UnicodeForm::nfd);
    text.filter([](char32_t c) { return !(char_classes(c) & kMarkNonspacing); });
  }
  if (options_.lowercase) apply_lower_case(text);
}

}  // namespace sextant::text
