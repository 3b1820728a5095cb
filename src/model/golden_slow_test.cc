// Static models against the recorded outputs of the real implementations.
#include <gtest/gtest.h>
#include <simdjson.h>

#include <cmath>
#include <cstring>
#include <filesystem>

#include "base/files.h"
#include "sextant/embed.h"

namespace sextant::model {
namespace {

namespace fs = std::filesystem;

const fs::path kShared = SEXTANT_SHARED_DIR;

struct Recorded {
  const char* name;    // folder of golden/real
  const char* folder;  // of data/models
};

class RecordedStaticModels : public testing::TestWithParam<Recorded> {};

// The last [rows, dim] float32 values of an .npy file, C order: all that these recordings hold.
std::vector<float> read_rows(const fs::path& path, size_t count) {
  std::string bytes = base::read_file(path);
  std::vector<float> rows(count);
  if (bytes.size() < count * sizeof(float)) return {};
  std::memcpy(rows.data(), bytes.data() + bytes.size() - count * sizeof(float), count * sizeof(float));
  return rows;
}

TEST_P(RecordedStaticModels, GiveTheSameVectorsToAHundredThousandth) {
  const fs::path golden = kShared / "golden/real" / GetParam().name;
  const fs::path folder = kShared / "data/models" / GetParam().folder;
  if (!fs::exists(golden) || !fs::exists(folder)) GTEST_SKIP() << golden << " or " << folder << " is not there";
  auto model = Embedder::load(folder.string());
  simdjson::dom::parser parser;
  simdjson::dom::element inputs = parser.load((golden / "inputs.json").string());
  std::vector<std::string_view> texts;
  for (auto text : simdjson::dom::array(inputs["sentences"])) texts.push_back(std::string_view(text));
  ASSERT_GT(texts.size(), 10u);
  std::vector<float> want = read_rows(golden / "embeddings.npy", texts.size() * model->dim());
  std::vector<float> got(want.size());
  ASSERT_EQ(got.size(), texts.size() * model->dim());
  model->embed(texts, {}, got);
  double worst = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    worst = std::max(worst, std::abs(static_cast<double>(got[i]) - want[i]));
  }
  std::printf("%-48s %3zu texts, worst difference %.2e\n", GetParam().name, texts.size(), worst);
  EXPECT_LE(worst, 1e-5);
}

INSTANTIATE_TEST_SUITE_P(
    All, RecordedStaticModels,
    testing::Values(Recorded{"potion-base-2M", "potion-base-2M"},
                    Recorded{"model2vec-fixtures__test-model-float32", "model2vec-fixtures/test-model-float32"},
                    Recorded{"model2vec-fixtures__test-model-float16", "model2vec-fixtures/test-model-float16"},
                    Recorded{"model2vec-fixtures__test-model-int8", "model2vec-fixtures/test-model-int8"},
                    Recorded{"model2vec-fixtures__test-model-vocab-quantized",
                             "model2vec-fixtures/test-model-vocab-quantized"}));

}  // namespace
}  // namespace sextant::model
