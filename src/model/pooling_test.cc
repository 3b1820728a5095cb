#include "model/pooling.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/random.h"
#include "sextant/error.h"

namespace sextant::model {
namespace {

constexpr PoolingMode kModes[] = {PoolingMode::cls,           PoolingMode::max,           PoolingMode::mean,
                                  PoolingMode::mean_sqrt_len, PoolingMode::weighted_mean, PoolingMode::last_token};

Pooling pooling_of(std::string_view json) { return Pooling::of(Config::parse(json, "1_Pooling/config.json")); }

tensor::Matrix negative_matrix(size_t rows, size_t columns) {
  base::Random random(1);
  tensor::Matrix matrix(rows, columns);
  for (float& value : matrix.values()) value = static_cast<float>(random.normal() - 2);
  return matrix;
}

// The definition, in double, of the rows [first, end) of a sequence that begins at BEGIN.
double pooled(PoolingMode mode, const tensor::Matrix& x, size_t begin, size_t first, size_t end, size_t c) {
  if (begin == end) return 0;
  if (mode == PoolingMode::cls) return x.row(begin)[c];
  if (first == end) return 0;
  if (mode == PoolingMode::last_token) return x.row(end - 1)[c];
  double sum = 0, weights = 0, most = -std::numeric_limits<double>::infinity();
  for (size_t i = first; i < end; ++i) {
    const double weight = mode == PoolingMode::weighted_mean ? static_cast<double>(i - begin + 1) : 1;
    sum += weight * x.row(i)[c];
    weights += weight;
    most = std::max<double>(most, x.row(i)[c]);
  }
  if (mode == PoolingMode::max) return most;
  return sum / (mode == PoolingMode::mean_sqrt_len ? std::sqrt(weights) : weights);
}

TEST(Pooling, EqualsItsDefinitionForSequencesOfAnyLength) {
  tensor::Sequences sequences;
  for (size_t length : {0, 1, 2, 7, 0, 300, 0}) sequences.append(length);
  const tensor::Matrix x = negative_matrix(sequences.row_count(), 21);
  const std::vector<std::vector<size_t>> skips = {{}, {0, 0, 1, 3, 0, 299, 0}, {5, 1, 2, 8, 1, 300, 2}};
  for (PoolingMode mode : kModes) {
    for (const std::vector<size_t>& skipped : skips) {
      const tensor::Matrix out = pool(mode, x, sequences, skipped);
      ASSERT_EQ(out.rows(), 7u);
      for (size_t s = 0; s < 7; ++s) {
        const size_t begin = sequences.begin(s), end = begin + sequences.length(s);
        const size_t first = std::min(end, begin + (skipped.empty() ? 0 : skipped[s]));
        for (size_t c = 0; c < 21; ++c) {
          ASSERT_NEAR(out.row(s)[c], pooled(mode, x, begin, first, end, c), 1e-4)
              << name(mode) << " of sequence " << s << " without " << first - begin;
        }
      }
    }
  }
}

TEST(Pooling, OfNoSequencesIsNoRows) {
  for (PoolingMode mode : kModes) EXPECT_EQ(pool(mode, tensor::Matrix(0, 4), {}).rows(), 0u);
}

TEST(Pooling, SeveralModesFollowEachOther) {
  tensor::Sequences sequences;
  for (size_t length : {3, 0, 5}) sequences.append(length);
  const tensor::Matrix x = negative_matrix(8, 4);
  const Pooling both{{PoolingMode::max, PoolingMode::cls}, true};
  const tensor::Matrix out = pool(both, x, sequences);
  ASSERT_EQ(out.columns(), 8u);
  for (size_t m = 0; m < 2; ++m) {
    const tensor::Matrix one = pool(both.modes[m], x, sequences);
    for (size_t s = 0; s < 3; ++s) {
      for (size_t c = 0; c < 4; ++c) EXPECT_EQ(out.row(s)[m * 4 + c], one.row(s)[c]);
    }
  }
}

TEST(PoolingConfig, TheOldFormTurnsModesOn) {
  const std::pair<const char*, PoolingMode> keys[] = {{"cls_token", PoolingMode::cls},
                                                      {"max_tokens", PoolingMode::max},
                                                      {"mean_tokens", PoolingMode::mean},
                                                      {"mean_sqrt_len_tokens", PoolingMode::mean_sqrt_len},
                                                      {"weightedmean_tokens", PoolingMode::weighted_mean},
                                                      {"lasttoken", PoolingMode::last_token}};
  std::string all = "{";
  std::vector<PoolingMode> modes;
  for (auto [key, mode] : keys) {
    EXPECT_EQ(pooling_of(std::string("{\"pooling_mode_") + key + "\": true}").modes, std::vector{mode});
    all += std::string(modes.empty() ? "" : ", ") + "\"pooling_mode_" + key + "\": true";
    modes.push_back(mode);
  }
  EXPECT_EQ(pooling_of(all + "}").modes, modes);
  EXPECT_EQ(pooling_of(R"({"pooling_mode_mean_tokens": false})").modes, std::vector{PoolingMode::mean});
  EXPECT_EQ(pooling_of("{}").modes, std::vector{PoolingMode::mean});
}

TEST(PoolingConfig, TheNewFormNamesOneModeOrSeveralAndWins) {
  for (PoolingMode mode : kModes) {
    EXPECT_EQ(pooling_of("{\"pooling_mode\": \"" + std::string(name(mode)) + "\"}").modes, std::vector{mode});
  }
  EXPECT_EQ(pooling_of(R"({"pooling_mode": ["cls", "mean"]})").modes,
            (std::vector{PoolingMode::cls, PoolingMode::mean}));
  EXPECT_EQ(pooling_of(R"({"pooling_mode": "max", "pooling_mode_cls_token": true})").modes,
            std::vector{PoolingMode::max});
}

TEST(PoolingConfig, SaysWhetherThePromptCounts) {
  EXPECT_TRUE(pooling_of("{}").include_prompt);
  EXPECT_FALSE(pooling_of(R"({"include_prompt": false})").include_prompt);
}

TEST(PoolingConfig, WhatIsUnknownOrOfAnotherTypeIsAnErrorThatNamesTheKey) {
  const std::pair<const char*, ErrorCode> wrong[] = {{R"({"pooling_mode": "median"})", ErrorCode::unsupported},
                                                     {R"({"pooling_mode": ["cls", "median"]})", ErrorCode::unsupported},
                                                     {R"({"pooling_mode": ["cls", "cls"]})", ErrorCode::corrupted},
                                                     {R"({"pooling_mode": 3})", ErrorCode::corrupted},
                                                     {R"({"pooling_mode": [3]})", ErrorCode::corrupted},
                                                     {R"({"pooling_mode": {"cls": true}})", ErrorCode::corrupted},
                                                     {R"({"pooling_mode_cls_token": 1})", ErrorCode::corrupted}};
  for (auto [json, code] : wrong) {
    try {
      pooling_of(json);
      ADD_FAILURE() << json << " was taken";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), code) << e.what();
      EXPECT_NE(std::string(e.what()).find("1_Pooling/config.json: 'pooling_mode"), std::string::npos) << e.what();
    }
  }
}

}  // namespace
}  // namespace sextant::model
