#include "model/static_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "base/files.h"
#include "sextant/error.h"

namespace sextant::model {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Five tokens of two components: [UNK], a, b, c, ##x.
const std::vector<float> kRows = {9, 9, 1, 0, 0, 2, -3, 4, 0.5f, 0.5f};

std::string tokenizer_json() {
  return R"({"version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
    "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true},
    "pre_tokenizer": {"type": "BertPreTokenizer"}, "post_processor": null, "decoder": null,
    "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
      "vocab": {"[UNK]": 0, "a": 1, "b": 2, "c": 3, "##x": 4}}})";
}

std::string_view raw(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

class StaticModelFolder : public testing::Test {
 protected:
  void write(const std::string& file, const std::string& text) {
    std::filesystem::create_directories((folder_.path() / file).parent_path());
    std::ofstream(folder_.path() / file, std::ios::binary) << text;
  }

  void write_model2vec(std::vector<TensorToWrite> tensors, const std::string& config = R"({"normalize": true})") {
    write("model.safetensors", write_safetensors(std::move(tensors)));
    write("tokenizer.json", tokenizer_json());
    write("config.json", config);
  }

  std::vector<float> embed(std::string_view text, EmbedOptions options = {}, EmbedReport* report = nullptr) {
    auto model = Embedder::load(folder_.path().string());
    std::vector<float> out(options.dim ? options.dim : model->dim());
    model->embed(std::span(&text, 1), options, out, report);
    return out;
  }

  std::string error_of() {
    try {
      Embedder::load(folder_.path().string());
    } catch (const Error& e) {
      return std::string(sextant::name(e.code())) + ": " + e.what();
    }
    return "no error";
  }

  base::TemporaryFolder folder_;
};

TEST_F(StaticModelFolder, ATextIsTheNormalisedMeanOfItsKnownTokens) {
  write_model2vec({{"embeddings", DType::f32, {5, 2}, raw(kRows)}});
  EXPECT_THAT(embed("A b", {.normalize = false}), ElementsAre(0.5f, 1.0f));
  EXPECT_THAT(embed("c"), ElementsAre(-0.6f, 0.8f));
  EmbedReport report;
  EXPECT_THAT(embed("c zebra", {}, &report), ElementsAre(-0.6f, 0.8f)) << "Model2Vec drops unknown tokens";
  EXPECT_EQ(report.unknown_count, 1u);
  EXPECT_EQ(report.token_count, 1u);
}

TEST_F(StaticModelFolder, ATextWithoutAKnownTokenIsZeroAndReported) {
  write_model2vec({{"embeddings", DType::f32, {5, 2}, raw(kRows)}});
  EmbedReport report;
  EXPECT_THAT(embed("zebra", {}, &report), ElementsAre(0.0f, 0.0f));
  EXPECT_THAT(report.empty, ElementsAre(0u));
}

TEST_F(StaticModelFolder, TruncationIsCountedAndNamed) {
  write_model2vec({{"embeddings", DType::f32, {5, 2}, raw(kRows)}});
  EmbedReport report;
  EXPECT_THAT(embed("a b c c", {.normalize = false, .max_length = 2}, &report), ElementsAre(0.5f, 1.0f));
  ASSERT_EQ(report.truncated.size(), 1u);
  EXPECT_EQ(report.truncated[0].item, 0u);
  EXPECT_EQ(report.truncated[0].tokens_dropped, 2u);
  std::string many;
  for (int i = 0; i < 600; ++i) many += "a ";
  report = {};
  embed(many, {}, &report);
  EXPECT_EQ(report.token_count + report.truncated.at(0).tokens_dropped, 600u) << "512 tokens are Model2Vec's limit";
  write("config.json", R"({"normalize": true, "max_length": 0})");
  report = {};
  embed(many, {}, &report);
  EXPECT_EQ(report.token_count, 600u);
  EXPECT_TRUE(report.truncated.empty());
}

TEST_F(StaticModelFolder, WeightsScaleTokensAndAMappingSharesRows) {
  const std::vector<float> rows = {1, 0, 0, 1};
  const std::vector<float> weights = {1, 2, 3, 1, 1};
  const int32_t mapping[5] = {0, 0, 1, 1, 1};
  write_model2vec({{"embeddings", DType::f32, {2, 2}, raw(rows)},
                   {"weights", DType::f32, {5}, raw(weights)},
                   {"mapping", DType::i32, {5}, {reinterpret_cast<const char*>(mapping), sizeof mapping}}});
  EXPECT_THAT(embed("a b", {.normalize = false}), ElementsAre(1.0f, 1.5f));
}

TEST_F(StaticModelFolder, Int8RowsAndFloat16RowsAreUsedAsTheyAre) {
  const int8_t codes[10] = {1, 1, 127, 0, 0, -127, 10, 20, 1, 1};
  write_model2vec({{"embeddings", DType::i8, {5, 2}, {reinterpret_cast<const char*>(codes), 10}}});
  EXPECT_THAT(embed("a b", {.normalize = false}), ElementsAre(63.5f, -63.5f));
  const uint16_t halves[10] = {0, 0, 0x3C00, 0, 0, 0x4000, 0, 0, 0, 0};
  write_model2vec({{"embeddings", DType::f16, {5, 2}, {reinterpret_cast<const char*>(halves), 20}}});
  EXPECT_THAT(embed("a b", {.normalize = false}), ElementsAre(0.5f, 1.0f));
}

TEST_F(StaticModelFolder, AShorterDimIsNormalisedAgain) {
  write_model2vec({{"embeddings", DType::f32, {5, 2}, raw(kRows)}});
  EXPECT_THAT(embed("c", {.dim = 1}), ElementsAre(-1.0f));
  EXPECT_THROW(embed("c", {.dim = 3}), Error);
}

TEST_F(StaticModelFolder, ASentenceTransformersFolderKeepsItsUnknownTokens) {
  write(
      "modules.json",
      R"([{"idx": 0, "name": "0", "path": "0_StaticEmbedding", "type": "sentence_transformers.models.StaticEmbedding"}])");
  write("0_StaticEmbedding/model.safetensors",
        write_safetensors({{"embedding.weight", DType::f32, {5, 2}, raw(kRows)}}));
  write("0_StaticEmbedding/tokenizer.json", tokenizer_json());
  write("config_sentence_transformers.json",
        R"({"prompts": {"query": "a "}, "default_prompt_name": null, "similarity_fn_name": "dot"})");
  EXPECT_THAT(embed("a zebra", {.normalize = false}), ElementsAre(5.0f, 4.5f));
  auto model = Embedder::load(folder_.path().string());
  EXPECT_EQ(model->similarity(), Metric::dot);
  ASSERT_EQ(model->prompts().size(), 1u);
  EXPECT_THAT(embed("b", {.normalize = false, .prompt = model->prompts()[0].second}), ElementsAre(0.5f, 1.0f));
}

TEST_F(StaticModelFolder, ExplainsWhatEachTokenAdds) {
  write_model2vec({{"embeddings", DType::f32, {5, 2}, raw(kRows)}});
  auto model = Embedder::load(folder_.path().string());
  Explanation explanation = model->explain("A zebra C");
  EXPECT_EQ(explanation.normalized_text, "a zebra c");
  ASSERT_EQ(explanation.tokens.size(), 3u);
  EXPECT_FALSE(explanation.tokens[1].known);
  EXPECT_NEAR(explanation.tokens[0].weight, 1.0 / 6, 1e-6);
  EXPECT_NEAR(explanation.tokens[2].norm, 5.0, 1e-6);
  EXPECT_NEAR(explanation.norm_before, std::sqrt(1.0 + 4.0), 1e-6);
  EXPECT_EQ(explanation.vector, embed("A zebra C"));
}

TEST_F(StaticModelFolder, NamesWhatIsWrongWithIt) {
  EXPECT_THAT(error_of(), HasSubstr("not_found"));
  write_model2vec({{"something", DType::f32, {5, 2}, raw(kRows)}});
  EXPECT_THAT(error_of(), HasSubstr("unsupported"));
  write_model2vec({{"embeddings", DType::f32, {10}, raw(kRows)}});
  EXPECT_THAT(error_of(), HasSubstr("shape is [10], expected [rows, dim]"));
  write_model2vec({{"embeddings", DType::f32, {2, 5}, raw(kRows)}});
  EXPECT_THAT(error_of(), HasSubstr("2 rows, the vocabulary has 5"));
  const int32_t mapping[5] = {0, 0, 1, 5, 1};
  write_model2vec({{"embeddings", DType::f32, {5, 2}, raw(kRows)},
                   {"mapping", DType::i32, {5}, {reinterpret_cast<const char*>(mapping), sizeof mapping}}});
  EXPECT_THAT(error_of(), HasSubstr("'mapping'[3] is 5, the table has 5 rows"));
  write_model2vec({{"embeddings", DType::f32, {5, 2}, raw(kRows)}}, "{\"normalize\": ");
  EXPECT_THAT(error_of(), HasSubstr("config.json: not valid JSON"));
}

TEST(BuiltinModel, IsReadWhereTheProgramIsMapped) {
  auto model = Embedder::load("builtin");
  EXPECT_EQ(model->name(), "builtin");
  EXPECT_EQ(model->dim(), 256u);
  EXPECT_EQ(model->max_length(), 0u);
  EXPECT_GT(model->words().size(), 10000u);
  EXPECT_EQ(model->hash().size(), 32u);
}

}  // namespace
}  // namespace sextant::model
