// Collections as a user meets them: create, add, search, get, delete, scroll, count, facet, snapshot, restore.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/files.h"
#include "base/json.h"
#include "program.h"

namespace sextant::cli {
namespace {

using testing::HasSubstr;
using tests::Outcome;
using tests::run_sextant;

class CollectionCommands : public testing::Test {
 protected:
  std::string put(const std::string& name, std::string_view content) {
    const auto path = folder_.path() / name;
    base::make_folders(path.parent_path());
    base::write_file_atomically(path, content);
    return path.string();
  }
  std::string at(const std::string& name) const { return (folder_.path() / name).string(); }
  Outcome run(std::vector<std::string> arguments, const std::string& collection = "things") const {
    arguments.insert(arguments.end(), {"--db", at("db"), "--collection", collection});
    return run_sextant(arguments);
  }
  nlohmann::json json(const std::vector<std::string>& arguments) const {
    std::vector<std::string> with = arguments;
    with.push_back("--json");
    const Outcome outcome = run(with);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return base::parse_json(outcome.out);
  }

 private:
  base::TemporaryFolder folder_;
};

TEST_F(CollectionCommands, TakeRowsWithVectorsAndFindThem) {
  ASSERT_EQ(run({"collection", "create", "--dim", "2", "--metric", "l2"}).status, 0);
  std::string rows;
  for (int i = 0; i < 30; ++i) {
    rows += "{\"id\": " + std::to_string(i) + ", \"vector\": [" + std::to_string(i) + ", 0], \"color\": \"" +
            (i % 2 == 0 ? "red" : "blue") + "\"}\n";
  }
  const std::string input = put("rows.jsonl", rows);
  const Outcome added = run({"add", "--input", input, "--batch", "10", "--json"});
  EXPECT_EQ(added.status, 0) << added.err;
  EXPECT_THAT(added.out,
              testing::StartsWith("{\"acknowledged\": 10}\n{\"acknowledged\": 20}\n{\"acknowledged\": 30}\n"));
  // The same again changes nothing.
  const Outcome again = run({"add", "--input", input, "--json"});
  EXPECT_THAT(again.out, HasSubstr("\"unchanged\":30"));
  EXPECT_EQ(json({"count"})["count"], 30);
  const std::string red = R"({"must": {"key": "color", "match": {"value": "red"}}})";
  EXPECT_EQ(json({"count", "--filter", red})["count"], 15);
  ASSERT_EQ(run({"collection", "field", "color", "keyword"}).status, 0);
  const auto found = json({"search", "[7.2, 0]", "--limit", "2", "--filter", red});
  EXPECT_EQ(found["hits"][0]["id"], 8);
  EXPECT_EQ(found["hits"][1]["id"], 6);
  EXPECT_EQ(json({"facet", "color"})[0]["count"], 15);
  EXPECT_EQ(json({"scroll", "--limit", "1", "--sample", "3"})["payload"].size(), 1u);
  EXPECT_EQ(json({"get", "8"})["payload"]["color"], "red");
  EXPECT_EQ(json({"delete", "--filter", red})["deleted"], 15);
  EXPECT_EQ(json({"scroll", "--limit", "1", "--from", "2"})["id"], 3);
  EXPECT_THAT(run({"get", "8"}).err, HasSubstr("not in collection 'things': 8"));
}

TEST_F(CollectionCommands, TakeDocumentsAndSearchThemByMeaning) {
  put("docs/tap.md", "# A dripping tap\n\nTurn the water off first.\n\n## Washer\n\nReplace the worn washer.\n");
  put("docs/bread.txt", "Baking bread\n\nFlour, yeast and salt. Let the dough rise twice.\n");
  ASSERT_EQ(run({"collection", "create", "--model", "builtin"}).status, 0);
  Outcome added = run({"add", at("docs")});
  EXPECT_THAT(added.err, HasSubstr("Added 2 documents"));
  const auto found = json({"search", "how do I bake", "--limit", "1"});
  EXPECT_EQ(found["hits"][0]["payload"]["path"], "bread.txt");
  EXPECT_THAT(run({"add", at("docs")}).err, HasSubstr("2 were there as they are"));
  // A document that has become shorter leaves nothing behind.
  put("docs/tap.md", "# A dripping tap\n\nCall a plumber.\n");
  EXPECT_THAT(run({"add", at("docs")}).err, HasSubstr("Added 1 documents as 1 passages; 1 were there as they are"));
  EXPECT_EQ(json({"count"})["count"], 2);
  const std::string snapshot = at("things.snapshot");
  ASSERT_EQ(run({"collection", "snapshot", "--output", snapshot}).status, 0);
  ASSERT_EQ(run({"collection", "restore", "--input", snapshot}, "copy").status, 0);
  EXPECT_THAT(run({"search", "how do I bake", "--limit", "1"}, "copy").out, HasSubstr("bread.txt"));
  EXPECT_THAT(run({"collection", "list"}, "things").err, HasSubstr("--collection"));
  EXPECT_THAT(run_sextant({"collection", "list", "--db", at("db")}).out, HasSubstr("copy"));
}

TEST_F(CollectionCommands, SayWhatIsWrongInOneLine) {
  const auto message = [&](const std::vector<std::string>& arguments) { return run(arguments).err; };
  EXPECT_THAT(message({"count"}), HasSubstr("no database there"));
  EXPECT_THAT(message({"collection", "create"}), HasSubstr("--model or --dim"));
  ASSERT_EQ(run({"collection", "create", "--dim", "3"}).status, 0);
  EXPECT_THAT(message({"collection", "create", "--dim", "3"}), HasSubstr("collection 'things' exists"));
  EXPECT_THAT(message({"search", "words"}), HasSubstr("the collection has no model"));
  EXPECT_THAT(message({"search", "[1, 2]"}), HasSubstr("2 components, expected 3"));
  EXPECT_THAT(message({"add", "--input", put("a.jsonl", "{\"id\": 1, \"vector\": [1, 2]}\n")}),
              HasSubstr("point 1: 2 components, expected 3"));
  EXPECT_THAT(message({"add", "--input", put("b.jsonl", "{\"id\": 1, \"text\": \"a\"}\n")}),
              HasSubstr("no model to embed it"));
  EXPECT_THAT(message({"delete"}), HasSubstr("ID or --filter"));
  EXPECT_THAT(message({"delete", "x"}), HasSubstr("'x' is no point id"));
  EXPECT_THAT(message({"count", "--filter", "{\"mus\": []}"}), HasSubstr("--filter"));
}

TEST_F(CollectionCommands, RefuseAnotherModelThanTheCollections) {
  ASSERT_EQ(run({"collection", "create", "--model", "builtin"}).status, 0);
  const std::string other = std::string(SEXTANT_SOURCE_DIR) + "/tests/golden/models/e2e-minilm-style";
  if (!std::filesystem::exists(other)) GTEST_SKIP() << other << " is not there";
  EXPECT_THAT(run({"search", "a", "--model", other}).err, HasSubstr("which are not comparable"));
}

}  // namespace
}  // namespace sextant::cli
