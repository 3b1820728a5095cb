#include "model/transformer_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/json.h"
#include "base/random.h"
#include "model/testing_folder.h"
#include "sextant/error.h"

namespace sextant::model {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing_folder::FolderCopy;
using testing_folder::golden;
using testing_folder::identifier;
using testing_folder::Json;

std::vector<float> embed(const Embedder& model, const std::vector<std::string>& texts, const EmbedOptions& options = {},
                         EmbedReport* report = nullptr) {
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  std::vector<float> out(texts.size() * (options.dim > 0 ? options.dim : model.dim()));
  model.embed(views, options, out, report);
  return out;
}

double length_of(const std::vector<float>& vector) {
  double squares = 0;
  for (float x : vector) squares += double{x} * x;
  return std::sqrt(squares);
}

bool same_bytes(const float* a, const float* b, size_t count) { return std::memcmp(a, b, count * sizeof(float)) == 0; }

// Sentences of none to a few hundred words, more tokens in all than are computed at once.
std::vector<std::string> many_texts() {
  constexpr const char* kWords[] = {"a",     "man", "is",     "eating", "food",    "The",    "girl",
                                    "woman", "on",  "guitar", "cheese", "playing", "Zürich", "42"};
  base::Random random(7);
  std::vector<std::string> texts = {"", " ", "man"};
  for (size_t i = 0; i < 90; ++i) {
    std::string text;
    const size_t words = i % 7 == 0 ? 1 : i % 5 == 0 ? 300 : 10 + random.below(80);
    for (size_t w = 0; w < words; ++w) text += std::string(w > 0 ? " " : "") + kWords[random.below(std::size(kWords))];
    texts.push_back(text);
  }
  return texts;
}

class EndToEnd : public testing::TestWithParam<std::string> {
 protected:
  EndToEnd() : model_(golden(GetParam())) {}
  TransformerModel model_;
};

TEST_P(EndToEnd, ATextsVectorIsTheSameBytesWhateverItsNeighbours) {
  const std::vector<std::string> texts = many_texts();
  const size_t dim = model_.dim();
  EmbedReport report;
  const std::vector<float> together = embed(model_, texts, {}, &report);
  EXPECT_GT(report.token_count, 4096u) << "one pack would hold them all";
  for (float x : together) ASSERT_TRUE(std::isfinite(x));
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::vector<float> alone = embed(model_, {texts[i]});
    EXPECT_TRUE(same_bytes(alone.data(), together.data() + i * dim, dim)) << "text " << i;
  }
  const std::vector<std::string> turned(texts.rbegin(), texts.rend());
  const std::vector<float> backwards = embed(model_, turned);
  for (size_t i = 0; i < texts.size(); ++i) {
    EXPECT_TRUE(same_bytes(backwards.data() + (texts.size() - 1 - i) * dim, together.data() + i * dim, dim));
  }
}

// More texts than are tokenised at once, of all lengths, some of them empty.
TEST_P(EndToEnd, ManyTextsGiveTheSameBytesInTheirOrderForAnyNumberOfThreads) {
  std::vector<std::string> texts;
  const std::vector<std::string> some = many_texts();
  for (size_t i = 0; i < 1200; ++i) {
    const std::string& text = some[i % some.size()];
    texts.push_back(i % 97 == 5 ? "" : text.substr(0, 1 + i * 31 % 60) + " " + std::to_string(i));
  }
  EmbedReport of_one, of_many;
  const std::vector<float> one = embed(model_, texts, {.threads = 1}, &of_one);
  for (size_t threads : {2, 5}) {
    of_many = {};
    EXPECT_EQ(embed(model_, texts, {.threads = threads}, &of_many), one) << threads;
    EXPECT_EQ(of_many.token_count, of_one.token_count);
    EXPECT_EQ(of_many.empty, of_one.empty);
  }
  const size_t dim = model_.dim();
  for (size_t i : {size_t{0}, size_t{511}, size_t{512}, texts.size() - 1}) {
    EXPECT_TRUE(same_bytes(embed(model_, {texts[i]}).data(), one.data() + i * dim, dim)) << "text " << i;
  }
}

// Calls from several threads at once share one pool.
TEST_P(EndToEnd, CallsAtOnceDoNotDisturbEachOther) {
  const std::vector<std::string> texts = {"a tap that drips", "bank", "", many_texts()[8].substr(0, 200)};
  const std::vector<float> alone = embed(model_, texts);
  std::vector<std::vector<float>> got(4);
  std::vector<std::thread> callers;
  for (auto& mine : got) callers.emplace_back([&] { mine = embed(model_, texts, {.threads = 3}); });
  for (std::thread& caller : callers) caller.join();
  for (const auto& mine : got) EXPECT_EQ(mine, alone);
}

