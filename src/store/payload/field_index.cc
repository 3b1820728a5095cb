#include "store/payload/field_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "sextant/error.h"
#include "store/payload/datetime.h"

namespace sextant::store {
namespace {

constexpr size_t kUuidBytes = 16;

struct Places {
  size_t first, last;  // [first, last)
};

// Where VALUES, ascending, lie within RANGE.
template <class Value, class Bound>
Places places_within(std::span<const Value> values, const Range<Bound>& range) {
  const auto first_where = [&](const auto& past) {
    return static_cast<size_t>(std::partition_point(values.begin(), values.end(),
                                                    [&](Value value) { return !past(static_cast<Bound>(value)); }) -
                               values.begin());
  };
  Places out{0, values.size()};
  if (range.gt) out.first = std::max(out.first, first_where([&](Bound value) { return value > *range.gt; }));
  if (range.gte) out.first = std::max(out.first, first_where([&](Bound value) { return value >= *range.gte; }));
  if (range.lt) out.last = std::min(out.last, first_where([&](Bound value) { return value >= *range.lt; }));
  if (range.lte) out.last = std::min(out.last, first_where([&](Bound value) { return value > *range.lte; }));
  out.last = std::max(out.first, out.last);
  return out;
}

}  // namespace

// Rows of keys that are visited in ascending order. No byte is read twice, so that a file that was made to have its
// postings overlap takes no longer than its size allows.
class FieldIndex::Postings {
 public:
  explicit Postings(const FieldIndex& field) : field_(field) {}

  // A list or a set, checked.
  std::variant<std::vector<uint32_t>, RowSet> get(uint64_t key) {
    const uint64_t begin = key == 0 ? 0 : field_.posting_ends_[key - 1], end = field_.posting_ends_[key];
    if (begin < read_ || end <= begin || end > field_.postings_.size()) field_.fail("postings lie out of order");
    read_ = end;
    const std::span<const std::byte> bytes = field_.postings_.subspan(begin + 1, end - begin - 1);
    const char form = static_cast<char>(field_.postings_[begin]);
    if (form == kSetForm) {
      std::optional<RowSet> set = RowSet::read(bytes, field_.rows_);
      if (!set) field_.fail("a posting is no set of its rows");
      return *std::move(set);
    }
    if (form != kListForm || bytes.empty() || bytes.size() % sizeof(uint32_t) != 0) {
      field_.fail("a posting has an unknown form");
    }
    std::vector<uint32_t> rows(bytes.size() / sizeof(uint32_t));
    std::memcpy(rows.data(), bytes.data(), bytes.size());
    for (size_t i = 0; i < rows.size(); ++i) {
      if (rows[i] >= field_.rows_ || (i > 0 && rows[i] <= rows[i - 1])) field_.fail("a posting is no list of its rows");
    }
    return rows;
  }
  RowSet set(uint64_t key) {
    auto found = get(key);
    if (auto* rows = std::get_if<RowSet>(&found)) return std::move(*rows);
    return RowSet::of_sorted(std::get<0>(found));
  }
  void add_to(RowUnion& rows, uint64_t key) {
    const auto found = get(key);
    if (const auto* set = std::get_if<RowSet>(&found)) {
      rows.add(*set);
    } else {
      for (const uint32_t row : std::get<0>(found)) rows.add(row);
    }
  }

