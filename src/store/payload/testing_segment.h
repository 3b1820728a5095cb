// store/payload/testing_segment.h: a segment of points with payloads and its index, for tests and fuzzers.
//
// Ids are rows; every third point has the vector "image".
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/hash.h"
#include "sextant/error.h"
#include "store/payload/payload_index.h"
#include "store/payload/payload_index_builder.h"
#include "store/payload/payload_match.h"
#include "store/payload/payload_reader.h"

namespace sextant::store::testing_segment {

class SomePoints : public SegmentPoints {
 public:
  static constexpr uint64_t kVersion = 7;
  explicit SomePoints(std::vector<std::string> payloads) : payloads_(std::move(payloads)) {}

  uint32_t rows() const { return static_cast<uint32_t>(payloads_.size()); }
  const std::string& payload(uint32_t row) const { return payloads_[row]; }
  RowSet all() const { return RowSet::range(0, rows()); }

  PointId id_of(uint32_t row) const override { return PointId::of(row); }
  std::optional<uint32_t> row_of(const PointId& id) const override {
    if (id.is_uuid() || id.number() >= payloads_.size()) return std::nullopt;
    return static_cast<uint32_t>(id.number());
  }
  RowSet with_vector(std::string_view name) const override {
    std::vector<uint32_t> out;
    for (uint32_t row = 0; row < rows(); row += 3) out.push_back(row);
    return name == "image" ? RowSet::of_sorted(out) : RowSet();
  }

  // READER must not read anything else while the view is used.
  PointView view(uint32_t row, PayloadReader& reader) const {
    static constexpr std::array<std::string_view, 1> kImage = {"image"};
    PointView out{PointId::of(row), reader.read(payloads_[row]), {}};
    if (row % 3 == 0) out.vectors = kImage;
    return out;
  }

  void write(const PayloadSchema& schema, const std::filesystem::path& path) const {
    PayloadIndexBuilder builder(schema);
    PayloadReader reader;
    for (uint32_t row = 0; row < rows(); ++row) builder.add(row, view(row, reader));
    builder.write(path, rows(), kVersion);
  }
  PayloadIndex index(std::string_view schema) const {
    write(parse_payload_schema(schema), folder_.path() / "payload.idx");
    return PayloadIndex::open(folder_.path() / "payload.idx");
  }

  // The rows that match, by looking at each payload.
  RowSet truth(const Filter& filter, const PayloadSchema& schema, const RowSet& among) const {
    PayloadMatcher matcher(filter, schema);
    PayloadReader reader;
    std::vector<uint32_t> out;
    among.for_each([&](uint32_t row) {
      if (matcher.matches(view(row, reader))) out.push_back(row);
    });
    return RowSet::of_sorted(out);
  }

 private:
  std::vector<std::string> payloads_;
  base::TemporaryFolder folder_;
};

// Points with something for every kind of index, and the bytes of their index.
inline SomePoints points_of_all_kinds() {
  return SomePoints({
      R"({"s": "red", "n": 1, "f": 1.5, "b": true, "d": "2020-01-01", "g": {"lon": 13.4, "lat": 52.5}, "t": "a bike"})",
      R"({"s": ["blue", "red"], "n": [2, 3], "f": [2, 7], "b": [false], "d": "2021-01-01", "t": ["good", "bike"]})",
      R"({"s": "reddish", "u": "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "g": {"lon": 2.3, "lat": 48.9}})",
      R"({"s": "red", "n": 9})",
      R"({"s": "red", "n": 9})",
      R"({"s": "red", "n": 9})",
      R"({"s": "red", "n": 9})",
  });
}
inline std::string index_of_all_kinds() {
  const base::TemporaryFolder folder;
  points_of_all_kinds().write(
      parse_payload_schema(
          R"({"s":"keyword","n":"integer","f":"float","b":"bool","d":"datetime","g":"geo","t":"text","u":"uuid"})"),
      folder.path() / "payload.idx");
  return base::read_file(folder.path() / "payload.idx");
}

// Corrects the checksum of a section file's head after it was changed.
inline void mend_head(std::string& bytes) {
  if (bytes.size() < 32) return;
  uint64_t count = 0;
  std::memcpy(&count, bytes.data() + 16, sizeof(count));
  const size_t end = 32 + std::min<uint64_t>(count, 1000) * 48;
  if (end + sizeof(uint64_t) > bytes.size()) return;
  const uint64_t hash = base::hash64(std::string_view(bytes).substr(0, end));
  std::memcpy(bytes.data() + end, &hash, sizeof(hash));
}

// Opens a file, whatever it is, and asks it everything there is to ask. Returns how many Errors that gave; throws
// logic_error for one of the wrong code.
inline size_t ask_everything(const std::filesystem::path& path, const SomePoints& points) {
  size_t errors = 0;
  const auto attempt = [&](auto work) {
    try {
      work();
    } catch (const Error& error) {
      if (error.code() != ErrorCode::corrupted && error.code() != ErrorCode::unsupported) {
        throw std::logic_error(error.what());
      }
      ++errors;
    }
  };
  std::optional<PayloadIndex> index;
  attempt([&] { index = PayloadIndex::open(path); });
  if (!index) return errors;
  static const std::vector<Filter> filters = [] {
    std::vector<Filter> out;
    for (const char* key : {"s", "n", "f", "b", "d", "g", "t", "u"}) {
      for (const char* test :
           {R"("match":{"value":"red"})", R"("match":{"any":["6ba7b810-9dad-11d1-80b4-00c04fd430c8","blue"]})",
            R"("match":{"value":2})", R"("match":{"value":true})", R"("match":{"except":["red"]})",
            R"("match":{"text":"good bike"})", R"("match":{"prefix":""})", R"("range":{"gte":0})",
            R"("range":{"gte":"1960-01-01"})", R"("values_count":{"gt":0})", R"("is_null":true)", R"("is_empty":true)",
            R"("geo_bounding_box":{"top_left":{"lon":-180,"lat":90},"bottom_right":{"lon":180,"lat":-90}})"}) {
        out.push_back(parse_filter(fmt::format(R"({{"must_not":{{"key":"{}",{}}}}})", key, test)));
      }
    }
    return out;
  }();
  for (const Filter& filter : filters) attempt([&] { index->evaluate(filter, points.all(), points); });
  for (const auto& [path_text, schema] : index->schema().fields()) {
    const FieldIndex& field = *index->field(path_text);
    if (field.has_facets()) attempt([&] { field.facets(points.all(), [](const FacetValue&, uint64_t) {}); });
    if (field.has_order()) {
      attempt([&] { field.order({true, {}}, points.all(), [](const OrderValue&, uint32_t) { return true; }); });
    }
  }
  return errors;
}

}  // namespace sextant::store::testing_segment
