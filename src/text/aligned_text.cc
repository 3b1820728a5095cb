#include "text/aligned_text.h"

namespace sextant::text {

void AlignedText::assign(std::string_view text, uint32_t origin_begin, bool aligned) {
  text_.assign(text);
  aligned_ = aligned;
  origins_.clear();
  if (!aligned) return;
  origins_.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    size_t size = utf8_size_of_lead(text[i]);
    TokenOffset origin{static_cast<uint32_t>(origin_begin + i), static_cast<uint32_t>(origin_begin + i + size)};
    for (size_t k = 0; k < size; ++k) origins_.push_back(origin);
    i += size;
  }
}

void AlignedText::assign(std::string_view text, const TokenOffset* origins) {
  text_.assign(text);
  aligned_ = origins != nullptr;
  origins_.clear();
  if (aligned_) origins_.assign(origins, origins + text.size());
}

AlignedText::Rewrite::Rewrite(AlignedText& target, size_t begin, size_t end, size_t skipped_bytes)
    : target_(target), begin_(begin), end_(end), read_(begin + skipped_bytes) {
  text_.reserve(end - begin + 8);
  if (target_.aligned_) origins_.reserve(end - begin + 8);
}

void AlignedText::Rewrite::put_aligned(char32_t c, int change) {
  size_t before = text_.size();
  base::append_utf8(text_, c);
  if (!target_.aligned_) return;
  const std::string& old = target_.text_;
  TokenOffset origin;
  if (change > 0) {
    if (read_ > 0) origin = target_.origins_[read_ - 1];
  } else {
    if (read_ < target_.origins_.size()) origin = target_.origins_[read_];
    for (int i = change; i <= 0 && read_ < end_; ++i) read_ += utf8_size_of_lead(old[read_]);
  }
  origins_.insert(origins_.end(), text_.size() - before, origin);
}

void AlignedText::Rewrite::finish() {
  if (begin_ == 0 && end_ == target_.text_.size()) {
    target_.text_.swap(text_);
    target_.origins_.swap(origins_);
    return;
  }
  target_.text_.replace(begin_, end_ - begin_, text_);
  if (!target_.aligned_) return;
  auto first = target_.origins_.erase(target_.origins_.begin() + begin_, target_.origins_.begin() + end_);
  target_.origins_.insert(first, origins_.begin(), origins_.end());
}

void AlignedText::keep(size_t begin, size_t end) {
  text_.resize(end);
  text_.erase(0, begin);
  if (!aligned_) return;
  origins_.resize(end);
  origins_.erase(origins_.begin(), origins_.begin() + static_cast<ptrdiff_t>(begin));
}

void AlignedText::prepend(std::string_view inserted) {
  if (text_.empty() || inserted.empty()) return;
  if (aligned_) origins_.insert(origins_.begin(), inserted.size(), TokenOffset(origins_.front()));
  text_.insert(0, inserted);
}

void AlignedText::append(std::string_view inserted) {
  if (text_.empty()) return;
  if (aligned_) origins_.insert(origins_.end(), inserted.size(), TokenOffset(origins_.back()));
  text_.append(inserted);
}

void AlignedText::replace(const std::vector<TokenOffset>& matches, std::string_view content) {
  if (matches.empty()) return;
  std::string text;
  std::vector<TokenOffset> origins;
  text.reserve(text_.size());
  size_t kept = 0;
  for (const TokenOffset& match : matches) {
    text.append(text_, kept, match.begin - kept);
    text.append(content);
    if (aligned_) {
      origins.insert(origins.end(), origins_.begin() + kept, origins_.begin() + match.begin);
      origins.insert(origins.end(), content.size(), match.end > 0 ? origins_[match.end - 1] : TokenOffset{});
    }
    kept = match.end;
  }
  text.append(text_, kept);
  if (aligned_) origins.insert(origins.end(), origins_.begin() + kept, origins_.end());
  text_.swap(text);
  origins_.swap(origins);
}

}  // namespace sextant::text
