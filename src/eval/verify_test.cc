#include "eval/verify.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

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

INSTANTIATE_TEST_SUITE_P(Folder, GoldenModels, testing::ValuesIn(golden_folders()), [](const auto& folder) {
  std::string name = folder.param.filename().string();
  std::replace_if(
      name.begin(), name.end(), [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
  return name;
});

}  // namespace
}  // namespace sextant::eval
