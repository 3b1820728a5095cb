// The program in a process of its own, held to the memory that it was given.
#include <gtest/gtest.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "base/random.h"
#include "program.h"
#include "sextant/error.h"

namespace sextant::tests {
namespace {

constexpr uint32_t kRows = 30'000, kQueries = 50, kDim = 768;
constexpr size_t kRowBytes = kDim * sizeof(float);  // 92 MB in all

// As .fbin: vectors around 200 centres.
void write_vectors(const std::string& path, uint32_t rows, uint64_t seed) {
  base::Random shape(1), random(seed);
  std::vector<float> centres(200 * kDim);
  for (float& value : centres) value = static_cast<float>(shape.normal());
  std::ofstream file(path, std::ios::binary);
  const uint32_t head[] = {rows, kDim};
  file.write(reinterpret_cast<const char*>(head), sizeof(head));
  std::vector<float> row(kDim);
  for (uint32_t i = 0; i < rows; ++i) {
    const float* centre = centres.data() + random.below(200) * kDim;
    // A few directions, so that rows of a cluster are near to different ones.
    const float slope = static_cast<float>(random.normal()), bend = static_cast<float>(random.normal());
    for (uint32_t j = 0; j < kDim; ++j) {
      row[j] = centre[j] + slope * centre[(j + 100) % kDim] + bend * centre[(j + 300) % kDim] +
               0.1f * static_cast<float>(random.normal());
    }
    file.write(reinterpret_cast<const char*>(row.data()), kRowBytes);
  }
}

nlohmann::json last_line(const Outcome& outcome) {
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  const size_t end = outcome.out.find_last_not_of('\n');
  const size_t begin = outcome.out.find_last_of('\n', end);
  return nlohmann::json::parse(outcome.out.substr(begin == std::string::npos ? 0 : begin + 1), nullptr, false);
}

TEST(BoundedMemory, AnIndexIsBuiltInLessThanItsVectorsTake) {
  base::TemporaryFolder folder;
  const std::string rows = folder.path() / "rows.fbin", queries = folder.path() / "queries.fbin";
  const std::string truth = folder.path() / "truth.ids";
  write_vectors(rows, kRows, 2);
  write_vectors(queries, kQueries, 3);
  ASSERT_EQ(run_sextant({"ann", "truth", "--input", rows, "--metric", "cosine", "--queries", queries, "--k", "10",
                         "--output", truth})
                .status,
            0);
  std::vector<double> recalls;
  std::vector<size_t> peaks;
  for (const char* memory : {"72M", "2G"}) {
    const std::string index = folder.path() / memory;
    const nlohmann::json built = last_line(
        run_sextant({"ann", "build", "--input", rows, "--metric", "cosine", "--output", index, "--memory", memory}));
    EXPECT_EQ(built["rows"], kRows);
    peaks.push_back(built["peak_memory_bytes"]);
    const nlohmann::json searched = last_line(run_sextant({"ann", "search", "--index", index, "--queries", queries,
                                                           "--k", "10", "--truth", truth, "--target-recall", "0.95"}));
    recalls.push_back(searched["recall"]);
  }
  // Pages of the file that is read are the system's, and given back as the build goes on; at most some are counted.
  EXPECT_LT(peaks[0], size_t{72} << 20);
  EXPECT_GT(peaks[1], kRows * kRowBytes);
  EXPECT_GT(recalls[0], 0.93);
  EXPECT_GT(recalls[1], 0.93);
  const Outcome refused =
      run_sextant({"ann", "build", "--input", rows, "--output", folder.path() / "x", "--memory", "20M"});
  EXPECT_EQ(refused.status, exit_status(ErrorCode::exhausted)) << refused.err;
  EXPECT_NE(refused.err.find("--memory: 20971520 bytes"), std::string::npos) << refused.err;
}

}  // namespace
}  // namespace sextant::tests
