// The sample library answers: questions that people would ask, worded otherwise than the documents, against the
// documents that answer them.
#include <gtest/gtest.h>
#include <simdjson.h>

#include <fstream>

#include "base/files.h"
#include "sextant/library.h"

namespace sextant {
namespace {

struct Question {
  std::string text;
  std::vector<std::string> expected;
};

std::vector<Question> questions() {
  std::vector<Question> all;
  simdjson::dom::parser parser;
  for (const char* name : {"questions-home.jsonl", "questions-work.jsonl"}) {
    std::ifstream file(std::string(SEXTANT_SOURCE_DIR "/examples/") + name);
    std::string line;
    while (std::getline(file, line)) {
      simdjson::dom::element element = parser.parse(line);
      Question question{std::string(std::string_view(element["question"])), {}};
      for (auto path : simdjson::dom::array(element["expect"])) question.expected.emplace_back(std::string_view(path));
      all.push_back(std::move(question));
    }
  }
  return all;
}

TEST(SampleLibrary, AnswersHalfOfTheQuestionsFirstAndThreeQuartersAmongTheFirstFive) {
  auto model = Embedder::load("builtin");
  base::TemporaryFolder folder;
  const std::string path = folder.path() / "sample.sextant";
  LibraryReport report = Library::build({SEXTANT_SOURCE_DIR "/examples/library"}, *model, path);
  EXPECT_EQ(report.document_count, 320u);
  EXPECT_TRUE(report.skipped.empty());
  Library library = Library::open(path);
  std::vector<Question> all = questions();
  ASSERT_EQ(all.size(), 120u);
  size_t first = 0, among_five = 0;
  for (const Question& question : all) {
    SearchResult result = library.search(question.text, *model, {.limit = 5});
    size_t rank = 0;
    for (const Hit& hit : result.hits) {
      bool right = std::find(question.expected.begin(), question.expected.end(), hit.path) != question.expected.end();
      if (right && rank == 0) rank = hit.rank;
    }
    first += rank == 1;
    among_five += rank > 0;
    if (rank == 0) std::printf("not among five: %s\n", question.text.c_str());
  }
  std::printf("%zu of %zu first, %zu among the first five\n", first, all.size(), among_five);
  EXPECT_GE(first, 55u);
  EXPECT_GE(among_five, 92u);
}

}  // namespace
}  // namespace sextant