TEST_P(EndToEnd, TruncationKeepsTheFrameAndIsReported) {
  const std::string text = many_texts()[8];
  for (size_t limit : {4, 9, 20}) {
    EmbedReport report;
    embed(model_, {"man", text}, {.max_length = limit}, &report);
    const std::vector<TokenId> ids = model_.token_ids(text, {.max_length = limit});
    const std::vector<TokenId> whole = model_.tokenizer().encode(text).ids;
    EXPECT_EQ(ids.size(), limit);
    EXPECT_EQ(ids.back(), model_.token_ids("man", {}).back()) << "the end token stays";
    ASSERT_EQ(report.truncated.size(), 1u);
    EXPECT_EQ(report.truncated[0].item, 1u);
    EXPECT_EQ(report.truncated[0].tokens_dropped, whole.size() - limit);
    EXPECT_EQ(report.token_count, limit + model_.token_ids("man", {}).size());
  }
  EXPECT_LE(model_.token_ids(text, {.max_length = 100000}).size(), 100000u);
  const std::vector<TokenId> longest = model_.token_ids(text, {});
  if (model_.max_length() > 0) {
    EXPECT_EQ(longest.size(), std::min(model_.max_length(), model_.tokenizer().encode(text).ids.size()));
  }
}

TEST_P(EndToEnd, AnEmptyTextAndOneOfSpacesAreTheSameAndNumbers) {
  const std::vector<float> vectors = embed(model_, {"", "  \t\n "});
  for (float x : vectors) EXPECT_TRUE(std::isfinite(x));
  if (GetParam() == "e2e-bge-m3") return;  // its own library does not strip
  EXPECT_TRUE(same_bytes(vectors.data(), vectors.data() + model_.dim(), model_.dim()));
}

TEST_P(EndToEnd, AWordInTwoSentencesGetsTwoVectorsAndItsPlace) {
  const std::string texts[] = {"  A man is eating food.", "The girl sees a man"};
  std::vector<std::vector<float>> vectors;
  for (const std::string& text : texts) {
    const TokenVectors tokens = model_.embed_tokens(text, {});
    ASSERT_EQ(tokens.offsets.size(), tokens.ids.size());
    ASSERT_EQ(tokens.tokens.size(), tokens.ids.size());
    ASSERT_EQ(tokens.vectors.size(), tokens.ids.size() * tokens.dim);
    EXPECT_EQ(tokens.ids, model_.token_ids(text, {}));
    for (size_t i = 0; i < tokens.ids.size(); ++i) {
      std::string there = text.substr(tokens.offsets[i].begin, tokens.offsets[i].end - tokens.offsets[i].begin);
      const size_t letter = there.find_first_not_of(' ');
      if (letter != std::string::npos && there.substr(letter) == "man") {
        vectors.emplace_back(tokens.vectors.begin() + static_cast<ptrdiff_t>(i * tokens.dim),
                             tokens.vectors.begin() + static_cast<ptrdiff_t>((i + 1) * tokens.dim));
      }
    }
  }
  ASSERT_EQ(vectors.size(), 2u);
  EXPECT_NE(vectors[0], vectors[1]);
}

TEST_P(EndToEnd, OffsetsReferToTheTextWithoutPromptAndStayRightWhereItIsCut) {
  const std::string prompt = "query: ", text = " A man is eating food. The girl is on the guitar.";
  const TokenVectors whole = model_.embed_tokens(text, {.prompt = prompt});
  const TokenVectors cut = model_.embed_tokens(text, {.max_length = 9, .prompt = prompt});
  ASSERT_EQ(cut.ids.size(), 9u);
  ASSERT_GT(whole.ids.size(), 12u);
  std::vector<bool> covered(text.size(), false);
  size_t last = 0;
  for (const TokenOffset& offset : whole.offsets) {
    ASSERT_LE(offset.begin, offset.end);
    ASSERT_LE(offset.end, text.size());
    if (offset == TokenOffset{}) continue;
    EXPECT_GE(offset.begin, last);
    last = offset.begin;
    for (size_t i = offset.begin; i < offset.end; ++i) covered[i] = true;
  }
  for (size_t i = 0; i < text.size(); ++i) EXPECT_TRUE(covered[i] || text[i] == ' ') << "byte " << i << " has no token";
  const size_t frame = model_.token_ids("", {}).empty() ? 0 : 1;
  for (size_t i = 0; i + frame < 9; ++i) EXPECT_EQ(cut.offsets[i], whole.offsets[i]) << i;
  if (frame > 0 && GetParam() != "e2e-bge-m3") {
    EXPECT_EQ(cut.offsets[8], TokenOffset{}) << "the end token is no part of the text";
  }
}

