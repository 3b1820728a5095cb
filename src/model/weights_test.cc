#include "model/weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "errors.h"
#include "model/testing_pytorch.h"
#include "sextant/error.h"

namespace sextant::model {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing_pytorch::bytes_of;
using testing_pytorch::dict;
using testing_pytorch::storage;
using testing_pytorch::tensor;
using testing_pytorch::text;

std::string weights_error(const fs::path& path) {
  return tests::error_of([&] { Weights::load(path); });
}

std::string safetensors_file(const std::vector<std::string>& names, float value) {
  const std::string bytes = bytes_of<float>({value, value + 1});
  std::vector<TensorToWrite> tensors;
  for (const std::string& name : names) tensors.push_back({name, DType::f32, {2}, bytes});
  return write_safetensors(tensors);
}

std::string pytorch_file(const std::vector<std::string>& names, float value) {
  std::string items;
  for (const std::string& name : names) items += text(name) + tensor(storage("FloatStorage", "0", 2), 0, {2}, {1});
  return testing_pytorch::zip_file(dict(items), {{"0", bytes_of<float>({value, value + 1})}});
}

class AFolder : public testing::Test {
 protected:
  void write(const std::string& name, const std::string& bytes) {
    std::ofstream(path() / name, std::ios::binary) << bytes;
  }
  const fs::path& path() const { return folder_.path(); }
  std::vector<float> floats(const std::string& name) { return to_float32(Weights::load(path()).at(name)); }

 private:
  base::TemporaryFolder folder_;
};

TEST_F(AFolder, IsSearchedForWeightsInAFixedOrder) {
  EXPECT_THAT(weights_error(path()),
              HasSubstr("not_found: " + path().string() +
                        ": has no weights, expected model.safetensors, model.safetensors.index.json, "
                        "pytorch_model.bin, pytorch_model.bin.index.json"));
  write("pytorch_model.bin.index.json", R"({"weight_map": {"x": "shard.bin"}})");
  write("shard.bin", pytorch_file({"x"}, 40));
  EXPECT_THAT(floats("x"), ElementsAre(40, 41));
  write("pytorch_model.bin", pytorch_file({"x"}, 30));
  EXPECT_THAT(floats("x"), ElementsAre(30, 31));
  write("model.safetensors.index.json", R"({"weight_map": {"x": "shard.safetensors"}})");
  write("shard.safetensors", safetensors_file({"x"}, 20));
  EXPECT_THAT(floats("x"), ElementsAre(20, 21));
  write("model.safetensors", safetensors_file({"x"}, 10));
  EXPECT_THAT(floats("x"), ElementsAre(10, 11));
}

TEST_F(AFolder, SingleFilesAreReadByTheirEnding) {
  write("a.safetensors", safetensors_file({"x"}, 1));
  for (const char* name : {"a.bin", "a.pt", "a.pth"}) {
    write(name, pytorch_file({"x"}, 1));
    const Weights weights = Weights::load(path() / name);
    EXPECT_THAT(to_float32(weights.at("x")), ElementsAre(1, 2));
    EXPECT_EQ(weights.source(), (path() / name).string());
  }
  EXPECT_THAT(to_float32(Weights::load(path() / "a.safetensors").at("x")), ElementsAre(1, 2));
  write("a.gguf", "GGUF");
  EXPECT_THAT(weights_error(path() / "a.gguf"), HasSubstr("a.gguf: is no file of weights by its name"));
  EXPECT_THAT(weights_error(path() / "b.bin"), HasSubstr("not_found"));
  EXPECT_THAT(weights_error(path() / "nowhere"), HasSubstr("not_found"));
}

TEST_F(AFolder, MissingTensorsAreNamedWithTheFile) {
  write("model.safetensors", safetensors_file({"x", "y"}, 1));
  const Weights weights = Weights::load(path());
  EXPECT_EQ(weights.find("z"), nullptr);
  EXPECT_EQ(weights.bytes(), 16u);
  EXPECT_EQ(weights.tensors().size(), 2u);
  try {
    weights.at("z");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::corrupted);
    EXPECT_THAT(e.what(), HasSubstr("model.safetensors: tensor 'z' is missing (2 others are there)"));
  }
}

TEST_F(AFolder, TensorsOutliveAMove) {
  write("model.safetensors.index.json", R"({"weight_map": {"x": "a.safetensors"}})");
  write("a.safetensors", safetensors_file({"x"}, 1));
  write("s.bin", testing_pytorch::zip_file(dict(text("x") + tensor(storage("FloatStorage", "0", 4), 0, {2, 2}, {1, 2})),
                                           {{"0", bytes_of<float>({1, 2, 3, 4})}}));
  Weights sharded = Weights::load(path()), strided = Weights::load(path() / "s.bin");
  const Weights moved = std::move(sharded);
  EXPECT_THAT(to_float32(moved.at("x")), ElementsAre(1, 2));
  sharded = std::move(strided);
  EXPECT_THAT(to_float32(sharded.at("x")), ElementsAre(1, 3, 2, 4));
}

TEST_F(AFolder, ShardsGiveWhatTheIndexNames) {
  write("model.safetensors.index.json",
        R"({"metadata": {"total_size": 24}, "weight_map": {"x": "a.safetensors", "y": "b.safetensors",
            "z": "a.safetensors"}})");
  write("a.safetensors", safetensors_file({"x", "y", "z"}, 1));
  write("b.safetensors", safetensors_file({"y", "w"}, 5));
  const Weights weights = Weights::load(path());
  EXPECT_EQ(weights.tensors().size(), 3u);
  EXPECT_THAT(to_float32(weights.at("x")), ElementsAre(1, 2));
  EXPECT_THAT(to_float32(weights.at("y")), ElementsAre(5, 6)) << "the index decides between shards";
  EXPECT_EQ(weights.find("w"), nullptr);
  EXPECT_EQ(weights.source(), (path() / "model.safetensors.index.json").string());
}

