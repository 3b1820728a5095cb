#include "store/payload/filter.h"

#include "store/payload/id_hash.h"

namespace sextant::store {

Filter::Filter() {
  static const std::shared_ptr<const FilterNode> every = std::make_shared<FilterNode>();
  node_ = every;
}

Filter::Filter(FilterNode node) : node_(std::make_shared<const FilterNode>(std::move(node))) {}

bool Filter::is_empty() const {
  return node_->must.empty() && node_->should.empty() && node_->must_not.empty() && !node_->min_should;
}

bool Filter::operator==(const Filter& other) const { return node_ == other.node_ || *node_ == *other.node_; }

bool IdSlice::contains(const PointId& id) const { return id_hash(id) % total == index; }

}  // namespace sextant::store