TEST_P(EndToEnd, AnExplanationWeighsTheTokens) {
  const Explanation explanation = model_.explain("A man is eating food.", {});
  double sum = 0;
  for (const Explanation::Token& token : explanation.tokens) sum += token.weight;
  EXPECT_NEAR(sum, 1, 1e-5);
  EXPECT_EQ(explanation.vector, embed(model_, {"A man is eating food."}));
  EXPECT_GT(explanation.norm_before, 0);
}

TEST_P(EndToEnd, ALowerPrecisionIsCheckedWhenLoadedAndSaysHowNearItCame) {
  for (Compute compute : {Compute::bfloat16, Compute::int8}) {
    const TransformerModel lower(golden(GetParam()), {}, {}, LoadOptions{compute});
    EXPECT_EQ(lower.compute(), compute);
    ASSERT_EQ(lower.precision_checks().size(), 1u);
    const PrecisionCheck& check = lower.precision_checks()[0];
    EXPECT_EQ(check.compute, compute);
    EXPECT_GT(check.value, 0.9);
    EXPECT_LT(check.value, 1.0);
    EXPECT_EQ(check.passed(), check.value >= precision_bar(compute));
    EXPECT_NE(check.text().find(check.passed() ? "which reaches 0.99" : "below the bar of 0.99"), std::string::npos);
    EXPECT_NE(embed(lower, {"a tap that drips"}), embed(model_, {"a tap that drips"}));
  }
}

// What automatic takes has reached its bar, or is float32 with float32's bytes.
TEST_P(EndToEnd, AutomaticTakesNothingThatMissesItsBar) {
  const TransformerModel chosen(golden(GetParam()), {}, {}, LoadOptions{Compute::automatic});
  ASSERT_FALSE(chosen.precision_checks().empty());
  for (const PrecisionCheck& check : chosen.precision_checks()) {
    EXPECT_EQ(check.passed(), check.compute == chosen.compute()) << check.text();
  }
  if (chosen.compute() == Compute::float32) {
    EXPECT_EQ(embed(chosen, {"a tap that drips"}), embed(model_, {"a tap that drips"}));
  }
}

TEST(Computes, AreNamedAsOnTheCommandLine) {
  for (Compute compute : {Compute::float32, Compute::bfloat16, Compute::int8, Compute::automatic}) {
    EXPECT_EQ(parse_compute(name(compute)), compute);
  }
  try {
    parse_compute("fp8");
    ADD_FAILURE() << "fp8 was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    EXPECT_NE(std::string(error.what()).find("float32, bfloat16, int8 or auto"), std::string::npos);
  }
}

INSTANTIATE_TEST_SUITE_P(Folder, EndToEnd,
                         testing::Values("e2e-bge-m3", "e2e-bge-style", "e2e-e5-multilingual-style", "e2e-gtr-t5-style",
                                         "e2e-minilm-style", "e2e-modernbert-style", "e2e-mpnet-style",
                                         "e2e-qwen3-style", "e2e-roberta-style"),
                         [](const auto& folder) { return identifier(folder.param); });

TEST(TransformerModel, AShorterDimIsThePrefixNormalisedAgain) {
  const TransformerModel model(golden("e2e-minilm-style"));
  const std::vector<float> raw = embed(model, {"A man"}, {.normalize = false});
  for (size_t dim : {size_t{1}, size_t{7}, model.dim()}) {
    const std::vector<float> prefix(raw.begin(), raw.begin() + static_cast<ptrdiff_t>(dim));
    const std::vector<float> cut = embed(model, {"A man"}, {.dim = dim});
    ASSERT_EQ(cut.size(), dim);
    for (size_t c = 0; c < dim; ++c) EXPECT_NEAR(cut[c], prefix[c] / length_of(prefix), 1e-6);
    EXPECT_EQ(embed(model, {"A man"}, {.dim = dim, .normalize = false}), prefix);
  }
  try {
    embed(model, {"A man"}, {.dim = model.dim() + 1});
    ADD_FAILURE() << "it was taken";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::invalid_argument);
  }
  std::vector<float> small(model.dim() - 1);
  const std::string_view text = "A man";
  EXPECT_THROW(model.embed(std::span(&text, 1), {}, small, nullptr), Error);
}

TEST(TransformerModel, NormalisesAsTheConfigSaysUnlessItIsTold) {
  const FolderCopy folder("e2e-minilm-style");
  const TransformerModel normalised(folder.path());
  folder.edit("modules.json", [](Json& modules) { modules.erase(2); });
  const TransformerModel bare(folder.path());
  const std::vector<std::string> text = {"A man"};
  EXPECT_NEAR(length_of(embed(normalised, text)), 1, 1e-6);
  EXPECT_GT(std::abs(length_of(embed(bare, text)) - 1), 1e-3);
  EXPECT_EQ(embed(normalised, text, {.normalize = true}), embed(normalised, text));
  EXPECT_EQ(embed(bare, text, {.normalize = false}), embed(bare, text));
  EXPECT_EQ(embed(normalised, text, {.normalize = false}), embed(bare, text));
  EXPECT_EQ(embed(bare, text, {.normalize = true}), embed(normalised, text));
}