 private:
  const FieldIndex& field_;
  uint64_t read_ = 0;
};

FieldIndex::FieldIndex(const index::SectionFile& file, size_t number, uint32_t rows, const FieldHead& head,
                       const FieldSchema& schema)
    : file_(file), number_(number), rows_(rows), distinct_(head.distinct), schema_(schema), rules_(schema) {
  const std::span<const std::byte> all_sets = file.get("sets");
  for (size_t i = 0; i < kFieldSets; ++i) {
    const SetPlace& place = head.sets[i];
    if (place.offset > all_sets.size() || place.bytes > all_sets.size() - place.offset) fail("a set lies outside");
    std::optional<RowSet> set = RowSet::read(all_sets.subspan(place.offset, place.bytes), rows);
    if (!set) fail("a set is none");
    sets_[i] = *std::move(set);
  }
  const FieldKind kind = schema.kind;
  if (kind == FieldKind::keyword || kind == FieldKind::text || kind == FieldKind::uuid) {
    has_string_keys_ = true;
    if (kind == FieldKind::uuid) {
      if (head.keys > UINT64_MAX / kUuidBytes) fail("there are too many keys");
      key_bytes_ = section<std::byte>("keys", kUuidBytes * head.keys);
    } else {
      key_bytes_ = file.get(fmt::format("{}.keys", number));
      key_ends_ = section<uint64_t>("key_ends", head.keys);
    }
  }
  const bool has_integer_keys = (kind == FieldKind::integer && schema.has_lookup()) || kind == FieldKind::boolean;
  if (has_integer_keys) integer_keys_ = section<int64_t>("keys", head.keys);
  has_keys_ = has_string_keys_ || has_integer_keys;
  if (has_keys_) {
    posting_ends_ = section<uint64_t>("ends", head.keys);
    postings_ = file.get(fmt::format("{}.postings", number));
  }
  if ((kind == FieldKind::integer && schema.has_range()) || kind == FieldKind::datetime) {
    integers_ = section<int64_t>("values", head.values);
    has_values_ = true;
  }
  if (kind == FieldKind::floating) {
    numbers_ = section<double>("values", head.values);
    has_values_ = true;
  }
  if (has_values_) value_rows_ = section<uint32_t>("value_rows", head.values);
  if (kind == FieldKind::geo) {
    if (head.codes > UINT64_MAX / 2) fail("there are too many places");
    codes_ = section<uint64_t>("codes", head.codes);
    places_ = section<double>("places", 2 * head.codes);
    code_rows_ = section<uint32_t>("code_rows", head.codes);
  }
  counts_ = section<uint32_t>("counts", head.counts);
  count_rows_ = section<uint32_t>("count_rows", head.counts);
}

void FieldIndex::fail(std::string_view what) const { file_.fail(fmt::format("field {}: {}", number_, what)); }

template <class T>
std::span<const T> FieldIndex::section(std::string_view name, uint64_t count) const {
  return file_.get<T>(fmt::format("{}.{}", number_, name), count);
}

uint32_t FieldIndex::checked_row(uint32_t row) const {
  if (row >= rows_) fail(fmt::format("row {} is none of its {}", row, rows_));
  return row;
}

std::string_view FieldIndex::string_key(uint64_t place) const {
  const std::string_view all = base::text_of(key_bytes_);
  if (key_ends_.empty()) return all.substr(place * kUuidBytes, kUuidBytes);
  const uint64_t begin = place == 0 ? 0 : key_ends_[place - 1], end = key_ends_[place];
  if (end < begin || end > all.size()) fail("keys lie out of order");
  return all.substr(begin, end - begin);
}

uint64_t FieldIndex::first_string(std::string_view key) const {
  uint64_t first = 0, last = posting_ends_.size();
  while (first < last) {
    const uint64_t middle = first + (last - first) / 2;
    if (string_key(middle) < key) {
      first = middle + 1;
    } else {
      last = middle;
    }
  }
  return first;
}

bool FieldIndex::is_string_key(uint64_t place, std::string_view key) const {
  return place < posting_ends_.size() && string_key(place) == key;
}

// One test against the field.
struct FieldIndex::Tester {
  const FieldIndex& field;
  const RowSet& all;

  FieldKind kind() const { return field.schema_.kind; }
  const RowSet& set(FieldSet which) const { return field.set(which); }
  Bounds exact(RowSet rows) const { return {rows, rows}; }
  Bounds maybe(RowSet rows) const { return {RowSet(), std::move(rows)}; }
  // What has a value that the index does not hold.
  Bounds others() const { return maybe(set(FieldSet::other)); }
  bool holds_strings() const {
    return kind() == FieldKind::keyword || kind() == FieldKind::text || kind() == FieldKind::uuid ||
           kind() == FieldKind::datetime;
  }
  // Of a test of strings that the index cannot decide.
  Bounds all_strings() const {
    return maybe(holds_strings() ? set(FieldSet::indexed) | set(FieldSet::other) : set(FieldSet::other));
  }

  // Rows with a value in [first, last) of the column.
  template <class T>
  RowSet rows_of(std::span<const T> rows, Places places) const {
    RowUnion out(field.rows_);
    for (size_t i = places.first; i < places.last; ++i) out.add(field.checked_row(rows[i]));
    return out.take();
  }
  template <class Bound>
  RowSet rows_within(const Range<Bound>& range) const {
    if (!field.numbers_.empty()) return rows_of(field.value_rows_, places_within(field.numbers_, range));
    if (!field.integers_.empty()) return rows_of(field.value_rows_, places_within(field.integers_, range));
    const Places places = places_within(field.integer_keys_, range);
    RowUnion out(field.rows_);
    Postings postings(field);
    for (size_t i = places.first; i < places.last; ++i) postings.add_to(out, i);
    return out.take();
  }

