// Remote models against a server on the loopback that embeds a text as (its length, its first byte, 1, 0, ...).
#include "model/remote_embedder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <condition_variable>
#include <limits>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/json.h"
#include "http_server.h"
#include "model/remote_answer.h"

namespace sextant::model {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using tests::HttpServer;
using tests::Reply;
using tests::Request;

constexpr size_t kDim = 8;

std::vector<float> vector_of(const std::string& text, size_t dim = kDim) {
  std::vector<float> out(dim, 0.0f);
  out[0] = static_cast<float>(text.size());
  out[1] = static_cast<unsigned char>(text[0]);
  out[2] = 1;
  return out;
}

std::string base64(const std::vector<float>& values) {
  const size_t bytes = values.size() * sizeof(float);
  std::vector<unsigned char> out(bytes * 4 / 3 + 8);
  int size =
      EVP_EncodeBlock(out.data(), reinterpret_cast<const unsigned char*>(values.data()), static_cast<int>(bytes));
  return std::string(out.begin(), out.begin() + size);
}

class FakeApi {
 public:
  FakeApi() : server([this](const Request& request) { return answer(request); }) {}

  // The inputs of each request, in the order of arrival.
  std::vector<std::vector<std::string>> inputs() const {
    std::vector<std::vector<std::string>> out;
    for (const Request& request : server.requests()) out.push_back(base::parse_json(request.body)["input"]);
    return out;
  }

  bool floats = false;    // lists of numbers, whatever was asked for
  bool reversed = false;  // the last text's embedding first
  bool knows_dimensions = true;
  size_t texts_max = 2048;
  std::function<std::optional<Reply>(const Request&)> trouble;
  std::function<void(json&)> spoil;  // changes the answer
  HttpServer server;

 private:
  Reply answer(const Request& request) {
    if (trouble) {
      if (auto reply = trouble(request)) return *reply;
    }
    json body = base::parse_json(request.body);
    std::vector<std::string> input = body["input"];
    if (request.target != "/v1/embeddings" || request.method != "POST") return {404, ""};
    if (input.size() > texts_max) return {413, "{\"error\":\"batch size too large\",\"type\":\"Validation\"}"};
    json data = json::array();
    for (size_t i = 0; i < input.size(); ++i) {
      size_t at = reversed ? input.size() - 1 - i : i;
      size_t dim = knows_dimensions ? body.value("dimensions", kDim) : kDim;
      std::vector<float> vector = vector_of(input[at], dim);
      json item = {{"object", "embedding"}, {"index", at}};
      if (floats) {
        item["embedding"] = vector;
      } else {
        item["embedding"] = base64(vector);
      }
      data.push_back(item);
    }
    json out = {{"object", "list"}, {"data", data}, {"usage", {{"prompt_tokens", 3 * input.size()}}}};
    if (spoil) spoil(out);
    return {200, base::json_text(out)};
  }
};

class Remote : public testing::Test {
 protected:
  Remote() {
    options.base_url = api.server.url() + "/v1";
    options.api_key = "sk-secret";
    options.retries.attempts_max = 3;
    options.retries.sleep = [this](double seconds) {
      std::lock_guard lock(mutex);
      waits.push_back(seconds);
    };
  }

  // [texts, dim]
  std::vector<float> embed(const std::vector<std::string>& texts, EmbedOptions embed_options = {.normalize = false},
                           EmbedReport* report = nullptr) {
    // Settled before and after, so that tests may change the server between two calls.
    struct Settled {
      explicit Settled(HttpServer& server) : server_(server) { server.settle(); }
      ~Settled() { server_.settle(); }
      HttpServer& server_;
    } settled(api.server);
    RemoteEmbedder model("openai:tiny", options);
    std::vector<std::string_view> views(texts.begin(), texts.end());
    std::vector<float> out(texts.size() * (embed_options.dim ? embed_options.dim : model.dim()), -1.0f);
    model.embed(views, embed_options, out, report);
    return out;
  }

  Error embed_error(const std::vector<std::string>& texts = {"a"}, EmbedOptions embed_options = {.dim = kDim}) {
    try {
      embed(texts, embed_options);
    } catch (const Error& error) {
      return error;
    }
    ADD_FAILURE() << "nothing was thrown";
    return Error(ErrorCode::internal, "");
  }

  static std::vector<float> expected(const std::vector<std::string>& texts) {
    std::vector<float> out;
    for (const std::string& text : texts) {
      for (float value : vector_of(text)) out.push_back(value);
    }
    return out;
  }