TEST(TransformerModel, ANormalizeBeforeADenseLayerIsApplied) {
  const FolderCopy folder("distilbert-dense-tanh");
  TokenBatch batch;
  batch.ids = {5, 6, 7, 8};
  batch.sequences.append(4);
  const TransformerModel plain(folder.path());
  folder.edit("modules.json", [](Json& modules) {
    modules.insert(modules.begin() + 2, Json{{"idx", 2}, {"name", "n"}, {"path", "n"}, {"type", "x.Normalize"}});
  });
  const TransformerModel model(folder.path());
  const tensor::Matrix hidden = model.hidden_states(batch);
  tensor::Matrix pooled = pool(model.pooling(), hidden, batch.sequences);
  const double norm = length_of({pooled.data(), pooled.data() + pooled.columns()});
  base::ThreadPool threads(1);
  tensor::Context context{threads};
  tensor::scale(pooled, static_cast<float>(1 / norm), context);
  const auto& dense = std::get<DenseModule>(model.modules().back());
  tensor::Matrix want = dense.linear(pooled, context);
  tensor::activate(dense.activation, want.values());
  for (std::optional<bool> normalize : {std::optional<bool>(), std::optional<bool>(false)}) {
    const tensor::Matrix got = model.sentence_vectors(hidden, batch.sequences, {}, normalize);
    for (size_t c = 0; c < got.columns(); ++c) EXPECT_NEAR(got.row(0)[c], want.row(0)[c], 1e-6);
  }
  const tensor::Matrix without = plain.sentence_vectors(hidden, batch.sequences, {}, std::nullopt);
  EXPECT_GT(std::abs(without.row(0)[0] - want.row(0)[0]), 1e-4);
}

TEST(TransformerModel, WritesThePromptBeforeTheText) {
  const FolderCopy folder("e2e-e5-multilingual-style");
  const TransformerModel model(folder.path());
  EXPECT_THAT(model.prompts(),
              testing::UnorderedElementsAre(testing::Pair("query", "query: "), testing::Pair("passage", "passage: ")));
  EXPECT_EQ(embed(model, {"a man"}, {.prompt = "query: "}), embed(model, {"query: a man"}));
  EXPECT_NE(embed(model, {"a man"}), embed(model, {"query: a man"}));

  folder.set("config_sentence_transformers.json", "default_prompt_name", "query");
  const TransformerModel prompted(folder.path());
  EXPECT_EQ(embed(prompted, {"a man"}), embed(model, {"query: a man"}));
  EXPECT_EQ(embed(prompted, {"a man"}, {.prompt = "passage: "}), embed(model, {"passage: a man"}));
  EXPECT_EQ(prompted.embed_tokens("a man", {}).ids, model.token_ids("query: a man", {}));

  folder.set("config_sentence_transformers.json", "default_prompt_name", "nobody");
  try {
    TransformerModel(folder.path());
    ADD_FAILURE() << "it was taken";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::corrupted);
    EXPECT_THAT(e.what(), HasSubstr("config_sentence_transformers.json: 'default_prompt_name' is \"nobody\""));
  }
}

TEST(TransformerModel, LeavesThePromptOutOfThePoolingWhereTheConfigSaysSo) {
  const FolderCopy folder("e2e-minilm-style");
  folder.set("1_Pooling/config.json", "include_prompt", false);
  const TransformerModel model(folder.path());
  const TokenVectors tokens = model.embed_tokens("woman on guitar", {.prompt = "a man is "});
  const size_t skipped = 4;  // [CLS] a man is
  ASSERT_EQ(tokens.ids.size(), 8u);
  const std::vector<float> got = embed(model, {"woman on guitar"}, {.normalize = false, .prompt = "a man is "});
  for (size_t c = 0; c < model.dim(); ++c) {
    double mean = 0;
    for (size_t i = skipped; i < 8; ++i) mean += double{tokens.vectors[i * tokens.dim + c]} / (8 - skipped);
    EXPECT_NEAR(got[c], mean, 1e-5);
  }
  const TransformerModel whole(golden("e2e-minilm-style"));
  EXPECT_EQ(embed(model, {"a man"}), embed(whole, {"a man"})) << "no prompt, nothing to leave out";
  // A prompt that fills the whole input leaves nothing to pool.
  EmbedReport report;
  for (float x : embed(model, {"woman"}, {.max_length = 4, .prompt = "a man is on the guitar "}, &report))
    EXPECT_EQ(x, 0);
  EXPECT_THAT(report.empty, ElementsAre(0u));
  EXPECT_EQ(report.truncated.size(), 1u);
}

