#include "sextant/library.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <tuple>

#include "base/files.h"
#include "base/json.h"
#include "engine/collection.h"
#include "engine/reembed.h"
#include "engine/sections.h"
#include "engine/testing_embedder.h"
#include "engine/testing_library_file.h"
#include "errors.h"
#include "sextant/error.h"

namespace sextant {
namespace {

using engine::TestingEmbedder;

class LibraryTest : public testing::Test {
 protected:
  void SetUp() override {
    put("docs/tap.md",
        "# A dripping tap\n\nTurn the water off first.\n\n## Washer\n\nReplace the worn washer. Tighten it.\n");
    put("docs/bread.txt", "Baking bread\n\nFlour, yeast and salt. Let the dough rise twice.\n");
    put("docs/visa.html", "<title>Visa papers</title><h1>Visa papers</h1><p>Embassies want a photo.</p>");
    put("docs/empty.md", "\n");
  }
  void put(const std::string& name, const std::string& bytes) {
    std::filesystem::create_directories((folder.path() / name).parent_path());
    std::ofstream(folder.path() / name, std::ios::binary) << bytes;
  }
  std::string at(const std::string& name) const { return (folder.path() / name).string(); }
  LibraryReport build(LibraryOptions options = {}) { return Library::build({at("docs")}, model, at("lib"), options); }

