#include "store/payload/payload_index_builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <unordered_map>
#include <vector>

#include "index/section_file.h"
#include "store/payload/datetime.h"
#include "store/payload/index_file.h"
#include "store/payload/payload_values.h"
#include "store/payload/row_set.h"
#include "store/payload/text_words.h"

namespace sextant::store {
namespace {

using Element = simdjson::dom::element;

struct StringHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};

using Postings = std::unordered_map<std::string, std::vector<uint32_t>, StringHash, std::equal_to<>>;

// Rows as bits, appended in ascending order.
class RowBits {
 public:
  void add(uint32_t row) {
    if (row / 64 >= words_.size()) words_.resize(row / 64 + 1);
    words_[row / 64] |= uint64_t{1} << (row % 64);
  }
  std::string bytes() const { return RowSet::of_words(words_).bytes(); }

 private:
  std::vector<uint64_t> words_;
};

template <class Value>
struct Entry {
  Value value;
  uint32_t row;
};

struct Place {
  GeoPoint point;
  uint64_t code;
  uint32_t row;
};

template <class Value>
void sort_entries(std::vector<Entry<Value>>& entries) {
  std::sort(entries.begin(), entries.end(), [](const Entry<Value>& a, const Entry<Value>& b) {
    return a.value != b.value ? a.value < b.value : a.row < b.row;
  });
  const auto same = [](const Entry<Value>& a, const Entry<Value>& b) { return a.value == b.value && a.row == b.row; };
  entries.erase(std::unique(entries.begin(), entries.end(), same), entries.end());
}

// The sections of one field.
class FieldWriter {
 public:
  FieldWriter(index::SectionFileWriter& file, size_t number) : file_(file), number_(number) {}

  template <class T>
  void section(std::string_view name, const std::vector<T>& values) {
    file_.add(fmt::format("{}.{}", number_, name), std::span<const T>(values));
  }
  void section(std::string_view name, const std::string& bytes) {
    file_.add(fmt::format("{}.{}", number_, name), std::as_bytes(std::span(bytes)));
  }

  // ROWS ascend.
  void posting(std::span<const uint32_t> rows) {
    const std::string set = rows.size() > 4 ? RowSet::of_sorted(rows).bytes() : std::string();
    if (!set.empty() && set.size() < rows.size_bytes()) {
      postings_ += kSetForm;
      postings_ += set;
    } else {
      postings_ += kListForm;
      postings_.append(reinterpret_cast<const char*>(rows.data()), rows.size_bytes());
    }
    ends_.push_back(postings_.size());
  }
  // Returns how many keys there were.
  uint64_t finish_postings() {
    section("postings", postings_);
    section("ends", ends_);
    return ends_.size();
  }

 private:
  index::SectionFileWriter& file_;
  size_t number_;
  std::string postings_;
  std::vector<uint64_t> ends_;
};

template <class Value>
uint64_t distinct_values(const std::vector<Entry<Value>>& entries) {
  uint64_t out = 0;
  for (size_t i = 0; i < entries.size(); ++i) out += i == 0 || entries[i].value != entries[i - 1].value ? 1 : 0;
  return out;
}

template <class Value>
uint64_t write_values(FieldWriter& out, const std::vector<Entry<Value>>& entries) {
  std::vector<Value> values;
  std::vector<uint32_t> rows;
  for (const Entry<Value>& entry : entries) {
    values.push_back(entry.value);
    rows.push_back(entry.row);
  }
  out.section("values", values);
  out.section("value_rows", rows);
  return entries.size();
}

uint64_t write_integer_keys(FieldWriter& out, const std::vector<Entry<int64_t>>& entries) {
  std::vector<int64_t> keys;
  std::vector<uint32_t> rows;
  for (size_t i = 0; i < entries.size();) {
    rows.clear();
    const int64_t value = entries[i].value;
    for (; i < entries.size() && entries[i].value == value; ++i) rows.push_back(entries[i].row);
    keys.push_back(value);
    out.posting(rows);
  }
  out.section("keys", keys);
  return out.finish_postings();
}

uint64_t write_string_keys(FieldWriter& out, const Postings& postings, bool with_ends) {
  std::vector<const Postings::value_type*> sorted;
  sorted.reserve(postings.size());
  for (const auto& entry : postings) sorted.push_back(&entry);
  std::sort(sorted.begin(), sorted.end(), [](const auto* a, const auto* b) { return a->first < b->first; });
  std::string keys;
  std::vector<uint64_t> ends;
  for (const auto* entry : sorted) {
    keys += entry->first;
    ends.push_back(keys.size());
    out.posting(entry->second);
  }
  out.section("keys", keys);
  if (with_ends) out.section("key_ends", ends);
  return out.finish_postings();
}

uint64_t write_places(FieldWriter& out, std::vector<Place>& places) {
  std::sort(places.begin(), places.end(),
            [](const Place& a, const Place& b) { return a.code != b.code ? a.code < b.code : a.row < b.row; });
  std::vector<uint64_t> codes;
  std::vector<double> points;
  std::vector<uint32_t> rows;
  for (const Place& place : places) {
    codes.push_back(place.code);
    points.push_back(place.point.lon);
    points.push_back(place.point.lat);
    rows.push_back(place.row);
  }
  out.section("codes", codes);
  out.section("places", points);
  out.section("code_rows", rows);
  return places.size();
}

}  // namespace

