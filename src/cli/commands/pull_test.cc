// `sextant pull` and `--model openai:...` as users meet them, against servers on the loopback.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "base/json.h"
#include "http_server.h"
#include "model/hub.h"
#include "program.h"

namespace sextant::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using tests::HttpServer;
using tests::Outcome;
using tests::Reply;
using tests::Request;
using tests::run_sextant;

constexpr char kCommit[] = "0123456789abcdef0123456789abcdef01234567";

// The program's environment is this one's; it is given back at the end.
class WithVariables : public testing::Test {
 protected:
  ~WithVariables() override {
    for (const auto& [name, value] : before_) {
      if (value) {
        ::setenv(name.c_str(), value->c_str(), 1);
      } else {
        ::unsetenv(name.c_str());
      }
    }
  }
  void set(const std::string& name, const std::string& value) {
    const char* old = std::getenv(name.c_str());
    before_.emplace(name, old ? std::optional<std::string>(old) : std::nullopt);
    ::setenv(name.c_str(), value.c_str(), 1);
  }

  base::TemporaryFolder folder;

 private:
  std::map<std::string, std::optional<std::string>> before_;
};

// A hub whose one model is the one inside this program, as a folder.
class Pull : public WithVariables {
 protected:
  Pull() : server([this](const Request& request) { return answer(request); }) {
    set("HF_HUB_CACHE", folder.path() / "hub");
    set("HF_ENDPOINT", server.url());
    set("HF_TOKEN", "");
    set("HF_HOME", folder.path() / "home");
  }

  HttpServer server;

 private:
  Reply answer(const Request& request) {
    const fs::path source = fs::path(SEXTANT_SOURCE_DIR) / "src/model/builtin";
    if (request.target.find("/api/models/org/builtin/revision/main") == 0) {
      json siblings = json::array();
      for (const char* name : {"config.json", "tokenizer.json", "model.safetensors"}) {
        const bool large = std::string(name) == "model.safetensors";
        json file = {{"rfilename", name}, {"size", fs::file_size(source / name)}};
        file["blobId"] = model::git_blob_sha1_hex(source / name);
        if (large) {
          file["lfs"] = {{"sha256", model::sha256_hex(source / name)}, {"size", fs::file_size(source / name)}};
        }
        siblings.push_back(file);
      }
      return {200, base::json_text(json{{"sha", kCommit}, {"siblings", siblings}})};
    }
    if (request.target.find("/org/builtin/resolve/") == 0) {
      return {200, base::read_file(source / request.target.substr(request.target.rfind('/') + 1))};
    }
    return {404, "{}", {{"X-Error-Code", "RepoNotFound"}}};
  }
};

TEST_F(Pull, APulledModelIsFoundByItsNameEverywhere) {
  Outcome before = run_sextant({"similarity", "dog", "puppy", "--model", "org/builtin"});
  EXPECT_EQ(before.status, 3);
  EXPECT_THAT(before.err, HasSubstr("sextant pull org/builtin"));

  Outcome pulled = run_sextant({"pull", "org/builtin"});
  EXPECT_EQ(pulled.status, 0) << pulled.err;
  EXPECT_EQ(pulled.out, (folder.path() / "hub/models--org--builtin/snapshots" / kCommit).string() + "\n");
  EXPECT_THAT(pulled.err, HasSubstr("3 of 3 files downloaded"));

  server.stop();
  Outcome named = run_sextant({"similarity", "dog", "puppy", "--model", "org/builtin"});
  EXPECT_EQ(named.status, 0) << named.err;
  EXPECT_EQ(named.out, run_sextant({"similarity", "dog", "puppy"}).out);
}

TEST_F(Pull, JsonTellsWhatWasDone) {
  json out = base::parse_json(run_sextant({"pull", "org/builtin", "--json", "--quiet"}).out);
  EXPECT_EQ(out["commit"], kCommit);
  EXPECT_EQ(out["files"].size(), 3u);
  EXPECT_GT(out["bytes_downloaded"], 0);
  Outcome again = run_sextant({"pull", "org/builtin", "--json", "--quiet"});
  EXPECT_EQ(base::parse_json(again.out)["bytes_downloaded"], 0);
  EXPECT_THAT(again.err, IsEmpty());
}

TEST_F(Pull, FailuresHaveTheirExitStatus) {
  Outcome unknown = run_sextant({"pull", "org/unknown"});
  EXPECT_EQ(unknown.status, 3);
  EXPECT_THAT(unknown.err, HasSubstr("not_found"));
  EXPECT_EQ(run_sextant({"pull", "../evil"}).status, 2);
  set("HF_HUB_OFFLINE", "1");
  EXPECT_EQ(run_sextant({"pull", "org/builtin"}).status, 5);
}

TEST_F(WithVariables, ARemoteModelEmbedsLikeALocalOne) {
  HttpServer server([](const Request& request) {
    json data = json::array();
    for (size_t i = 0; i < base::parse_json(request.body)["input"].size(); ++i) {
      data.push_back({{"index", i}, {"embedding", {3.0, 4.0}}});
    }
    return Reply{200, base::json_text(json{{"data", data}})};
  });
  set("OPENAI_BASE_URL", server.url() + "/v1");
  set("OPENAI_API_KEY", "sk-secret");
  Outcome outcome = run_sextant({"embed", "--model", "openai:tiny", "one", "two"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("{\"index\": 0, \"embedding\": [0.6, 0.8]}"));
  EXPECT_THAT(outcome.out, HasSubstr("{\"index\": 1, \"embedding\": [0.6, 0.8]}"));
  EXPECT_EQ(run_sextant({"similarity", "--model", "openai:tiny", "one", "two"}).status, 0);
}

}  // namespace
}  // namespace sextant::cli
