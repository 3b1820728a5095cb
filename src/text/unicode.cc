#include "text/unicode.h"

#include <unicode/uchar.h>

#include <mutex>

namespace sextant::text {

std::atomic<const CharClassBlock*> char_class_blocks[0x1100];

namespace {

// The lower case of capitals that came after Unicode 15, which ICU does not know yet; C itself for all others.
char32_t lower_case_of_unicode_17(char32_t c) {
  if (c < 0x1C89) return c;
  if (c >= 0x10D50 && c <= 0x10D65) return c + 0x20;
  if (c >= 0x16EA0 && c <= 0x16EB8) return c + 0x1B;
  switch (c) {
    case 0x1C89:
      return 0x1C8A;
    case 0xA7CB:
      return 0x264;
    case 0xA7DC:
      return 0x19B;
    case 0xA7CC:
    case 0xA7CE:
    case 0xA7D2:
    case 0xA7D4:
    case 0xA7DA:
      return c + 1;
    default:
      return c;
  }
}

bool is_ideograph(char32_t c) {
  // The ranges of the reference implementation, its slip in the sixth (0x2B920 for 0x2B820) included.
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
         (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

CharClasses classes_from_icu(char32_t code_point) {
  auto c = static_cast<UChar32>(code_point);
  uint32_t category = U_GET_GC_MASK(c);
  int age = unicode_age(code_point);
  CharClasses classes = 0;
  auto set = [&](bool condition, CharClasses which) {
    if (condition) classes |= which;
  };
  set(u_hasBinaryProperty(c, UCHAR_WHITE_SPACE), kWhiteSpace);
  set(c > 0x20 && c < 0x7F && !u_isalnum(c), kPunctuation);
  set(category & U_GC_P_MASK && age <= 8, kPunctuation);
  set(category & U_GC_N_MASK, kNumeric);
  set(category & U_GC_L_MASK, kLetter);
  set(category & U_GC_M_MASK && age <= 9, kMark);
  set(category & U_GC_MN_MASK && age <= 8, kMarkNonspacing);
  set(category & (U_GC_CC_MASK | U_GC_CF_MASK | U_GC_CO_MASK) && age <= 8 && c != '\t' && c != '\n' && c != '\r',
      kControl);
  set(u_hasBinaryProperty(c, UCHAR_ALPHABETIC) || (category & (U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK)) ||
          u_hasBinaryProperty(c, UCHAR_JOIN_CONTROL),
      kWord);
  set(is_ideograph(code_point), kIdeograph);
  set(u_getCombiningClass(c) != 0 && age <= 9, kCombining);
  // Those whose category has changed since.
  switch (code_point) {
    case 0x166D:
      classes |= kPunctuation;
      break;
    case 0x1734:
      classes |= kMarkNonspacing;
      break;
    case 0x1885:
    case 0x1886:
    case 0xA9BD:
      classes &= static_cast<CharClasses>(~kMarkNonspacing);
      break;
    case 0x1CF2:
    case 0x1CF3:
      classes |= kMark;
      break;
    case 0x111C9:
      classes = static_cast<CharClasses>((classes | kPunctuation) & ~(kMark | kMarkNonspacing));
      break;
    default:
      break;
  }
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

int unicode_age(char32_t c) {
  UVersionInfo age;
  u_charAge(static_cast<UChar32>(c), age);
  return age[0];
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
  out[0] = lower_case_of_unicode_17(c);
  if (out[0] == c) out[0] = static_cast<char32_t>(u_tolower(static_cast<UChar32>(c)));
  return 1;
}

}  // namespace sextant::text
