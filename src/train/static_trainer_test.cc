#include "train/static_trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/files.h"
#include "sextant/embed.h"
#include "sextant/error.h"
#include "simd/kernels.h"
#include "train/static_folder.h"

namespace sextant::train {
namespace {

// Two families of words that never meet: the model must learn which belong together.
const std::vector<std::string> kPets = {"dog", "cat", "puppy", "kitten", "paw", "tail"};
const std::vector<std::string> kTools = {"saw", "drill", "hammer", "nail", "screw", "bolt"};

class StaticTrainer : public testing::Test {
 protected:
  void SetUp() override {
    base::Random random(11);
    std::ofstream pairs(folder_.path() / "pairs.jsonl");
    for (size_t i = 0; i < 2000; ++i) {
      const auto& family = i % 2 == 0 ? kPets : kTools;
      const auto& other = i % 2 == 0 ? kTools : kPets;
      auto word = [&](const auto& words) { return words[random.below(words.size())]; };
      pairs << "{\"a\": \"" << word(family) << ' ' << word(family) << ' ' << word(family) << ' ' << word(family)
            << "\", \"b\": \"" << word(family) << "\", \"n\": \"" << word(other) << "\"}\n";
    }
    std::string vocabulary = "\"[UNK]\": 0";
    size_t id = 1;
    for (const auto* family : {&kPets, &kTools}) {
      for (const std::string& word : *family) vocabulary += ", \"" + word + "\": " + std::to_string(id++);
    }
    vocabulary += ", \"unseen\": " + std::to_string(id);
    std::ofstream(folder_.path() / "tokenizer.json")
        << "{\"version\": \"1.0\", \"truncation\": null, \"padding\": null, \"added_tokens\": [], \"normalizer\": "
           "{\"type\": \"BertNormalizer\", \"clean_text\": true, \"handle_chinese_chars\": true, \"strip_accents\": "
           "null, "
           "\"lowercase\": true}, \"pre_tokenizer\": {\"type\": \"BertPreTokenizer\"}, \"post_processor\": null, "
           "\"decoder\": null, \"model\": {\"type\": \"WordPiece\", \"unk_token\": \"[UNK]\", "
           "\"continuing_subword_prefix\": \"##\", \"max_input_chars_per_word\": 100, \"vocab\": {"
        << vocabulary << "}}}";
    options_.sources = {{.path = folder_.path() / "pairs.jsonl"}};
    options_.tokenizer = folder_.path() / "tokenizer.json";
    options_.output = folder_.path() / "model";
    options_.dim = 32;
    options_.batch_pairs = 64;
    options_.step_count = 60;
    options_.warmup_steps = 5;
    options_.checkpoint_steps = 0;
    options_.thread_count = 1;
  }

  std::string weights_of(const std::filesystem::path& model) const {
    return base::read_file(model / "model.safetensors");
  }

  float similarity(std::string_view a, std::string_view b) const {
    auto model = Embedder::load(options_.output.string());
    std::vector<float> vectors(2 * model->dim());
    const std::string_view texts[] = {a, b};
    model->embed(texts, {}, vectors);
    return simd::kernels().dot_f32(vectors.data(), vectors.data() + model->dim(), model->dim());
  }

  base::TemporaryFolder folder_;
  StaticTrainOptions options_;
};

// Stops training as a killed process would: by an exception from the progress report of a chosen step.
class StopAt : public base::Progress {
 public:
  explicit StopAt(uint64_t step) : step_(step) {}
  void begin(std::string_view what, std::string_view, uint64_t) override { training_ = what == "training"; }
  void report(uint64_t done) override {
    if (training_ && done == step_) throw std::runtime_error("stopped");
  }
  void remark(std::string_view) override {}
  void end() override {}

