// Indexes in files: what was saved is what is opened, and whatever is wrong with a file is said.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/files.h"
#include "base/random.h"
#include "base/scattered_reads.h"
#include "errors.h"
#include "index/section_file.h"
#include "index/testing_vectors.h"
#include "sextant/error.h"

namespace sextant::index {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

constexpr size_t kDim = 20;

using tests::error_of;

class SavedIndex : public testing::Test {
 protected:
  std::unique_ptr<Index> make(size_t count, const IndexOptions& more = {}) {
    IndexOptions options = more;
    options.dim = kDim;
    options.build_breadth = 40;
    options.capacity = 10000;
    auto index = Index::create(options);
    index->add(numbers(count), clustered(count, kDim, 1));
    return index;
  }
  fs::path path() const { return folder_.path() / "some.idx"; }
  base::TemporaryFolder folder_;
};

TEST_F(SavedIndex, answers_as_it_did_before) {
  const std::vector<float> queries = clustered(20, kDim, 2);
  for (Metric metric : {Metric::cosine, Metric::dot, Metric::l2, Metric::l1}) {
    for (size_t count : {0, 1, 500, 1500}) {
      for (IndexKind kind : {IndexKind::graph, IndexKind::flat}) {
        auto index = make(count, {.metric = metric, .kind = kind});
        if (count == 1500) {
          for (uint64_t id = 0; id < 200; ++id) index->remove(7 * id);
          index->add(numbers(5, 1'000'000), clustered(5, kDim, 9));
        }
        index->save(path());
        for (bool load : {false, true}) {
          auto opened = Index::open(path(), {.verify = true, .load = load});
          EXPECT_EQ(opened->size(), index->size());
          EXPECT_EQ(opened->options().metric, metric);
          for (uint64_t id : {0, 1, 7, 499, 1499, 1'000'002, 5'000'000}) {
            EXPECT_EQ(opened->contains(id), index->contains(id)) << id;
          }
          for (size_t q = 0; q < 20; ++q) {
            const std::span<const float> query(queries.data() + q * kDim, kDim);
            for (const IndexSearchOptions& options :
                 {IndexSearchOptions{.k = 10, .breadth = 30}, IndexSearchOptions{.k = 3},
                  IndexSearchOptions{.k = 7, .exact = true}}) {
              EXPECT_EQ(opened->search(query, options).hits, index->search(query, options).hits);
            }
          }
        }
      }
    }
  }
}

TEST_F(SavedIndex, answers_alike_when_memory_has_no_room_for_it) {
  const std::vector<float> queries = clustered(20, kDim, 2);
  for (IndexKind kind : {IndexKind::graph, IndexKind::flat}) {
    const auto index = make(3000, {.kind = kind});
    index->save(path());
    const auto opened = Index::open(path());
    const size_t vectors = base::ScatteredReads::vectors().set_memory(1000);
    const size_t codes = base::ScatteredReads::codes().set_memory(1000);
    for (size_t q = 0; q < 20; ++q) {
      const std::span<const float> query(queries.data() + q * kDim, kDim);
      for (const IndexSearchOptions& options :
           {IndexSearchOptions{.k = 10, .breadth = 30}, IndexSearchOptions{.k = 7, .exact = true}}) {
        EXPECT_EQ(opened->search(query, options).hits, index->search(query, options).hits);
      }
    }
    const auto found = opened->search_batch(queries, {.k = 5, .exact = true});
    const auto expected = index->search_batch(queries, {.k = 5, .exact = true});
    ASSERT_EQ(found.size(), expected.size());
    for (size_t q = 0; q < found.size(); ++q) EXPECT_EQ(found[q].hits, expected[q].hits);
    base::ScatteredReads::vectors().set_memory(vectors);
    base::ScatteredReads::codes().set_memory(codes);
  }
}

TEST_F(SavedIndex, is_the_same_bytes_for_the_same_vectors) {
  make(2000)->save(path());
  make(2000)->save(folder_.path() / "other.idx");
  EXPECT_EQ(base::read_file(path()), base::read_file(folder_.path() / "other.idx"));
}

TEST_F(SavedIndex, cannot_be_changed_where_it_lies) {
  make(1500)->save(path());
  auto opened = Index::open(path());
  EXPECT_THAT(error_of([&] { opened->add(numbers(1), clustered(1, kDim, 1)); }), HasSubstr("unsupported: "));
  EXPECT_THAT(error_of([&] { opened->remove(1); }), HasSubstr("unsupported: "));
  EXPECT_TRUE(opened->contains(3));
}

TEST_F(SavedIndex, says_what_is_wrong_with_a_file) {
  EXPECT_THAT(error_of([&] { Index::open(folder_.path() / "none.idx"); }), HasSubstr("not_found: "));
  base::write_file_atomically(path(), "hello");
  EXPECT_THAT(error_of([&] { Index::open(path()); }), HasSubstr("some.idx: it is no index of Sextant"));
  make(1500)->save(path());
  const std::string whole = base::read_file(path());
  for (size_t size : {size_t{0}, size_t{20}, size_t{40}, size_t{4096}, whole.size() / 2, whole.size() - 1}) {
    base::write_file_atomically(path(), whole.substr(0, size));
    EXPECT_THAT(error_of([&] { Index::open(path()); }), HasSubstr("corrupted: ")) << size;
  }
  std::string other_version = whole;
  other_version[12] = 99;
  base::write_file_atomically(path(), other_version);
  EXPECT_THAT(error_of([&] { Index::open(path()); }), HasSubstr("version 99 of the format"));
}

// Every flipped bit is found when asked for, and harms nothing when not.
TEST_F(SavedIndex, survives_flipped_bytes) {
  make(1500)->save(path());
  const std::string whole = base::read_file(path());
  const std::vector<float> queries = clustered(3, kDim, 2);
  base::Random random(1);
  size_t detected = 0;
  const size_t tries = 100;
  for (size_t i = 0; i < tries; ++i) {
    std::string broken = whole;
    // Half of the damage to the head and the first sections.
    const size_t at = random.below(i % 2 == 0 ? 40960 : broken.size());
    broken[at] = static_cast<char>(broken[at] ^ (1 + random.below(255)));
    base::write_file_atomically(path(), broken);
    bool padding = false;
    try {
      Index::open(path(), {.verify = true});
      padding = true;
    } catch (const Error& error) {
      EXPECT_EQ(error.code() == ErrorCode::corrupted || error.code() == ErrorCode::unsupported, true) << error.what();
      ++detected;
    }
    try {
      auto index = Index::open(path());
      for (size_t q = 0; q < 3; ++q) {
        const std::span<const float> query(queries.data() + q * kDim, kDim);
        const IndexSearchResult result = index->search(query, {.k = 10, .breadth = 30});
        EXPECT_LE(result.hits.size(), 10u);
        if (padding) {
          EXPECT_EQ(result.hits.size(), 10u);
        }
      }
    } catch (const Error& error) {
      EXPECT_FALSE(padding) << error.what();
    }
  }
  EXPECT_GT(detected, tries / 3);
}

TEST(SectionFile, keeps_sections_by_name) {
  base::TemporaryFolder folder;
  const fs::path path = folder.path() / "sections";
  const std::vector<uint32_t> values = {1, 2, 3};
  SectionFileWriter writer(path, 7, 2, 3);
  writer.add("values", std::span(values));
  writer.add("nothing", std::span<const uint32_t>());
  writer.commit();
  const SectionFile file(path, 7, 2);
  file.verify();
  EXPECT_TRUE(file.has("nothing"));
  EXPECT_FALSE(file.has("else"));
  EXPECT_THAT(file.get<uint32_t>("values", 3), testing::ElementsAre(1, 2, 3));
  EXPECT_THAT(error_of([&] { file.get<uint32_t>("values", 4); }),
              HasSubstr("section 'values' has 12 bytes, expected 4 elements of 4"));
  EXPECT_THAT(error_of([&] { file.get("else"); }), HasSubstr("section 'else' is missing"));
  EXPECT_THAT(error_of([&] { SectionFile(path, 8, 2); }), HasSubstr("it is of kind 7, expected 8"));
}

}  // namespace
}  // namespace sextant::index