TEST(TransformerModel, CountsALowerCasedPromptAsItIsUsed) {
  const FolderCopy folder("e2e-roberta-style");
  folder.set("sentence_bert_config.json", "do_lower_case", true);
  folder.set("1_Pooling/config.json", "include_prompt", false);
  const TransformerModel model(folder.path());
  EXPECT_EQ(model.token_ids("WOMAN", {.prompt = "A MAN IS "}), model.token_ids("woman", {.prompt = "a man is "}));
  EXPECT_EQ(embed(model, {"WOMAN"}, {.prompt = "A MAN IS "}), embed(model, {"woman"}, {.prompt = "a man is "}));
}

TEST(TransformerModel, OffsetsOfALowerCasedTextReferToTheOriginal) {
  const FolderCopy folder("e2e-roberta-style");
  folder.set("sentence_bert_config.json", "do_lower_case", true);
  const TransformerModel model(folder.path());
  // U+0130 grows by a byte in lower case, U+212A (the Kelvin sign) shrinks to one: places after them are shifted.
  const std::string text = "\xC4\xB0 \xE2\x84\xAA A MAN IS EATING";
  const TokenVectors tokens = model.embed_tokens(text, {});
  std::string pieces;
  for (const TokenOffset& offset : tokens.offsets) pieces += text.substr(offset.begin, offset.end - offset.begin);
  EXPECT_THAT(pieces, testing::EndsWith("MANISEATING"));
}

TEST(TransformerModel, ATextWithoutTokensIsZeroAndReported) {
  const FolderCopy folder("e2e-minilm-style");
  folder.set("tokenizer.json", "post_processor", nullptr);
  const TransformerModel model(folder.path());
  EmbedReport report;
  const std::vector<float> vectors = embed(model, {"a man", "", "woman", " "}, {}, &report);
  EXPECT_THAT(report.empty, ElementsAre(1u, 3u));
  for (size_t c = 0; c < model.dim(); ++c) {
    EXPECT_EQ(vectors[model.dim() + c], 0);
    EXPECT_EQ(vectors[3 * model.dim() + c], 0);
  }
  const std::vector<float> alone = embed(model, {"woman"});
  EXPECT_TRUE(same_bytes(alone.data(), vectors.data() + 2 * model.dim(), model.dim()));
  for (float x : embed(model, {""}, {.normalize = true})) EXPECT_EQ(x, 0);
  EXPECT_TRUE(model.embed_tokens("", {}).ids.empty());
  EXPECT_TRUE(embed(model, {}).empty());
}

TEST(TransformerModel, CountsUnknownTokens) {
  const TransformerModel model(golden("e2e-minilm-style"));
  EmbedReport report;
  embed(model, {"a man", "\xE2\x98\x83 man \xE2\x98\x83"}, {}, &report);
  EXPECT_EQ(report.unknown_count, 2u);
}

TEST(TransformerModel, SpladeGivesWeightsOfEntriesAndNoDenseVectors) {
  const TransformerModel model(golden("e2e-splade"));
  const std::vector<std::string_view> texts = {"A man is eating food.", "", "The girl", "A man is eating food."};
  Outputs out;
  EmbedReport report;
  EXPECT_FALSE(model.outputs().dense);
  EXPECT_TRUE(model.outputs().sparse);
  model.embed_outputs(texts, {}, {.dense = false, .sparse = true}, out, &report);
  EXPECT_TRUE(out.dense.empty());
  ASSERT_EQ(out.sparse.size(), 4u);
  for (const SparseVector& sparse : out.sparse) {
    ASSERT_EQ(sparse.ids.size(), sparse.weights.size());
    EXPECT_TRUE(std::is_sorted(sparse.ids.begin(), sparse.ids.end()));
    for (float weight : sparse.weights) EXPECT_GT(weight, 0);
  }
  EXPECT_GT(out.sparse[0].ids.size(), 0u);
  EXPECT_EQ(out.sparse[0].ids, out.sparse[3].ids);
  EXPECT_EQ(out.sparse[0].weights, out.sparse[3].weights);
  Outputs alone;
  model.embed_outputs(std::span(texts).subspan(2, 1), {}, {.dense = false, .sparse = true}, alone, nullptr);
  EXPECT_EQ(alone.sparse[0].weights, out.sparse[2].weights);
  try {
    embed(model, {"A man"});
    ADD_FAILURE() << "it gave dense vectors";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::unsupported);
    EXPECT_THAT(e.what(), HasSubstr("no dense vectors"));
  }
}

TEST(TransformerModel, SpladeHasNoExplanationOfADenseVector) {
  const TransformerModel model(golden("e2e-splade"));
  EXPECT_THROW(model.explain("A man", {}), Error);
  EXPECT_EQ(model.embed_tokens("A man", {}).ids.size(), 4u);
}

