#include "store/payload/payload_match.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "store/payload/datetime.h"
#include "store/payload/payload_values.h"
#include "store/payload/text_words.h"

namespace sextant::store {
namespace {

using Element = simdjson::dom::element;

struct Clauses;

// A condition, ready to be checked.
struct Check {
  const Condition* condition;
  std::optional<TextQuery> text;
  std::vector<PathStep> each;        // of a nested condition, the objects
  std::unique_ptr<Clauses> clauses;  // of a nested condition and a filter
};

struct Clauses {
  std::vector<Check> must, should, must_not, min_should;
  uint64_t min_count = 0;  // 0: no min_should
};

Clauses prepare(const FilterNode& node, const PayloadSchema& schema, const std::optional<KeyPath>& outer);

// The path as an index of the whole payload would have it.
KeyPath whole_path(const std::optional<KeyPath>& outer, const KeyPath& key) { return outer ? outer->with(key) : key; }

Check prepare(const Condition& condition, const PayloadSchema& schema, const std::optional<KeyPath>& outer) {
  Check out{&condition, std::nullopt, {}, nullptr};
  if (const auto* field = std::get_if<FieldCondition>(&condition)) {
    if (const auto* text = std::get_if<MatchText>(&field->test)) {
      const FieldSchema* index = schema.find(whole_path(outer, field->key).text());
      const bool is_text = index != nullptr && index->kind == FieldKind::text;
      out.text.emplace(is_text ? WordRules(*index) : WordRules(), text->mode, text->text);
    }
  } else if (const auto* nested = std::get_if<Nested>(&condition)) {
    const KeyPath each = nested->key.each();
    out.each = each.steps();
    out.clauses = std::make_unique<Clauses>(prepare(nested->filter.node(), schema, whole_path(outer, each)));
  } else if (const auto* filter = std::get_if<Filter>(&condition)) {
    out.clauses = std::make_unique<Clauses>(prepare(filter->node(), schema, outer));
  }
  return out;
}

Clauses prepare(const FilterNode& node, const PayloadSchema& schema, const std::optional<KeyPath>& outer) {
  Clauses out;
  const auto all = [&](const std::vector<Condition>& conditions, std::vector<Check>& checks) {
    checks.reserve(conditions.size());
    for (const Condition& condition : conditions) checks.push_back(prepare(condition, schema, outer));
  };
  all(node.must, out.must);
  all(node.should, out.should);
  all(node.must_not, out.must_not);
  if (node.min_should) {
    all(node.min_should->conditions, out.min_should);
    out.min_count = node.min_should->min_count;
  }
  return out;
}

// One value against one test.
struct ValueTest {
  Element value;
  const TextQuery* text;
  WordReader& reader;

  std::optional<std::string_view> string() const {
    std::string_view out;
    if (value.get(out) != simdjson::SUCCESS) return std::nullopt;
    return out;
  }
  std::optional<int64_t> integer() const {
    int64_t out = 0;
    if (value.get(out) != simdjson::SUCCESS) return std::nullopt;
    return out;
  }

  bool operator()(const MatchValue& test) const {
    if (const auto* wanted = std::get_if<std::string>(&test.value)) return string() == std::string_view(*wanted);
    if (const auto* wanted = std::get_if<int64_t>(&test.value)) return integer() == *wanted;
    bool flag = false;
    return value.get(flag) == simdjson::SUCCESS && flag == std::get<bool>(test.value);
  }
  bool operator()(const MatchList& test) const {
    // A null is no value, and neither one of the list nor one beside it.
    if (value.is_null()) return false;
    bool listed = false;
    if (const auto* strings = std::get_if<std::vector<std::string>>(&test.values)) {
      const auto found = string();
      listed = found && std::binary_search(strings->begin(), strings->end(), *found, std::less<std::string_view>());
    } else {
      const auto& integers = std::get<std::vector<int64_t>>(test.values);
      const auto found = integer();
      listed = found && std::binary_search(integers.begin(), integers.end(), *found);
    }
    return listed != test.except;
  }
  bool operator()(const MatchText&) const {
    const auto found = string();
    return found && text->matches(*found, reader);
  }
  bool operator()(const MatchPrefix& test) const {
    const auto found = string();
    return found && found->starts_with(test.prefix);
  }
  bool operator()(const NumberRange& test) const {
    double number = 0;
    return value.get(number) == simdjson::SUCCESS && test.contains(number);
  }
  bool operator()(const DatetimeRange& test) const {
    const auto found = string();
    const auto moment = found ? read_datetime(*found) : std::nullopt;
    return moment && test.contains(*moment);
  }
  template <class Area>
  bool in(const Area& area) const {
    const auto point = geo_value(value);
    return point && area.contains(*point);
  }
  bool operator()(const GeoBox& test) const { return in(test); }
  bool operator()(const GeoCircle& test) const { return in(test); }
  bool operator()(const GeoPolygon& test) const { return in(test); }
  // These look at all of a key's values at once: Checker::field.
  bool operator()(const ValuesCount&) const { return false; }
  bool operator()(const IsEmpty&) const { return false; }
  bool operator()(const IsNull&) const { return false; }
};

struct Checker {
  const PointView* point;  // nullptr within a nested condition
  std::optional<Element> object;
  WordReader& reader;

