#include "engine/reembed.h"

#include <gmock/gmock.h>

#include <atomic>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/files.h"
#include "base/json.h"
#include "engine/collection.h"
#include "engine/testing_embedder.h"
#include "errors.h"
#include "sextant/error.h"

namespace sextant::engine {
namespace {

using store::PointId;
using testing::AllOf;
using testing::HasSubstr;
using tests::error_of;

// The vectors of another model have as many components, and are others.
TestingEmbedder other_model(size_t dim = 64) {
  TestingEmbedder model(dim, "testing-2");
  model.prompts_ = {{"document", "other words "}, {"query", "asked "}};
  return model;
}

// Fails once it has embedded so many texts, as if its process ended there.
class FailingEmbedder : public TestingEmbedder {
 public:
  explicit FailingEmbedder(size_t texts_left) : TestingEmbedder(other_model()), texts_left_(texts_left) {}
  void embed(std::span<const std::string_view> texts, const EmbedOptions& options, std::span<float> out,
             EmbedReport* report) const override {
    if (texts_left_ < texts.size()) throw Error(ErrorCode::unavailable, "the model is gone");
    texts_left_ -= texts.size();
    TestingEmbedder::embed(texts, options, out, report);
  }

 private:
  mutable std::atomic<size_t> texts_left_;
};

using Everything = std::map<std::string, std::pair<std::string, std::vector<float>>>;

class Reembed : public testing::Test {
 protected:
  static store::DatabaseOptions options() {
    store::DatabaseOptions options;
    options.memory_bytes = 8 << 20;
    return options;
  }
  Collection make(const std::string& name, const TestingEmbedder& by) {
    return Collection::create(*database, name, {.model = &by, .durability = store::Durability::periodic});
  }
  std::string put(const std::string& name, const std::string& bytes) {
    std::filesystem::create_directories((folder.path() / name).parent_path());
    std::ofstream(folder.path() / name, std::ios::binary) << bytes;
    return (folder.path() / name).string();
  }
  std::string documents() {
    put("docs/tap.md", "# A dripping tap\n\nTurn the water off first.\n\n## Washer\n\nReplace the worn washer.\n");
    put("docs/bread.txt", "Baking bread\n\nFlour, yeast and salt. Let the dough rise twice.\n");
    return (folder.path() / "docs").string();
  }
  std::string rows(size_t count, const std::string& words = "") {
    std::string lines;
    for (size_t i = 0; i < count; ++i) {
      lines += fmt::format("{{\"id\": {}, \"text\": \"item {} of shelf{}{}\", \"n\": {}}}\n", i, i, i % 7, words, i);
    }
    return put("rows.jsonl", lines);
  }
  static void add_rows(const Collection& collection, const std::string& path, const Embedder& by) {
    const auto source = io::open_rows(path, {});
    collection.add_rows(*source, &by, {});
  }
  static Everything everything(const store::PointStore& points) {
    Everything all;
    for (const auto& point : points.scroll({.limit = 100000, .fields = {.all_vectors = true}}).points) {
      EXPECT_LE(point.vectors.size(), 1u);
      all[point.id.text()] = {point.payload,
                              point.vectors.empty() ? std::vector<float>() : point.vectors[0].second.values};
    }
    return all;
  }
  // Of the texts that the points have now, by other_model().
  static void expect_vectors_of_texts(const Everything& all) {
    for (const auto& [id, point] : all) {
      const std::string text = base::parse_json(point.first).at("text");
      const std::string_view view = text;
      std::vector<float> vector(64);
      other_model().embed({&view, 1}, {.normalize = true, .prompt = "other words "}, vector, nullptr);
      ASSERT_EQ(point.second, vector) << id << " " << text;
    }
  }
  static CollectionModels models(const store::PointStore& points) {
    return read_models(points.config()->metadata, "metadata");
  }