  base::TemporaryFolder folder;
  TestingEmbedder model;
};

using tests::error_of;

TEST_F(LibraryTest, FindsThePassageAndSaysWhereItStands) {
  LibraryReport report = build();
  EXPECT_EQ(report.document_count, 3u);
  EXPECT_EQ(report.passage_count, 4u);
  EXPECT_GT(report.token_count, 50u);
  EXPECT_GT(report.library_bytes, 4 * 64 * sizeof(float));
  ASSERT_EQ(report.skipped.size(), 1u);
  EXPECT_EQ(report.skipped[0].path, "empty.md");

  Library library = Library::open(at("lib"));
  EXPECT_EQ(library.document_count(), 3u);
  EXPECT_EQ(library.dim(), 64u);
  EXPECT_EQ(library.model_hash(), "testing-1");
  SearchResult result = library.search("worn washer replace", model, {.limit = 2});
  ASSERT_EQ(result.hits.size(), 2u);
  const Hit& hit = result.hits[0];
  EXPECT_EQ(hit.rank, 1u);
  EXPECT_EQ(hit.path, "tap.md");
  EXPECT_EQ(hit.title, "A dripping tap");
  EXPECT_EQ(hit.heading, "Washer");
  EXPECT_EQ(hit.passage, "Replace the worn washer. Tighten it.");
  EXPECT_GT(hit.score, result.hits[1].score);
  EXPECT_GE(result.embed_ms, 0);
}

// The cosine of two texts by the model.
float cosine(const Embedder& model, std::string_view a, std::string_view b) {
  std::vector<float> vectors(2 * model.dim());
  std::vector<std::string_view> texts = {a, b};
  model.embed(texts, {}, vectors, nullptr);
  float dot = 0;
  for (size_t i = 0; i < model.dim(); ++i) dot += vectors[i] * vectors[model.dim() + i];
  return dot;
}

TEST_F(LibraryTest, ScoresAWindowTogetherWithItsPassageUnderItsTitleAndHeadings) {
  put("docs/tap.md",
      "# A dripping tap\n\n## Washer\n\nReplace the worn washer quickly. Then open the water valve again. Done.\n");
  build();
  Library library = Library::open(at("lib"));
  const std::string passage = "Replace the worn washer quickly. Then open the water valve again. Done.";
  const std::string whole = "A dripping tap > Washer\n" + passage;
  auto check = [&](const std::string& query, const std::string& window) {
    Hit hit = library.search(query, model, {.limit = 1}).hits.at(0);
    EXPECT_EQ(hit.passage, passage);
    EXPECT_EQ(hit.passage.substr(hit.match_begin - hit.begin, hit.match_end - hit.match_begin), window);
    EXPECT_NEAR(hit.score, (cosine(model, query, window) + cosine(model, query, whole)) / 2, 1e-6);
  };
  // A token a letter: 24 of them are less than the first sentence.
  check("replace worn washer", "Replace the worn washer");
  check("open valve", "Then open the water valve");
}

TEST_F(LibraryTest, WithoutWindowsScoresPassagesAlone) {
  LibraryReport report = build({.window_tokens = 0});
  EXPECT_EQ(report.window_count, report.passage_count);
  Hit hit = Library::open(at("lib")).search("worn washer", model).hits.at(0);
  EXPECT_EQ(hit.match_begin, hit.begin);
  EXPECT_EQ(hit.match_end, hit.end);
  EXPECT_NEAR(hit.score, cosine(model, "worn washer", "A dripping tap > Washer\nReplace the worn washer. Tighten it."),
              1e-6);
}

TEST_F(LibraryTest, GivesTheBestPassageOfEachDocumentOrAllPassages) {
  build();
  Library library = Library::open(at("lib"));
  EXPECT_EQ(library.search("tap", model).hits.size(), 3u);
  SearchResult all = library.search("tap", model, {.limit = 100, .all_passages = true});
  ASSERT_EQ(all.hits.size(), 4u);
  EXPECT_EQ(all.hits[0].path, "tap.md");
  EXPECT_EQ(all.hits[0].score, library.search("tap", model, {.limit = 1}).hits.at(0).score);
  for (size_t i = 1; i < all.hits.size(); ++i) EXPECT_GE(all.hits[i - 1].score, all.hits[i].score);
  EXPECT_TRUE(library.search("tap", model, {.limit = 0}).hits.empty());
}

// All that a library holds, in the order of ids.
std::string dump(const std::string& path) {
  store::Database database(path, {.store = {.read_only = true}});
  std::string out;
  for (const store::StoredPoint& point :
       database.open("documents")->scroll({.limit = SIZE_MAX, .fields = {.all_vectors = true}}).points) {
    out += point.id.text() + point.payload;
    for (const auto& [name, value] : point.vectors) {
      out.append(reinterpret_cast<const char*>(value.values.data()), value.values.size() * sizeof(float));
    }
  }
  return out;
}

TEST_F(LibraryTest, HoldsTheSameForAnyNumberOfThreads) {
  std::string big = "# Big\n\n";
  for (int i = 0; i < 400; ++i)
    big += "## Part " + std::to_string(i) + "\n\nWords number " + std::to_string(i * i) + ".\n\n";
  put("docs/big.md", big);
  Library::build({at("docs")}, model, at("one"), {.thread_count = 1});
  build({.thread_count = 3});
  EXPECT_EQ(dump(at("lib")), dump(at("one")));
  SearchResult result = Library::open(at("lib")).search("words number 24025", model, {.limit = 1});
  EXPECT_EQ(result.hits.at(0).heading, "Part 155");
}

TEST_F(LibraryTest, BuiltAgainEmbedsWhatChangedAndDropsWhatIsGone) {
  build();
  const Library before = Library::open(at("lib"));
  put("docs/tap.md", "# A dripping tap\n\nCall a plumber.\n");
  put("docs/new.txt", "New\n\nSomething new.\n");
  std::filesystem::remove(folder.path() / "docs/bread.txt");
  const LibraryReport report = build();
  EXPECT_EQ(report.document_count, 3u);
  EXPECT_EQ(report.unchanged_count, 1u);
  EXPECT_EQ(report.removed_count, 1u);
  EXPECT_EQ(report.passage_count, 3u);
  Library::build({at("docs")}, model, at("afresh"));
  EXPECT_EQ(dump(at("lib")), dump(at("afresh")));
  const Library after = Library::open(at("lib"));
  EXPECT_EQ(after.document_count(), 3u);
  EXPECT_EQ(after.search("plumber", model, {.limit = 1}).hits.at(0).passage, "Call a plumber.");
  // Whoever had the old one open has it still.
  EXPECT_EQ(before.document_count(), 3u);
  EXPECT_EQ(before.search("dough rise", model, {.limit = 1}).hits.at(0).path, "bread.txt");
  EXPECT_FALSE(std::filesystem::exists(at("lib.new")));
}

TEST_F(LibraryTest, BuiltOtherwiseIsMadeAnew) {
  build();
  EXPECT_EQ(build().unchanged_count, 3u);
  EXPECT_EQ(build({.window_tokens = 8}).unchanged_count, 0u);
  TestingEmbedder other(64, "testing-2");
  EXPECT_EQ(Library::build({at("docs")}, other, at("lib"), {.window_tokens = 8}).unchanged_count, 0u);
  EXPECT_EQ(Library::open(at("lib")).model_hash(), "testing-2");
}

TEST_F(LibraryTest, IsReembeddedByWindows) {
  build();
  const TestingEmbedder other(32, "testing-2");
  {
    store::Database database(at("lib"), {});
    const engine::ReembedReport report = engine::reembed(*database.open("documents"), other, {});
    EXPECT_EQ(report.points, 4u);
  }
  Library::build({at("docs")}, other, at("afresh"));
  EXPECT_EQ(dump(at("lib")), dump(at("afresh")));
  const Library library = Library::open(at("lib"));
  EXPECT_EQ(library.dim(), 32u);
  const Hit hit = library.search("worn washer", other, {.limit = 1}).hits.at(0);
  EXPECT_EQ(hit.heading, "Washer");
  EXPECT_LT(hit.match_end - hit.match_begin, hit.passage.size());
  EXPECT_EQ(Library::build({at("docs")}, other, at("lib")).unchanged_count, 3u);
}

TEST_F(LibraryTest, WhatWasCutOffIsGoneOnWith) {
  {
    // As a process leaves it that is killed before its last document.
    store::Database database(at("lib.new"), {});
    const auto collection = engine::Collection::create(
        database, "documents",
        {.model = &model,
         .passages = engine::PassageOptions{.tokens_max = 0, .overlap_tokens = 32, .window_tokens = 24}});
    put("some/tap.md", base::read_file(at("docs/tap.md")));
    collection.add_documents({at("some")}, model, {});
  }
  const LibraryReport report = build();
  EXPECT_EQ(report.document_count, 3u);
  EXPECT_EQ(report.unchanged_count, 1u);
  EXPECT_EQ(Library::open(at("lib")).passage_count(), 4u);
  EXPECT_FALSE(std::filesystem::exists(at("lib.new")));
  // What cannot be gone on with is made anew.
  put("lib.new/catalog/CURRENT", "nonsense");
  EXPECT_EQ(build().unchanged_count, 3u);
}

TEST_F(LibraryTest, IsLeftAloneWhileSomebodyWritesToIt) {
  build();
  {
    store::Database writer(at("lib"), {});
    error_of(ErrorCode::unavailable, [&] { build(); });
    EXPECT_EQ(Library::open(at("lib")).document_count(), 3u);
  }
  const Library reader = Library::open(at("lib")), another = Library::open(at("lib"));
  {
    store::Database builder(at("lib.new"), {});
    error_of(ErrorCode::unavailable, [&] { build(); });
  }
  EXPECT_EQ(build().unchanged_count, 3u);
}

TEST_F(LibraryTest, SearchesManyPassagesAsItsSlowTwinDoes) {
  // 300 documents of 9 passages: more than one block of the scan, with documents across its border.
  for (int i = 0; i < 300; ++i) {
    std::string text;
    for (int j = 0; j < 9; ++j) {
      text += "# Word" + std::to_string(i % 97) + "\n\nText" + std::to_string((i * 9 + j) % 89) +
              " common. Then other words here.\n\n";
    }
    put("many/" + std::to_string(i) + ".md", text);
  }
  Library::build({at("many")}, model, at("lib"));
  Library library = Library::open(at("lib"));
  ASSERT_EQ(library.passage_count(), 2700u);
  std::vector<float> query(64);
  std::string_view text = "word5 text7";
  model.embed({&text, 1}, {}, query, nullptr);
  std::map<std::string, double> best;
  std::vector<double> passages;
  store::Database database(at("lib"), {.store = {.read_only = true}});
  for (const store::StoredPoint& point :
       database.open("documents")->scroll({.limit = SIZE_MAX, .fields = {.all_vectors = true}}).points) {
    double best_window = -2;
    const std::vector<float>& values = point.vectors.at(0).second.values;
    for (size_t w = 0; w < values.size(); w += 64) {
      double dot = 0;
      for (size_t i = 0; i < 64; ++i) dot += double{query[i]} * values[w + i];
      best_window = std::max(best_window, dot);
    }
    double& of_document = best.emplace(base::parse_json(point.payload).at("path"), -2).first->second;
    of_document = std::max(of_document, best_window);
    passages.push_back(-best_window);
  }
  ASSERT_EQ(best.size(), 300u);
  std::vector<double> documents;
  for (const auto& [path, score] : best) documents.push_back(-score);
  std::sort(documents.begin(), documents.end());
  std::sort(passages.begin(), passages.end());
  SearchResult result = library.search(text, model, {.limit = 20});
  SearchResult all = library.search(text, model, {.limit = 20, .all_passages = true});
  ASSERT_EQ(result.hits.size(), 20u);
  ASSERT_EQ(all.hits.size(), 20u);
  for (size_t i = 0; i < 20; ++i) {
    EXPECT_NEAR(result.hits[i].score, -documents[i], 1e-5);
    EXPECT_NEAR(all.hits[i].score, -passages[i], 1e-5);
  }
  for (const Hit& hit : all.hits) {
    EXPECT_GE(hit.match_begin, hit.begin);
    EXPECT_LE(hit.match_end, hit.end);
    const std::string window = hit.passage.substr(hit.match_begin - hit.begin, hit.match_end - hit.match_begin);
    EXPECT_NEAR(hit.score, (cosine(model, text, window) + cosine(model, text, hit.title + "\n" + hit.passage)) / 2,
                1e-5);
  }
}

TEST_F(LibraryTest, AQueryOfUnknownWordsFindsNothingAndSaysSo) {
  build();
  SearchResult result = Library::open(at("lib")).search("zzzz", model);
  EXPECT_TRUE(result.query_is_empty);
  EXPECT_TRUE(result.hits.empty());
}

TEST_F(LibraryTest, PassagesOfUnknownWordsAreCountedAndNeverFound) {
  put("only/zzz.txt", "zzza zzzb");
  put("only/known.txt", "something else");
  LibraryReport report = Library::build({at("only")}, model, at("lib"));
  EXPECT_EQ(report.empty_count, 1u) << "one window";
  SearchResult result = Library::open(at("lib")).search("something", model);
  ASSERT_EQ(result.hits.size(), 1u);
  EXPECT_EQ(result.hits[0].path, "known.txt");
  EXPECT_EQ(Library::open(at("lib")).search("something", model, {.all_passages = true}).hits.size(), 1u);
}

TEST_F(LibraryTest, RefusesAnotherModel) {
  build();
  Library library = Library::open(at("lib"));
  std::string message =
      error_of(ErrorCode::invalid_argument, [&] { library.search("tap", TestingEmbedder(64, "testing-2")); });
  EXPECT_NE(message.find("testing-1"), std::string::npos) << message;
}

TEST_F(LibraryTest, NeverWritesOverAFileThatIsNotALibrary) {
  put("lib", "my diary");
  error_of(ErrorCode::already_exists, [&] { build(); });
  EXPECT_EQ(base::read_file(at("lib")), "my diary");
  std::filesystem::remove(at("lib"));
  build();
  build();  // over itself is fine
  store::Database(at("other"), {}).create("mine", store::StoreConfig());
  error_of(ErrorCode::already_exists, [&] { Library::build({at("docs")}, model, at("other")); });
  std::filesystem::create_directory(at("folder"));
  put("folder/diary", "mine, too");
  error_of(ErrorCode::already_exists, [&] { Library::build({at("docs")}, model, at("folder")); });
  EXPECT_EQ(base::read_file(at("folder/diary")), "mine, too");
  put("none/a.pdf", "%PDF");
  std::string message = error_of(ErrorCode::not_found, [&] { Library::build({at("none")}, model, at("lib")); });
  EXPECT_NE(message.find("a.pdf"), std::string::npos) << message;
  EXPECT_EQ(Library::open(at("lib")).document_count(), 3u) << "a failed build leaves the old library";
  EXPECT_FALSE(std::filesystem::exists(at("lib.new")));
}

TEST_F(LibraryTest, RefusesPassagesLongerThanTheModelTakes) {
  TestingEmbedder small(64, "testing-1", 64);
  error_of(ErrorCode::invalid_argument,
           [&] { Library::build({at("docs")}, small, at("lib"), {.chunk_tokens_max = 65}); });
  LibraryReport report = Library::build({at("docs")}, small, at("lib"));
  EXPECT_EQ(report.truncated_count, 0u);
}

TEST_F(LibraryTest, UsesTheModelsPromptsAndStillFitsItsLimit) {
  TestingEmbedder prompted(64, "testing-1", 64);
  prompted.prompts_ = {{"query", "ask: "}, {"document", "passage: "}};
  LibraryReport report = Library::build({at("docs")}, prompted, at("lib"));
  EXPECT_EQ(report.truncated_count, 0u);
  Library library = Library::open(at("lib"));
  EXPECT_NE(library.search("tap", prompted).hits[0].score, library.search("tap", model).hits[0].score);
}

// The first version's form, of which nothing is written any more.
std::string fixture() { return std::string(SEXTANT_SOURCE_DIR) + "/tests/fixtures/library-v1.sextant"; }

TEST_F(LibraryTest, AFileCutAnywhereIsCorrupted) {
  const std::string whole = base::read_file(fixture());
  for (size_t length = 0; length < whole.size(); length += 64) {
    put("cut", whole.substr(0, length));
    std::string message = error_of(ErrorCode::corrupted, [&] { Library::open(at("cut")); });
    EXPECT_NE(message.find(at("cut")), std::string::npos) << message;
  }
  put("cut", whole + "x");
  error_of(ErrorCode::corrupted, [&] { Library::open(at("cut")); });
}

TEST_F(LibraryTest, AnyFlippedBitOfAFileIsFoundAndItsSectionNamed) {
  const std::string whole = base::read_file(fixture());
  for (size_t byte = 0; byte < whole.size(); byte += 7) {
    std::string flipped = whole;
    flipped[byte] = static_cast<char>(flipped[byte] ^ (1 << byte % 8));
    put("flipped", flipped);
    std::string message = error_of(ErrorCode::corrupted, [&] { Library::open(at("flipped")); });
    if (byte + 5 > whole.size()) {
      EXPECT_NE(message.find("section 'vectors'"), std::string::npos) << message;
    }
  }
}

// A forger can make every checksum right; what the records say must be checked all the same.
TEST_F(LibraryTest, RecordsOfAFileThatPointOutsideAreCorruptedThoughChecksumsMatch) {
  engine::LibraryContents good;
  good.meta = {"m", "h", 2, 256, 0, 24};
  good.strings = "pathtitletext";
  std::vector<engine::DocumentRecord> documents = {{{0, 4}, {4, 9}, {9, 13}, 0, 1}};
  std::vector<engine::PassageRecord> passages = {{0, 4, {0, 0}, 0, 1}};
  std::vector<engine::WindowRecord> windows = {{1, 3}};
  std::vector<float> vectors = {1, 0};
  auto verdict = [&](auto change) {
    auto d = documents;
    auto p = passages;
    auto w = windows;
    auto v = vectors;
    auto c = good;
    change(c, d, p, w, v);
    c.documents = d;
    c.passages = p;
    c.windows = w;
    c.vectors = v;
    tests::write_library(at("forged"), c);
    try {
      Library::open(at("forged"));
      return std::string("fine");
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::corrupted);
      return std::string(error.what());
    }
  };
  EXPECT_EQ(verdict([](auto&, auto&, auto&, auto&, auto&) {}), "fine");
  const uint64_t huge = ~uint64_t{0};
  EXPECT_THAT(verdict([&](auto&, auto& d, auto&, auto&, auto&) { d[0].text.end = huge; }),
              testing::HasSubstr("'docs'"));
  EXPECT_THAT(verdict([&](auto&, auto& d, auto&, auto&, auto&) { d[0].title = {9, 4}; }), testing::HasSubstr("'docs'"));
  EXPECT_THAT(verdict([&](auto&, auto& d, auto&, auto&, auto&) { d[0].passage_end = 2; }),
              testing::HasSubstr("'docs'"));
  EXPECT_THAT(verdict([&](auto&, auto& d, auto&, auto&, auto&) { d[0].passage_end = 0; }),
              testing::HasSubstr("'windows'"));
  EXPECT_THAT(verdict([&](auto&, auto&, auto& p, auto&, auto&) { p[0].end = 5; }), testing::HasSubstr("'passages'"));
  EXPECT_THAT(verdict([&](auto&, auto&, auto& p, auto&, auto&) { p[0].begin = huge; }),
              testing::HasSubstr("'passages'"));
  EXPECT_THAT(verdict([&](auto&, auto&, auto& p, auto&, auto&) { p[0].heading.end = 14; }),
              testing::HasSubstr("'passages'"));
  EXPECT_THAT(verdict([&](auto&, auto&, auto& p, auto&, auto&) { p[0].window_end = 0; }),
              testing::HasSubstr("'passages'"));
  EXPECT_THAT(verdict([&](auto&, auto&, auto& p, auto&, auto&) { p[0].window_end = 2; }),
              testing::HasSubstr("'passages'"));
  EXPECT_THAT(verdict([&](auto&, auto&, auto&, auto& w, auto&) { w[0].end = 5; }), testing::HasSubstr("'windows'"));
  EXPECT_THAT(verdict([&](auto&, auto&, auto&, auto& w, auto&) { w[0].begin = 4; }), testing::HasSubstr("'windows'"));
  EXPECT_THAT(verdict([&](auto&, auto&, auto&, auto&, auto& v) { v.pop_back(); }), testing::HasSubstr("'vectors'"));
  EXPECT_THAT(verdict([&](auto& c, auto&, auto&, auto&, auto&) { c.meta.dim = 0; }), testing::HasSubstr("'meta'"));
  EXPECT_THAT(verdict([&](auto& c, auto&, auto&, auto&, auto&) { c.meta.dim = huge; }), testing::HasSubstr("'meta'"));
}

TEST_F(LibraryTest, SearchesWhatTheFirstVersionWrote) {
  Library library = Library::open(fixture());
  EXPECT_EQ(library.document_count(), 3u);
  EXPECT_EQ(library.passage_count(), 4u);
  const TestingEmbedder small(8);
  Library::build({at("docs")}, small, at("lib"));
  const Library store = Library::open(at("lib"));
  for (const bool all_passages : {false, true}) {
    const SearchOptions options{.limit = 3, .all_passages = all_passages};
    const SearchResult of_file = library.search("Replace the worn washer. Tighten it.", small, options);
    const SearchResult of_store = store.search("Replace the worn washer. Tighten it.", small, options);
    ASSERT_EQ(of_file.hits.size(), 3u);
    ASSERT_EQ(of_store.hits.size(), 3u);
    EXPECT_EQ(of_file.hits[0].heading, "Washer");
    EXPECT_EQ(of_file.windows_compared, of_store.windows_compared);
    for (size_t i = 0; i < 3; ++i) {
      const Hit &a = of_file.hits[i], &b = of_store.hits[i];
      EXPECT_NEAR(a.score, b.score, 1e-6);
      EXPECT_EQ(std::tie(a.rank, a.path, a.title, a.heading, a.passage, a.begin, a.end, a.match_begin, a.match_end),
                std::tie(b.rank, b.path, b.title, b.heading, b.passage, b.begin, b.end, b.match_begin, b.match_end));
    }
  }
}

TEST_F(LibraryTest, TakesThePlaceOfAFileOfTheFirstVersion) {
  put("lib", base::read_file(fixture()));
  build();
  EXPECT_TRUE(std::filesystem::is_directory(at("lib")));
  EXPECT_EQ(Library::open(at("lib")).document_count(), 3u);
}

TEST(Sections, FollowTheHeadingsAndLoseNoWord) {
  io::Document document = io::make_document(
      "a.md", "before\n\n# Title\n\nintro\n\n## One\n\n### Deep\n\ntext\n\n## Empty\n\n## Two\n\nlast\n\n# Other\n");
  std::vector<std::string> out;
  for (const auto& section : engine::sections_of(document)) {
    out.push_back(engine::context_of(document.title, section.headings) + ": " +
                  io::collapse_space(document.text.substr(section.begin, section.end - section.begin)));
  }
  EXPECT_EQ(out, (std::vector<std::string>{"Title: before", "Title: intro", "Title > One > Deep: text", "Title: Empty",
                                           "Title > Two: last", "Title: Other"}));
}

}  // namespace
}  // namespace sextant