TEST(TransformerModel, BgeM3GivesThreeOutputsFromOnePass) {
  const TransformerModel model(golden("e2e-bge-m3"));
  const std::vector<std::string> owned = many_texts();
  const std::vector<std::string_view> texts(owned.begin(), owned.end());
  Outputs out;
  model.embed_outputs(texts, {}, {.dense = true, .sparse = true, .multi = true}, out, nullptr);
  EXPECT_EQ(out.dense, embed(model, owned));
  ASSERT_EQ(out.sparse.size(), texts.size());
  ASSERT_EQ(out.multi.size(), texts.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::vector<TokenId> ids = model.token_ids(texts[i], {});
    const TokenVectors& multi = out.multi[i];
    EXPECT_EQ(multi.ids, std::vector<TokenId>(ids.begin() + 1, ids.end())) << "all but the first";
    EXPECT_EQ(multi.tokens.size(), multi.ids.size());
    ASSERT_EQ(multi.vectors.size(), multi.ids.size() * multi.dim);
    const SparseVector& sparse = out.sparse[i];
    EXPECT_TRUE(std::is_sorted(sparse.ids.begin(), sparse.ids.end()));
    for (TokenId id : sparse.ids) {
      EXPECT_NE(std::find(ids.begin(), ids.end(), id), ids.end());
      EXPECT_NE(id, ids.front()) << "the first token's weight is dropped";
      EXPECT_NE(id, ids.back()) << "and the last's";
    }
    Outputs alone;
    model.embed_outputs(std::span(&texts[i], 1), {}, {.dense = false, .sparse = true, .multi = true}, alone, nullptr);
    EXPECT_EQ(alone.sparse[0].ids, sparse.ids);
    EXPECT_EQ(alone.sparse[0].weights, sparse.weights);
    EXPECT_EQ(alone.multi[0].vectors, multi.vectors);
    EXPECT_TRUE(alone.dense.empty());
  }
}

TEST(TransformerModel, RefusesOutputsItDoesNotHave) {
  const TransformerModel model(golden("e2e-minilm-style"));
  const std::string_view text = "A man";
  Outputs out;
  for (OutputSet wanted : {OutputSet{.dense = false, .sparse = true}, OutputSet{.dense = false, .multi = true}}) {
    try {
      model.embed_outputs(std::span(&text, 1), {}, wanted, out, nullptr);
      ADD_FAILURE() << "it gave them";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::unsupported);
    }
  }
}

// The message of the Error with CODE that loading FOLDER throws; it names the file or folder NAMED.
std::string load_error(const FolderCopy& folder, ErrorCode code, std::string_view named) {
  try {
    TransformerModel(folder.path());
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), code) << e.what();
    EXPECT_THAT(e.what(), HasSubstr(std::string(named)));
    EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos) << e.what();
    return e.what();
  }
  ADD_FAILURE() << folder.path() << " was loaded, expected an error that names " << named;
  return {};
}

TEST(TransformerModelFiles, ThatAreMissingAreNamed) {
  for (auto [name, file] : {std::pair{"e2e-minilm-style", "config.json"},
                            {"e2e-minilm-style", "1_Pooling/config.json"},
                            {"e2e-splade", "1_SpladePooling/config.json"},
                            {"embeddinggemma", "2_Dense/config.json"}}) {
    const FolderCopy folder(name);
    folder.remove(file);
    load_error(folder, ErrorCode::not_found, folder.at(file));
  }
  const FolderCopy weights("e2e-minilm-style");
  weights.remove("model.safetensors");
  EXPECT_THAT(load_error(weights, ErrorCode::not_found, weights.path().string()), HasSubstr("model.safetensors"));
  const FolderCopy dense("embeddinggemma");
  dense.remove("3_Dense/model.safetensors");
  load_error(dense, ErrorCode::not_found, "3_Dense");
}

TEST(TransformerModelFiles, WithBrokenJsonAreNamed) {
  for (auto [name, file] : {std::pair{"e2e-minilm-style", "config.json"},
                            {"e2e-minilm-style", "modules.json"},
                            {"e2e-minilm-style", "sentence_bert_config.json"},
                            {"e2e-minilm-style", "config_sentence_transformers.json"},
                            {"e2e-minilm-style", "tokenizer_config.json"},
                            {"e2e-minilm-style", "tokenizer.json"},
                            {"e2e-minilm-style", "1_Pooling/config.json"},
                            {"e2e-splade", "1_SpladePooling/config.json"},
                            {"e2e-bge-m3", "special_tokens_map.json"},
                            {"embeddinggemma", "2_Dense/config.json"}}) {
    for (const char* text : {"", "{\"a\": ", "\"x\"", "\xFF\xFE{}"}) {
      const FolderCopy folder(name);
      folder.write(file, text);
      load_error(folder, ErrorCode::corrupted, file);
    }
  }
}