  // The rows that have one of the values, for certain and at most.
  struct Equal {
    RowUnion lower, upper;
    bool others = false;  // what the index does not hold may be equal
  };

  void equal(const std::string& value, Equal& out, Postings& postings) const {
    switch (kind()) {
      case FieldKind::keyword: {
        const uint64_t place = field.first_string(value);
        if (field.is_string_key(place, value)) postings.add_to(out.lower, place);
        return;
      }
      case FieldKind::uuid: {
        const std::optional<PointId> id = PointId::read_uuid(value);
        if (!id || id->text() != value) {
          out.others = true;
          return;
        }
        const std::string key = id->key().substr(1);
        const uint64_t place = field.first_string(key);
        if (field.is_string_key(place, key)) postings.add_to(out.lower, place);
        return;
      }
      case FieldKind::datetime: {
        const std::optional<int64_t> moment = read_datetime(value);
        if (!moment) {
          out.others = true;
          return;
        }
        out.upper.add(rows_within(Range<int64_t>{{}, moment, {}, moment}));
        return;
      }
      case FieldKind::text:
        out.upper.add(rows_with_words(TextQuery(field.rules_, MatchText::Mode::phrase, value), true));
        return;
      default:
        out.others = true;
    }
  }
  void equal(int64_t value, Equal& out, Postings& postings) const {
    if (kind() == FieldKind::integer) {
      if (field.has_keys_) {
        const auto found = std::lower_bound(field.integer_keys_.begin(), field.integer_keys_.end(), value);
        if (found != field.integer_keys_.end() && *found == value) {
          postings.add_to(out.lower, static_cast<uint64_t>(found - field.integer_keys_.begin()));
        }
      } else {
        out.lower.add(rows_within(Range<int64_t>{{}, value, {}, value}));
      }
    } else if (kind() == FieldKind::floating) {
      const auto number = static_cast<double>(value);
      out.upper.add(rows_within(Range<double>{{}, number, {}, number}));
    } else {
      out.others = true;
    }
  }
  void equal(bool value, Equal& out, Postings& postings) const {
    if (kind() != FieldKind::boolean) {
      out.others = true;
      return;
    }
    const auto found = std::lower_bound(field.integer_keys_.begin(), field.integer_keys_.end(), value ? 1 : 0);
    if (found != field.integer_keys_.end() && *found == (value ? 1 : 0)) {
      postings.add_to(out.lower, static_cast<uint64_t>(found - field.integer_keys_.begin()));
    }
  }
  Bounds finish(Equal& found) const {
    Bounds out;
    out.lower = found.lower.take();
    out.upper = out.lower | found.upper.take();
    if (found.others) out.upper |= set(FieldSet::other);
    return out;
  }

  Bounds operator()(const MatchValue& test) const {
    Equal found{RowUnion(field.rows_), RowUnion(field.rows_)};
    Postings postings(field);
    std::visit([&](const auto& value) { equal(value, found, postings); }, test.value);
    return finish(found);
  }

  Bounds listed(const MatchList& test) const {
    Equal found{RowUnion(field.rows_), RowUnion(field.rows_)};
    Postings postings(field);
    std::visit(
        [&](const auto& values) {
          for (const auto& value : values) equal(value, found, postings);
        },
        test.values);
    return finish(found);
  }
  Bounds operator()(const MatchList& test) const {
    Bounds of_list = listed(test);
    if (!test.except) return of_list;
    // Some value, not null, that is none of the list.
    const RowSet with_values = set(FieldSet::indexed) | set(FieldSet::other);
    Bounds out{with_values - of_list.upper, with_values};
    // No index holds values of two kinds: of what it does not hold none is listed, or the list may be of that kind.
    if (knows(test)) out.lower |= set(FieldSet::other);
    // The only value is a listed one.
    out.upper -= of_list.lower - set(FieldSet::multi) - set(FieldSet::other);
    return out;
  }
  // Whether no value that the index leaves out can be in the list.
  bool knows(const MatchList& test) const {
    if (std::holds_alternative<std::vector<std::string>>(test.values)) {
      return kind() == FieldKind::keyword || kind() == FieldKind::text;
    }
    return kind() == FieldKind::integer || kind() == FieldKind::floating;
  }

