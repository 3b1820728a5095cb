#include "eval/verify.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>

#include "base/files.h"
#include "sextant/error.h"

namespace sextant::eval {
namespace {

namespace fs = std::filesystem;

// Folders of networks for text; images have tests of their own.
std::vector<fs::path> golden_folders() {
  std::vector<fs::path> folders;
  const fs::path root = fs::path(SEXTANT_SOURCE_DIR) / "tests/golden/models";
  for (const auto& entry : fs::directory_iterator(root)) {
    if (entry.is_directory()) folders.push_back(entry.path());
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

class GoldenModels : public testing::TestWithParam<fs::path> {};

TEST_P(GoldenModels, EveryRecordedOutputIsReproduced) {
  const std::vector<VerifiedFile> files = verify_model(GetParam());
  EXPECT_FALSE(files.empty());
  for (const VerifiedFile& file : files) {
    EXPECT_TRUE(file.passed) << file.file << ": error " << file.max_error << ", tolerance " << file.tolerance
                             << ", cosine " << file.cosine << ' ' << file.problem;
    fmt::print("{:48} {:40} {:.1e} of {:.1e}\n", GetParam().filename().string(), file.file, file.max_error,
               file.tolerance);
  }
}

// Whole texts' vectors stay closer than the bounds for single hidden states.
TEST_P(GoldenModels, LowerPrecisionsStayWithinTheirBounds) {
  for (const auto& [compute, least] : {std::pair(Compute::bfloat16, 0.999), std::pair(Compute::int8, 0.98)}) {
    for (const VerifiedFile& file : verify_model(GetParam(), compute)) {
      EXPECT_TRUE(file.passed) << name(compute) << ", " << file.file << ": cosine " << file.cosine << " where "
                               << file.cosine_least << " is wanted, error " << file.max_error << " of "
                               << file.tolerance << ' ' << file.problem;
      if (file.file.starts_with("expected_embeddings")) {
        EXPECT_GE(file.cosine, least) << name(compute) << ", " << file.file;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Folder, GoldenModels, testing::ValuesIn(golden_folders()), [](const auto& folder) {
  std::string name = folder.param.filename().string();
  std::replace_if(
      name.begin(), name.end(), [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
  return name;
});

// A recorded folder's copy, in which FILE is changed; what verifying it says about NAMED.
std::string problem_with(const std::string& golden, const std::string& named,
                         const std::function<void(const fs::path&)>& change) {
  base::TemporaryFolder folder;
  const fs::path copy = folder.path() / "model";
  fs::copy(fs::path(SEXTANT_SOURCE_DIR) / "tests/golden/models" / golden, copy, fs::copy_options::recursive);
  change(copy);
  for (const VerifiedFile& file : verify_model(copy)) {
    if (file.file != named) continue;
    EXPECT_FALSE(file.passed);
    return file.problem;
  }
  ADD_FAILURE() << named << " was not verified";
  return {};
}

TEST(VerifyModel, ARecordingThatNamesWhatIsNotThereIsAMissAndNoCrash) {
  auto rename = [](const char* from, const char* to) {
    return [=](const fs::path& folder) { fs::rename(folder / from, folder / to); };
  };
  EXPECT_NE(problem_with("bge-m3", "expected_colbert_score_q.npy",
                         rename("expected_colbert_vecs.npy", "expected_colbert_score_q.npy")),
            "");
  EXPECT_NE(problem_with("bge-m3", "expected_colbert_score_q0_p999.npy",
                         rename("expected_colbert_vecs.npy", "expected_colbert_score_q0_p999.npy")),
            "");
  EXPECT_NE(problem_with("bert-mean", "expected_matryoshka_x.npy",
                         rename("expected_sentence_embedding.npy", "expected_matryoshka_x.npy")),
            "");
  EXPECT_NE(problem_with("qwen3-reranker", "expected_scores.npy",
                         [](const fs::path& folder) {
                           std::string text = base::read_file(folder / "inputs.json");
                           const size_t at = text.find("\"yes_token_id\"");
                           text.insert(text.find_first_of("0123456789", at), "99");
                           std::ofstream(folder / "inputs.json") << text;
                         }),
            "");
}

TEST(RecordModel, RefusesTextsAmongPairs) {
  base::TemporaryFolder folder;
  for (const std::vector<std::vector<std::string>>& texts :
       {std::vector<std::vector<std::string>>{}, {{}}, {{"a", "b"}, {"c"}}, {{"a"}, {}}, {{"a", "b", "c"}}}) {
    EXPECT_THROW(record_model(folder.path(), texts), Error);
  }
}

}  // namespace
}  // namespace sextant::eval
