#include "model/parameters.h"

#include <gtest/gtest.h>

#include <fstream>
#include <functional>

#include "base/files.h"
#include "base/threads.h"
#include "model/safetensors.h"
#include "sextant/error.h"

namespace sextant::model {
namespace {

class ParametersOfAFile : public testing::Test {
 protected:
  ParametersOfAFile() {
    const std::vector<float> floats = {1, 2, 3, 4, 5, 6};
    const std::vector<double> doubles = {0.5, 0.25};
    const std::vector<uint16_t> halves = {0x3C00, 0xC000}, brains = {0x3F80, 0xC000};
    auto bytes = [](const auto& values) {
      return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(values[0]));
    };
    const std::string integers(48, '\1');
    std::ofstream(folder_.path() / "model.safetensors", std::ios::binary)
        << write_safetensors({{"dense.weight", DType::f32, {2, 3}, bytes(floats)},
                              {"dense.bias", DType::f64, {2}, bytes(doubles)},
                              {"bert.LayerNorm.gamma", DType::f16, {2}, bytes(halves)},
                              {"bert.LayerNorm.beta", DType::bf16, {2}, bytes(brains)},
                              {"lone.weight", DType::f32, {3, 2}, bytes(floats)},
                              {"counts.weight", DType::i64, {2, 3}, integers}});
    parameters_.emplace(std::make_shared<const Weights>(Weights::load(folder_.path())));
  }

  // The message of the Error with CODE; it names the file and PARAMETER.
  std::string error_of(ErrorCode code, std::string_view parameter, const std::function<void()>& work) {
    try {
      work();
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), code) << e.what();
      EXPECT_NE(std::string(e.what()).find("'" + std::string(parameter) + "'"), std::string::npos) << e.what();
      EXPECT_NE(std::string(e.what()).find("model.safetensors"), std::string::npos) << e.what();
      return e.what();
    }
    ADD_FAILURE() << "nothing was thrown";
    return {};
  }

  base::TemporaryFolder folder_;
  std::optional<Parameters> parameters_;
};

TEST_F(ParametersOfAFile, AreFoundByNameAndPrefix) {
  EXPECT_TRUE(parameters_->has("dense.weight"));
  EXPECT_TRUE(parameters_->in("dense").has("weight"));
  EXPECT_FALSE(parameters_->in("dens").has("e.weight"));
  EXPECT_TRUE(parameters_->in("").has("dense.weight"));
  EXPECT_TRUE(parameters_->in_first_of({"", "bert"}, "LayerNorm.weight").has("LayerNorm.bias"));
  EXPECT_TRUE(parameters_->in_first_of({"roberta", "dense"}, "weight").has("bias"));
  // None fits: the names are looked for where they stand, and found missing there.
  EXPECT_TRUE(parameters_->in_first_of({"roberta", "electra"}, "weight").has("dense.weight"));
}

TEST_F(ParametersOfAFile, OfAnyFloatTypeBecomeFloats) {
  const tensor::Parameter weight = parameters_->get("dense.weight", {2, 3});
  EXPECT_EQ(weight.shape, (std::vector<size_t>{2, 3}));
  EXPECT_EQ(weight.data[5], 6);
  EXPECT_EQ(parameters_->get("dense.bias", {2}).data[1], 0.25f);
  const tensor::Parameter gamma = parameters_->get("bert.LayerNorm.weight", {2});
  EXPECT_EQ(gamma.data[0], 1);
  EXPECT_EQ(gamma.data[1], -2);
  EXPECT_EQ(parameters_->get("bert.LayerNorm.bias", {2}).data[1], -2);
}

TEST_F(ParametersOfAFile, OutliveTheObjectThatGaveThem) {
  const tensor::Parameter weight = parameters_->get("dense.weight", {Parameters::kAny, 3});
  const tensor::Parameter bias = parameters_->get("dense.bias", {Parameters::kAny});
  parameters_.reset();
  EXPECT_EQ(weight.data[0], 1);
  EXPECT_EQ(bias.data[0], 0.5f);
}

TEST_F(ParametersOfAFile, ThatAreMissingAreNamedWithTheShapeTheyShouldHave) {
  const std::string message = error_of(ErrorCode::corrupted, "bert.pooler.weight", [&] {
    parameters_->in("bert").get("pooler.weight", {4, Parameters::kAny});
  });
  EXPECT_NE(message.find("[4, any] is missing"), std::string::npos) << message;
  error_of(ErrorCode::corrupted, "lone.bias", [&] { parameters_->linear("lone", 3, 2); });
  error_of(ErrorCode::corrupted, "none.weight", [&] { parameters_->layer_norm("none", 3, 1e-5); });
  error_of(ErrorCode::corrupted, "none.weight", [&] { parameters_->rms_norm("none", 3, 1e-5); });
}

TEST_F(ParametersOfAFile, OfAnotherShapeAreNamedWithBoth) {
  const std::string message = error_of(ErrorCode::corrupted, "dense.weight", [&] {
    parameters_->get("dense.weight", {3, 2});
  });
  EXPECT_NE(message.find("[2, 3], expected [3, 2]"), std::string::npos) << message;
  for (std::initializer_list<size_t> shape :
       std::initializer_list<std::initializer_list<size_t>>{{6}, {2, 3, 1}, {}, {2, 4}, {2, size_t{1} << 60}}) {
    error_of(ErrorCode::corrupted, "dense.weight", [&] { parameters_->get("dense.weight", shape); });
  }
  error_of(ErrorCode::corrupted, "dense.bias", [&] { parameters_->get("dense.bias", {3}); });
}

TEST_F(ParametersOfAFile, OfIntegersAreUnsupported) {
  const std::string message = error_of(ErrorCode::unsupported, "counts.weight", [&] {
    parameters_->get("counts.weight", {2, 3});
  });
  EXPECT_NE(message.find("I64"), std::string::npos) << message;
}

TEST_F(ParametersOfAFile, MakeLayersWithAndWithoutBias) {
  base::ThreadPool pool(1);
  tensor::Context context{pool};
  tensor::Matrix x(1, 3);
  std::fill_n(x.data(), 3, 1.0f);
  EXPECT_EQ(parameters_->linear("dense", 2, 3)(x, context).row(0)[1], 15.25f);
  EXPECT_EQ(parameters_->linear("dense", 2, 3, Bias::optional)(x, context).row(0)[1], 15.25f);
  EXPECT_EQ(parameters_->linear("dense", 2, 3, Bias::none)(x, context).row(0)[1], 15);
  EXPECT_EQ(parameters_->linear("dense", Parameters::kAny, 3).out(), 2u);
  EXPECT_EQ(parameters_->linear("lone", 3, 2, Bias::optional).in(), 2u);
}

}  // namespace
}  // namespace sextant::model