  // All of the words, or none where the query has none.
  RowSet rows_with_words(const TextQuery& query, bool is_whole_value) const {
    // A text without words can be anywhere.
    if (query.words().empty()) return is_whole_value ? set(FieldSet::indexed) : RowSet();
    std::optional<RowSet> out;
    std::vector<std::string> words = query.words();
    const bool prefix = field.rules_.tokenizer == TokenizerKind::prefix;
    for (std::string& word : words) {
      if (prefix) word.resize(bytes_of_letters(word, field.rules_.max_letters));
    }
    std::sort(words.begin(), words.end());
    words.erase(std::unique(words.begin(), words.end()), words.end());
    Postings postings(field);
    for (const std::string& word : words) {
      const uint64_t place = field.first_string(word);
      if (!field.is_string_key(place, word)) return RowSet();
      if (out) {
        *out &= postings.set(place);
      } else {
        out = postings.set(place);
      }
      if (out->empty()) break;
    }
    return *std::move(out);
  }

  Bounds operator()(const MatchText& test) const {
    if (kind() == FieldKind::keyword) {
      // Each distinct value once is less than each row.
      const TextQuery query(WordRules(), test.mode, test.text);
      if (query.words().empty()) return {};
      WordReader reader;
      RowUnion rows(field.rows_);
      Postings postings(field);
      for (uint64_t key = 0; key < field.posting_ends_.size(); ++key) {
        if (query.matches(field.string_key(key), reader)) postings.add_to(rows, key);
      }
      return exact(rows.take());
    }
    if (kind() != FieldKind::text) return all_strings();
    const TextQuery query(field.rules_, test.mode, test.text);
    if (test.mode == MatchText::Mode::any) {
      RowUnion rows(field.rows_);
      Postings postings(field);
      for (const std::string& word : query.words()) {
        const uint64_t place = field.first_string(word);
        if (field.is_string_key(place, word)) postings.add_to(rows, place);
      }
      return exact(rows.take());
    }
    RowSet found = rows_with_words(query, false);
    if (query.words().size() <= 1) return exact(std::move(found));
    if (test.mode == MatchText::Mode::phrase) return maybe(std::move(found));
    // The words may be spread over several texts.
    return {found - set(FieldSet::multi), found};
  }

  Bounds operator()(const MatchPrefix& test) const {
    if (kind() != FieldKind::keyword) return all_strings();
    RowUnion rows(field.rows_);
    Postings postings(field);
    for (uint64_t key = field.first_string(test.prefix);
         key < field.posting_ends_.size() && field.string_key(key).starts_with(test.prefix); ++key) {
      postings.add_to(rows, key);
    }
    return exact(rows.take());
  }

  Bounds operator()(const NumberRange& test) const {
    if (kind() == FieldKind::floating) return exact(rows_within<double>(test));
    if (kind() != FieldKind::integer) return others();
    RowSet found = rows_within<double>(test);
    return {found, found | set(FieldSet::other)};
  }
  Bounds operator()(const DatetimeRange& test) const {
    if (kind() == FieldKind::datetime) return exact(rows_within<int64_t>(test));
    return kind() == FieldKind::uuid ? others() : all_strings();
  }

  template <class Area>
  Bounds within(const Area& area) const {
    if (kind() != FieldKind::geo) return others();
    constexpr size_t kRangesMax = 64;
    RowUnion rows(field.rows_);
    for (const GeoBounds& bounds : bounds_of(area)) {
      for (const CodeRange& range : geo_ranges(bounds, kRangesMax)) {
        const Places places = places_within(field.codes_, Range<uint64_t>{{}, range.first, {}, range.last});
        for (size_t i = places.first; i < places.last; ++i) {
          if (area.contains({field.places_[2 * i], field.places_[2 * i + 1]})) {
            rows.add(field.checked_row(field.code_rows_[i]));
          }
        }
      }
    }
    return exact(rows.take());
  }
  Bounds operator()(const GeoBox& test) const { return within(test); }
  Bounds operator()(const GeoCircle& test) const { return within(test); }
  Bounds operator()(const GeoPolygon& test) const { return within(test); }

