#include "text/unicode.h"

#include <unicode/uchar.h>

#include <mutex>

namespace sextant::text {

std::atomic<const CharClassBlock*> char_class_blocks[0x1100];

namespace {

bool is_ideograph(char32_t c) {
  // The ranges of the reference implementation, its slip in the sixth (0x2B920 for 0x2B820) included.
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
         (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

CharClasses classes_from_icu(char32_t code_point) {
  auto c = static_cast<UChar32>(code_point);
  uint32_t category = U_GET_GC_MASK(c);
  CharClasses classes = 0;
  if (u_hasBinaryProperty(c, UCHAR_WHITE_SPACE)) classes |= kWhiteSpace;
  if (category & U_GC_P_MASK) classes |= kPunctuation | kCategoryPunctuation;
  if (c > 0x20 && c < 0x7F && !u_isalnum(c)) classes |= kPunctuation;
  if (category & U_GC_N_MASK) classes |= kNumeric;
  if (category & U_GC_L_MASK) classes |= kLetter;
  if (category & U_GC_M_MASK) classes |= kMark;
  if (category & U_GC_MN_MASK) classes |= kMarkNonspacing;
  if ((category & (U_GC_CC_MASK | U_GC_CF_MASK | U_GC_CO_MASK)) && c != '\t' && c != '\n' && c != '\r') {
    classes |= kControl;
  }
  if (u_hasBinaryProperty(c, UCHAR_ALPHABETIC) || (category & (U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK)) ||
      u_hasBinaryProperty(c, UCHAR_JOIN_CONTROL)) {
    classes |= kWord;
  }
  if (is_ideograph(code_point)) classes |= kIdeograph;
  if (u_getCombiningClass(c) != 0) classes |= kCombining;
  return classes;
}

}  // namespace

const CharClassBlock* fill_char_class_block(uint32_t block) {
  static std::mutex mutex;
  std::lock_guard lock(mutex);
  if (const CharClassBlock* present = char_class_blocks[block].load(std::memory_order_acquire)) return present;
  // Kept until the process ends, like any table of constants.
  auto* made = new CharClassBlock;
  for (uint32_t i = 0; i < 256; ++i) made->classes[i] = classes_from_icu(block << 8 | i);
  char_class_blocks[block].store(made, std::memory_order_release);
  return made;
}

int lower_case(char32_t c, char32_t out[2]) {
  if (c < 0x80) {
    out[0] = c >= 'A' && c <= 'Z' ? c + 32 : c;
    return 1;
  }
  if (c == 0x130) {  // the only unconditional lower case of two code points: i and a dot above
    out[0] = 'i';
    out[1] = 0x307;
    return 2;
  }
  out[0] = static_cast<char32_t>(u_tolower(static_cast<UChar32>(c)));
  return 1;
}

}  // namespace sextant::text