 private:
  uint64_t step_;
  bool training_ = false;
};

TEST_F(StaticTrainer, LearnsWhichWordsBelongTogether) {
  StaticTrainReport report = train_static(options_, nullptr);
  EXPECT_EQ(report.step_count, 60u);
  EXPECT_GT(report.held_out_count, 0u);
  EXPECT_LT(report.held_out_count + report.pair_count, 2001u);
  EXPECT_GT(similarity("dog", "kitten"), 0.5f);
  EXPECT_LT(similarity("dog", "hammer"), 0.3f);
}

TEST_F(StaticTrainer, GivesTheSameBytesOnOneAndTwoThreads) {
  train_static(options_, nullptr);
  const std::string one = weights_of(options_.output);
  options_.thread_count = 2;
  options_.output = folder_.path() / "two";
  train_static(options_, nullptr);
  EXPECT_EQ(one, weights_of(options_.output));
}

TEST_F(StaticTrainer, GivesTheSameBytesWhereverTheFilesLie) {
  train_static(options_, nullptr);
  const std::string here = weights_of(options_.output);
  std::filesystem::create_directory(folder_.path() / "elsewhere");
  options_.sources[0].path = folder_.path() / "elsewhere" / "same-pairs.jsonl";
  std::filesystem::copy_file(folder_.path() / "pairs.jsonl", options_.sources[0].path);
  options_.output = folder_.path() / "elsewhere" / "model";
  train_static(options_, nullptr);
  EXPECT_EQ(here, weights_of(options_.output));
}

TEST_F(StaticTrainer, OtherSeedsGiveOtherBytes) {
  train_static(options_, nullptr);
  const std::string one = weights_of(options_.output);
  options_.seed = 2;
  train_static(options_, nullptr);
  EXPECT_NE(one, weights_of(options_.output));
}

TEST_F(StaticTrainer, ResumesToTheSameBytesAsAnUnbrokenRun) {
  train_static(options_, nullptr);
  const std::string unbroken = weights_of(options_.output);
  options_.output = folder_.path() / "broken";
  options_.checkpoint_steps = 20;
  StopAt stop(45);
  EXPECT_THROW(train_static(options_, &stop), std::runtime_error);
  EXPECT_TRUE(std::filesystem::exists(options_.output / "checkpoint.bin"));
  EXPECT_FALSE(std::filesystem::exists(options_.output / "model.safetensors"));
  options_.resume = true;
  train_static(options_, nullptr);
  EXPECT_EQ(unbroken, weights_of(options_.output));
  EXPECT_FALSE(std::filesystem::exists(options_.output / "checkpoint.bin"));
}

TEST_F(StaticTrainer, RefusesACheckpointOfOtherOptionsOrADamagedOne) {
  options_.checkpoint_steps = 20;
  StopAt stop(45);
  EXPECT_THROW(train_static(options_, &stop), std::runtime_error);
  options_.resume = true;
  options_.learning_rate = 0.2f;
  try {
    train_static(options_, nullptr);
    FAIL() << "expected an error";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::invalid_argument);
    EXPECT_THAT(e.what(), testing::HasSubstr("other options"));
  }
  options_.learning_rate = 0.1f;
  std::string bytes = base::read_file(options_.output / "checkpoint.bin");
  bytes[bytes.size() / 2] ^= 1;
  base::write_file_atomically(options_.output / "checkpoint.bin", bytes);
  try {
    train_static(options_, nullptr);
    FAIL() << "expected an error";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::corrupted);
  }
}

TEST_F(StaticTrainer, AnUnseenTokenHasNoLengthSoThatItAddsNoNoise) {
  train_static(options_, nullptr);
  auto model = Embedder::load(options_.output.string());
  std::vector<float> with(model->dim()), without(model->dim());
  const std::string_view a = "dog unseen", b = "dog";
  model->embed(std::span(&a, 1), {}, with);
  model->embed(std::span(&b, 1), {}, without);
  for (size_t i = 0; i < with.size(); ++i) EXPECT_NEAR(with[i], without[i], 1e-6);
}

TEST_F(StaticTrainer, AQuantisedModelIsNearlyTheSameModel) {
  train_static(options_, nullptr);
  quantize_static(options_.output, folder_.path() / "int8");
  auto full = Embedder::load(options_.output.string());
  auto small = Embedder::load((folder_.path() / "int8").string());
  const std::string_view text = "puppy tail";
  std::vector<float> x(full->dim()), y(full->dim());
  full->embed(std::span(&text, 1), {}, x);
  small->embed(std::span(&text, 1), {}, y);
  EXPECT_GT(simd::kernels().dot_f32(x.data(), y.data(), x.size()), 0.9995f);
}

TEST_F(StaticTrainer, TheAverageOfTwoModelsHasTheMeanOfTheirRows) {
  train_static(options_, nullptr);
  StaticTrainOptions longer = options_;
  longer.step_count = 90;
  longer.output = folder_.path() / "longer";
  train_static(longer, nullptr);
  average_static({options_.output, longer.output}, folder_.path() / "mean");
  const std::string_view text = "puppy";
  auto embed = [&](const std::filesystem::path& folder) {
    auto model = Embedder::load(folder.string());
    std::vector<float> out(model->dim());
    model->embed(std::span(&text, 1), {.normalize = false}, out);
    return out;
  };
  std::vector<float> a = embed(options_.output), b = embed(longer.output), mean = embed(folder_.path() / "mean");
  EXPECT_NE(a, b);
  for (size_t i = 0; i < mean.size(); ++i) EXPECT_NEAR(mean[i], (a[i] + b[i]) / 2, 1e-6);
  EXPECT_THROW(average_static({options_.output}, folder_.path() / "x"), Error);
}

TEST_F(StaticTrainer, NamesWhatIsWrong) {
  auto message = [&](StaticTrainOptions options) -> std::string {
    try {
      train_static(options, nullptr);
    } catch (const Error& e) {
      return std::string(name(e.code())) + ": " + e.what();
    }
    return "no error";
  };
  StaticTrainOptions options = options_;
  options.sources.clear();
  EXPECT_THAT(message(options), testing::HasSubstr("no sources"));
  options = options_;
  options.scale = 100;
  EXPECT_THAT(message(options), testing::HasSubstr("scale is 100"));
  options = options_;
  options.matryoshka_dims = {64};
  EXPECT_THAT(message(options), testing::HasSubstr("Matryoshka dim 64"));
  options = options_;
  options.sources[0].path = folder_.path() / "nowhere.jsonl";
  EXPECT_THAT(message(options), testing::HasSubstr("not_found"));
  std::ofstream(folder_.path() / "bad.jsonl") << "{\"a\": \"x\", \"b\": \"y\"}\n{\"a\": \"x\"}\n";
  options.sources[0].path = folder_.path() / "bad.jsonl";
  EXPECT_THAT(message(options), testing::HasSubstr("bad.jsonl"));
  EXPECT_THAT(message(options), testing::HasSubstr("2"));
}

}  // namespace
}  // namespace sextant::train