  Bounds operator()(const ValuesCount& test) const {
    // Where the path leads to several values each of them is counted; the index has not.
    const RowSet& several = set(FieldSet::several);
    Range<uint64_t> above_one = test;
    RowSet found = rows_of(field.count_rows_, places_within(field.counts_, above_one));
    if (test.contains(1)) {
      found |= set(FieldSet::filled) - rows_of(field.count_rows_, {0, field.counts_.size()});
    }
    if (test.contains(0)) found |= all - set(FieldSet::filled);
    return {found - several, found | several};
  }
  Bounds operator()(const IsEmpty& test) const {
    return exact(test.expected ? all - set(FieldSet::filled) : set(FieldSet::filled));
  }
  Bounds operator()(const IsNull& test) const {
    return exact(test.expected ? set(FieldSet::null) : all - set(FieldSet::null));
  }
};

Bounds FieldIndex::evaluate(const FieldTest& test, const RowSet& all) const {
  Bounds out = std::visit(Tester{*this, all}, test);
  out.lower &= all;
  out.upper &= all;
  return out;
}

bool FieldIndex::serves(const FieldTest& test) const {
  const FieldKind kind = schema_.kind;
  const auto serves_value = [&](const auto& value) {
    using Value = std::decay_t<decltype(value)>;
    if constexpr (std::is_same_v<Value, bool>) return kind == FieldKind::boolean;
    if constexpr (std::is_same_v<Value, int64_t> || std::is_same_v<Value, std::vector<int64_t>>) {
      return kind == FieldKind::integer || kind == FieldKind::floating;
    }
    return has_string_keys_ || kind == FieldKind::datetime;
  };
  if (const auto* value = std::get_if<MatchValue>(&test)) return std::visit(serves_value, value->value);
  if (const auto* list = std::get_if<MatchList>(&test)) return std::visit(serves_value, list->values);
  if (std::holds_alternative<MatchText>(test)) return kind == FieldKind::text || kind == FieldKind::keyword;
  if (std::holds_alternative<MatchPrefix>(test)) return kind == FieldKind::keyword;
  if (std::holds_alternative<NumberRange>(test)) return kind == FieldKind::integer || kind == FieldKind::floating;
  if (std::holds_alternative<DatetimeRange>(test)) return kind == FieldKind::datetime;
  if (std::holds_alternative<GeoBox>(test) || std::holds_alternative<GeoCircle>(test) ||
      std::holds_alternative<GeoPolygon>(test)) {
    return kind == FieldKind::geo;
  }
  return true;
}

bool FieldIndex::has_facets() const { return has_keys_ && schema_.kind != FieldKind::text; }

void FieldIndex::facets(const RowSet& within, const std::function<void(const FacetValue&, uint64_t)>& visit) const {
  Postings postings(*this);
  for (uint64_t key = 0; key < posting_ends_.size(); ++key) {
    const auto found = postings.get(key);
    uint64_t count = 0;
    if (const auto* set = std::get_if<RowSet>(&found)) {
      count = set->count_and(within);
    } else {
      for (const uint32_t row : std::get<0>(found)) count += within.contains(row) ? 1 : 0;
    }
    if (count == 0) continue;
    if (schema_.kind == FieldKind::boolean) {
      visit(integer_keys_[key] != 0, count);
    } else if (schema_.kind == FieldKind::integer) {
      visit(integer_keys_[key], count);
    } else if (schema_.kind == FieldKind::uuid) {
      std::array<uint8_t, kUuidBytes> bytes;
      std::memcpy(bytes.data(), string_key(key).data(), kUuidBytes);
      visit(PointId::of_uuid(bytes).text(), count);
    } else {
      visit(std::string(string_key(key)), count);
    }
  }
}

void FieldIndex::order(const OrderOptions& options, const RowSet& within,
                       const std::function<bool(const OrderValue&, uint32_t)>& visit) const {
  const auto walk = [&](const auto& values) {
    using Value = std::decay_t<decltype(values[0])>;
    Places places{0, values.size()};
    if (options.start_from) {
      std::visit(
          [&](auto start) {
            // Integers are compared as such, all else as doubles.
            using Bound = std::conditional_t<std::is_same_v<decltype(start), Value>, Value, double>;
            const auto bound = static_cast<Bound>(start);
            places = places_within(
                values, options.descending ? Range<Bound>{{}, {}, {}, bound} : Range<Bound>{{}, bound, {}, {}});
          },
          *options.start_from);
    }
    const auto visit_one = [&](size_t i) {
      const uint32_t row = checked_row(value_rows_[i]);
      return !within.contains(row) || visit(OrderValue(values[i]), row);
    };
    if (!options.descending) {
      for (size_t i = places.first; i < places.last; ++i) {
        if (!visit_one(i)) return;
      }
      return;
    }
    for (size_t end = places.last; end > places.first;) {
      size_t begin = end - 1;
      while (begin > places.first && values[begin - 1] == values[end - 1]) --begin;
      for (size_t i = begin; i < end; ++i) {
        if (!visit_one(i)) return;
      }
      end = begin;
    }
  };
  if (schema_.kind == FieldKind::floating) {
    walk(numbers_);
  } else {
    walk(integers_);
  }
}

}  // namespace sextant::store
