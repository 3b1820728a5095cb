#include "sextant/library.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/files.h"
#include "base/hash.h"
#include "engine/library_file.h"
#include "engine/sections.h"
#include "engine/testing_embedder.h"
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
  EXPECT_EQ(report.library_bytes, std::filesystem::file_size(at("lib")));
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
  EXPECT_EQ(library.document_text(hit.document).substr(hit.begin, hit.end - hit.begin), hit.passage);
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
    EXPECT_EQ(library.document_text(hit.document).substr(hit.match_begin, hit.match_end - hit.match_begin), window);
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

TEST_F(LibraryTest, IsTheSameFileForAnyNumberOfThreads) {
  std::string big = "# Big\n\n";
  for (int i = 0; i < 400; ++i)
    big += "## Part " + std::to_string(i) + "\n\nWords number " + std::to_string(i * i) + ".\n\n";
  put("docs/big.md", big);
  build({.thread_count = 1});
  std::string one = base::read_file(at("lib"));
  build({.thread_count = 3});
  EXPECT_EQ(base::read_file(at("lib")), one);
  SearchResult result = Library::open(at("lib")).search("words number 24025", model, {.limit = 1});
  EXPECT_EQ(result.hits.at(0).heading, "Part 155");
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
  engine::LibraryFile file(at("lib"));
  std::vector<std::pair<double, size_t>> documents;
  std::vector<double> passages;
  const engine::LibraryContents& c = file.contents();
  for (size_t d = 0; d < 300; ++d) {
    double best = -2;
    for (size_t p = c.documents[d].passage_begin; p < c.documents[d].passage_end; ++p) {
      double best_window = -2;
      for (size_t w = c.passages[p].window_begin; w < c.passages[p].window_end; ++w) {
        double dot = 0;
        for (size_t i = 0; i < 64; ++i) dot += double{query[i]} * c.vectors[w * 64 + i];
        best_window = std::max(best_window, dot);
      }
      best = std::max(best, best_window);
      passages.push_back(-best_window);
    }
    documents.emplace_back(-best, d);
  }
  std::sort(documents.begin(), documents.end());
  std::sort(passages.begin(), passages.end());
  SearchResult result = library.search(text, model, {.limit = 20});
  SearchResult all = library.search(text, model, {.limit = 20, .all_passages = true});
  ASSERT_EQ(result.hits.size(), 20u);
  ASSERT_EQ(all.hits.size(), 20u);
  for (size_t i = 0; i < 20; ++i) {
    EXPECT_NEAR(result.hits[i].score, -documents[i].first, 1e-5);
    EXPECT_NEAR(all.hits[i].score, -passages[i], 1e-5);
  }
  for (const Hit& hit : all.hits) {
    std::string_view whole = library.document_text(hit.document);
    EXPECT_EQ(whole.substr(hit.begin, hit.end - hit.begin), hit.passage);
    EXPECT_GE(hit.match_begin, hit.begin);
    EXPECT_LE(hit.match_end, hit.end);
    std::string_view window = whole.substr(hit.match_begin, hit.match_end - hit.match_begin);
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
  put("none/a.pdf", "%PDF");
  std::string message = error_of(ErrorCode::not_found, [&] { Library::build({at("none")}, model, at("lib")); });
  EXPECT_NE(message.find("a.pdf"), std::string::npos) << message;
  EXPECT_EQ(Library::open(at("lib")).document_count(), 3u) << "a failed build leaves the old library";
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

TEST_F(LibraryTest, CutAnywhereIsCorrupted) {
  build();
  std::string whole = base::read_file(at("lib"));
  for (size_t length = 0; length < whole.size(); length += 64) {
    put("cut", whole.substr(0, length));
    std::string message = error_of(ErrorCode::corrupted, [&] { Library::open(at("cut")); });
    EXPECT_NE(message.find(at("cut")), std::string::npos) << message;
  }
  put("cut", whole + "x");
  error_of(ErrorCode::corrupted, [&] { Library::open(at("cut")); });
}

TEST_F(LibraryTest, AnyFlippedBitIsFoundAndItsSectionNamed) {
  build();
  std::string whole = base::read_file(at("lib"));
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
TEST_F(LibraryTest, RecordsThatPointOutsideAreCorruptedThoughChecksumsMatch) {
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
    engine::write_library(at("forged"), c);
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

TEST_F(LibraryTest, OpensWhatVersion1Wrote) {
  std::string path = std::string(SEXTANT_SOURCE_DIR) + "/tests/fixtures/library-v1.sextant";
  Library library = Library::open(path);
  EXPECT_EQ(library.document_count(), 3u);
  EXPECT_EQ(library.passage_count(), 4u);
  EXPECT_EQ(library.document_title(2), "Visa papers");
  SearchResult result = library.search("Replace the worn washer. Tighten it.", TestingEmbedder(8));
  ASSERT_EQ(result.hits.size(), 3u);
  EXPECT_EQ(result.hits[0].heading, "Washer");
  // The same documents make the same bytes today; when they no longer do, the version must rise.
  Library::build({at("docs")}, TestingEmbedder(8), at("lib"));
  EXPECT_EQ(base::read_file(at("lib")), base::read_file(path));
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
