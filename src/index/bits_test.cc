// Vectors of bits by Hamming distance, beside loops that count components one by one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "base/files.h"
#include "errors.h"
#include "index/flat.h"
#include "index/index_impl.h"
#include "index/rows.h"
#include "index/testing_vectors.h"

namespace sextant::index {
namespace {

using testing::HasSubstr;
using tests::error_of;

std::vector<float> random_bits(size_t count, size_t dim, uint64_t seed) {
  base::Random random(seed);
  std::vector<float> values(count * dim);
  for (float& value : values) value = static_cast<float>(random.below(2));
  return values;
}

IndexOptions options_of(size_t dim, IndexKind kind = IndexKind::graph) {
  return {.dim = dim, .metric = Metric::hamming, .type = ElementType::bit, .kind = kind, .capacity = 10000};
}

// By distance: of those that are equally far any is as good.
double recall_at_10(const Index& index, std::span<const float> rows, std::span<const float> queries,
                    IndexSearchOptions options) {
  const size_t dim = index.options().dim, count = queries.size() / dim;
  options.k = 10;
  size_t found = 0;
  for (size_t q = 0; q < count; ++q) {
    const auto query = queries.subspan(q * dim, dim);
    const uint64_t last = slow_search(Metric::hamming, rows, query, 10).back();
    const double bound = slow_score(Metric::hamming, rows.subspan(last * dim, dim), query);
    for (const IndexHit& hit : index.search(query, options).hits) found += hit.score <= bound ? 1 : 0;
  }
  return static_cast<double>(found) / static_cast<double>(10 * count);
}

TEST(BitRows, have_component_i_in_bit_i_mod_8_of_byte_i_div_8_and_zeros_behind_the_last) {
  for (size_t dim : {1, 7, 8, 9, 20, 63, 64, 65, 100, 384}) {
    const std::vector<float> values = random_bits(3, dim, dim);
    const size_t bytes = row_bytes(ElementType::bit, dim);
    ASSERT_EQ(bytes, (dim + 7) / 8);
    Rows rows(ElementType::bit, dim, 3);
    std::vector<uint8_t> packed(bytes + 1, 0xaa);
    for (size_t row = 0; row < 3; ++row) {
      pack_bits(values.data() + row * dim, dim, packed.data());
      std::vector<uint8_t> expected(bytes);
      for (size_t i = 0; i < dim; ++i) {
        if (values[row * dim + i] == 1) expected[i / 8] = static_cast<uint8_t>(expected[i / 8] | 1u << i % 8);
      }
      expected.push_back(0xaa);
      EXPECT_EQ(packed, expected) << dim;
      rows.set(row, packed.data());
      std::vector<float> read(dim);
      rows.read(row, read.data());
      EXPECT_TRUE(std::equal(read.begin(), read.end(), values.begin() + static_cast<ptrdiff_t>(row * dim)));
    }
  }
}

TEST(BitRows, are_scored_like_a_count_of_components) {
  for (size_t dim : {1, 13, 64, 300}) {
    const size_t count = 600;
    const std::vector<float> values = random_bits(count, dim, 1), query = random_bits(1, dim, 2);
    const size_t bytes = row_bytes(ElementType::bit, dim);
    std::vector<uint8_t> packed(count * bytes);
    for (size_t i = 0; i < count; ++i) pack_bits(values.data() + i * dim, dim, packed.data() + i * bytes);
    const Rows rows(ElementType::bit, dim, std::as_bytes(std::span(packed)));
    std::vector<uint32_t> ids;
    for (uint32_t i = 0; i < count; ++i) ids.push_back((i * 7 + 3) % count);
    std::vector<float> scores(count), in_turn(count);
    rows.score(Metric::hamming, query.data(), ids.data(), count, scores.data());
    const FlatIndex flat(packed, dim);
    flat.score_rows(query, 0, in_turn);
    for (size_t i = 0; i < count; ++i) {
      const double expected = slow_score(Metric::hamming, std::span(values).subspan(ids[i] * dim, dim), query);
      ASSERT_EQ(scores[i], expected) << i;
      ASSERT_EQ(in_turn[ids[i]], expected) << i;
    }
    const std::vector<uint64_t> truth = slow_search(Metric::hamming, values, query, 25);
    const std::vector<Scored> found = flat.search(query, 25);
    for (size_t i = 0; i < 25; ++i) EXPECT_EQ(found[i].id, truth[i]) << "of equal distances the smaller id";
  }
}

TEST(BitIndex, takes_zeros_and_ones_alone) {
  for (float bad : {0.5f, 2.0f, -1.0f}) {
    const auto index = Index::create(options_of(5));
    std::vector<float> rows(15, 1.0f);
    rows[13] = bad;
    EXPECT_THAT(error_of([&] { index->add(numbers(3), rows); }), HasSubstr("vector 2: component 3 is "));
    EXPECT_THAT(error_of([&] { index->add(numbers(3), rows); }), HasSubstr(", expected 0 or 1 for type bit"));
    EXPECT_EQ(index->size(), 0u);
    EXPECT_THAT(error_of([&] { index->search(std::span(rows).subspan(10)); }),
                HasSubstr("component 3 of the query is "));
    EXPECT_THAT(error_of([&] { index->search_batch(rows); }), HasSubstr("query 2: component 3 of the query is "));
  }
}

TEST(BitIndex, goes_with_hamming_and_without_codes) {
  EXPECT_THAT(error_of([] { Index::create({.dim = 8, .metric = Metric::hamming}); }),
              HasSubstr("invalid_argument: metric is hamming and type is float32"));
  EXPECT_THAT(error_of([] { Index::create({.dim = 8, .metric = Metric::l2, .type = ElementType::bit}); }),
              HasSubstr("invalid_argument: metric is l2 and type is bit"));
  for (CodeKind codes : {CodeKind::sq4, CodeKind::sq8}) {
    IndexOptions options = options_of(8);
    options.codes = codes;
    EXPECT_THAT(error_of([&] { Index::create(options); }), HasSubstr("expected none for metric hamming"));
  }
  EXPECT_EQ(Index::create(options_of(8))->options().codes, CodeKind::none);
  EXPECT_THAT(error_of([] { FlatIndex(std::vector<float>(8), 8, Metric::hamming); }), HasSubstr("unsupported: "));
}

// Enough rows to be linked in groups, with landmarks.
TEST(BitIndex, finds_the_nearest_by_walks_batches_and_scans_before_and_after_it_is_saved) {
  const size_t dim = 100, count = 4200;
  const std::vector<float> rows = clustered_bits(count, dim, 1), queries = clustered_bits(25, dim, 2);
  const auto index = Index::create(options_of(dim));
  index->add(numbers(count), rows);
  EXPECT_EQ(recall_at_10(*index, rows, queries, {.exact = true}), 1.0);
  const double narrow = recall_at_10(*index, rows, queries, {.breadth = 10});
  EXPECT_LT(narrow, 1.0) << "is it a walk?";
  EXPECT_GE(narrow, 0.6);
  EXPECT_GE(recall_at_10(*index, rows, queries, {.breadth = 100}), 0.97);
  index->calibrate(50);
  EXPECT_GE(recall_at_10(*index, rows, queries, {.target_recall = 0.9}), 0.87);

  const base::TemporaryFolder folder;
  index->save(folder.path() / "bits.idx");
  const auto opened = Index::open(folder.path() / "bits.idx", {.verify = true});
  EXPECT_EQ(opened->options().metric, Metric::hamming);
  EXPECT_EQ(opened->options().type, ElementType::bit);
  for (const IndexSearchOptions& options :
       {IndexSearchOptions{.k = 10, .exact = true}, IndexSearchOptions{.k = 10, .breadth = 40}}) {
    const std::vector<IndexSearchResult> together = index->search_batch(queries, options);
    for (size_t q = 0; q < 25; ++q) {
      const auto query = std::span(queries).subspan(q * dim, dim);
      EXPECT_EQ(together[q].plan, options.exact ? SearchPlan::scan : SearchPlan::graph);
      EXPECT_EQ(together[q].hits, index->search(query, options).hits);
      EXPECT_EQ(together[q].hits, opened->search(query, options).hits);
      for (size_t i = 1; i < together[q].hits.size(); ++i) {
        const IndexHit &before = together[q].hits[i - 1], &hit = together[q].hits[i];
        EXPECT_TRUE(before.score < hit.score || (before.score == hit.score && before.id < hit.id));
      }
    }
  }
}

TEST(BitIndex, refuses_files_whose_numbers_contradict_one_another) {
  const size_t dim = 20;
  const auto index = Index::create(options_of(dim, IndexKind::flat));
  index->add(numbers(30), random_bits(30, dim, 1));
  const base::TemporaryFolder folder;
  const std::filesystem::path path = folder.path() / "bits.idx";
  index->save(path);
  const std::string whole = base::read_file(path);
  // The head begins with dim, degree, build_breadth, seed, ...: ten numbers of 64 bits, then metric, type, kind, codes.
  const uint64_t head[] = {dim, 32, 150, 1};
  const size_t at = whole.find(std::string(reinterpret_cast<const char*>(head), sizeof(head)));
  ASSERT_NE(at, std::string::npos);
  const auto open_with = [&](size_t offset, char value) {
    std::string broken = whole;
    broken[at + offset] = value;
    base::write_file_atomically(path, broken);
    return error_of([&] { Index::open(path); });
  };
  EXPECT_THAT(open_with(0, 25), HasSubstr("section 'vectors' has 90 bytes, expected 120"));
  EXPECT_THAT(open_with(0, 16), HasSubstr("section 'vectors' has 90 bytes, expected 60"));
  EXPECT_THAT(open_with(80, 2), HasSubstr("metric beside this element type is 2"));
  EXPECT_THAT(open_with(80, 5), HasSubstr("metric is 5"));
  EXPECT_THAT(open_with(84, 0), HasSubstr("metric beside this element type is 4"));
  EXPECT_THAT(open_with(84, 6), HasSubstr("element type is 6"));
  EXPECT_THAT(open_with(92, 2), HasSubstr("the kind of codes of bits is 2"));
  EXPECT_EQ(open_with(0, 20), "no error");
}

TEST(BitIndex, looks_at_rows_where_they_lie_and_refuses_bits_behind_the_last_component) {
  std::vector<uint8_t> bytes = {0x0f, 0x03, 0x00, 0x01};
  IndexImpl index(options_of(10, IndexKind::flat));
  index.add_view(std::as_bytes(std::span(bytes)), 1, nullptr);
  const std::vector<IndexHit> hits = index.search(std::vector<float>(10, 1.0f), {.k = 2}).hits;
  EXPECT_EQ(hits, (std::vector<IndexHit>{{0, 4}, {1, 9}}));
  bytes[3] = 0x04;
  IndexImpl other(options_of(10, IndexKind::flat));
  EXPECT_THAT(error_of([&] { other.add_view(std::as_bytes(std::span(bytes)), 1, nullptr); }),
              HasSubstr("invalid_argument: vector 1: a bit behind its 10 components is not 0"));
}

}  // namespace
}  // namespace sextant::index
