#include "index/bounded_rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "base/files.h"
#include "base/random.h"
#include "index/index_impl.h"
#include "index/testing_vectors.h"
#include "sextant/error.h"
#include "simd/top_k.h"

namespace sextant::index {
namespace {

// Rows that int8 tells apart well, badly and not at all: clusters, one large component, lengths from tiny to huge,
// zeros, and each of some rows several times.
std::vector<float> hard_rows(size_t count, size_t dim, uint64_t seed) {
  base::Random random(seed);
  std::vector<float> rows = clustered(count, dim, seed);
  for (size_t i = 0; i < count; ++i) {
    float* row = rows.data() + i * dim;
    switch (random.below(12)) {
      case 0:
        row[random.below(dim)] = 1000;
        break;
      case 1:
        for (size_t d = 0; d < dim; ++d) row[d] *= 1e-12f;
        break;
      case 2:
        for (size_t d = 0; d < dim; ++d) row[d] *= 1e12f;
        break;
      case 3:
        std::fill_n(row, dim, 0.0f);
        break;
      case 4:
      case 5:
        std::copy_n(rows.data() + random.below(i + 1) * dim, dim, row);
        break;
      default:
        break;
    }
  }
  return rows;
}

TEST(BoundedRows, have_the_nearest_among_their_candidates) {
  for (Metric metric : {Metric::cosine, Metric::dot, Metric::l2}) {
    for (const size_t dim : {1, 7, 64, 200}) {
      constexpr size_t kCount = 3000;
      const std::vector<float> rows = hard_rows(kCount, dim, dim), queries = hard_rows(30, dim, dim + 1);
      BoundedRows bounded(metric, dim, kCount);
      for (size_t i = 0; i < kCount; ++i) bounded.set(i, rows.data() + i * dim);
      const BoundedRows view(metric, dim, bounded.codes(kCount), bounded.factors(kCount));
      const Rows plain(ElementType::float32, dim, std::as_bytes(std::span(rows)));
      std::vector<uint32_t> all(kCount);
      std::iota(all.begin(), all.end(), 0u);
      std::vector<uint64_t> even((kCount + 63) / 64, 0x5555555555555555u);
      for (size_t q = 0; q < 30; ++q) {
        const float* query = queries.data() + q * dim;
        std::vector<float> scores(kCount);
        plain.score(metric, query, all.data(), kCount, scores.data());
        for (const bool only_even : {false, true}) {
          for (const size_t k : {1, 10, 200}) {
            std::vector<uint32_t> candidates;
            view.candidates(query, k, kCount, only_even ? std::span<const uint64_t>(even) : std::span<const uint64_t>(),
                            candidates);
            std::vector<bool> is_candidate(kCount);
            for (uint32_t row : candidates) is_candidate[row] = true;
            EXPECT_TRUE(std::is_sorted(candidates.begin(), candidates.end()));
            simd::TopK best(k, higher_is_nearer(metric) ? simd::Nearer::higher : simd::Nearer::lower);
            for (size_t i = 0; i < kCount; i += only_even ? 2 : 1) best.push(i, scores[i]);
            for (const simd::Scored& found : best.take()) {
              ASSERT_TRUE(is_candidate[found.id])
                  << name(metric) << " " << dim << " query " << q << " row " << found.id;
            }
            for (uint32_t row : candidates) ASSERT_TRUE(!only_even || row % 2 == 0);
          }
        }
      }
    }
  }
}

TEST(BoundedRows, leave_most_rows_alone) {
  constexpr size_t kCount = 8000, kDim = 384;
  const std::vector<float> rows = clustered(kCount, kDim, 1), queries = clustered(20, kDim, 2);
  BoundedRows bounded(Metric::cosine, kDim, kCount);
  for (size_t i = 0; i < kCount; ++i) bounded.set(i, rows.data() + i * kDim);
  size_t found = 0;
  for (size_t q = 0; q < 20; ++q) {
    std::vector<uint32_t> candidates;
    bounded.candidates(queries.data() + q * kDim, 10, kCount, {}, candidates);
    found += candidates.size();
  }
  EXPECT_LT(found / 20, kCount / 20);
  EXPECT_GE(found / 20, 10u);
}

TEST(BoundedRows, are_the_only_codes_of_a_flat_index) {
  for (CodeKind codes : {CodeKind::sq1, CodeKind::sq4}) {
    EXPECT_THROW(Index::create({.dim = 8, .kind = IndexKind::flat, .codes = codes}), Error);
  }
  EXPECT_EQ(Index::create({.dim = 8, .kind = IndexKind::flat})->options().codes, CodeKind::none);
}

// The index with codes and its slow twin without.
TEST(BoundedRows, give_a_flat_index_the_same_answers) {
  for (Metric metric : {Metric::cosine, Metric::dot, Metric::l2}) {
    constexpr size_t kDim = 40, kCount = 2000;
    const std::vector<float> rows = hard_rows(kCount, kDim, 3), queries = hard_rows(40, kDim, 4);
    std::vector<std::unique_ptr<Index>> twins;
    for (CodeKind codes : {CodeKind::none, CodeKind::sq8}) {
      twins.push_back(Index::create(
          {.dim = kDim, .metric = metric, .kind = IndexKind::flat, .codes = codes, .capacity = kCount + 100}));
    }
    EXPECT_EQ(twins[1]->options().codes, CodeKind::sq8);
    auto compare = [&](const char* when) {
      base::Random random(5);
      for (size_t q = 0; q < 40; ++q) {
        const std::span<const float> query(queries.data() + q * kDim, kDim);
        std::vector<uint64_t> some;
        const size_t share = 1 + random.below(20);
        for (uint64_t id = 0; id < kCount; id += share) some.push_back(id * 3);
        const AllowedIds allowed = AllowedIds::of(some);
        for (const bool filtered : {false, true}) {
          IndexSearchOptions options{.k = 1 + random.below(30)};
          if (filtered) options.allowed = &allowed;
          const IndexSearchResult slow = twins[0]->search(query, options), fast = twins[1]->search(query, options);
          EXPECT_TRUE(fast.exact);
          ASSERT_EQ(slow.hits.size(), fast.hits.size()) << when;
          for (size_t i = 0; i < slow.hits.size(); ++i) {
            ASSERT_EQ(slow.hits[i].id, fast.hits[i].id) << when << " " << name(metric) << " " << q << " " << i;
            ASSERT_EQ(slow.hits[i].score, fast.hits[i].score);
          }
        }
      }
    };
    std::vector<uint64_t> ids;
    for (uint64_t i = 0; i < kCount; ++i) ids.push_back(i * 3);
    for (const auto& twin : twins) twin->add(ids, rows);
    compare("added");
    for (const auto& twin : twins) {
      for (uint64_t i = 0; i < kCount; i += 7) twin->remove(i * 3);
      twin->add(std::span(ids).subspan(100, 50), std::span(rows).subspan(500 * kDim, 50 * kDim));
    }
    compare("changed");
    base::TemporaryFolder folder;
    for (auto& twin : twins) {
      twin->save(folder.path() / "index");
      twin = Index::open((folder.path() / "index").string(), {.verify = true});
    }
    compare("opened");
  }
}

}  // namespace
}  // namespace sextant::index
