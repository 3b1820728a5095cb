// Collections as a user meets them: create, add, search, get, delete, scroll, count, facet, snapshot, restore.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <sstream>

#include "base/files.h"
#include "base/json.h"
#include "io/duckdb.h"
#include "io/npy.h"
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
  EXPECT_THAT(message({"add", at("docs")}), HasSubstr("'sextant collection create --db"));
  EXPECT_THAT(message({"collection", "create", "--model", "builtin", "--dim", "3"}), HasSubstr("--model or --dim"));
  EXPECT_THAT(message({"collection", "create", "--metric", "l2"}), HasSubstr("--dim"));
  ASSERT_EQ(run({"collection", "create", "--dim", "3"}).status, 0);
  EXPECT_THAT(message({"collection", "create", "--dim", "3"}), HasSubstr("collection 'things' exists"));
  EXPECT_THAT(message({"search", "words"}), HasSubstr("the collection has no model"));
  EXPECT_THAT(message({"search", "[1, 2]"}), HasSubstr("2 components, expected 3"));
  EXPECT_THAT(message({"add", "--input", put("a.jsonl", "{\"id\": 1, \"vector\": [1, 2]}\n")}),
              HasSubstr("point 1: 2 components, expected 3"));
  EXPECT_THAT(message({"add", "--input", put("b.jsonl", "{\"id\": 1, \"text\": \"a\"}\n")}),
              HasSubstr("no model to embed it"));
  EXPECT_THAT(message({"add", "--input", put("c.jsonl", "{\"id\": 1, \"vec\": [1, 2, 3], \"name\": \"a\"}\n")}),
              HasSubstr("row 0 has neither a vector nor a text, only 'vec' and 'name': name the column that holds it"));
  EXPECT_THAT(message({"delete"}), HasSubstr("ID or --filter"));
  EXPECT_THAT(message({"delete", "x"}), HasSubstr("'x' is no point id"));
  EXPECT_THAT(message({"count", "--filter", "{\"mus\": []}"}), HasSubstr("--filter"));
}

TEST_F(CollectionCommands, EmbedByTheBuiltInModelWhereNothingElseIsSaid) {
  EXPECT_THAT(run({"collection", "create"}).err, HasSubstr("of model 'builtin'"));
}

TEST_F(CollectionCommands, RefuseAnotherModelThanTheCollections) {
  ASSERT_EQ(run({"collection", "create", "--model", "builtin"}).status, 0);
  const std::string other = std::string(SEXTANT_SOURCE_DIR) + "/tests/golden/models/e2e-minilm-style";
  if (!std::filesystem::exists(other)) GTEST_SKIP() << other << " is not there";
  EXPECT_THAT(run({"search", "a", "--model", other}).err, HasSubstr("which are not comparable"));
}