  static std::vector<std::string> texts_of(size_t count) {
    std::vector<std::string> texts;
    for (size_t i = 0; i < count; ++i) texts.push_back(std::string(i % 40 + 1, static_cast<char>('a' + i % 26)));
    return texts;
  }

  std::mutex mutex;
  std::vector<double> waits;
  FakeApi api;
  RemoteOptions options;
};

TEST_F(Remote, ARequestIsWhatTheApiAsksFor) {
  EXPECT_EQ(embed({"one", "three \xE2\x82\xAC \"quoted\"\n"}), expected({"one", "three \xE2\x82\xAC \"quoted\"\n"}));
  Request request = api.server.requests().back();
  EXPECT_EQ(request.target, "/v1/embeddings");
  EXPECT_EQ(request.header("authorization"), "Bearer sk-secret");
  EXPECT_EQ(request.header("content-type"), "application/json");
  json body = base::parse_json(request.body);
  EXPECT_EQ(body["model"], "tiny");
  EXPECT_EQ(body["encoding_format"], "base64");
  EXPECT_FALSE(body.contains("dimensions"));
}

TEST_F(Remote, ListsOfNumbersAreTakenToo) {
  api.floats = true;
  EXPECT_EQ(embed({"one", "three"}), expected({"one", "three"}));
}

TEST_F(Remote, AnswersInAnyOrderFindTheirTexts) {
  api.reversed = true;
  EXPECT_EQ(embed({"one", "three", "seven77"}), expected({"one", "three", "seven77"}));
}

TEST_F(Remote, ManyTextsBecomeSeveralRequestsWithinTheLimits) {
  options.texts_max = 100;
  options.bytes_max = 1000;
  std::vector<std::string> texts = texts_of(1000);
  EXPECT_EQ(embed(texts), expected(texts));
  size_t count = 0;
  for (const auto& input : api.inputs()) {
    EXPECT_LE(input.size(), 100u);
    size_t bytes = 0;
    for (const std::string& text : input) bytes += text.size();
    EXPECT_LE(bytes, 1000u);
    count += input.size();
  }
  EXPECT_EQ(count, texts.size() + 1) << "each once, and the one that told the dimensions";
}

TEST_F(Remote, ATextLongerThanARequestGoesAlone) {
  options.bytes_max = 10;
  std::vector<std::string> texts = {"a", std::string(50, 'b'), "c", "d"};
  EXPECT_EQ(embed(texts, {.dim = kDim, .normalize = false}), expected(texts));
  EXPECT_THAT(api.inputs(), testing::UnorderedElementsAre(ElementsAre("a"), ElementsAre(std::string(50, 'b')),
                                                          ElementsAre("c", "d")));
}

TEST_F(Remote, SeveralRequestsAreInFlightAndNoMoreThanAllowed) {
  options.requests_max = 3;
  options.texts_max = 10;
  std::mutex gate;
  std::condition_variable changed;
  size_t now = 0, most = 0, done = 0;
  api.trouble = [&](const Request&) -> std::optional<Reply> {
    std::unique_lock lock(gate);
    most = std::max(most, ++now);
    changed.notify_all();
    // The first wait until three are here; were they sent one by one, the test would hang for its limit of 5 s.
    changed.wait_for(lock, std::chrono::seconds(5), [&] { return most >= 3 || done > 0; });
    --now;
    ++done;
    return {};
  };
  std::vector<std::string> texts = texts_of(60);
  EXPECT_EQ(embed(texts, {.dim = kDim, .normalize = false}), expected(texts));
  EXPECT_EQ(most, 3u);
}

TEST_F(Remote, AServerWithASmallerLimitGetsSmallerRequests) {
  api.texts_max = 7;
  std::vector<std::string> texts = texts_of(50);
  EXPECT_EQ(embed(texts), expected(texts));
}

TEST_F(Remote, FewerDimensionsAreAskedFor) {
  RemoteEmbedder model("openai:tiny", options);
  std::string_view text = "abc";
  std::vector<float> out(4);
  model.embed({&text, 1}, {.dim = 4, .normalize = false}, out);
  EXPECT_EQ(base::parse_json(api.server.requests().back().body)["dimensions"], 4);
  EXPECT_THAT(out, ElementsAre(3, 'a', 1, 0));
  EXPECT_EQ(model.dim(), kDim);
  std::vector<float> whole(kDim);
  model.embed({&text, 1}, {.dim = kDim}, whole);
  EXPECT_FALSE(base::parse_json(api.server.requests().back().body).contains("dimensions"))
      << "older models refuse the field even where it asks for all";
  std::vector<float> more(9);
  EXPECT_THROW(model.embed({&text, 1}, {.dim = 9}, more), Error);
}

TEST_F(Remote, AServerThatDoesNotKnowDimensionsIsCutHere) {
  api.knows_dimensions = false;
  EXPECT_THAT(embed({"abc"}, {.dim = 2, .normalize = false}), ElementsAre(3, 'a'));
  std::vector<float> unit = embed({"abc"}, {.dim = 2});
  EXPECT_NEAR(unit[0] * unit[0] + unit[1] * unit[1], 1, 1e-6);
}

TEST_F(Remote, VectorsAreOfUnitLengthUnlessToldOtherwise) {
  std::vector<float> out = embed({"abcd"}, {});
  double sum = 0;
  for (float value : out) sum += static_cast<double>(value) * value;
  EXPECT_NEAR(sum, 1, 1e-6);
  EXPECT_NEAR(out[0] / out[2], 4, 1e-5);
}

TEST_F(Remote, ThePromptIsWrittenBeforeEachTextAndEmptyTextsAreNotSent) {
  EmbedReport report;
  std::vector<float> out = embed({"", "b", ""}, {.dim = kDim, .normalize = false}, &report);
  EXPECT_THAT(report.empty, ElementsAre(0, 2));
  EXPECT_EQ(report.token_count, 3u);
  EXPECT_EQ(std::vector<float>(out.begin(), out.begin() + kDim), std::vector<float>(kDim, 0.0f));
  EXPECT_EQ(out[kDim], 1);
  embed({"x"}, {.dim = kDim, .prompt = "query: "});
  EXPECT_THAT(api.inputs().back(), ElementsAre("query: x"));
}

TEST_F(Remote, InvalidUtf8IsSentRepaired) {
  embed({"a\xFF"}, {.dim = kDim});
  EXPECT_THAT(api.inputs().back(), ElementsAre("a\xEF\xBF\xBD"));
}

TEST_F(Remote, WhatPassesIsRepeatedThenDone) {
  int count = 0;
  api.trouble = [&](const Request&) -> std::optional<Reply> {
    if (++count == 1) return Reply{429, "{}", {{"Retry-After", "3"}}};
    if (count == 2) return Reply{502, "bad gateway"};
    return {};
  };
  EXPECT_EQ(embed({"abc"}, {.dim = kDim, .normalize = false}), expected({"abc"}));
  ASSERT_EQ(waits.size(), 2u);
  EXPECT_EQ(waits[0], 3);
}

TEST_F(Remote, AfterTheLastAttemptItIsUnavailable) {
  api.trouble = [](const Request&) { return Reply{503, "{\"error\":{\"message\":\"overloaded\"}}"}; };
  Error error = embed_error();
  EXPECT_EQ(error.code(), ErrorCode::unavailable);
  EXPECT_THAT(error.what(), HasSubstr("overloaded"));
  EXPECT_EQ(api.server.requests().size(), 3u);
  api.server.stop();
  EXPECT_EQ(embed_error().code(), ErrorCode::unavailable);
}

TEST_F(Remote, AnEmptyAccountIsExhaustedAtOnce) {
  api.trouble = [](const Request&) {
    return Reply{429, "{\"error\":{\"message\":\"no money\",\"code\":\"insufficient_quota\"}}"};
  };
  EXPECT_EQ(embed_error().code(), ErrorCode::exhausted);
  EXPECT_EQ(api.server.requests().size(), 1u);
}

TEST_F(Remote, AWrongKeyNamesTheVariableAndNeverTheKey) {
  api.trouble = [](const Request&) {
    return Reply{401, "{\"error\":{\"message\":\"Incorrect API key provided: sk-secret\"}}"};
  };
  Error error = embed_error();
  EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
  EXPECT_THAT(error.what(), HasSubstr("OPENAI_API_KEY"));
  EXPECT_THAT(error.what(), Not(HasSubstr("sk-secret")));
  EXPECT_EQ(api.server.requests().size(), 1u);
}

TEST_F(Remote, TheServersReasonIsPassedOnWithoutTheKey) {
  api.trouble = [](const Request&) {
    return Reply{400, "{\"error\":{\"message\":\"maximum context length is 8192 tokens\\n(key sk-secret)\"}}"};
  };
  Error error = embed_error({std::string(50'000, 'x')});
  EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
  EXPECT_THAT(error.what(), HasSubstr("maximum context length is 8192 tokens (key [key])"));
  EXPECT_THAT(error.what(), HasSubstr("50000 bytes"));
}

TEST_F(Remote, AnUnknownModelIsNotFound) {
  api.trouble = [](const Request&) { return Reply{404, "{\"error\":{\"message\":\"no model 'tiny'\"}}"}; };
  Error error = embed_error();
  EXPECT_EQ(error.code(), ErrorCode::not_found);
  EXPECT_THAT(error.what(), HasSubstr("no model 'tiny'"));
}

TEST_F(Remote, RedirectsAreNotFollowed) {
  HttpServer elsewhere([](const Request&) { return Reply{}; });
  api.trouble = [&](const Request&) { return Reply{307, "", {{"Location", elsewhere.url() + "/v1/embeddings"}}}; };
  EXPECT_THAT(embed_error().what(), HasSubstr(elsewhere.url()));
  EXPECT_TRUE(elsewhere.requests().empty());
}

TEST_F(Remote, AnswersThatAreNotWhatWasAskedForAreCorrupted) {
  const std::vector<std::pair<std::string, std::function<void(json&)>>> cases = {
      {"one too few", [](json& out) { out["data"].erase(1); }},
      {"one too many", [](json& out) { out["data"].push_back(out["data"][0]); }},
      {"an index twice", [](json& out) { out["data"][1]["index"] = 0; }},
      {"an index beyond", [](json& out) { out["data"][1]["index"] = 2; }},
      {"a negative index", [](json& out) { out["data"][1]["index"] = -1; }},
      {"no data", [](json& out) { out.erase("data"); }},
      {"no embedding", [](json& out) { out["data"][0].erase("embedding"); }},
      {"not base64", [](json& out) { out["data"][0]["embedding"] = "!!!!"; }},
      {"no whole float", [](json& out) { out["data"][0]["embedding"] = "AAAA"; }},
      {"empty", [](json& out) { out["data"][0]["embedding"] = ""; }},
      {"NaN",
       [](json& out) {
         std::vector<float> vector(kDim, std::numeric_limits<float>::quiet_NaN());
         out["data"][0]["embedding"] = base64(vector);
       }},
      {"too large a number", [](json& out) { out["data"][0]["embedding"] = std::vector<double>(kDim, 1e300); }},
      {"no numbers",
       [](json& out) {
         out["data"][0]["embedding"] = {"a", "b"};
       }},
      {"different lengths",
       [](json& out) {
         out["data"][1]["embedding"] = {1, 2, 3};
       }},
      {"too short", [](json& out) {
         for (json& item : out["data"]) item["embedding"] = {1, 2, 3};
       }}};
  for (const auto& [what, spoil] : cases) {
    api.spoil = spoil;
    EXPECT_EQ(embed_error({"a", "b"}).code(), ErrorCode::corrupted) << what;
  }
}

TEST_F(Remote, BadJsonIsCorrupted) {
  for (const char* body : {"", "{", "<html>", "[]", "null", "{\"data\":7}", "{\"data\":[7]}", "{\"data\":[]} x"}) {
    api.trouble = [&](const Request&) { return Reply{200, body}; };
    EXPECT_EQ(embed_error().code(), ErrorCode::corrupted) << body;
  }
}

TEST_F(Remote, AModelThatChangesItsDimensionsIsCorrupted) {
  RemoteEmbedder model("openai:tiny", options);
  EXPECT_EQ(model.dim(), kDim);
  api.server.settle();
  api.spoil = [](json& out) { out["data"][0]["embedding"] = std::vector<float>(kDim + 1, 1.0f); };
  api.server.settle();
  std::string_view text = "a";
  std::vector<float> out(kDim);
  try {
    model.embed({&text, 1}, {}, out);
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::corrupted);
  }
}

TEST_F(Remote, ASilentServerIsGivenUp) {
  options.timeouts = {.connect_s = 1, .stall_s = 1};
  options.retries.attempts_max = 1;
  api.trouble = [](const Request&) {
    Reply reply;
    reply.silent = true;
    return reply;
  };
  EXPECT_EQ(embed_error().code(), ErrorCode::unavailable);
}

TEST_F(Remote, TheDimensionsAreAskedForOnce) {
  RemoteEmbedder model("openai:tiny", options);
  EXPECT_EQ(model.dim(), kDim);
  EXPECT_EQ(model.dim(), kDim);
  EXPECT_EQ(api.server.requests().size(), 1u);
}

TEST_F(Remote, ManyThreadsMayAskOneModel) {
  RemoteEmbedder model("openai:tiny", options);
  std::vector<std::thread> threads;
  for (int t = 0; t < 6; ++t) {
    threads.emplace_back([&, t] {
      std::vector<std::string> texts(20, std::string(static_cast<size_t>(t) + 1, static_cast<char>('a' + t)));
      std::vector<std::string_view> views(texts.begin(), texts.end());
      std::vector<float> out(texts.size() * model.dim());
      model.embed(views, {.normalize = false}, out);
      EXPECT_EQ(out, expected(texts));
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(Remote, TheKeyGoesToItsOwnServerAlone) {
  FakeApi other;
  // The name leads elsewhere than OPENAI_BASE_URL, to another port.
  RemoteEmbedder stranger("openai:tiny@" + other.server.url() + "/v1/", options);
  EXPECT_EQ(stranger.dim(), kDim);
  EXPECT_EQ(other.server.requests().at(0).header("authorization"), "");
  other.server.settle();
  other.trouble = [](const Request&) { return Reply{401, "{}"}; };
  other.server.settle();
  try {
    RemoteEmbedder("openai:tiny@" + other.server.url() + "/v1", options).dim();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("OPENAI_BASE_URL"));
  }
  RemoteEmbedder own("openai:tiny@" + api.server.url() + "/v1", options);
  EXPECT_EQ(own.dim(), kDim);
  EXPECT_EQ(api.server.requests().at(0).header("authorization"), "Bearer sk-secret");
}

TEST_F(Remote, NamesAreModelAndServer) {
  RemoteEmbedder plain("openai:org/tiny@v2", options);
  EXPECT_EQ(plain.name(), "openai:org/tiny@v2") << "only a URL behind @ is a server";
  RemoteEmbedder other("openai:org/tiny@v2@http://user:pass@127.0.0.1:9/v1", options);
  EXPECT_EQ(other.name(), "openai:org/tiny@v2@http://127.0.0.1:9/v1") << "names are shown and stored";
  EXPECT_NE(plain.hash(), other.hash());
  EXPECT_EQ(plain.hash(), RemoteEmbedder("openai:org/tiny@v2", options).hash());
  EXPECT_EQ(plain.similarity(), Metric::cosine);
  for (const char* wrong : {"openai:", "openai:@http://127.0.0.1/", "openai:x@http://", "tiny"}) {
    EXPECT_THROW(RemoteEmbedder(wrong, options), Error) << wrong;
  }
  options.base_url = "ftp://127.0.0.1/";
  EXPECT_THROW(RemoteEmbedder("openai:x", options), Error);
}

TEST(RemoteModels, OfThePublicServerNeedAKeyAndAreKnown) {
  try {
    RemoteEmbedder("openai:text-embedding-3-small", RemoteOptions{});
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    EXPECT_THAT(error.what(), HasSubstr("OPENAI_API_KEY"));
  }
  RemoteOptions options;
  options.api_key = "sk-secret";
  EXPECT_EQ(RemoteEmbedder("openai:text-embedding-3-small", options).dim(), 1536u);
  EXPECT_EQ(RemoteEmbedder("openai:text-embedding-3-large", options).dim(), 3072u);
  EXPECT_EQ(RemoteEmbedder("openai:text-embedding-3-large", options).max_length(), 8191u);
}

TEST_F(Remote, WhatNeedsTheModelItselfIsUnsupported) {
  RemoteEmbedder model("openai:tiny", options);
  std::vector<float> out(kDim);
  std::string_view text = "a";
  const std::vector<std::function<void()>> calls = {[&] { model.tokenizer(); }, [&] { model.explain("a", {}); },
                                                    [&] { model.words(); },
                                                    [&] {
                                                      model.embed({&text, 1}, {.max_length = 5}, out);
                                                    }};
  for (const auto& call : calls) {
    try {
      call();
      ADD_FAILURE() << "nothing was thrown";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::unsupported);
      EXPECT_THAT(error.what(), HasSubstr("openai:tiny"));
    }
  }
}

TEST(RemoteErrors, AreReadInTheFormsOfSeveralServers) {
  EXPECT_EQ(read_api_error(R"({"error":{"message":"m","code":"c","type":"t"}})").message, "m");
  EXPECT_EQ(read_api_error(R"({"error":{"message":"m","code":null,"type":"t"}})").code, "t");
  EXPECT_EQ(read_api_error(R"({"error":"m"})").message, "m");
  EXPECT_EQ(read_api_error(R"({"object":"error","message":"m"})").message, "m");
  EXPECT_EQ(read_api_error(R"({"detail":"m"})").message, "m");
  EXPECT_EQ(read_api_error("<html>").message, "");
  EXPECT_EQ(read_api_error("[]").message, "");
  EXPECT_EQ(read_api_error(R"({"error":"a\nb\u001b[31m"})").message, "a b [31m");
  EXPECT_LE(read_api_error("{\"error\":\"" + std::string(5000, 'x') + "\"}").message.size(), 510u);
}

}  // namespace
}  // namespace sextant::model