  template <class Visit>
  bool values(std::span<const PathStep> steps, const Visit& visit) const {
    return object && visit_values(*object, steps, visit);
  }

  bool field(const FieldCondition& condition, const TextQuery* text) const {
    const std::span<const PathStep> steps = condition.key.steps();
    if (const auto* empty = std::get_if<IsEmpty>(&condition.test)) {
      return values(steps, [](Element value) { return !is_empty_value(value); }) != empty->expected;
    }
    if (const auto* null = std::get_if<IsNull>(&condition.test)) {
      return values(steps, is_null_value) == null->expected;
    }
    if (const auto* count = std::get_if<ValuesCount>(&condition.test)) {
      bool any = false;
      const bool found = values(steps, [&](Element value) {
        any = true;
        return count->contains(count_values(value));
      });
      return any ? found : count->contains(0);
    }
    return values(steps, [&](Element value) {
      return visit_elements(value, [&](Element one) {
        return std::visit(ValueTest{one, text, reader}, condition.test);
      });
    });
  }

  bool check(const Check& check) const {
    if (const auto* condition = std::get_if<FieldCondition>(check.condition)) {
      return field(*condition, check.text ? &*check.text : nullptr);
    }
    if (std::holds_alternative<Nested>(*check.condition)) {
      return values(check.each, [&](Element value) {
        return value.is_object() && Checker{nullptr, value, reader}.check(*check.clauses);
      });
    }
    if (std::holds_alternative<Filter>(*check.condition)) return this->check(*check.clauses);
    if (point == nullptr) return false;
    if (const auto* ids = std::get_if<HasId>(check.condition)) {
      return std::binary_search(ids->ids.begin(), ids->ids.end(), point->id);
    }
    if (const auto* vector = std::get_if<HasVector>(check.condition)) {
      return std::find(point->vectors.begin(), point->vectors.end(), vector->name) != point->vectors.end();
    }
    return std::get<IdSlice>(*check.condition).contains(point->id);
  }

  bool check(const Clauses& clauses) const {
    const auto holds = [&](const Check& one) { return check(one); };
    if (!std::all_of(clauses.must.begin(), clauses.must.end(), holds)) return false;
    if (std::any_of(clauses.must_not.begin(), clauses.must_not.end(), holds)) return false;
    if (!clauses.should.empty() && std::none_of(clauses.should.begin(), clauses.should.end(), holds)) return false;
    uint64_t missing = clauses.min_count;
    if (missing > clauses.min_should.size()) return false;
    for (size_t i = 0; missing > 0 && missing <= clauses.min_should.size() - i; ++i) {
      if (check(clauses.min_should[i])) --missing;
    }
    return missing == 0;
  }
};

}  // namespace

struct PayloadMatcher::Impl {
  Impl(Filter given, const PayloadSchema& schema)
      : filter(std::move(given)), clauses(prepare(filter.node(), schema, std::nullopt)) {}

  Filter filter;
  Clauses clauses;
  WordReader reader;
};

PayloadMatcher::PayloadMatcher(Filter filter, const PayloadSchema& schema)
    : impl_(std::make_unique<Impl>(std::move(filter), schema)) {}
PayloadMatcher::PayloadMatcher(PayloadMatcher&&) noexcept = default;
PayloadMatcher& PayloadMatcher::operator=(PayloadMatcher&&) noexcept = default;
PayloadMatcher::~PayloadMatcher() = default;

bool PayloadMatcher::matches(const PointView& point) {
  std::optional<Element> object;
  if (point.payload != nullptr) object = *point.payload;
  return Checker{&point, object, impl_->reader}.check(impl_->clauses);
}

}  // namespace sextant::store