// The built-in model with one weight changed: as long vectors, and not comparable.
std::string changed_model(const std::filesystem::path& folder) {
  const std::filesystem::path from = std::string(SEXTANT_SOURCE_DIR) + "/src/model/builtin";
  std::filesystem::copy(from, folder);
  std::fstream file(folder / "model.safetensors", std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(-1, std::ios::end);
  const char last = static_cast<char>(file.get() ^ 1);
  file.seekp(-1, std::ios::end);
  file.put(last);
  return folder.string();
}

TEST_F(CollectionCommands, ReembedWithAnotherModel) {
  put("docs/tap.md", "# A dripping tap\n\nTurn the water off first.\n\n## Washer\n\nReplace the worn washer.\n");
  put("docs/bread.txt", "Baking bread\n\nFlour, yeast and salt. Let the dough rise twice.\n");
  const std::string other = changed_model(at("other"));
  ASSERT_EQ(run({"collection", "create", "--model", "builtin"}).status, 0);
  ASSERT_EQ(run({"collection", "create", "--model", other}, "wanted").status, 0);
  ASSERT_EQ(run({"add", at("docs")}).status, 0);
  ASSERT_EQ(run({"add", at("docs"), "--model", other}, "wanted").status, 0);
  EXPECT_THAT(run({"search", "bake", "--model", other}).err, HasSubstr("which are not comparable"));
  EXPECT_THAT(run({"collection", "reembed"}).err, HasSubstr("--model or --abandon"));
  EXPECT_THAT(run({"collection", "reembed", "--abandon"}).err, HasSubstr("no re-embedding is under way"));
  const Outcome done = run({"collection", "reembed", "--model", other, "--batch", "2", "--json"});
  EXPECT_EQ(done.status, 0) << done.err;
  EXPECT_THAT(done.out, testing::StartsWith("{\"acknowledged\": 2}\n{\"acknowledged\": 3}\n{\"points\":3"));
  EXPECT_THAT(done.err, HasSubstr("Re-embedded 3 points"));
  EXPECT_EQ(json({"collection", "info"})["model"]["name"], other);
  EXPECT_EQ(json({"collection", "info"})["vectors"].size(), 1u);
  const std::vector<std::string> scroll = {"scroll", "--vectors", "--json", "--limit", "1"};
  const auto vector = [&](const std::string& collection) {
    return base::parse_json(run(scroll, collection).out).at("vector");
  };
  EXPECT_EQ(vector("things"), vector("wanted"));
  EXPECT_EQ(json({"search", "how do I bake", "--limit", "1"})["hits"][0]["payload"]["path"], "bread.txt");
  EXPECT_THAT(run({"search", "bake", "--model", "builtin"}).err, HasSubstr("which are not comparable"));
  EXPECT_THAT(run({"add", at("docs")}).err, HasSubstr("2 were there as they are"));
  EXPECT_THAT(run({"collection", "reembed", "--model", other}).err, HasSubstr("already"));
}

// The program is killed at random moments, and the same command goes on until it is done.
TEST_F(CollectionCommands, ReembedGoesOnAfterItWasKilled) {
  const std::string other = changed_model(at("other"));
  std::string rows;
  for (int i = 0; i < 1500; ++i) {
    rows += fmt::format("{{\"id\": {}, \"text\": \"water {} flour and salt {}\"}}\n", i, i, i * 7);
  }
  const std::string input = put("rows.jsonl", rows);
  ASSERT_EQ(run({"collection", "create", "--model", "builtin"}).status, 0);
  ASSERT_EQ(run({"collection", "create", "--model", other}, "wanted").status, 0);
  ASSERT_EQ(run({"add", "--input", input}).status, 0);
  ASSERT_EQ(run({"add", "--input", input}, "wanted").status, 0);
  const std::vector<std::string> command = {
      tests::sextant_program(), "collection", "reembed", "--model", other, "--batch", "20", "--json", "--db", at("db"),
      "--collection",           "things"};
  const uint64_t seed = 20261124;
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937_64 random(seed);
  const auto acknowledged_in = [](const std::string& out) {
    const size_t last = out.rfind("{\"acknowledged\": ");
    return last == std::string::npos ? 0 : std::stoull(out.substr(last + 17));
  };
  uint64_t acknowledged = 0, kills = 0, cut_off = 0;
  for (; kills < 8; ++kills) {
    const std::string out = at(fmt::format("out{}", kills));
    base::write_file_atomically(out, "");
    const pid_t child = tests::start_program(command, {"", out, "/dev/null"});
    // After so many acknowledgements, and a moment more.
    const uint64_t wanted = random() % 8;
    int status = 0;
    pid_t ended = 0;
    while ((ended = ::waitpid(child, &status, WNOHANG)) == 0 && acknowledged_in(base::read_file(out)) < wanted * 20) {
      ::usleep(200);
    }
    ::usleep(static_cast<useconds_t>(random() % 2000));
    if (ended == 0) {
      ::kill(child, SIGKILL);
      ::waitpid(child, &status, 0);
    }
    acknowledged += acknowledged_in(base::read_file(out));
    if (WIFEXITED(status)) break;
    const auto info = json({"collection", "info"});
    cut_off += info.contains("reembed") ? 1 : 0;
    if (info.contains("reembed")) {
      EXPECT_EQ(info["model"]["name"], "builtin");
      EXPECT_EQ(info["model"]["pooling"], "mean");
      EXPECT_EQ(json({"search", "water 7 flour and salt 49", "--limit", "1"})["hits"].size(), 1u);
    }
  }
  EXPECT_GT(cut_off, 3u);
  EXPECT_THAT(run({"collection", "reembed", "--model", "builtin"}).err, HasSubstr("--abandon"));
  const auto outcome = run({"collection", "reembed", "--model", other, "--json"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const nlohmann::json report = base::parse_json(outcome.out.substr(outcome.out.rfind("{\"points\"")));
  SCOPED_TRACE(report.dump());
  EXPECT_GE(report["done_before"], acknowledged);
  EXPECT_EQ(report["done_before"].get<uint64_t>() + report["points"].get<uint64_t>(), 1500u);
  const std::vector<std::string> scroll = {"scroll", "--vectors", "--json", "--limit", "5000"};
  const auto points = [&](const std::string& collection) {
    std::set<std::string> all;
    std::istringstream lines(run(scroll, collection).out);
    for (std::string line; std::getline(lines, line);) {
      const size_t version = line.find("\"version\"");
      all.insert(line.erase(version, line.find(',', version) - version));
    }
    return all;
  };
  const auto now = points("things");
  EXPECT_EQ(now.size(), 1500u);
  EXPECT_TRUE(now == points("wanted"));
}

TEST_F(CollectionCommands, WriteAllPointsIntoAFileThatAddTakes) {
  ASSERT_EQ(run({"collection", "create", "--dim", "2", "--metric", "l2"}).status, 0);
  ASSERT_EQ(run({"collection", "create", "--dim", "2", "--metric", "l2"}, "copy").status, 0);
  std::string rows;
  for (int i = 0; i < 2500; ++i) {
    rows +=
        fmt::format("{{\"id\": {}, \"vector\": [{}, 0.5], \"color\": \"{}\"}}\n", i, i, i % 2 == 0 ? "red" : "blue");
  }
  rows += "{\"id\": \"a name\", \"vector\": [1, 1], \"text\": \"some words\"}\n";
  ASSERT_EQ(run({"add", "--input", put("rows.jsonl", rows)}).status, 0);
  const std::vector<std::string> all = {"scroll", "--vectors", "--json", "--limit", "5000"};
  const auto without_versions = [](std::string text) {
    for (size_t at = 0; (at = text.find("\"version\":", at)) != std::string::npos;) {
      text.erase(at, text.find(',', at) - at);
    }
    return text;
  };
  for (const std::string ending : {".jsonl", ".parquet"}) {
    if (ending == ".parquet" && !io::has_duckdb()) continue;
    const std::string file = at("out" + ending);
    const auto report = json({"scroll", "--output", file, "--vectors"});
    EXPECT_EQ(report["points"], 2501);
    ASSERT_EQ(run({"add", "--input", file}, "copy").status, 0);
    EXPECT_EQ(without_versions(run(all, "copy").out), without_versions(run(all).out)) << ending;
    ASSERT_EQ(run({"delete", "--filter", "{}"}, "copy").status, 0);
  }
  const std::string red = R"({"must": {"key": "color", "match": {"value": "red"}}})";
  const Outcome npy = run({"scroll", "--output", at("red.npy"), "--filter", red, "--from", "100", "--limit", "3"});
  EXPECT_THAT(npy.err, HasSubstr("Wrote 3 points"));
  EXPECT_EQ(base::read_file(at("red.ids.jsonl")),
            "{\"id\":100,\"payload\":{\"color\":\"red\"}}\n"
            "{\"id\":102,\"payload\":{\"color\":\"red\"}}\n"
            "{\"id\":104,\"payload\":{\"color\":\"red\"}}\n");
  const io::NpyFile vectors(at("red.npy"));
  EXPECT_EQ(vectors.floats(), (std::vector<float>{100, 0.5f, 102, 0.5f, 104, 0.5f}));
  EXPECT_THAT(run({"scroll", "--output", at("out.txt")}).err, HasSubstr("unknown ending"));
  EXPECT_FALSE(std::filesystem::exists(at("out.txt")));
}

}  // namespace
}  // namespace sextant::cli
