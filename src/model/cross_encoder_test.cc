#include "model/cross_encoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <thread>

#include "base/files.h"
#include "base/json.h"
#include "model/testing_folder.h"
#include "model/transformer_model.h"
#include "sextant/error.h"

namespace sextant::model {
namespace {

using testing::HasSubstr;
using testing_folder::FolderCopy;
using testing_folder::golden;
using testing_folder::identifier;
using testing_folder::Json;

std::vector<float> score(const CrossEncoder& model, std::string_view query, const std::vector<std::string>& documents,
                         const RerankOptions& options = {}, EmbedReport* report = nullptr) {
  const std::vector<std::string_view> views(documents.begin(), documents.end());
  std::vector<float> scores(documents.size());
  model.score(query, views, options, scores, report);
  return scores;
}

std::vector<std::string> many_documents() {
  std::vector<std::string> documents = {"", "Paris is the capital of France."};
  for (size_t i = 0; i < 120; ++i) {
    std::string text;
    for (size_t w = 0; w < 5 + i * 7 % 90; ++w) text += w % 3 == i % 3 ? "the capital " : "man of france ";
    documents.push_back(text);
  }
  return documents;
}

// A decoder that answers: Qwen3's small tokenizer has neither word, so two of its special tokens become them.
class AnsweringDecoder {
 public:
  AnsweringDecoder() : folder_("e2e-qwen3-style") {
    folder_.edit("tokenizer.json", [](Json& json) {
      auto& added = json["added_tokens"];
      added[added.size() - 1]["content"] = "yes";
      added[added.size() - 2]["content"] = "no";
    });
    folder_.edit("tokenizer_config.json", [](Json& json) { json.erase("model_max_length"); });
  }
  const FolderCopy& folder() const { return folder_; }

