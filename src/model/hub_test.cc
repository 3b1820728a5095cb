// The cache and the pull, against a hub on the loopback that keeps large files on a server of their own, as the real
// one.
#include "model/hub.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/wait.h>

#include <fstream>

#include "base/files.h"
#include "http_server.h"
#include "model/testing_folder.h"
#include "program.h"

namespace sextant::model {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::UnorderedElementsAre;
using tests::HttpServer;
using tests::Reply;
using tests::Request;

constexpr char kCommit[] = "0123456789abcdef0123456789abcdef01234567";

std::string read(const fs::path& path) { return base::read_file(path); }

std::string checksum(const std::string& bytes, bool large) {
  base::TemporaryFolder folder;
  testing_folder::write_file(folder.path() / "x", bytes);
  return large ? sha256_hex(folder.path() / "x") : git_blob_sha1_hex(folder.path() / "x");
}

// Answers GET with Range as servers do.
Reply ranged(const Request& request, const std::string& bytes) {
  std::string range = request.header("range");
  if (range.empty()) return {200, bytes};
  size_t begin = std::stoull(range.substr(6));
  if (begin >= bytes.size()) return {416, ""};
  std::string header =
      "bytes " + std::to_string(begin) + "-" + std::to_string(bytes.size() - 1) + "/" + std::to_string(bytes.size());
  return {206, bytes.substr(begin), {{"Content-Range", header}}};
}

class FakeHub {
 public:
  struct File {
    std::string bytes;
    bool large = false;
  };
  FakeHub()
      : store([this](const Request& request) { return answer_store(request); }),
        hub([this](const Request& request) { return answer(request); }) {}

  void add(const std::string& name, std::string bytes, bool large = false) { files[name] = {std::move(bytes), large}; }

  // What each file of the last pull was asked for with, store and hub together.
  std::vector<std::string> downloads() const {
    std::vector<std::string> out;
    for (const HttpServer* server : {&hub, &store}) {
      for (const Request& request : server->requests()) {
        if (request.method == "GET" && request.target.find("/api/") == std::string::npos) {
          out.push_back(request.target.substr(request.target.find('/', 1) + 1));
        }
      }
    }
    return out;
  }

  std::map<std::string, File> files;
  std::string token;  // where set: wanted of every request to the hub
  std::string commit = kCommit;
  bool checksums_in_list = true;  // else only HEAD tells
  std::function<std::optional<Reply>(const Request&)> hub_trouble, store_trouble;
  HttpServer store, hub;

 private:
  Reply answer(const Request& request) {
    if (hub_trouble) {
      if (auto reply = hub_trouble(request)) return *reply;
    }
    if (!token.empty() && request.header("authorization") != "Bearer " + token) {
      return {401, "{\"error\":\"Invalid username or password.\"}", {{"X-Error-Code", "GatedRepo"}}};
    }
    const std::string api = "/api/models/org/name/revision/main";
    const std::string resolve = "/org/name/resolve/" + commit + "/";
    if (request.target == api + "?blobs=true" || request.target.find("/revision/v1.0?") != std::string::npos) {
      return {200, list()};
    }
    if (request.target.find("/api/models/org/name/revision/") == 0) {
      return {404, "{}", {{"X-Error-Code", "RevisionNotFound"}}};
    }
    if (request.target.find("/api/") == 0) return {404, "{}", {{"X-Error-Code", "RepoNotFound"}}};
    if (request.target.find(resolve) != 0) return {404, "Entry not found"};
    const std::string name = request.target.substr(resolve.size());
    auto file = files.find(name);
    if (file == files.end()) return {404, "Entry not found"};
    const std::string etag = checksum(file->second.bytes, file->second.large);
    if (file->second.large) {
      return {302,
              "",
              {{"Location", store.url() + "/store/" + name},
               {"X-Linked-Etag", "\"" + etag + "\""},
               {"X-Linked-Size", std::to_string(file->second.bytes.size())},
               {"ETag", "\"of-the-redirect\""}}};
    }
    Reply reply = ranged(request, file->second.bytes);
    reply.headers.emplace_back("ETag", "W/\"" + etag + "\"");
    return reply;
  }