TEST_F(AFolder, AnIndexThatLiesIsNamed) {
  write("a.safetensors", safetensors_file({"x"}, 1));
  auto with = [&](const std::string& json) {
    write("model.safetensors.index.json", json);
    return weights_error(path());
  };
  EXPECT_EQ(with(R"({"weight_map": {"x": "a.safetensors"}})"), "no error");
  EXPECT_THAT(with("{"), HasSubstr("is not a JSON object"));
  EXPECT_THAT(with("[]"), HasSubstr("is not a JSON object"));
  EXPECT_THAT(with("{}"),
              HasSubstr("corrupted: " + path().string() + "/model.safetensors.index.json: has no weight_map"));
  EXPECT_THAT(with(R"({"weight_map": {}})"), HasSubstr("weight_map is empty"));
  EXPECT_THAT(with(R"({"weight_map": {"x": 1}})"), HasSubstr("no file name for tensor 'x'"));
  EXPECT_THAT(with(R"({"weight_map": {"y": "a.safetensors"}})"), HasSubstr("tensor 'y' is not in 'a.safetensors'"));
  EXPECT_THAT(with(R"({"weight_map": {"x": "a.safetensors", "x": "a.safetensors"}})"), HasSubstr("'x' twice"));
  EXPECT_THAT(with(R"({"weight_map": {"x": "b.safetensors"}})"), HasSubstr("not_found"));
  EXPECT_THAT(with(R"({"weight_map": {"x": "model.safetensors.index.json"}})"), HasSubstr("no file of weights"));
  for (const char* name :
       {"../a.safetensors", "/a.safetensors", "..", ".", "", "b/a.safetensors", "a\\\\b", "a\\u0000"}) {
    EXPECT_THAT(with(std::string(R"({"weight_map": {"x": ")") + name + "\"}}"),
                HasSubstr("expected a file in the same folder"))
        << name;
  }
}

TEST_F(AFolder, APointerOfGitLfsIsToldApartFromDamage) {
  for (const char* name : {"a.bin", "a.safetensors"}) {
    write(name, "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n");
    EXPECT_THAT(weights_error(path() / name), HasSubstr("is a pointer of Git LFS"));
  }
}

// Recorded models: every format holds the tensors of bert-mean.

class RecordedModels : public testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(models())) GTEST_SKIP() << models() << " is not there";
  }
  static fs::path models() { return fs::path(SEXTANT_SHARED_DIR) / "golden" / "models"; }
};

void expect_same(const Weights& weights, const Weights& reference) {
  EXPECT_EQ(weights.tensors().size(), reference.tensors().size());
  for (const auto& [name, expected] : reference.tensors()) {
    const TensorView* tensor = weights.find(name);
    ASSERT_NE(tensor, nullptr) << name;
    EXPECT_EQ(tensor->dtype, expected.dtype) << name;
    EXPECT_EQ(tensor->shape, expected.shape) << name;
    EXPECT_TRUE(std::equal(tensor->bytes.begin(), tensor->bytes.end(), expected.bytes.begin(), expected.bytes.end()))
        << name;
  }
}

// Without the integer tensor that only some of the formats keep.
std::map<std::string, std::vector<float>> floats_of(const Weights& weights) {
  std::map<std::string, std::vector<float>> out;
  for (const auto& [name, tensor] : weights.tensors()) {
    if (tensor.dtype != DType::i64) out[name] = to_float32(tensor);
  }
  return out;
}

TEST_F(RecordedModels, HoldTheSameTensorsInEveryFormat) {
  const auto expected = floats_of(Weights::load(models() / "bert-mean"));
  ASSERT_GT(expected.size(), 30u);
  for (const char* name : {"format-pytorch-bin-zip", "format-pytorch-bin-legacy", "format-pytorch-bin-sharded",
                           "format-pytorch-bin-strided-shared", "format-sharded-safetensors"}) {
    const auto found = floats_of(Weights::load(models() / name));
    EXPECT_EQ(found.size(), expected.size()) << name;
    for (const auto& [tensor, values] : expected) {
      ASSERT_TRUE(found.contains(tensor)) << name << " " << tensor;
      EXPECT_EQ(found.at(tensor), values) << name << " " << tensor;
    }
  }
  expect_same(Weights::load(models() / "format-pytorch-bin-fp16"), Weights::load(models() / "format-fp16-safetensors"));
}

TEST_F(RecordedModels, HoldTheSameHeadsInBothFormats) {
  for (const char* head : {"sparse_linear", "colbert_linear"}) {
    const Weights reference = Weights::load(models() / "bge-m3" / (std::string(head) + ".safetensors"));
    expect_same(Weights::load(models() / "bge-m3" / (std::string(head) + ".pt")), reference);
    const Weights other = Weights::load(models() / "e2e-bge-m3" / (std::string(head) + ".pt"));
    EXPECT_EQ(other.at("weight").shape, reference.at("weight").shape);
    EXPECT_EQ(other.at("bias").shape, reference.at("bias").shape);
  }
}

TEST_F(RecordedModels, AllLoadUnderTheRulesOfTheFormat) {
  size_t loaded = 0;
  for (const auto& entry : fs::recursive_directory_iterator(models().parent_path())) {
    const fs::path ending = entry.path().extension();
    if (ending != ".safetensors" && ending != ".pt" && ending != ".bin") continue;
    EXPECT_EQ(weights_error(entry.path()), "no error") << entry.path();
    ++loaded;
  }
  EXPECT_GT(loaded, 80u);
}

}  // namespace
}  // namespace sextant::model
