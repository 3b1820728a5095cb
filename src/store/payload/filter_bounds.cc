#include "store/payload/filter_bounds.h"

#include <algorithm>
#include <set>

namespace sextant::store {
namespace {

class Evaluator {
 public:
  Evaluator(const PayloadIndex& index, const RowSet& all, const SegmentPoints& points)
      : index_(index), all_(all), points_(points) {}

  Bounds bounds(const FilterNode& node) {
    Bounds out{all_, all_};
    for (const Condition& condition : node.must) {
      const Bounds one = bounds(condition);
      out.lower &= one.lower;
      out.upper &= one.upper;
    }
    if (!node.should.empty()) {
      Bounds any;
      for (const Condition& condition : node.should) {
        const Bounds one = bounds(condition);
        any.lower |= one.lower;
        any.upper |= one.upper;
      }
      out.lower &= any.lower;
      out.upper &= any.upper;
    }
    for (const Condition& condition : node.must_not) {
      const Bounds one = bounds(condition);
      out.lower -= one.upper;
      out.upper -= one.lower;
    }
    if (node.min_should) {
      AtLeast lower = at_least(*node.min_should), upper = at_least(*node.min_should);
      for (const Condition& condition : node.min_should->conditions) {
        Bounds one = bounds(condition);
        lower.add(std::move(one.lower));
        upper.add(std::move(one.upper));
      }
      out.lower &= lower.take();
      out.upper &= upper.take();
    }
    return out;
  }

  std::vector<std::string> without_index() const { return {without_index_.begin(), without_index_.end()}; }

 private:
  AtLeast at_least(const MinShould& min_should) const {
    return AtLeast(min_should.min_count, min_should.conditions.size(), all_, index_.rows());
  }
  Bounds unknown() const { return {RowSet(), all_}; }

  // The path's index where it knows the test.
  const FieldIndex* index_of(const KeyPath& path, const FieldTest& test) {
    const FieldIndex* field = index_.field(path.text());
    if (field == nullptr || !field->serves(test)) without_index_.insert(path.text());
    return field;
  }

  Bounds bounds(const Condition& condition) {
    if (const auto* field = std::get_if<FieldCondition>(&condition)) {
      const FieldIndex* index = index_of(field->key, field->test);
      return index == nullptr ? unknown() : index->evaluate(field->test, all_);
    }
    if (const auto* nested = std::get_if<Nested>(&condition)) {
      return {RowSet(), upper_of_objects(nested->filter.node(), nested->key.each())};
    }
    if (const auto* filter = std::get_if<Filter>(&condition)) return bounds(filter->node());
    RowSet rows;
    if (const auto* ids = std::get_if<HasId>(&condition)) {
      RowUnion found(index_.rows());
      for (const PointId& id : ids->ids) {
        const std::optional<uint32_t> row = points_.row_of(id);
        if (row && *row < index_.rows()) found.add(*row);
      }
      rows = found.take();
    } else if (const auto* vector = std::get_if<HasVector>(&condition)) {
      rows = points_.with_vector(vector->name);
    } else {
      const auto& slice = std::get<IdSlice>(condition);
      std::vector<uint32_t> found;
      all_.for_each([&](uint32_t row) {
        if (slice.contains(points_.id_of(row))) found.push_back(row);
      });
      rows = RowSet::of_sorted(found);
    }
    rows &= all_;
    return {rows, rows};
  }

  // Rows in whose list at OUTER some object may satisfy the filter: those in which every condition that asks for some
  // value holds for the list as a whole. What asks for the absence of values is no help: the next object may have them.
  RowSet upper_of_objects(const FilterNode& node, const KeyPath& outer) {
    RowSet out = all_;
    for (const Condition& condition : node.must) out &= upper_of_objects(condition, outer);
    if (!node.should.empty()) {
      RowSet any;
      for (const Condition& condition : node.should) any |= upper_of_objects(condition, outer);
      out &= any;
    }
    if (node.min_should) {
      AtLeast upper = at_least(*node.min_should);
      for (const Condition& condition : node.min_should->conditions) upper.add(upper_of_objects(condition, outer));
      out &= upper.take();
    }
    return out;
  }
  RowSet upper_of_objects(const Condition& condition, const KeyPath& outer) {
    if (const auto* nested = std::get_if<Nested>(&condition)) {
      return upper_of_objects(nested->filter.node(), outer.with(nested->key.each()));
    }
    if (const auto* filter = std::get_if<Filter>(&condition)) return upper_of_objects(filter->node(), outer);
    const auto* field = std::get_if<FieldCondition>(&condition);
    // Objects in a list have neither ids nor vectors.
    if (field == nullptr) return {};
    const KeyPath path = outer.with(field->key);
    const bool asks_for_none = std::holds_alternative<ValuesCount>(field->test) ||
                               std::holds_alternative<IsEmpty>(field->test) ||
                               std::holds_alternative<IsNull>(field->test);
    if (asks_for_none) {
      without_index_.insert(path.text());
      return all_;
    }
    const FieldIndex* index = index_of(path, field->test);
    return index == nullptr ? all_ : index->evaluate(field->test, all_).upper;
  }

  const PayloadIndex& index_;
  const RowSet& all_;
  const SegmentPoints& points_;
  std::set<std::string> without_index_;
};

}  // namespace

AtLeast::AtLeast(uint64_t count, size_t sets, const RowSet& all, uint32_t end)
    : missing_(count), all_(all), everything_(all.count()), end_(end), counts_(sets > kKeptMax ? end : 0) {}

void AtLeast::add(RowSet set) {
  const uint64_t size = set.count();
  if (missing_ == 0 || size == 0) return;
  if (size == everything_) {
    --missing_;
  } else if (!counts_.empty()) {
    set.for_each([&](uint32_t row) { ++counts_[row]; });
  } else {
    kept_.push_back(std::move(set));
  }
}

RowSet AtLeast::take() {
  if (missing_ == 0) return all_;
  if (!counts_.empty()) {
    std::vector<uint32_t> out;
    for (uint32_t row = 0; row < end_; ++row) {
      if (counts_[row] >= missing_) out.push_back(row);
    }
    return RowSet::of_sorted(out);
  }
  if (missing_ > kept_.size()) return {};
  std::vector<RowSet> in(missing_);  // in[i]: in more than i of the sets so far
  for (const RowSet& set : kept_) {
    for (size_t i = in.size(); i-- > 1;) in[i] |= in[i - 1] & set;
    in[0] |= set;
  }
  return std::move(in.back());
}

RowBounds evaluate_filter(const PayloadIndex& index, const Filter& filter, const RowSet& all,
                          const SegmentPoints& points) {
  // Rows that the segment does not have are no rows.
  const RowSet present = all & RowSet::range(0, index.rows());
  Evaluator evaluator(index, present, points);
  Bounds bounds = evaluator.bounds(filter.node());
  bounds.upper -= bounds.lower;
  return {std::move(bounds.lower), std::move(bounds.upper), evaluator.without_index()};
}

}  // namespace sextant::store
