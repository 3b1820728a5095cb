#include "text/normalizer_precompiled.h"

#include <unicode/uchar.h>

namespace sextant::text {
namespace {

constexpr size_t kGraphemeBytes = 6;  // longer graphemes are never looked up whole

int break_class(char32_t c) { return u_getIntPropertyValue(static_cast<UChar32>(c), UCHAR_GRAPHEME_CLUSTER_BREAK); }

bool is_pictographic(char32_t c) { return u_hasBinaryProperty(static_cast<UChar32>(c), UCHAR_EXTENDED_PICTOGRAPHIC); }

}  // namespace

size_t grapheme_size(std::string_view text) {
  size_t i = 0;
  char32_t c = next_code_point(text, i);
  int previous = break_class(c);
  bool flags_odd = previous == U_GCB_REGIONAL_INDICATOR;
  // Rule 11: a pictograph, any number of extending characters, a joiner, a pictograph.
  bool after_pictograph = is_pictographic(c);
  bool joined = false;
  while (i < text.size()) {
    size_t next = i;
    c = next_code_point(text, next);
    int current = break_class(c);
    bool keep = false;
    if (previous == U_GCB_CR) {
      keep = current == U_GCB_LF;
    } else if (previous == U_GCB_CONTROL || previous == U_GCB_LF || current == U_GCB_CONTROL || current == U_GCB_CR ||
               current == U_GCB_LF) {
      keep = false;
    } else if (previous == U_GCB_L &&
               (current == U_GCB_L || current == U_GCB_V || current == U_GCB_LV || current == U_GCB_LVT)) {
      keep = true;
    } else if ((previous == U_GCB_LV || previous == U_GCB_V) && (current == U_GCB_V || current == U_GCB_T)) {
      keep = true;
    } else if ((previous == U_GCB_LVT || previous == U_GCB_T) && current == U_GCB_T) {
      keep = true;
    } else if (current == U_GCB_EXTEND || current == U_GCB_ZWJ || current == U_GCB_SPACING_MARK ||
               previous == U_GCB_PREPEND) {
      keep = true;
    } else if (joined && is_pictographic(c)) {
      keep = true;
    } else if (flags_odd && current == U_GCB_REGIONAL_INDICATOR) {
      keep = true;
    }
    if (!keep) break;
    joined = after_pictograph && current == U_GCB_ZWJ;
    if (is_pictographic(c)) {
      after_pictograph = true;
    } else if (current != U_GCB_EXTEND) {
      after_pictograph = false;
    }
    flags_odd = current == U_GCB_REGIONAL_INDICATOR && !flags_odd;
    previous = current;
    i = next;
  }
  return i;
}

PrecompiledNormalizer::PrecompiledNormalizer(Charsmap charsmap) : charsmap_(std::move(charsmap)) {
  for (size_t c = 0; c < 128; ++c) {
    char byte = static_cast<char>(c);
    plain_[c] = c != '\r' && charsmap_.shortest({&byte, 1}).size == 0;
  }
}

void PrecompiledNormalizer::apply(AlignedText& text) const {
  std::string_view old = text.view();
  if (!text.aligned()) {
    std::string out;
    out.reserve(old.size() + old.size() / 8);
    append(old, out);
    text.take(std::move(out));
    return;
  }
  std::vector<std::pair<char32_t, int>> changes;
  changes.reserve(old.size());
  bool modified = false;
  // NEW_PART in place of OLD_PART: surplus characters count as inserted at the end; those that are missing are
  // swallowed by the last character before, which may be one of an earlier part.
  auto replace = [&](std::string_view old_part, std::string_view new_part) {
    modified = true;
    for (size_t i = 0; i < new_part.size();) changes.emplace_back(next_code_point(new_part, i), 0);
    auto surplus =
        static_cast<int>(base::count_code_points(new_part)) - static_cast<int>(base::count_code_points(old_part));
    for (int i = 0; i < surplus; ++i) changes[changes.size() - 1 - static_cast<size_t>(i)].second = 1;
    if (surplus < 0 && !changes.empty()) changes.back().second += surplus;
  };
  for (size_t i = 0; i < old.size();) {
    size_t size = grapheme_size(old.substr(i));
    std::string_view grapheme = old.substr(i, size);
    i += size;
    if (size < kGraphemeBytes) {
      if (Charsmap::Match match = charsmap_.shortest(grapheme); match.size > 0) {
        replace(grapheme, match.replacement);
        continue;
      }
    }
    for (size_t k = 0; k < size;) {
      size_t start = k;
      char32_t c = next_code_point(grapheme, k);
      std::string_view part = grapheme.substr(start, k - start);
      if (Charsmap::Match match = charsmap_.shortest(part); match.size > 0) {
        replace(part, match.replacement);
      } else {
        changes.emplace_back(c, 0);
      }
    }
  }
  if (!modified) return;
  AlignedText::Rewrite rewrite(text);
  for (auto [c, change] : changes) rewrite.put(c, change);
  rewrite.finish();
}

void PrecompiledNormalizer::append(std::string_view text, std::string& out) const {
  auto ascii = [&](size_t i) { return static_cast<unsigned char>(text[i]) < 0x80; };
  for (size_t i = 0; i < text.size();) {
    // An ASCII character before another is a grapheme of its own.
    size_t start = i;
    while (i < text.size() && ascii(i) && plain_[static_cast<size_t>(text[i])] &&
           (i + 1 == text.size() || ascii(i + 1))) {
      ++i;
    }
    out.append(text, start, i - start);
    if (i == text.size()) return;
    size_t size = grapheme_size(text.substr(i));
    std::string_view grapheme = text.substr(i, size);
    i += size;
    if (size < kGraphemeBytes) {
      if (Charsmap::Match match = charsmap_.shortest(grapheme); match.size > 0) {
        out.append(match.replacement);
        continue;
      }
    }
    for (size_t k = 0; k < size;) {
      size_t begin = k;
      next_code_point(grapheme, k);
      std::string_view part = grapheme.substr(begin, k - begin);
      Charsmap::Match match = charsmap_.shortest(part);
      out.append(match.size > 0 ? match.replacement : part);
    }
  }
}

}  // namespace sextant::text