TEST(TransformerModelFiles, WithoutATokenizerStillComputeFromTokenIds) {
  const FolderCopy folder("e2e-minilm-style");
  folder.remove("tokenizer.json");
  folder.remove("vocab.txt");
  const TransformerModel model(folder.path());
  TokenBatch batch;
  batch.ids = {1, 2, 3};
  batch.sequences.append(3);
  EXPECT_EQ(model.hidden_states(batch).rows(), 3u);
  try {
    embed(model, {"A man"});
    ADD_FAILURE() << "it was embedded";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::not_found);
    EXPECT_THAT(e.what(), HasSubstr("tokenizer"));
  }
}

TEST(TransformerModelModules, ThatAreUnknownOrOutOfOrderAreUnsupported) {
  const Json pooling = {{"type", "sentence_transformers.models.Pooling"}, {"path", "1_Pooling"}};
  const Json dense = {{"type", "sentence_transformers.models.Dense"}, {"path", "2_Dense"}};
  struct Case {
    Json modules;
    ErrorCode code;
    const char* named;
  };
  const Case cases[] = {
      {Json::array({{{"type", "sentence_transformers.models.WordWeights"}, {"path", "9"}}}), ErrorCode::unsupported,
       "'sentence_transformers.models.WordWeights' is unknown"},
      {Json::array({{{"type", "mine.WeightedLayerPooling"}, {"path", "9"}}}), ErrorCode::unsupported, "is unknown"},
      {Json::array({dense, pooling}), ErrorCode::unsupported, "a Pooling before it"},
      {Json::array({pooling, pooling}), ErrorCode::unsupported, "one Pooling"},
      {Json::array({{{"path", "1_Pooling"}}}), ErrorCode::corrupted, "'type' is missing"},
      {Json::array({{{"type", "x.Pooling"}, {"path", 1}}}), ErrorCode::corrupted, "'path'"},
      {Json::array({{{"type", "x.Pooling"}, {"path", "../1_Pooling"}}}), ErrorCode::corrupted, "'path'"},
      {Json::array({{{"type", "x.Transformer"}, {"path", "/etc"}}}), ErrorCode::corrupted, "'path'"},
      {Json::array({"Pooling"}), ErrorCode::corrupted, "item 0"},
      {Json::array({{{"type", "x.SpladePooling"}, {"path", "1_Pooling"}}}), ErrorCode::corrupted, "SPLADE"},
      {Json::object(), ErrorCode::corrupted, "not a JSON list"}};
  for (const Case& c : cases) {
    const FolderCopy folder("embeddinggemma");
    folder.write("modules.json", base::json_text(c.modules));
    SCOPED_TRACE(base::json_text(c.modules));
    load_error(folder, c.code, c.named);
  }
  // Layers on token vectors, as models for late interaction have them.
  const FolderCopy folder("embeddinggemma");
  folder.set("2_Dense/config.json", "module_input_name", "token_embeddings");
  load_error(folder, ErrorCode::unsupported, "'module_input_name'");
}

TEST(TransformerModelModules, AreAcceptedByTheirNewerNames) {
  const FolderCopy folder("e2e-minilm-style");
  const std::vector<float> want = embed(TransformerModel(folder.path()), {"A man"});
  folder.edit("modules.json", [](Json& modules) {
    modules[0]["type"] = "sentence_transformers.base.modules.transformer.Transformer";
    modules[1]["type"] = "sentence_transformers.sentence_transformer.modules.pooling.Pooling";
    modules[2]["type"] = "sentence_transformers.sentence_transformer.modules.normalize.Normalize";
  });
  folder.write("1_Pooling/config.json",
               R"({"embedding_dimension": 32, "pooling_mode": "mean", "include_prompt": true})");
  EXPECT_EQ(embed(TransformerModel(folder.path()), {"A man"}), want);
}

TEST(TransformerModelModules, WithWrongSettingsAreNamed) {
  struct Case {
    const char* file;
    const char* key;
    Json value;
    ErrorCode code;
    const char* named;
  };
  const size_t huge = size_t{1} << 60;
  const Case cases[] = {
      {"1_Pooling/config.json", "pooling_mode", "median", ErrorCode::unsupported, "'pooling_mode'"},
      {"2_Dense/config.json", "out_features", 0, ErrorCode::corrupted, "'out_features'"},
      {"2_Dense/config.json", "out_features", huge, ErrorCode::corrupted, "'out_features'"},
      {"2_Dense/config.json", "out_features", 95, ErrorCode::corrupted, "'linear.weight' has shape"},
      {"2_Dense/config.json", "bias", true, ErrorCode::corrupted, "'linear.bias'"},
      {"2_Dense/config.json", "activation_function", "torch.nn.Mish", ErrorCode::unsupported, "'torch.nn.Mish'"},
      {"sentence_bert_config.json", "max_seq_length", 0, ErrorCode::corrupted, "sentence_bert_config.json"},
      {"sentence_bert_config.json", "max_seq_length", -5, ErrorCode::corrupted, "sentence_bert_config.json"},
      {"sentence_bert_config.json", "max_seq_length", "512", ErrorCode::corrupted, "'max_seq_length'"},
      {"sentence_bert_config.json", "do_lower_case", 1, ErrorCode::corrupted, "'do_lower_case'"},
      {"config_sentence_transformers.json", "similarity_fn_name", "angle", ErrorCode::unsupported,
       "'similarity_fn_name'"},
      {"config_sentence_transformers.json", "prompts", Json::array({"x"}), ErrorCode::corrupted, "'prompts'"},
      {"config_sentence_transformers.json", "prompts", {{"query", 3}}, ErrorCode::corrupted, "prompts: 'query'"}};
  for (const Case& c : cases) {
    const FolderCopy folder("embeddinggemma");
    folder.set(c.file, c.key, c.value);
    SCOPED_TRACE(std::string(c.file) + ": " + c.key + " = " + base::json_text(c.value));
    load_error(folder, c.code, c.named);
  }
}