  base::TemporaryFolder folder;
  std::unique_ptr<store::Database> database = std::make_unique<store::Database>(folder.path() / "db", options());
  TestingEmbedder model;
};

TEST_F(Reembed, MakesWhatACollectionOfTheOtherModelWouldHave) {
  for (const size_t dim : {64u, 24u}) {
    const TestingEmbedder next = other_model(dim);
    const Collection collection = make(fmt::format("old{}", dim), model);
    const Collection wanted = make(fmt::format("new{}", dim), next);
    collection.add_documents({documents()}, model, {});
    wanted.add_documents({documents()}, next, {});
    add_rows(collection, rows(150), model);
    add_rows(wanted, rows(150), next);
    // The old model knows nothing of this one.
    const std::string odd = put("odd.jsonl", "{\"id\": 900, \"text\": \"zzzz\"}\n");
    add_rows(collection, odd, model);
    add_rows(wanted, odd, next);
    std::vector<uint64_t> acknowledged;
    ReembedOptions options{.batch_points = 40};
    options.acknowledged = [&](uint64_t points) { acknowledged.push_back(points); };
    const ReembedReport report = reembed(collection.store(), next, options);
    EXPECT_EQ(report.points, collection.store().count());
    EXPECT_EQ(acknowledged.front(), 40u);
    EXPECT_EQ(acknowledged.back(), report.points);
    EXPECT_FALSE(report.was_done);
    EXPECT_EQ(everything(collection.store()), everything(wanted.store()));
    EXPECT_EQ(collection.store().config()->metadata, wanted.store().config()->metadata);
    const Collection now(database->open(fmt::format("old{}", dim)));
    EXPECT_EQ(now.model()->hash, "testing-2");
    EXPECT_EQ(now.add_documents({documents()}, next, {}).points, 0u);
    // The same again does nothing.
    EXPECT_TRUE(reembed(collection.store(), next, {}).was_done);
  }
}

TEST_F(Reembed, GoesOnWhereItWasCutOff) {
  Everything before;
  {
    const Collection collection = make("c", model);
    add_rows(collection, rows(200), model);
    before = everything(collection.store());
    const FailingEmbedder failing(130);
    EXPECT_THAT(error_of([&] { reembed(collection.store(), failing, {.batch_points = 50}); }), HasSubstr("is gone"));
  }
  database.reset();
  database = std::make_unique<store::Database>(folder.path() / "db", options());
  const Collection collection(database->open("c"));
  // What is searched and added to is as it was.
  EXPECT_EQ(collection.model()->hash, "testing-1");
  EXPECT_EQ(models(collection.store()).next->hash, "testing-2");
  for (const auto& point : collection.store().scroll({.limit = 1000, .fields = {.vectors = {""}}}).points) {
    EXPECT_EQ(point.vectors.at(0).second.values, before.at(point.id.text()).second);
  }
  EXPECT_THAT(error_of([&] { reembed(collection.store(), TestingEmbedder(64, "testing-3"), {}); }),
              AllOf(HasSubstr("being re-embedded with model 'testing' (testing-2)"), HasSubstr("--abandon")));
  EXPECT_THAT(error_of([&] { reembed(collection.store(), model, {}); }), HasSubstr("--abandon"));
  const ReembedReport report = reembed(collection.store(), other_model(), {.batch_points = 50});
  EXPECT_EQ(report.done_before, 100u);
  EXPECT_EQ(report.points, 100u);
  const Collection wanted = make("wanted", other_model());
  add_rows(wanted, rows(200), other_model());
  EXPECT_EQ(everything(collection.store()), everything(wanted.store()));
  EXPECT_EQ(models(collection.store()).next, std::nullopt);
}

TEST_F(Reembed, CanBeGivenUp) {
  const Collection collection = make("c", model);
  add_rows(collection, rows(100), model);
  const Everything before = everything(collection.store());
  EXPECT_THAT(error_of([&] { abandon_reembed(collection.store()); }), HasSubstr("no re-embedding is under way"));
  const FailingEmbedder failing(60);
  EXPECT_THAT(error_of([&] { reembed(collection.store(), failing, {.batch_points = 30}); }), HasSubstr("is gone"));
  abandon_reembed(collection.store());
  EXPECT_EQ(everything(collection.store()), before);
  EXPECT_EQ(models(collection.store()).now->hash, "testing-1");
  EXPECT_FALSE(models(collection.store()).next.has_value());
  // What was made before does not count for the next one.
  const ReembedReport report = reembed(collection.store(), other_model(24), {});
  EXPECT_EQ(report.done_before, 0u);
  EXPECT_EQ(report.points, 100u);
}

TEST_F(Reembed, RefusesPointsThatHaveAVectorAndNoTextBeforeItWritesAnything) {
  const Collection collection = make("c", model);
  add_rows(collection, rows(20), model);
  store::UpsertPoints bare;
  for (const char* payload : {R"({"a":1})", R"({"text":7})", R"({"text":" "})"}) {
    bare.points.push_back({PointId::of(50 + bare.points.size()), {{"", {std::vector<float>(64, 1), {}}}}, payload, 0});
  }
  bare.points.push_back({PointId::of(60), {}, R"({"neither":"vector nor text"})", 0});
  const uint64_t version = collection.store().write(bare).version;
  EXPECT_THAT(error_of([&] { reembed(collection.store(), other_model(), {}); }),
              AllOf(HasSubstr("3 points have a vector and no text"), HasSubstr("the first is 50")));
  EXPECT_EQ(collection.store().config()->vectors.size(), 1u);
  EXPECT_EQ(collection.store().info().version, version);
  collection.store().write(store::DeletePoints{{PointId::of(50), PointId::of(51), PointId::of(52)}});
  EXPECT_EQ(reembed(collection.store(), other_model(), {}).points, 20u);
  EXPECT_EQ(collection.store().count(), 21u);
}

TEST_F(Reembed, CountsTextsOfWhichTheNewModelKnowsNothing) {
  const Collection collection = make("c", other_model());
  add_rows(collection, rows(20), other_model());
  add_rows(collection, put("odd.jsonl", "{\"id\": 900, \"text\": \"zzzz\"}\n"), other_model());
  const ReembedReport report = reembed(collection.store(), model, {});
  EXPECT_EQ(report.points, 20u);
  EXPECT_EQ(report.empty, 1u);
  const Everything all = everything(collection.store());
  EXPECT_EQ(all.size(), 21u);
  EXPECT_TRUE(all.at("900").second.empty());
}

TEST_F(Reembed, LeavesPayloadsAndTimesOfExpiryAlone) {
  const Collection collection = make("c", model);
  store::Point point{PointId::of(1), {{"", {std::vector<float>(64, 1), {}}}}, R"({"text":"a thing","b":[1,2]})", 1};
  point.expires_ms = 4102444800000;
  collection.store().write(store::UpsertPoints{{point}});
  reembed(collection.store(), other_model(), {});
  const auto now = *collection.store().get(std::vector{PointId::of(1)})[0];
  EXPECT_EQ(now.payload, point.payload);
  EXPECT_EQ(now.expires_ms, point.expires_ms);
}

// A text changes after it was read and before its vector is written.
class ChangingEmbedder : public TestingEmbedder {
 public:
  ChangingEmbedder(store::PointStore& points, std::vector<store::Operation> operations)
      : TestingEmbedder(other_model()), points_(points), operations_(std::move(operations)) {}
  void embed(std::span<const std::string_view> texts, const EmbedOptions& options, std::span<float> out,
             EmbedReport* report) const override {
    if (!changed_.exchange(true)) {
      for (const store::Operation& operation : operations_) points_.write(operation);
    }
    TestingEmbedder::embed(texts, options, out, report);
  }

