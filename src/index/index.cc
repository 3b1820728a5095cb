#include "sextant/index.h"

#include <algorithm>
#include <bit>

#include "index/index_impl.h"
#include "sextant/error.h"

namespace sextant {

std::string_view name(ElementType type) {
  switch (type) {
    case ElementType::float32:
      return "float32";
    case ElementType::float16:
      return "float16";
    case ElementType::bfloat16:
      return "bfloat16";
    case ElementType::int8:
      return "int8";
    case ElementType::uint8:
      return "uint8";
    case ElementType::bit:
      return "bit";
  }
  return "unknown";
}

std::string_view name(SearchPlan plan) {
  switch (plan) {
    case SearchPlan::scan:
      return "scan";
    case SearchPlan::code_scan:
      return "code_scan";
    case SearchPlan::graph:
      return "graph";
    case SearchPlan::graph_then_filter:
      return "graph_then_filter";
    case SearchPlan::filtered_graph:
      return "filtered_graph";
    case SearchPlan::product_scan:
      return "product_scan";
  }
  return "unknown";
}

AllowedIds::AllowedIds(std::vector<uint64_t> words) : words_(std::move(words)) {
  // Going through these is faster than looking for them among the bits.
  constexpr size_t kFew = 4096;
  for (uint64_t word : words_) count_ += static_cast<size_t>(std::popcount(word));
  if (count_ > kFew) return;
  for (size_t w = 0; w < words_.size(); ++w) {
    for (uint64_t word = words_[w]; word != 0; word &= word - 1) {
      listed_.push_back(w * 64 + static_cast<size_t>(std::countr_zero(word)));
    }
  }
}

AllowedIds AllowedIds::of(std::span<const uint64_t> ids) {
  const uint64_t largest = ids.empty() ? 0 : *std::max_element(ids.begin(), ids.end());
  if (largest / 64 <= ids.size()) {
    std::vector<uint64_t> words(largest / 64 + 1);
    for (uint64_t id : ids) words[id / 64] |= uint64_t{1} << (id % 64);
    return AllowedIds(std::move(words));
  }
  AllowedIds made;
  made.listed_.assign(ids.begin(), ids.end());
  std::sort(made.listed_.begin(), made.listed_.end());
  made.listed_.erase(std::unique(made.listed_.begin(), made.listed_.end()), made.listed_.end());
  made.count_ = made.listed_.size();
  return made;
}

size_t AllowedIds::count_below(uint64_t bound) const {
  if (!listed_.empty() || count_ == 0) {
    return static_cast<size_t>(std::lower_bound(listed_.begin(), listed_.end(), bound) - listed_.begin());
  }
  size_t beyond = 0;
  for (uint64_t w = bound / 64; w < words_.size(); ++w) {
    const uint64_t word = w == bound / 64 ? words_[w] >> (bound % 64) : words_[w];
    beyond += static_cast<size_t>(std::popcount(word));
  }
  return count_ - beyond;
}

std::unique_ptr<Index> Index::create(const IndexOptions& options) {
  return std::make_unique<index::IndexImpl>(options);
}

std::unique_ptr<Index> Index::open(const std::filesystem::path& path, const OpenOptions& options) {
  return std::make_unique<index::IndexImpl>(path, options);
}

}  // namespace sextant
