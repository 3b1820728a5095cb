#include "data.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "base/files.h"
#include "base/hash.h"
#include "index/flat.h"
#include "io/truth_file.h"
#include "io/vector_file.h"

namespace sextant::bench {
namespace {

ClusteredOptions small() {
  ClusteredOptions options;
  options.rows = 500;
  options.dim = 24;
  options.clusters = 10;
  options.directions = 4;
  return options;
}

TEST(Clustered, RowsAreOfUnitLengthAndEverySeedMakesOthers) {
  ClusteredOptions options = small();
  const std::vector<float> rows = clustered_vectors(options);
  ASSERT_EQ(rows.size(), 500u * 24);
  for (size_t i = 0; i < 500; ++i) {
    double square = 0;
    for (size_t d = 0; d < 24; ++d) square += static_cast<double>(rows[i * 24 + d]) * rows[i * 24 + d];
    ASSERT_NEAR(square, 1, 1e-5) << i;
  }
  EXPECT_EQ(clustered_vectors(options), rows);
  options.rows_seed += 1;
  const std::vector<float> others = clustered_vectors(options);
  std::set<float> seen;
  for (size_t i = 0; i < 500; ++i) seen.insert(rows[i * 24]);
  size_t shared = 0;
  for (size_t i = 0; i < 500; ++i) shared += seen.count(others[i * 24]);
  EXPECT_LT(shared, 5u);
}

TEST(Clustered, AreTheSameBytesOnEveryMachine) {
  const std::vector<float> rows = clustered_vectors(small());
  EXPECT_EQ(base::hash64({reinterpret_cast<const char*>(rows.data()), rows.size() * sizeof(float)}),
            8090509786222617594u);
}

TEST(Clustered, NeighboursOfOneClusterAreNearerThanThoseOfOthers) {
  ClusteredOptions options = small();
  options.clusters = 2;
  options.spread = 0.2;
  options.noise = 0.01;
  const std::vector<float> rows = clustered_vectors(options);
  const index::FlatIndex flat(rows, options.dim, Metric::dot);
  size_t near = 0, far = 0;
  for (const auto& hit : flat.search(std::span(rows).first(options.dim), options.rows)) {
    if (hit.score > 0.8f) ++near;
    if (hit.score < 0.6f) ++far;
  }
  // The first cluster has two thirds of the rows.
  EXPECT_EQ(near + far, options.rows);
  EXPECT_GT(std::min(near, far), options.rows / 5);
}

class Files : public testing::Test {
 protected:
  DataSet prepare() {
    return prepare_data({.kind = "clustered", .rows = 2000, .query_count = 20, .work_folder = folder.path()});
  }
  std::vector<float> rows_of(const std::filesystem::path& path) {
    io::VectorFile file = io::VectorFile::open(path);
    std::vector<float> rows(file.rows() * file.dim());
    file.read(0, file.rows(), rows);
    return rows;
  }
  base::TemporaryFolder folder;
};

TEST_F(Files, TruthOfAFilterNamesOnlyAllowedRowsAndTheirNearest) {
  const DataSet data = prepare();
  const std::vector<float> rows = rows_of(data.base), queries = rows_of(data.queries);
  const auto truth = io::TruthFile::open(prepare_truth(data, 10, 100));
  ASSERT_EQ(truth.queries(), 20u);
  const index::FlatIndex flat(rows, data.dim, data.metric);
  for (size_t q = 0; q < 20; ++q) {
    std::vector<uint32_t> expected;
    for (const auto& hit : flat.search(std::span(queries).subspan(q * data.dim, data.dim), data.rows)) {
      if (hit.id % 100 == 0 && expected.size() < 10) expected.push_back(static_cast<uint32_t>(hit.id));
    }
    EXPECT_EQ(std::vector<uint32_t>(truth.ids(q).begin(), truth.ids(q).end()), expected) << q;
  }
  // Fewer are allowed than asked for.
  EXPECT_EQ(io::TruthFile::open(prepare_truth(data, 10, 1000)).ids(0)[2], io::TruthFile::kNoId);
}

TEST_F(Files, CorrelatedOrderKeepsTheRowsAndPutsNearOnesWhereAFilterAllowsThem) {
  const DataSet data = prepare();
  const DataSet ordered = correlated_order(data);
  const std::vector<float> before = rows_of(data.base), after = rows_of(ordered.base);
  const size_t dim = data.dim;
  auto as_set = [&](const std::vector<float>& rows) {
    std::multiset<std::vector<float>> set;
    for (size_t i = 0; i < rows.size(); i += dim) set.emplace(rows.begin() + i, rows.begin() + i + dim);
    return set;
  };
  EXPECT_EQ(as_set(before), as_set(after));
  const index::FlatIndex flat(after, dim, data.metric);
  const auto nearest = flat.search(std::span(before).subspan(data.rows / 2 * dim, dim), data.rows);
  for (size_t step : {1000, 100, 10, 2}) {
    for (size_t i = 0; i < data.rows / step; ++i) ASSERT_EQ(nearest[i].id % step, 0u) << step << " " << i;
  }
}

}  // namespace
}  // namespace sextant::bench