 private:
  FolderCopy folder_;
};

class RerankerOf : public testing::TestWithParam<std::string> {};

TEST_P(RerankerOf, AScoreIsTheSameWhateverTheOtherDocuments) {
  const CrossEncoder model(golden(GetParam()));
  const std::vector<std::string> documents = many_documents();
  EmbedReport report;
  const std::vector<float> together = score(model, "what is the capital", documents, {}, &report);
  EXPECT_GT(report.token_count, 4096u) << "one pack would hold them all";
  for (size_t i = 0; i < documents.size(); ++i) {
    EXPECT_TRUE(std::isfinite(together[i]));
    EXPECT_EQ(score(model, "what is the capital", {documents[i]})[0], together[i]) << "document " << i;
  }
}

TEST_P(RerankerOf, AScoreIsTheSigmoidOfTheRawOneUnlessTheConfigSaysOtherwise) {
  const FolderCopy folder(GetParam());
  const std::vector<std::string> documents = {"Paris is the capital", "a man"};
  const std::vector<float> raw = score(CrossEncoder(folder.path()), "capital", documents, {.raw = true});
  const std::vector<float> scores = score(CrossEncoder(folder.path()), "capital", documents);
  for (size_t i = 0; i < 2; ++i) EXPECT_NEAR(scores[i], 1 / (1 + std::exp(-double{raw[i]})), 1e-6);
  EXPECT_NE(raw, scores);

  folder.set("config.json", "sbert_ce_default_activation_function", "torch.nn.modules.linear.Identity");
  EXPECT_EQ(score(CrossEncoder(folder.path()), "capital", documents), raw);
  folder.set("config.json", "sentence_transformers", {{"activation_fn", "torch.nn.modules.activation.Sigmoid"}});
  EXPECT_EQ(score(CrossEncoder(folder.path()), "capital", documents), scores) << "the newer key wins";
  folder.set("config.json", "sentence_transformers", {{"activation_fn", "torch.nn.modules.linear.Identity"}});
  EXPECT_EQ(score(CrossEncoder(folder.path()), "capital", documents), raw);
  folder.set("config.json", "sentence_transformers", {{"activation_fn", "mine.Squash"}});
  EXPECT_THROW(CrossEncoder(folder.path()), Error);
}

TEST_P(RerankerOf, WhatIsCutIsReported) {
  const CrossEncoder model(golden(GetParam()));
  const std::string text = many_documents().back();
  for (size_t limit : {8, 20}) {
    EmbedReport report;
    EXPECT_TRUE(std::isfinite(score(model, "capital", {"man", text}, {.max_length = limit}, &report)[1]));
    EXPECT_EQ(model.token_ids("capital", text, {.max_length = limit}).size(), limit);
    ASSERT_FALSE(report.truncated.empty());
    EXPECT_EQ(report.truncated.back().item, 1u);
    EXPECT_EQ(report.truncated.back().tokens_dropped,
              model.token_ids("capital", text, {.max_length = 100000}).size() < model.encoder().max_positions
                  ? model.token_ids("capital", text, {.max_length = 100000}).size() - limit
                  : report.truncated.back().tokens_dropped);
  }
  EXPECT_LE(model.token_ids("capital", text + text, {}).size(), model.max_length());
  for (size_t limit : {1, 2, 3, 4}) {
    EXPECT_TRUE(std::isfinite(score(model, "capital", {text}, {.max_length = limit})[0])) << limit;
  }
}

TEST_P(RerankerOf, EmptyTextsHaveAScore) {
  const CrossEncoder model(golden(GetParam()));
  for (float s : score(model, "", {"", " ", "man"})) EXPECT_TRUE(std::isfinite(s));
  EXPECT_TRUE(score(model, "man", {}).empty());
  std::vector<float> few(1);
  const std::vector<std::string_view> two = {"a", "b"};
  EXPECT_THROW(model.score("man", two, {}, few, nullptr), Error);
}

// More documents than are tokenised at once.
TEST_P(RerankerOf, ManyScoresAreTheSameBytesInTheirOrderForAnyNumberOfThreads) {
  const CrossEncoder model(golden(GetParam()));
  const std::vector<std::string> some = many_documents();
  std::vector<std::string> documents;
  for (size_t i = 0; i < 700; ++i) {
    documents.push_back(i % 90 == 5 ? some.back() + some.back() + some.back()
                                    : some[i % some.size()].substr(0, i % 80));
  }
  for (bool raw : {false, true}) {
    EmbedReport of_one;
    const std::vector<float> one = score(model, "capital", documents, {.raw = raw}, &of_one);
    EXPECT_FALSE(of_one.truncated.empty());
    for (size_t threads : {2, 5}) {
      EmbedReport of_many;
      EXPECT_EQ(score(model, "capital", documents, {.raw = raw, .threads = threads}, &of_many), one) << threads;
      EXPECT_EQ(of_many.token_count, of_one.token_count);
      ASSERT_EQ(of_many.truncated.size(), of_one.truncated.size());
      for (size_t i = 0; i < of_one.truncated.size(); ++i) {
        EXPECT_EQ(of_many.truncated[i].item, of_one.truncated[i].item);
        EXPECT_EQ(of_many.truncated[i].tokens_dropped, of_one.truncated[i].tokens_dropped);
      }
    }
    for (size_t i : {0, 5, 511, 512, 699}) EXPECT_EQ(score(model, "capital", {documents[i]}, {.raw = raw})[0], one[i]);
  }
}

TEST_P(RerankerOf, CallsAtOnceDoNotDisturbEachOther) {
  const CrossEncoder model(golden(GetParam()));
  const std::vector<std::string> documents = many_documents();
  const std::vector<float> alone = score(model, "capital", documents);
  std::vector<std::vector<float>> got(4);
  std::vector<std::thread> callers;
  for (auto& mine : got) callers.emplace_back([&] { mine = score(model, "capital", documents, {.threads = 3}); });
  for (std::thread& caller : callers) caller.join();
  for (const auto& mine : got) EXPECT_EQ(mine, alone);
}

TEST_P(RerankerOf, ALowerPrecisionIsCheckedWhenLoadedAndSaysHowNearItCame) {
  const std::vector<std::string> documents = {"Paris is the capital", "a man", ""};
  const std::vector<float> exact = score(CrossEncoder(golden(GetParam())), "capital", documents, {.raw = true});
  for (Compute compute : {Compute::bfloat16, Compute::int8}) {
    const CrossEncoder lower(golden(GetParam()), {compute});
    EXPECT_EQ(lower.compute(), compute);
    ASSERT_EQ(lower.precision_checks().size(), 1u);
    const PrecisionCheck& check = lower.precision_checks()[0];
    EXPECT_EQ(check.compute, compute);
    EXPECT_EQ(check.measure, PrecisionMeasure::spread);
    EXPECT_GT(check.value, 0);
    EXPECT_LT(check.value, 0.2);
    EXPECT_EQ(check.passed(), check.value <= precision_bar(compute, PrecisionMeasure::spread));
    const std::vector<float> scores = score(lower, "capital", documents, {.raw = true});
    EXPECT_NE(scores, exact);
    for (size_t i = 0; i < documents.size(); ++i) EXPECT_NEAR(scores[i], exact[i], 0.2);
  }
}

// What automatic takes has reached its bar, or is float32 with float32's bytes.
TEST_P(RerankerOf, AutomaticTakesNothingThatMissesItsBar) {
  const CrossEncoder chosen(golden(GetParam()), {Compute::automatic});
  ASSERT_FALSE(chosen.precision_checks().empty());
  for (const PrecisionCheck& check : chosen.precision_checks()) {
    EXPECT_EQ(check.passed(), check.compute == chosen.compute()) << check.text();
  }
  const std::vector<std::string> documents = many_documents();
  EXPECT_EQ(score(chosen, "capital", documents),
            score(CrossEncoder(golden(GetParam()), {chosen.compute()}), "capital", documents));
}

TEST_P(RerankerOf, APackedCacheOfItsOwnGivesTheSameScoresAndChecks) {
  const base::TemporaryFolder cache;
  const auto outcome = [](const auto& model) {
    for (const Origin& origin : model.origins()) {
      if (origin.what == "packed cache") return origin.value;
    }
    return std::string();
  };
  const std::vector<std::string> documents = many_documents();
  for (Compute compute : {Compute::float32, Compute::bfloat16, Compute::int8, Compute::automatic}) {
    SCOPED_TRACE(name(compute));
    // The same folder as an embedder has layers fitted to other texts.
    EXPECT_EQ(outcome(TransformerModel(golden(GetParam()), {}, {}, {compute, cache.path()})), "written");
    const CrossEncoder plain(golden(GetParam()), {compute});
    EXPECT_EQ(outcome(plain), "");
    const std::vector<float> want = score(plain, "capital", documents);
    for (const char* expected : {"written", "read"}) {
      const CrossEncoder model(golden(GetParam()), {compute, cache.path()});
      EXPECT_EQ(outcome(model), expected);
      EXPECT_EQ(score(model, "capital", documents), want);
      EXPECT_EQ(model.compute(), plain.compute());
      ASSERT_EQ(model.precision_checks().size(), plain.precision_checks().size());
      for (size_t i = 0; i < plain.precision_checks().size(); ++i) {
        EXPECT_EQ(model.precision_checks()[i].text(), plain.precision_checks()[i].text());
        EXPECT_EQ(model.precision_checks()[i].value, plain.precision_checks()[i].value);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Folder, RerankerOf, testing::Values("e2e-crossencoder-bert", "e2e-reranker-xlmr"),
                         [](const auto& folder) { return identifier(folder.param); });

TEST(CrossEncoder, ADecodersScoreIsItsYesAgainstItsNo) {
  const AnsweringDecoder decoder;
  const CrossEncoder model(decoder.folder().path());
  const std::vector<std::string> documents = {"A man is eating.", "", "The girl"};
  EmbedReport report;
  const std::vector<float> raw = score(model, "food", documents, {.raw = true}, &report);
  const std::vector<float> scores = score(model, "food", documents);
  EXPECT_TRUE(report.truncated.empty());
  const Tokenizer tokenizer = Tokenizer::load(decoder.folder().path());
  for (size_t i = 0; i < documents.size(); ++i) {
    TokenBatch batch;
    batch.ids = model.token_ids("food", documents[i], {});
    batch.sequences.append(batch.ids.size());
    const tensor::Matrix logits = model.logits(batch);
    const auto logit = [&](const char* word) {
      return logits.row(0)[static_cast<size_t>(tokenizer.token_to_id(word).value())];
    };
    EXPECT_EQ(raw[i], logit("yes") - logit("no"));
    EXPECT_NEAR(scores[i], 1 / (1 + std::exp(-double{raw[i]})), 1e-6);
    EXPECT_EQ(score(model, "food", {documents[i]})[0], scores[i]);
  }
  EXPECT_NE(score(model, "food", documents, {.instruction = "Find a man"}), scores);
  // The frame around query and document stays whole; of these only what fits is read.
  const size_t whole = model.token_ids("food", documents[0], {}).size();
  report = {};
  score(model, "food", {documents[0]}, {.max_length = whole - 3}, &report);
  ASSERT_EQ(report.truncated.size(), 1u);
  EXPECT_EQ(report.truncated[0].tokens_dropped, 3u);
}

TEST(CrossEncoder, ADecodersAnswersAreCheckedAsScoresAre) {
  const AnsweringDecoder decoder;
  const std::vector<std::string> documents = {"A man is eating.", "", "The girl"};
  const std::vector<float> exact = score(CrossEncoder(decoder.folder().path()), "food", documents, {.raw = true});
  const CrossEncoder lower(decoder.folder().path(), {Compute::bfloat16});
  ASSERT_EQ(lower.precision_checks().size(), 1u);
  EXPECT_GT(lower.precision_checks()[0].value, 0);
  EXPECT_LT(lower.precision_checks()[0].value, 0.1) << lower.precision_checks()[0].text();
  const std::vector<float> scores = score(lower, "food", documents, {.raw = true});
  EXPECT_NE(scores, exact);
  for (size_t i = 0; i < documents.size(); ++i) EXPECT_NEAR(scores[i], exact[i], 0.05);
  EXPECT_EQ(score(lower, "food", documents, {.raw = true, .threads = 3}), scores);
}

TEST(CrossEncoder, IsKnownByAClassifierWithOneLabel) {
  EXPECT_TRUE(CrossEncoder::is_one(golden("e2e-crossencoder-bert")));
  EXPECT_TRUE(CrossEncoder::is_one(golden("e2e-reranker-xlmr")));
  EXPECT_FALSE(CrossEncoder::is_one(golden("bert-mean")));
  EXPECT_FALSE(CrossEncoder::is_one(golden("qwen3-reranker"))) << "an embedder's config says the same";
  EXPECT_FALSE(CrossEncoder::is_one("/nowhere/at/all"));
  const FolderCopy folder("e2e-crossencoder-bert");
  folder.set("config.json", "id2label", {{"0", "no"}, {"1", "yes"}});
  EXPECT_FALSE(CrossEncoder::is_one(folder.path()));
}

// Multiplies every float of the parameters whose names end in ENDING.
void magnify(const FolderCopy& folder, std::string_view ending, float factor) {
  std::string bytes = base::read_file(folder.at("model.safetensors"));
  uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, bytes.data(), sizeof header_bytes);
  const Json header = base::parse_json(bytes.substr(sizeof header_bytes, header_bytes));
  for (const auto& [name, tensor] : header.items()) {
    if (!name.ends_with(ending)) continue;
    for (size_t at = tensor["data_offsets"][0]; at < tensor["data_offsets"][1]; at += sizeof(float)) {
      float value = 0;
      char* place = &bytes[sizeof header_bytes + header_bytes + at];
      std::memcpy(&value, place, sizeof value);
      value *= factor;
      std::memcpy(place, &value, sizeof value);
    }
  }
  folder.write("model.safetensors", bytes);
}

TEST(CrossEncoder, ThatFallsBackScoresWithAHeadInFloat32AsWell) {
  // Attention so sharp that roundings decide where it looks; the head uses the encoder's pooler.
  const FolderCopy folder("e2e-crossencoder-bert");
  magnify(folder, "query.weight", 100);
  const CrossEncoder exact(folder.path()), chosen(folder.path(), {Compute::automatic});
  ASSERT_TRUE(exact.encoder().pooler);
  ASSERT_EQ(chosen.compute(), Compute::float32);
  EXPECT_FALSE(chosen.precision_checks().back().passed()) << chosen.precision_checks().back().text();
  const std::vector<std::string> documents = many_documents();
  EXPECT_EQ(score(chosen, "capital", documents, {.raw = true}), score(exact, "capital", documents, {.raw = true}));
}

TEST(CrossEncoder, ADecoderWithoutTheTwoAnswersIsNoReranker) {
  try {
    score(CrossEncoder(golden("e2e-qwen3-style")), "food", {"a man"});
    ADD_FAILURE() << "it gave a score";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::unsupported);
    EXPECT_THAT(e.what(), HasSubstr("yes and no"));
  }
}

TEST(CrossEncoder, AnAnswerOutsideTheTableIsNoAnswer) {
  const AnsweringDecoder decoder;
  decoder.folder().edit("tokenizer.json", [](Json& json) {
    auto& added = json["added_tokens"];
    added[added.size() - 1]["content"] = "maybe";
    Json yes = added[added.size() - 1];
    yes["id"] = 5000;
    yes["content"] = "yes";
    added.push_back(yes);
  });
  try {
    score(CrossEncoder(decoder.folder().path()), "food", {"a man"});
    ADD_FAILURE() << "it gave a score";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::unsupported) << e.what();
  }
}

void expect_unsupported(const std::filesystem::path& folder, std::string_view named) {
  try {
    CrossEncoder model(folder);
    ADD_FAILURE() << folder << " was taken";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::unsupported) << e.what();
    EXPECT_THAT(e.what(), HasSubstr(std::string(named)));
    EXPECT_THAT(e.what(), HasSubstr(folder.filename().string()));
  }
}

TEST(CrossEncoder, RefusesModelsThatScoreNothing) {
  expect_unsupported(golden("bert-mean"), "'classifier.weight' is missing");
  expect_unsupported(golden("t5-encoder-relu"), "'classifier.weight' is missing");
  expect_unsupported(golden("llama-lasttoken"), "'model_type' is \"llama\"");
  expect_unsupported(golden("mistral-lasttoken"), "'model_type' is \"mistral\"");
}

TEST(CrossEncoder, WithoutATokenizerStillComputesFromTokenIds) {
  const CrossEncoder model(golden("qwen3-reranker"));
  TokenBatch batch;
  batch.ids = {5, 6, 7};
  batch.sequences.append(3);
  EXPECT_EQ(model.logits(batch).columns(), model.encoder().vocabulary_size);
  const CrossEncoder lower(golden("qwen3-reranker"), {Compute::int8});
  ASSERT_EQ(lower.precision_checks().size(), 1u) << "checked by made-up ids";
  EXPECT_LT(lower.precision_checks()[0].value, 0.5);
  try {
    score(model, "food", {"a man"});
    ADD_FAILURE() << "it gave a score";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::not_found);
  }
}

TEST(CrossEncoder, FilesThatAreMissingOrBrokenAreNamed) {
  for (const char* file : {"config.json", "model.safetensors", "tokenizer.json"}) {
    for (bool gone : {true, false}) {
      if (gone && file == std::string_view("tokenizer.json")) continue;
      const FolderCopy folder("e2e-crossencoder-bert");
      if (gone) {
        folder.remove(file);
      } else {
        folder.write(file, "{\"a\": ");
      }
      try {
        CrossEncoder model(folder.path());
        ADD_FAILURE() << file;
      } catch (const Error& e) {
        EXPECT_EQ(e.code(), gone ? ErrorCode::not_found : ErrorCode::corrupted) << e.what();
        EXPECT_THAT(e.what(), HasSubstr(file));
      }
    }
  }
  EXPECT_THROW(Reranker::load("/nowhere/at/all"), Error);
}

}  // namespace
}  // namespace sextant::model