  Reply answer_store(const Request& request) {
    if (store_trouble) {
      if (auto reply = store_trouble(request)) return *reply;
    }
    return ranged(request, files.at(request.target.substr(7)).bytes);
  }

  std::string list() const {
    std::string out = "{\"id\":\"org/name\",\"sha\":\"" + commit + "\",\"siblings\":[";
    for (const auto& [name, file] : files) {
      if (out.back() != '[') out += ",";
      out += "{\"rfilename\":\"" + name + "\"";
      if (checksums_in_list) {
        const std::string size = std::to_string(file.bytes.size());
        out += ",\"size\":" + size + ",\"blobId\":\"" + checksum(file.bytes, false) + "\"";
        if (file.large) {
          out += ",\"lfs\":{\"sha256\":\"" + checksum(file.bytes, true) + "\",\"size\":" + size + "}";
        }
      }
      out += "}";
    }
    return out + "]}";
  }
};

class Hub : public testing::Test {
 protected:
  Hub() {
    hub.add("config.json", "{\"model_type\":\"bert\"}");
    hub.add("modules.json", R"([{"idx":0,"name":"0","path":"","type":"x.Transformer"},)"
                            R"({"idx":1,"name":"1","path":"1_Pooling","type":"x.Pooling"}])");
    hub.add("1_Pooling/config.json", "{}");
    hub.add("tokenizer.json", "{\"version\":\"1.0\"}");
    hub.add("model.safetensors", std::string(300'000, 'w') + "end", true);
    hub.add("pytorch_model.bin", "old weights", true);
    hub.add("onnx/model.onnx", "other weights", true);
    hub.add("README.md", "# Name\n");
    options.cache = folder.path() / "hub";
    options.endpoint = hub.hub.url();
    options.retries.attempts_max = 4;
    options.retries.sleep = [](double) {};
  }

  // Settles before and after, so that tests may change the hub between two pulls.
  PullReport pull(std::string_view name, base::Progress* progress = nullptr) {
    struct Settled {
      explicit Settled(FakeHub& hub) : hub_(hub) { settle(); }
      ~Settled() { settle(); }
      void settle() {
        hub_.hub.settle();
        hub_.store.settle();
      }
      FakeHub& hub_;
    } settled(hub);
    return model::pull(name, options, progress);
  }

  Error pull_error(const std::string& name = "org/name") {
    try {
      pull(name);
    } catch (const Error& error) {
      return error;
    }
    ADD_FAILURE() << "nothing was thrown";
    return Error(ErrorCode::internal, "");
  }

  fs::path model() const { return options.cache / "models--org--name"; }
  fs::path blob(const std::string& name) const {
    return model() / "blobs" / checksum(hub.files.at(name).bytes, hub.files.at(name).large);
  }
  // Every link, blob and ref, and nothing else.
  void expect_whole(const PullReport& report) {
    for (const PulledFile& file : report.files) {
      EXPECT_TRUE(read(report.folder / file.name) == hub.files.at(file.name).bytes) << file.name;
    }
    for (const auto& entry : fs::directory_iterator(model() / "blobs")) {
      EXPECT_THAT(entry.path().string(), Not(HasSubstr(".incomplete")));
    }
    EXPECT_EQ(read(model() / "refs" / "main"), kCommit);
  }

  base::TemporaryFolder folder;
  FakeHub hub;
  HubOptions options;
};

TEST_F(Hub, APullLaysTheFilesOutAsOtherToolsExpectThem) {
  PullReport report = pull("org/name");
  EXPECT_EQ(report.folder, model() / "snapshots" / kCommit);
  EXPECT_EQ(report.commit, kCommit);
  EXPECT_TRUE(report.has_weights);
  std::vector<std::string> names;
  for (const PulledFile& file : report.files) {
    names.push_back(file.name);
    EXPECT_TRUE(file.downloaded);
    EXPECT_EQ(file.size_bytes, hub.files.at(file.name).bytes.size());
  }
  EXPECT_THAT(names, UnorderedElementsAre("config.json", "modules.json", "1_Pooling/config.json", "tokenizer.json",
                                          "model.safetensors", "README.md"));
  expect_whole(report);
  // A relative link, one step longer from a folder's file; the ref without a newline; blobs by checksum.
  EXPECT_EQ(fs::read_symlink(report.folder / "config.json").string(),
            "../../blobs/" + checksum("{\"model_type\":\"bert\"}", false));
  EXPECT_EQ(fs::read_symlink(report.folder / "1_Pooling/config.json").string(),
            "../../../blobs/" + checksum("{}", false));
  EXPECT_EQ(fs::read_symlink(report.folder / "model.safetensors").filename().string().size(), 64u);
  std::vector<std::string> top;
  for (const auto& entry : fs::directory_iterator(model())) top.push_back(entry.path().filename());
  EXPECT_THAT(top, UnorderedElementsAre("blobs", "refs", "snapshots"));
  EXPECT_TRUE(fs::exists(options.cache / ".locks" / "models--org--name" /
                         (blob("model.safetensors").filename().string() + ".lock")));
  EXPECT_EQ(find_in_cache("org/name", options.cache), report.folder);
}

TEST_F(Hub, ASecondPullDownloadsNothing) {
  pull("org/name");
  hub.hub.forget_requests();
  hub.store.forget_requests();
  PullReport report = pull("org/name");
  EXPECT_THAT(hub.downloads(), IsEmpty());
  EXPECT_EQ(hub.hub.requests().size(), 1u) << "the list of files, to see whether the branch has moved";
  EXPECT_EQ(report.bytes_downloaded, 0u);
  for (const PulledFile& file : report.files) EXPECT_FALSE(file.downloaded) << file.name;
  expect_whole(report);
}

TEST_F(Hub, ANewCommitSharesTheFilesThatDidNotChange) {
  const fs::path before = pull("org/name").folder;
  hub.commit = "89abcdef0123456789abcdef0123456789abcdef";
  hub.add("config.json", "{\"model_type\":\"mpnet\"}");
  PullReport report = pull("org/name");
  EXPECT_NE(report.folder, before);
  for (const PulledFile& file : report.files) EXPECT_EQ(file.downloaded, file.name == "config.json") << file.name;
  EXPECT_EQ(read(before / "config.json"), "{\"model_type\":\"bert\"}");
  EXPECT_EQ(find_in_cache("org/name", options.cache), report.folder);
  EXPECT_EQ(find_in_cache(std::string("org/name@") + kCommit, options.cache), before);
}

TEST_F(Hub, ARevisionHasItsOwnRef) {
  PullReport report = pull("org/name@v1.0");
  EXPECT_EQ(read(model() / "refs" / "v1.0"), kCommit);
  EXPECT_FALSE(fs::exists(model() / "refs" / "main"));
  EXPECT_EQ(find_in_cache("org/name@v1.0", options.cache), report.folder);
  EXPECT_FALSE(find_in_cache("org/name", options.cache));
  Error error = pull_error("org/name@v9");
  EXPECT_EQ(error.code(), ErrorCode::not_found);
  EXPECT_THAT(error.what(), HasSubstr("v9"));
}

TEST_F(Hub, EverythingIsPulledOnRequest) {
  options.all_files = true;
  EXPECT_EQ(pull("org/name").files.size(), hub.files.size());
}

TEST_F(Hub, AListWithoutChecksumsIsFilledInByAsking) {
  hub.checksums_in_list = false;
  PullReport report = pull("org/name");
  expect_whole(report);
  EXPECT_TRUE(fs::exists(blob("model.safetensors"))) << "the linked ETag, not that of the redirect";
  EXPECT_TRUE(fs::exists(blob("config.json"))) << "without the mark of weakness";
}

TEST_F(Hub, TheTokenGoesToTheHubAndNotToTheStore) {
  hub.token = options.token = "hf_secret";
  expect_whole(pull("org/name"));
  ASSERT_FALSE(hub.store.requests().empty());
  for (const Request& request : hub.store.requests()) EXPECT_EQ(request.header("authorization"), "");
}

TEST_F(Hub, AGatedModelAsksForAToken) {
  hub.token = "hf_secret";
  Error error = pull_error();
  EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
  EXPECT_THAT(error.what(), HasSubstr("HF_TOKEN"));
  EXPECT_THAT(error.what(), HasSubstr("org/name"));
  options.token = "hf_other";
  EXPECT_THAT(pull_error().what(), Not(HasSubstr("hf_other")));
  EXPECT_EQ(hub.hub.requests().size(), 2u) << "a refusal is final";
}

TEST_F(Hub, AnUnknownModelIsNotFoundAndNamesTheEndpoint) {
  Error error = pull_error("org/other");
  EXPECT_EQ(error.code(), ErrorCode::not_found);
  EXPECT_THAT(error.what(), HasSubstr("org/other"));
  EXPECT_THAT(error.what(), HasSubstr(options.endpoint));
  EXPECT_FALSE(fs::exists(options.cache / "models--org--other"));
}

TEST_F(Hub, AnInterruptedDownloadGoesOnWhereItStopped) {
  const std::string& bytes = hub.files.at("model.safetensors").bytes;
  testing_folder::write_file(blob("model.safetensors").string() + ".incomplete", bytes.substr(0, 200'000));
  PullReport report = pull("org/name");
  expect_whole(report);
  ASSERT_EQ(hub.store.requests().size(), 1u);
  EXPECT_EQ(hub.store.requests()[0].header("range"), "bytes=200000-");
}

TEST_F(Hub, APartThatIsWholeAlreadyIsOnlyChecked) {
  testing_folder::write_file(blob("model.safetensors").string() + ".incomplete",
                             hub.files.at("model.safetensors").bytes);
  expect_whole(pull("org/name"));
  EXPECT_THAT(hub.store.requests(), IsEmpty());
}

TEST_F(Hub, ADamagedPartIsDownloadedAnew) {
  for (size_t size : {1000u, 300'003u, 400'000u}) {
    fs::remove_all(options.cache);
    testing_folder::write_file(blob("model.safetensors").string() + ".incomplete", std::string(size, '?'));
    expect_whole(pull("org/name"));
  }
}

TEST_F(Hub, AServerWithoutRangesIsReadFromTheBeginning) {
  hub.store_trouble = [&](const Request&) { return Reply{200, hub.files.at("model.safetensors").bytes}; };
  testing_folder::write_file(blob("model.safetensors").string() + ".incomplete", "half");
  expect_whole(pull("org/name"));
}

TEST_F(Hub, ALineThatBreaksAgainAndAgainIsTakenUpAgain) {
  int count = 0;
  hub.store_trouble = [&](const Request& request) -> std::optional<Reply> {
    Reply reply = ranged(request, hub.files.at("model.safetensors").bytes);
    if (++count <= 3) reply.body_bytes_sent = 70'000;
    return reply;
  };
  expect_whole(pull("org/name"));
  std::vector<std::string> ranges;
  for (const Request& request : hub.store.requests()) ranges.push_back(request.header("range"));
  EXPECT_THAT(ranges, ElementsAre("", "bytes=70000-", "bytes=140000-", "bytes=210000-"));
}

TEST_F(Hub, AStoreThatFailsForGoodIsUnavailableAndLeavesNoRef) {
  hub.store_trouble = [](const Request&) { return Reply{503, "down"}; };
  EXPECT_EQ(pull_error().code(), ErrorCode::unavailable);
  EXPECT_EQ(hub.store.requests().size(), 4u);
  EXPECT_TRUE(fs::is_empty(model() / "refs"));
  EXPECT_TRUE(fs::is_empty(model() / "snapshots"));
  EXPECT_FALSE(find_in_cache("org/name", options.cache));
  hub.store_trouble = {};
  expect_whole(pull("org/name"));
}

TEST_F(Hub, BytesOfAnotherChecksumAreRefused) {
  hub.store_trouble = [&](const Request&) { return Reply{200, std::string(300'003, '!')}; };
  Error error = pull_error();
  EXPECT_EQ(error.code(), ErrorCode::corrupted);
  EXPECT_THAT(error.what(), HasSubstr("model.safetensors"));
  EXPECT_THAT(error.what(), HasSubstr("checksum"));
  EXPECT_FALSE(fs::exists(blob("model.safetensors")));
  EXPECT_FALSE(fs::exists(blob("model.safetensors").string() + ".incomplete"));
  hub.store_trouble = {};
  expect_whole(pull("org/name"));
}

TEST_F(Hub, ABodyLongerThanPromisedIsRefused) {
  hub.store_trouble = [&](const Request&) { return Reply{200, std::string(900'000, '!')}; };
  Error error = pull_error();
  EXPECT_EQ(error.code(), ErrorCode::corrupted);
  EXPECT_THAT(error.what(), HasSubstr("longer"));
  EXPECT_FALSE(fs::exists(blob("model.safetensors")));
}

TEST_F(Hub, ABodyShorterThanPromisedIsRefused) {
  hub.store_trouble = [&](const Request& request) {
    return request.header("range").empty() ? Reply{200, "short"} : Reply{416, ""};
  };
  EXPECT_THAT(pull_error().code(), testing::AnyOf(ErrorCode::corrupted, ErrorCode::unavailable));
  EXPECT_FALSE(fs::exists(blob("model.safetensors")));
  EXPECT_LE(hub.store.requests().size(), 4u);
}

TEST_F(Hub, AnAnswerForAnotherRangeIsRefused) {
  testing_folder::write_file(blob("model.safetensors").string() + ".incomplete", std::string(1000, 'w'));
  hub.store_trouble = [&](const Request&) {
    return Reply{206, std::string(299'003, 'w'), {{"Content-Range", "bytes 5-299007/300003"}}};
  };
  EXPECT_EQ(pull_error().code(), ErrorCode::corrupted);
}

TEST_F(Hub, NamesThatLeaveTheFolderAreRefusedBeforeAnythingIsWritten) {
  for (const std::string name : {"../evil.json", "/etc/evil.json", "a/../../evil.json", "a//b", "a/./b", "..", "a\\\\b",
                                 "evil\\u0000.json", ""}) {
    hub.files.clear();
    hub.add("config.json", "{}");
    hub.hub_trouble = [&](const Request&) {
      return Reply{200, "{\"sha\":\"" + std::string(kCommit) + "\",\"siblings\":[{\"rfilename\":\"config.json\"}," +
                            "{\"rfilename\":\"" + name + "\"}]}"};
    };
    Error error = pull_error();
    EXPECT_EQ(error.code(), ErrorCode::corrupted) << name;
    EXPECT_FALSE(fs::exists(options.cache)) << name;
  }
}

TEST_F(Hub, ListsThatMakeNoSenseAreCorrupted) {
  for (const std::string list : {"", "[", "[]", "{}", "{\"sha\":\"main\",\"siblings\":[]}",
                                 "{\"sha\":\"../../../../../../../../../../../../..\",\"siblings\":[]}",
                                 "{\"sha\":\"0123456789abcdef0123456789abcdef01234567\"}",
                                 "{\"sha\":\"0123456789abcdef0123456789abcdef01234567\",\"siblings\":[1]}"}) {
    hub.hub_trouble = [&](const Request&) { return Reply{200, list}; };
    EXPECT_EQ(pull_error().code(), ErrorCode::corrupted) << list;
  }
}

TEST_F(Hub, AnETagThatIsNoFileNameIsRefused) {
  hub.checksums_in_list = false;
  hub.hub_trouble = [](const Request& request) -> std::optional<Reply> {
    if (request.method != "HEAD") return {};
    return Reply{200, "{}", {{"ETag", "\"../../evil\""}}};
  };
  EXPECT_EQ(pull_error().code(), ErrorCode::corrupted);
  EXPECT_FALSE(fs::exists(options.cache / "evil"));
}

TEST_F(Hub, AModelOfOtherFormatsOnlyIsNotFound) {
  hub.files.clear();
  hub.add("model.gguf", "x", true);
  Error error = pull_error();
  EXPECT_EQ(error.code(), ErrorCode::not_found);
  EXPECT_THAT(error.what(), HasSubstr("among its 1"));
}

TEST_F(Hub, OfflineIsUnavailable) {
  options.offline = true;
  EXPECT_EQ(pull_error().code(), ErrorCode::unavailable);
  options.offline = false;
  hub.hub.stop();
  Error error = pull_error();
  EXPECT_EQ(error.code(), ErrorCode::unavailable);
  EXPECT_THAT(error.what(), HasSubstr("cannot reach"));
}

TEST_F(Hub, ALinkThatLeadsNowhereIsMended) {
  pull("org/name");
  fs::remove(blob("tokenizer.json"));
  PullReport report = pull("org/name");
  expect_whole(report);
  for (const PulledFile& file : report.files) EXPECT_EQ(file.downloaded, file.name == "tokenizer.json") << file.name;
}

TEST_F(Hub, TwoPullsAtOnceShareTheWork) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back([&] { pull("org/name"); });
  for (std::thread& thread : threads) thread.join();
  expect_whole(pull("org/name"));
  std::vector<std::string> downloads = hub.downloads();
  EXPECT_EQ(std::count(downloads.begin(), downloads.end(), "model.safetensors"), 1);
}

TEST_F(Hub, AKilledPullLeavesACacheThatOthersCanRead) {
  int attempts = 0;
  hub.store_trouble = [&](const Request& request) {
    // The half, then silence.
    Reply reply = ranged(request, hub.files.at("model.safetensors").bytes);
    reply.body_bytes_sent = 100'000;
    reply.silent = ++attempts > 1;
    return reply;
  };
  hub.hub.settle();
  hub.store.settle();
  const pid_t child =
      tests::start_program({tests::sextant_program(), "pull", "org/name"}, {"", "/dev/null", "/dev/null"},
                           {"HF_HUB_CACHE=" + options.cache.string(), "HF_ENDPOINT=" + options.endpoint, "HF_TOKEN="});
  int status = 0;
  while (hub.store.requests().size() < 2) ASSERT_EQ(::waitpid(child, &status, WNOHANG), 0) << "status " << status;
  hub.store.settle();
  ::kill(child, SIGKILL);
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_TRUE(fs::is_empty(model() / "refs"));
  EXPECT_TRUE(fs::is_empty(model() / "snapshots"));
  EXPECT_FALSE(find_in_cache("org/name", options.cache));
  EXPECT_EQ(fs::file_size(blob("model.safetensors").string() + ".incomplete"), 100'000u);
  for (const auto& entry : fs::directory_iterator(model() / "blobs")) {
    if (entry.path().extension() == ".incomplete") continue;
    EXPECT_EQ(git_blob_sha1_hex(entry.path()), entry.path().filename());
  }
  hub.store_trouble = {};
  hub.store.forget_requests();
  expect_whole(pull("org/name"));
  EXPECT_EQ(hub.store.requests().at(0).header("range"), "bytes=100000-");
}

class Listener : public base::Progress {
 public:
  void begin(std::string_view, std::string_view, uint64_t all) override {
    total = all;
    ++begun;
  }
  void report(uint64_t now) override {
    EXPECT_GE(now, done);
    EXPECT_EQ(begun, 1);
    done = now;
  }
  void remark(std::string_view) override {}
  void end() override { ++ended; }
  uint64_t total = 0, done = 0;
  int begun = 0, ended = 0;
};

TEST_F(Hub, ProgressCountsTheBytesUpToTheTotal) {
  Listener listener;
  pull("org/name", &listener);
  EXPECT_EQ(listener.done, listener.total);
  EXPECT_GT(listener.total, 300'000u);
  EXPECT_EQ(listener.ended, 1);
}

TEST(HubNames, AreOrgAndNameAndRevision) {
  std::optional<HubName> name = HubName::parse("BAAI/bge-m3@refs/pr/1");
  ASSERT_TRUE(name);
  EXPECT_EQ(name->repository, "BAAI/bge-m3");
  EXPECT_EQ(name->revision, "refs/pr/1");
  EXPECT_EQ(name->folder(), "models--BAAI--bge-m3");
  EXPECT_EQ(HubName::parse("bert-base-uncased")->revision, "main");
  EXPECT_EQ(HubName::parse("bert-base-uncased")->folder(), "models--bert-base-uncased");
  for (const char* wrong : {"", "a/b/c", "/a", "a/", "a/..", "../a", ".a/b", "a b", "a--b/c", "a/b@", "a/b@../x",
                            "a/b@/x", "/tmp/model", "./model", "a/b?c", "a\nb"}) {
    EXPECT_FALSE(HubName::parse(wrong)) << wrong;
  }
}

TEST(HubNames, WhatIsNotInTheCacheIsNotFound) {
  base::TemporaryFolder folder;
  EXPECT_FALSE(find_in_cache("org/name", folder.path()));
  const fs::path model = folder.path() / "models--org--name";
  testing_folder::write_file(model / "refs" / "main", "../../..");
  EXPECT_FALSE(find_in_cache("org/name", folder.path()));
  testing_folder::write_file(model / "refs" / "main", kCommit);
  EXPECT_FALSE(find_in_cache("org/name", folder.path()));
  testing_folder::write_file(model / "snapshots" / kCommit / "README.md", "x");
  EXPECT_FALSE(find_in_cache("org/name", folder.path()));
  testing_folder::write_file(model / "snapshots" / kCommit / "config.json", "{}");
  EXPECT_EQ(find_in_cache("org/name", folder.path()), model / "snapshots" / kCommit);
}

TEST(HubFiles, WeightsAreTakenOnceAndInTheBestForm) {
  EXPECT_THAT(files_needed({"model.safetensors", "pytorch_model.bin", "config.json"}, {}),
              ElementsAre("model.safetensors", "config.json"));
  EXPECT_THAT(files_needed({"pytorch_model.bin", "tf_model.h5", "flax_model.msgpack", "rust_model.ot"}, {}),
              ElementsAre("pytorch_model.bin"));
  EXPECT_THAT(
      files_needed({"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
                    "model.safetensors.index.json", "pytorch_model-00001-of-00001.bin", "pytorch_model.bin.index.json"},
                   {}),
      ElementsAre("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
                  "model.safetensors.index.json"));
  EXPECT_THAT(files_needed({"pytorch_model-00001-of-00001.bin", "pytorch_model.bin.index.json"}, {}),
              ElementsAre("pytorch_model-00001-of-00001.bin", "pytorch_model.bin.index.json"));
  EXPECT_THAT(files_needed({"model-00001-of-00002.safetensors", "model.safetensors"}, {}),
              ElementsAre("model.safetensors"));
}

TEST(HubFiles, ModulesAndTokenizersAreTakenOtherFoldersAndFormatsNot) {
  const std::vector<std::string> taken = {"1_Pooling/config.json",
                                          "2_Dense/config.json",
                                          "2_Dense/model.safetensors",
                                          "LICENSE",
                                          "README.md",
                                          "added_tokens.json",
                                          "colbert_linear.pt",
                                          "config_sentence_transformers.json",
                                          "merges.txt",
                                          "preprocessor_config.json",
                                          "sentence_bert_config.json",
                                          "sentencepiece.bpe.model",
                                          "special_tokens_map.json",
                                          "tokenizer_config.json",
                                          "vocab.txt"};
  std::vector<std::string> all = taken;
  for (const char* file :
       {".gitattributes", "checkpoint-100/model.safetensors", "onnx/model.onnx", "onnx/config.json",
        "openvino/config.json", "2_Dense/onnx/config.json", "2_Densely/config.json", "model.gguf", "train_script.py",
        "training_args.bin", "generation_config.json", "images/x.png", "docs/README.md"}) {
    all.emplace_back(file);
  }
  EXPECT_EQ(files_needed(all, {"", "1_Pooling", "2_Dense", "onnx"}), taken);
}

TEST(HubFiles, ChecksumsAreThoseOfGitAndSha256sum) {
  base::TemporaryFolder folder;
  testing_folder::write_file(folder.path() / "hello", "hello\n");
  testing_folder::write_file(folder.path() / "empty", "");
  EXPECT_EQ(git_blob_sha1_hex(folder.path() / "hello"), "ce013625030ba8dba906f756967f9e9ca394464a");
  EXPECT_EQ(git_blob_sha1_hex(folder.path() / "empty"), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
  EXPECT_EQ(sha256_hex(folder.path() / "hello"), "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03");
  EXPECT_EQ(sha256_hex(folder.path() / "empty"), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

// Sets variables of the environment, and what was there again at its end.
class Environment {
 public:
  explicit Environment(const std::map<std::string, std::string>& values) {
    for (const char* name : {"HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME",
                             "HF_ENDPOINT", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "HF_HUB_OFFLINE"}) {
      const char* old = std::getenv(name);
      if (old) old_[name] = old;
      ::unsetenv(name);
      names_.emplace_back(name);
    }
    for (const auto& [name, value] : values) ::setenv(name.c_str(), value.c_str(), 1);
  }
  ~Environment() {
    for (const std::string& name : names_) ::unsetenv(name.c_str());
    for (const auto& [name, value] : old_) ::setenv(name.c_str(), value.c_str(), 1);
  }

 private:
  std::vector<std::string> names_;
  std::map<std::string, std::string> old_;
};

TEST(HubEnvironment, TheCacheIsWhereOtherToolsLook) {
  auto cache = [](const std::map<std::string, std::string>& values) {
    Environment environment(values);
    return HubOptions::from_environment().cache.string();
  };
  EXPECT_EQ(cache({{"HOME", "/h"}}), "/h/.cache/huggingface/hub");
  EXPECT_EQ(cache({{"HOME", "/h"}, {"XDG_CACHE_HOME", "/x"}}), "/x/huggingface/hub");
  EXPECT_EQ(cache({{"HOME", "/h"}, {"XDG_CACHE_HOME", "/x"}, {"HF_HOME", "~/hf"}}), "/h/hf/hub");
  EXPECT_EQ(cache({{"HOME", "/h"}, {"HF_HOME", "/y"}, {"HF_HUB_CACHE", "/z"}}), "/z");
}

TEST(HubEnvironment, EndpointTokenAndOfflineAreRead) {
  base::TemporaryFolder folder;
  testing_folder::write_file(folder.path() / "token", "hf_of_a_login\n");
  {
    Environment environment(
        {{"HF_HOME", folder.path()}, {"HF_ENDPOINT", "https://mirror.test/"}, {"HF_HUB_OFFLINE", "1"}});
    HubOptions options = HubOptions::from_environment();
    EXPECT_EQ(options.token, "hf_of_a_login");
    EXPECT_EQ(options.endpoint, "https://mirror.test");
    EXPECT_TRUE(options.offline);
  }
  Environment environment({{"HF_HOME", folder.path()}, {"HF_TOKEN", " hf_mine "}});
  HubOptions options = HubOptions::from_environment();
  EXPECT_EQ(options.token, "hf_mine");
  EXPECT_EQ(options.endpoint, "https://huggingface.co");
  EXPECT_FALSE(options.offline);
}

}  // namespace
}  // namespace sextant::model