struct PayloadIndexBuilder::Field {
  KeyPath path;
  FieldSchema schema;
  WordRules rules;
  std::unique_ptr<WordReader> reader = std::make_unique<WordReader>();

  std::array<RowBits, kFieldSets> sets;
  std::vector<Entry<uint32_t>> counts;
  Postings strings;
  std::vector<Entry<int64_t>> integers;
  std::vector<Entry<double>> numbers;
  std::vector<Place> places;

  RowBits& set(FieldSet which) { return sets[static_cast<size_t>(which)]; }

  void add_string(std::string_view key, uint32_t row) {
    auto found = strings.find(key);
    if (found == strings.end()) found = strings.emplace(std::string(key), std::vector<uint32_t>()).first;
    if (found->second.empty() || found->second.back() != row) found->second.push_back(row);
  }

  void add_words(std::string_view text, uint32_t row) {
    reader->begin(rules, text);
    std::string_view word;
    while (reader->next(word)) {
      if (rules.tokenizer != TokenizerKind::prefix) {
        add_string(word, row);
        continue;
      }
      uint64_t letters = std::max<uint64_t>(rules.min_letters, 1);
      size_t end = bytes_of_letters(word, letters);
      for (;; ++letters) {
        add_string(word.substr(0, end), row);
        if (end == word.size() || letters >= rules.max_letters) break;
        end += bytes_of_letters(word.substr(end), 1);
      }
    }
  }

  // Whether the value is one of the field's kind.
  bool take(Element value, uint32_t row) {
    std::string_view text;
    int64_t integer = 0;
    double number = 0;
    bool flag = false;
    switch (schema.kind) {
      case FieldKind::keyword:
        if (value.get(text) != simdjson::SUCCESS) return false;
        add_string(text, row);
        return true;
      case FieldKind::text:
        if (value.get(text) != simdjson::SUCCESS) return false;
        add_words(text, row);
        return true;
      case FieldKind::uuid: {
        // In the usual spelling alone, since all others are other strings.
        if (value.get(text) != simdjson::SUCCESS) return false;
        const std::optional<PointId> id = PointId::read_uuid(text);
        if (!id || id->text() != text) return false;
        add_string(std::string_view(id->key()).substr(1), row);
        return true;
      }
      case FieldKind::integer:
        if (value.get(integer) != simdjson::SUCCESS) return false;
        integers.push_back({integer, row});
        return true;
      case FieldKind::boolean:
        if (value.get(flag) != simdjson::SUCCESS) return false;
        integers.push_back({flag ? 1 : 0, row});
        return true;
      case FieldKind::datetime: {
        if (value.get(text) != simdjson::SUCCESS) return false;
        const std::optional<int64_t> moment = read_datetime(text);
        if (!moment) return false;
        integers.push_back({*moment, row});
        return true;
      }
      case FieldKind::floating:
        if (value.get(number) != simdjson::SUCCESS) return false;
        numbers.push_back({number, row});
        return true;
      case FieldKind::geo: {
        const std::optional<GeoPoint> point = geo_value(value);
        if (!point) return false;
        places.push_back({*point, geo_code(*point), row});
        return true;
      }
    }
    return false;
  }

