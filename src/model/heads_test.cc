#include "model/heads.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/json.h"
#include "base/random.h"
#include "model/testing_folder.h"
#include "sextant/error.h"

namespace sextant::model {
namespace {

using testing_folder::FolderCopy;
using testing_folder::golden;
using testing_folder::Json;

tensor::Matrix random_matrix(size_t rows, size_t columns) {
  base::Random random(1);
  tensor::Matrix matrix(rows, columns);
  for (float& value : matrix.values()) value = static_cast<float>(random.normal());
  return matrix;
}

struct HeadedModel {
  explicit HeadedModel(std::string_view name)
      : json(testing_folder::read_json(golden(name) / "config.json")),
        parameters(std::make_shared<const Weights>(Weights::load(golden(name)))),
        encoder(load_encoder(config(), parameters)) {}
  Config config() const { return Config::parse(base::json_text(json), "a/config.json"); }

  Json json;
  Parameters parameters;
  std::unique_ptr<Encoder> encoder;
};

TEST(SpladePooling, TakesTheMaximumOrTheSumOfTheLogarithms) {
  const tensor::Matrix logits = random_matrix(5, 7);
  for (const char* strategy : {"max", "sum"}) {
    for (const char* activation : {"relu", "log1p_relu"}) {
      const SpladePooling pooling = SpladePooling::of(Config::parse(
          base::json_text(Json{{"pooling_strategy", strategy}, {"activation_function", activation}}), "f"));
      const std::vector<float> weights = pooling(logits);
      for (size_t c = 0; c < 7; ++c) {
        double want = 0;
        for (size_t i = 0; i < 5; ++i) {
          double weight = std::log1p(std::max(0.0, double{logits.row(i)[c]}));
          if (activation == std::string_view("log1p_relu")) weight = std::log1p(weight);
          want = strategy == std::string_view("sum") ? want + weight : std::max(want, weight);
        }
        EXPECT_NEAR(weights[c], want, 1e-6) << strategy << ' ' << activation;
      }
    }
  }
}

TEST(SpladePooling, OfNoTokensIsZero) {
  for (float weight : SpladePooling()(tensor::Matrix(0, 4))) EXPECT_EQ(weight, 0);
}

TEST(SpladePooling, RefusesWhatItDoesNotKnow) {
  for (const char* json : {R"({"pooling_strategy": "mean"})", R"({"activation_function": "gelu"})"}) {
    try {
      SpladePooling::of(Config::parse(json, "1_SpladePooling/config.json"));
      ADD_FAILURE() << json;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::unsupported);
      EXPECT_NE(std::string(e.what()).find("1_SpladePooling/config.json: '"), std::string::npos) << e.what();
    }
  }
}

TEST(MaskedLmHead, IsThereWhereTheFilesHoldOne) {
  for (const char* name : {"splade-bert-mlm", "splade-distilbert-mlm", "e2e-splade"}) {
    const HeadedModel model(name);
    const auto head = MaskedLmHead::load(model.config(), model.parameters, *model.encoder);
    ASSERT_TRUE(head) << name;
    EXPECT_EQ(head->vocabulary_size(), model.encoder->vocabulary_size);
  }
  for (const char* name : {"bert-mean", "t5-encoder-relu", "qwen3-lasttoken", "nv-embed"}) {
    const HeadedModel model(name);
    EXPECT_FALSE(MaskedLmHead::load(model.config(), model.parameters, *model.encoder)) << name;
  }
}

TEST(ClassificationHead, GivesOneRowASequenceAndIgnoresTheNeighbours) {
  base::ThreadPool pool(1);
  tensor::Context context{pool};
  for (const char* name : {"bert-seqcls", "roberta-seqcls", "xlm-roberta-seqcls", "distilbert-seqcls",
                           "deberta-v2-seqcls", "modernbert-seqcls", "gte-new-seqcls"}) {
    SCOPED_TRACE(name);
    const HeadedModel model(name);
    const auto head = ClassificationHead::load(model.config(), model.parameters, *model.encoder);
    ASSERT_TRUE(head);
    tensor::Sequences sequences;
    for (size_t length : {4, 1, 0, 9, 0}) sequences.append(length);
    const tensor::Matrix hidden = random_matrix(14, model.encoder->hidden_size);
    const tensor::Matrix logits = (*head)(hidden, sequences, context);
    ASSERT_EQ(logits.rows(), 5u);
    ASSERT_EQ(logits.columns(), head->label_count());
    for (float logit : logits.values()) EXPECT_TRUE(std::isfinite(logit));
    tensor::Sequences one;
    one.append(9);
    tensor::Matrix alone(9, hidden.columns());
    std::copy_n(hidden.row(5), alone.values().size(), alone.data());
    const tensor::Matrix again = (*head)(alone, one, context);
    EXPECT_EQ(std::memcmp(again.data(), logits.row(3), again.values().size_bytes()), 0);
  }
}

TEST(ClassificationHead, RefusesAPoolingItDoesNotKnow) {
  HeadedModel model("modernbert-seqcls");
  model.json["classifier_pooling"] = "max";
  EXPECT_THROW(ClassificationHead::load(model.config(), model.parameters, *model.encoder), Error);
  model.json["classifier_pooling"] = "mean";
  model.json["classifier_activation"] = "mish";
  EXPECT_THROW(ClassificationHead::load(model.config(), model.parameters, *model.encoder), Error);
  const HeadedModel plain("bert-mean");
  EXPECT_FALSE(ClassificationHead::load(plain.config(), plain.parameters, *plain.encoder));
}

TEST(M3Heads, GiveUnitVectorsForAllTokensButEachSequencesFirst) {
  base::ThreadPool pool(1);
  tensor::Context context{pool};
  const size_t width = HeadedModel("e2e-bge-m3").encoder->hidden_size;
  const auto heads = M3Heads::load(golden("e2e-bge-m3"), width);
  ASSERT_TRUE(heads);
  const tensor::Matrix hidden = random_matrix(10, width);
  for (const std::vector<size_t>& lengths :
       {std::vector<size_t>{10}, {1, 9}, {0, 4, 0, 6, 0}, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, {0, 10}}) {
    tensor::Sequences sequences;
    size_t rows = 0;
    for (size_t length : lengths) {
      sequences.append(length);
      rows += length > 0 ? length - 1 : 0;
    }
    const tensor::Matrix vectors = heads->token_vectors(hidden, sequences, context);
    ASSERT_EQ(vectors.rows(), rows);
    for (size_t i = 0; i < rows; ++i) {
      double squares = 0;
      for (size_t c = 0; c < vectors.columns(); ++c) squares += double{vectors.row(i)[c]} * vectors.row(i)[c];
      EXPECT_NEAR(squares, 1, 1e-5);
    }
  }
  tensor::Sequences nothing;
  nothing.append(0);
  EXPECT_EQ(heads->token_vectors(tensor::Matrix(0, width), nothing, context).rows(), 0u);
  const tensor::Matrix weights = heads->token_weights(hidden, context);
  ASSERT_EQ(weights.rows(), 10u);
  for (float weight : weights.values()) EXPECT_GE(weight, 0);
}

TEST(M3Heads, MayBeOneOfTheTwoOrNoneAndNeverOfAnotherWidth) {
  const size_t width = HeadedModel("e2e-bge-m3").encoder->hidden_size;
  const FolderCopy folder("e2e-bge-m3");
  EXPECT_THROW(M3Heads::load(folder.path(), width + 1), Error);
  folder.remove("colbert_linear.pt");
  const auto sparse = M3Heads::load(folder.path(), width);
  ASSERT_TRUE(sparse);
  EXPECT_FALSE(sparse->sparse.empty());
  EXPECT_TRUE(sparse->colbert.empty());
  folder.write("sparse_linear.pt", "not a PyTorch file");
  try {
    M3Heads::load(folder.path(), width);
    ADD_FAILURE() << "it was taken";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("sparse_linear.pt"), std::string::npos) << e.what();
  }
  folder.remove("sparse_linear.pt");
  EXPECT_FALSE(M3Heads::load(folder.path(), width));
}

}  // namespace
}  // namespace sextant::model
