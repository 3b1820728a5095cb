#include "index/layer.h"

#include <utility>

namespace sextant::index {

Layer::Layer(size_t degree, size_t capacity, bool lowest)
    : owned_links_(capacity * degree),
      owned_rows_(lowest ? 0 : capacity),
      owned_below_(lowest ? 0 : capacity),
      links_(owned_links_.data()),
      rows_(owned_rows_.data()),
      below_(owned_below_.data()),
      degree_(degree) {}

Layer::Layer(size_t degree, std::span<const uint32_t> links, std::span<const uint32_t> rows,
             std::span<const uint32_t> below)
    : links_(links.data()),
      rows_(rows.empty() ? nullptr : rows.data()),
      below_(below.empty() ? nullptr : below.data()),
      degree_(degree),
      size_(links.size() / degree) {}

Layer::Layer(Layer&& other) noexcept { *this = std::move(other); }

Layer& Layer::operator=(Layer&& other) noexcept {
  owned_links_ = std::move(other.owned_links_);
  owned_rows_ = std::move(other.owned_rows_);
  owned_below_ = std::move(other.owned_below_);
  links_ = std::exchange(other.links_, nullptr);
  rows_ = std::exchange(other.rows_, nullptr);
  below_ = std::exchange(other.below_, nullptr);
  degree_ = other.degree_;
  size_.store(other.size_.exchange(0));
  return *this;
}

void Layer::set_links(uint32_t node, std::span<const uint32_t> links) {
  uint32_t* to = owned_links_.data() + size_t{node} * degree_;
  for (size_t i = 0; i < degree_; ++i) {
    __atomic_store_n(to + i, i < links.size() ? links[i] : kNoNode, __ATOMIC_RELEASE);
    if (i >= links.size()) break;
  }
}

void Layer::set_place(uint32_t node, uint32_t row, uint32_t below) {
  __atomic_store_n(owned_rows_.data() + node, row, __ATOMIC_RELEASE);
  __atomic_store_n(owned_below_.data() + node, below, __ATOMIC_RELEASE);
}

}  // namespace sextant::index