  void add(Element payload, uint32_t row) {
    size_t paths = 0, indexed = 0;
    uint64_t count = 0;
    visit_values(payload, path.steps(), [&](Element value) {
      ++paths;
      count = count_values(value);
      if (!is_empty_value(value)) set(FieldSet::filled).add(row);
      if (is_null_value(value)) set(FieldSet::null).add(row);
      visit_elements(value, [&](Element one) {
        if (one.is_null()) return false;
        if (take(one, row)) {
          ++indexed;
        } else {
          set(FieldSet::other).add(row);
        }
        return false;
      });
      return false;
    });
    if (indexed > 0) set(FieldSet::indexed).add(row);
    if (indexed > 1) set(FieldSet::multi).add(row);
    if (paths > 1) set(FieldSet::several).add(row);
    if (paths == 1 && count > 1) counts.push_back({static_cast<uint32_t>(count), row});
  }

  FieldHead write(FieldWriter& out, std::string& all_sets) {
    FieldHead head{};
    for (size_t i = 0; i < kFieldSets; ++i) {
      const std::string bytes = sets[i].bytes();
      head.sets[i] = {all_sets.size(), bytes.size()};
      all_sets += bytes;
    }
    sort_entries(integers);
    sort_entries(numbers);
    sort_entries(counts);
    switch (schema.kind) {
      case FieldKind::keyword:
      case FieldKind::text:
      case FieldKind::uuid:
        head.keys = write_string_keys(out, strings, schema.kind != FieldKind::uuid);
        break;
      case FieldKind::integer:
        if (schema.has_lookup()) head.keys = write_integer_keys(out, integers);
        if (schema.has_range()) head.values = write_values(out, integers);
        break;
      case FieldKind::boolean:
        head.keys = write_integer_keys(out, integers);
        break;
      case FieldKind::datetime:
        head.values = write_values(out, integers);
        break;
      case FieldKind::floating:
        head.values = write_values(out, numbers);
        break;
      case FieldKind::geo:
        head.codes = write_places(out, places);
        break;
    }
    std::vector<uint32_t> numbers_of, rows;
    for (const Entry<uint32_t>& entry : counts) {
      numbers_of.push_back(entry.value);
      rows.push_back(entry.row);
    }
    out.section("counts", numbers_of);
    out.section("count_rows", rows);
    head.counts = counts.size();
    // Each kind fills one of them.
    head.distinct = strings.size() + distinct_values(integers) + distinct_values(numbers);
    for (size_t i = 0; i < places.size(); ++i) head.distinct += i == 0 || places[i].code != places[i - 1].code ? 1 : 0;
    return head;
  }
};

PayloadIndexBuilder::PayloadIndexBuilder(PayloadSchema schema)
    : schema_(std::move(schema)), fields_(std::make_unique<Field[]>(schema_.fields().size())) {
  size_t i = 0;
  for (const auto& [path, field] : schema_.fields()) {
    fields_[i].path = KeyPath::parse(path);
    fields_[i].schema = field;
    fields_[i].rules = WordRules(field);
    ++i;
  }
}
PayloadIndexBuilder::PayloadIndexBuilder(PayloadIndexBuilder&&) noexcept = default;
PayloadIndexBuilder& PayloadIndexBuilder::operator=(PayloadIndexBuilder&&) noexcept = default;
PayloadIndexBuilder::~PayloadIndexBuilder() = default;

void PayloadIndexBuilder::add(uint32_t row, const PointView& point) {
  if (point.payload == nullptr) return;
  for (size_t i = 0; i < schema_.fields().size(); ++i) fields_[i].add(*point.payload, row);
}

void PayloadIndexBuilder::write(const std::filesystem::path& path, uint32_t rows, uint64_t version) {
  const size_t fields = schema_.fields().size();
  index::SectionFileWriter file(path, kPayloadIndexKind, kPayloadIndexVersion, 4 + kSectionsPerField * fields);
  std::string sets;
  std::vector<FieldHead> heads;
  for (size_t i = 0; i < fields; ++i) {
    FieldWriter writer(file, i);
    heads.push_back(fields_[i].write(writer, sets));
    fields_[i] = Field();
  }
  const IndexHead head{rows, fields, version};
  file.add("head", std::span<const IndexHead>(&head, 1));
  const std::string schema = payload_schema_json(schema_);
  file.add("schema", std::as_bytes(std::span(schema)));
  file.add("fields", std::span<const FieldHead>(heads));
  file.add("sets", std::as_bytes(std::span(sets)));
  file.commit();
}

}  // namespace sextant::store