TEST(TransformerModelLimits, TheSmallestOfPositionsAndConfigsHolds) {
  const FolderCopy folder("e2e-minilm-style");  // 128 positions
  auto limit = [&] { return TransformerModel(folder.path()).max_length(); };
  folder.set("sentence_bert_config.json", "max_seq_length", 64);
  EXPECT_EQ(limit(), 64u);
  folder.set("sentence_bert_config.json", "max_seq_length", 1e300);
  folder.set("tokenizer_config.json", "model_max_length", 1e30);
  EXPECT_EQ(limit(), 128u);
  folder.remove("sentence_bert_config.json");
  folder.set("tokenizer_config.json", "model_max_length", 50);
  EXPECT_EQ(limit(), 50u);
  folder.set("tokenizer_config.json", "model_max_length", 512);
  EXPECT_EQ(limit(), 128u);
  const TransformerModel model(folder.path());
  EXPECT_EQ(model.token_ids(many_texts()[8], {.max_length = 5000}).size(), 128u)
      << "positions are a limit of their own";
}

TEST(TransformerModelLimits, EvenOneTokenIsEnough) {
  const TransformerModel model(golden("e2e-minilm-style"));
  for (size_t limit : {1, 2, 3}) {
    EmbedReport report;
    for (float x : embed(model, {"A man is eating"}, {.max_length = limit}, &report)) EXPECT_TRUE(std::isfinite(x));
    EXPECT_EQ(report.truncated.size(), 1u);
  }
}

TEST(TransformerModelHash, NamesWhatDecidesAVector) {
  const FolderCopy first("embeddinggemma"), second("embeddinggemma");
  const std::string hash = TransformerModel(first.path()).hash();
  EXPECT_EQ(TransformerModel(second.path()).hash(), hash) << "a copy elsewhere is the same model";
  first.set("1_Pooling/config.json", "include_prompt", false);
  EXPECT_NE(TransformerModel(first.path()).hash(), hash);
  std::string weights = base::read_file(second.at("2_Dense/model.safetensors"));
  weights.back() = static_cast<char>(weights.back() ^ 1);
  second.write("2_Dense/model.safetensors", weights);
  EXPECT_NE(TransformerModel(second.path()).hash(), hash) << "a dense layer is part of the model";
  for (auto [name, head] : {std::pair{"e2e-bge-m3", "colbert_linear.pt"}, {"bge-m3", "sparse_linear.safetensors"}}) {
    const FolderCopy third(name);
    const std::string whole = TransformerModel(third.path()).hash();
    third.remove(head);
    EXPECT_NE(TransformerModel(third.path()).hash(), whole) << head;
  }
}

TEST(TransformerModelFolders, OfEveryKindGiveFiniteVectorsFromTokenIds) {
  size_t count = 0;
  for (const std::string& name : testing_folder::golden_names()) {
    SCOPED_TRACE(name);
    const TransformerModel model(golden(name));
    TokenBatch batch;
    for (size_t length : {1, 0, 6, 0}) {
      batch.sequences.append(length);
      for (size_t i = 0; i < length; ++i) batch.ids.push_back(static_cast<TokenId>(7 + 3 * i));
    }
    const tensor::Matrix vectors =
        model.sentence_vectors(model.hidden_states(batch), batch.sequences, {}, std::nullopt, model.dim() / 2);
    ASSERT_EQ(vectors.rows(), 4u);
    ASSERT_EQ(vectors.columns(), model.dim() / 2);
    for (float x : vectors.values()) ASSERT_TRUE(std::isfinite(x));
    EXPECT_FALSE(model.origins().empty());
    EXPECT_GT(model.parameter_bytes(), 0u);
    ++count;
  }
  EXPECT_GE(count, 73u);
}

}  // namespace
}  // namespace sextant::model