 private:
  store::PointStore& points_;
  std::vector<store::Operation> operations_;
  mutable std::atomic<bool> changed_ = false;
};

TEST_F(Reembed, GivesNoPointTheVectorOfATextThatItHadBefore) {
  const Collection collection = make("c", model);
  add_rows(collection, rows(30), model);
  const ChangingEmbedder changing(
      collection.store(),
      {store::ChangePayload{{PointId::of(3)}, store::PayloadChange::merge, R"({"text":"quite another"})", "", {}},
       store::UpsertPoints{{{PointId::of(4), {{"", {std::vector<float>(64, 1), {}}}}, R"({"text":"as other"})", 0},
                            {PointId::of(77), {{"", {std::vector<float>(64, 1), {}}}}, R"({"text":"one more"})", 0}}},
       store::DeletePoints{{PointId::of(5)}}});
  reembed(collection.store(), changing, {.batch_points = 10});
  const Everything all = everything(collection.store());
  EXPECT_EQ(all.size(), 30u);
  expect_vectors_of_texts(all);
}

TEST_F(Reembed, FindsWhatIsAddedUntilTheVeryEnd) {
  const Collection collection = make("c", model);
  add_rows(collection, rows(30), model);
  uint64_t added = 0;
  ReembedOptions options{.batch_points = 10};
  options.acknowledged = [&](uint64_t) {
    if (added == 8) return;
    const store::Point point{
        PointId::of(100 + added++), {{"", {std::vector<float>(64, 1), {}}}}, R"({"text":"new"})", 0};
    collection.store().write(store::UpsertPoints{{point}});
  };
  EXPECT_EQ(reembed(collection.store(), other_model(), options).points, 38u);
  expect_vectors_of_texts(everything(collection.store()));
}

// Others search and write while it runs: the old model's answers until the new one's, and never a mixture.
TEST_F(Reembed, ServesTheOldModelUntilTheNewOneHasAllPoints) {
  constexpr size_t kRows = 600;
  const Collection collection = make("c", model);
  add_rows(collection, rows(kRows), model);
  store::SearchRequest request;
  request.query.values = collection.query_vector("item 17 of shelf", model);
  request.limit = 15;
  request.exact = true;
  request.expected_slot = collection.vector_slot();
  const auto answer_of = [&] {
    std::vector<std::pair<uint64_t, float>> out;
    for (const auto& found : collection.store().search(request).points) {
      out.emplace_back(found.point.id.number(), found.score);
    }
    return out;
  };
  const auto wanted = answer_of();
  std::atomic<bool> running = true;
  std::atomic<uint64_t> searches = 0, added = 0;
  std::thread searcher([&] {
    try {
      while (running) {
        ASSERT_EQ(answer_of(), wanted);
        ++searches;
      }
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("another took its place"));
    }
  });
  // Texts that the query is far from.
  std::thread adder([&] {
    try {
      for (uint64_t round = 0; round < 15; ++round) {
        const auto source =
            io::open_rows(put(fmt::format("more{}.jsonl", round),
                              fmt::format("{{\"id\": {}, \"text\": \"far away {}\"}}\n", 5000 + round % 10, round)),
                          {});
        collection.add_rows(*source, &model, {});
        ++added;
      }
    } catch (const Error& error) {
      EXPECT_TRUE(error.code() == ErrorCode::invalid_argument || error.code() == ErrorCode::unavailable)
          << error.what();
    }
  });
  reembed(collection.store(), other_model(), {.batch_points = 7});
  running = false;
  searcher.join();
  adder.join();
  EXPECT_GT(searches, 0u);
  EXPECT_GT(added, 0u);
  const Everything all = everything(collection.store());
  EXPECT_GE(all.size(), kRows);
  expect_vectors_of_texts(all);
  // Whoever opened the collection before is told, whatever the vectors' length.
  EXPECT_THAT(error_of([&] { add_rows(collection, rows(3, " again"), model); }), HasSubstr("another took its place"));
}

}  // namespace
}  // namespace sextant::engine
