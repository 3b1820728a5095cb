#include "tensor/attention.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "base/random.h"
#include "tensor/testing_matrices.h"

namespace sextant::tensor {
namespace {

constexpr size_t kAll = std::numeric_limits<size_t>::max();

Sequences sequences_of(const std::vector<size_t>& lengths) {
  Sequences sequences;
  for (size_t length : lengths) sequences.append(length);
  return sequences;
}

// The definition, in double. HOOK stands for what the options' hook adds.
std::vector<double> attention_reference(const Sequences& sequences, Columns q, Columns k, Columns v,
                                        const AttentionOptions& o, double (*hook)(size_t head, size_t i, size_t j)) {
  std::vector<double> out(sequences.row_count() * o.heads * o.head_dim, 0);
  for (size_t s = 0; s < sequences.count(); ++s) {
    const size_t first = sequences.begin(s), length = sequences.length(s);
    for (size_t head = 0; head < o.heads; ++head) {
      const size_t shared = head / (o.heads / o.kv_heads) * o.head_dim;
      for (size_t i = 0; i < length; ++i) {
        std::vector<double> weights(length, 0);
        double sum = 0;
        for (size_t j = 0; j < length; ++j) {
          if (i > j && i - j > o.before) continue;
          if (j > i && j - i > o.after) continue;
          double score = 0;
          for (size_t d = 0; d < o.head_dim; ++d) {
            score += static_cast<double>(q.data[(first + i) * q.stride + head * o.head_dim + d]) *
                     k.data[(first + j) * k.stride + shared + d];
          }
          score *= o.scale;
          if (o.bias != nullptr) {
            score += o.bias->values[head * (2 * o.bias->length - 1) + j + o.bias->length - 1 - i];
          }
          if (hook != nullptr) score += hook(head, i, j);
          if (o.softcap > 0) score = o.softcap * std::tanh(score / o.softcap);
          weights[j] = std::exp(score);
          sum += weights[j];
        }
        for (size_t j = 0; j < length; ++j) {
          for (size_t d = 0; d < o.head_dim; ++d) {
            out[((first + i) * o.heads + head) * o.head_dim + d] +=
                weights[j] / sum * v.data[(first + j) * v.stride + shared + d];
          }
        }
      }
    }
  }
  return out;
}

void expect_near(const Matrix& got, const std::vector<double>& want, const std::string& what) {
  ASSERT_EQ(got.values().size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(got.data()[i], want[i], 8e-6) << what << ", element " << i;
}

double hooked(size_t head, size_t i, size_t j) {
  return 0.25 * static_cast<double>(head) - 0.125 * static_cast<double>((3 * i + j) % 7);
}

struct Case {
  const char* name;
  size_t heads, kv_heads, head_dim;
  size_t before, after;
  float softcap;
  bool bias, hook;
};

const Case kCases[] = {{"full", 4, 4, 8, kAll, kAll, 0, false, false},
                       {"head of one column", 3, 3, 1, kAll, kAll, 0, false, false},
                       {"odd head", 2, 2, 13, kAll, kAll, 0, false, false},
                       {"wide head", 1, 1, 130, kAll, kAll, 0, false, false},
                       {"causal", 4, 4, 8, kAll, 0, 0, false, false},
                       {"grouped", 6, 2, 8, kAll, kAll, 0, false, false},
                       {"all heads share one", 4, 1, 16, kAll, 0, 0, false, false},
                       {"window", 2, 2, 8, 3, 3, 0, false, false},
                       {"causal window", 2, 1, 8, 4, 0, 0, false, false},
                       {"itself alone", 2, 2, 8, 0, 0, 0, false, false},
                       {"softcap", 4, 2, 8, kAll, 0, 2.5f, false, false},
                       {"bias", 3, 3, 8, kAll, kAll, 0, true, false},
                       {"bias in a window", 3, 3, 8, 2, 5, 0, true, false},
                       {"hook", 4, 4, 8, kAll, kAll, 0, false, true},
                       {"everything", 4, 2, 8, 6, 1, 3.0f, true, true}};

class AttentionOf : public testing::TestWithParam<Case> {
 protected:
  AttentionOf() : q_(random_matrix(kRows, wanted_columns(GetParam().heads) + 5, 1)), k_(random_matrix(kRows, 200, 2)) {
    const Case& c = GetParam();
    options_.heads = c.heads;
    options_.kv_heads = c.kv_heads;
    options_.head_dim = c.head_dim;
    options_.scale = 0.37f;
    options_.before = c.before;
    options_.after = c.after;
    options_.softcap = c.softcap;
    bias_.length = 60;
    base::Random random(3);
    for (size_t i = 0; i < c.heads * 119; ++i) bias_.values.push_back(static_cast<float>(random.normal()));
    if (c.bias) options_.bias = &bias_;
    if (c.hook) options_.hook = &hook_;
  }
  static size_t wanted_columns(size_t heads) { return heads * GetParam().head_dim; }

  Columns q() const { return columns(q_, 5); }
  Columns k() const { return columns(k_, 2); }
  Columns v() const { return columns(k_, 2 + GetParam().kv_heads * GetParam().head_dim % 70); }

  static constexpr size_t kRows = 130;
  Matrix q_, k_;
  RelativeBias bias_;
  ScoreHook hook_ = [](size_t, size_t head, size_t i, size_t first_key, std::span<float> scores) {
    for (size_t j = 0; j < scores.size(); ++j) scores[j] += static_cast<float>(hooked(head, i, first_key + j));
  };
  AttentionOptions options_;
};

TEST_P(AttentionOf, RaggedSequencesEqualsTheDefinitionInDouble) {
  base::ThreadPool pool(2);
  Context context{pool};
  for (const std::vector<size_t>& lengths :
       {std::vector<size_t>{1}, {0}, {}, {2, 0, 1}, {0, 17, 1, 60, 3, 0}, {33, 33, 33}}) {
    const Sequences sequences = sequences_of(lengths);
    const Matrix got = attention(sequences, q(), k(), v(), options_, context);
    expect_near(got, attention_reference(sequences, q(), k(), v(), options_, GetParam().hook ? hooked : nullptr),
                GetParam().name);
  }
}

TEST_P(AttentionOf, ASequenceIsTheSameBytesAloneAmongOthersAndOnAnyNumberOfThreads) {
  const std::vector<size_t> lengths = {3, 60, 1, 0, 17, 49};
  const Sequences sequences = sequences_of(lengths);
  base::ThreadPool one(1);
  Context single{one};
  const Matrix together = attention(sequences, q(), k(), v(), options_, single);
  for (size_t threads : {2, 3}) {
    base::ThreadPool pool(threads);
    Context context{pool};
    const Matrix shared = attention(sequences, q(), k(), v(), options_, context);
    EXPECT_TRUE(same_bytes(shared.data(), together.data(), together.values().size())) << threads << " threads";
  }
  for (size_t s = 0; s < lengths.size(); ++s) {
    auto from = [&](Columns c) { return Columns{c.data + sequences.begin(s) * c.stride, c.stride}; };
    const Matrix alone = attention(sequences_of({lengths[s]}), from(q()), from(k()), from(v()), options_, single);
    EXPECT_TRUE(same_bytes(alone.data(), together.row(sequences.begin(s)), alone.values().size())) << "sequence " << s;
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, AttentionOf, testing::ValuesIn(kCases), [](const auto& one) {
  std::string name = one.param.name;
  for (char& c : name) c = c == ' ' ? '_' : c;
  return name;
});

TEST(Attention, OfScoresFarApartStaysFinite) {
  base::ThreadPool pool(1);
  Context context{pool};
  Matrix q(3, 2), k(3, 2), v(3, 2);
  for (size_t i = 0; i < 3; ++i) {
    q.row(i)[0] = 1e4f;
    q.row(i)[1] = 0;
    k.row(i)[0] = static_cast<float>(i) * 1e4f;
    k.row(i)[1] = 0;
    v.row(i)[0] = static_cast<float>(i);
    v.row(i)[1] = 1;
  }
  const Matrix out = attention(sequences_of({3}), columns(q), columns(k), columns(v),
                               {.heads = 1, .kv_heads = 1, .head_dim = 2}, context);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_FLOAT_EQ(out.row(i)[0], 2);
    EXPECT_FLOAT_EQ(out.row(i)[1], 1);
  }
}

TEST(Attention, ToKeysThatAllShareEqualsTheDefinitionInDouble) {
  base::ThreadPool pool(2);
  Context context{pool};
  const size_t rows = 37, keys = 11, heads = 4, dim = 6;
  const Matrix q = random_matrix(rows, heads * dim, 4), k = random_matrix(keys, 2 * heads * dim, 5);
  AttentionOptions options{.heads = heads, .kv_heads = heads, .head_dim = dim, .scale = 0.4f};
  const Matrix got = cross_attention(columns(q), rows, columns(k), columns(k, heads * dim), keys, options, context);
  for (size_t i = 0; i < rows; ++i) {
    for (size_t h = 0; h < heads; ++h) {
      std::vector<double> weights(keys, 0);
      double sum = 0;
      for (size_t j = 0; j < keys; ++j) {
        double score = 0;
        for (size_t d = 0; d < dim; ++d) score += 0.4f * double{q.row(i)[h * dim + d]} * k.row(j)[h * dim + d];
        sum += weights[j] = std::exp(score);
      }
      for (size_t d = 0; d < dim; ++d) {
        double want = 0;
        for (size_t j = 0; j < keys; ++j) want += weights[j] / sum * k.row(j)[(heads + h) * dim + d];
        ASSERT_NEAR(got.row(i)[h * dim + d], want, 8e-6);
      }
    }
  }
  base::ThreadPool one(1);
  Context single{one};
  const Matrix alone =
      cross_attention(columns(q, 20 * heads * dim), 1, columns(k), columns(k, heads * dim), keys, options, single);
  EXPECT_TRUE(same_bytes(alone.data(), got.row(20), heads * dim));
  EXPECT_EQ(cross_attention(columns(q), 0, columns(k), columns(k), keys, options, single).rows(), 0u);
}

// 32 buckets up to 128. A query's own place and those before have buckets 0 to 15, those after 16 to 31. Of each side
// 8 are exact; the others begin at 8 * 16^(n / 8): 8, 11.3, 16, 22.6, 32, 45.3, 64, 90.5.
TEST(RelativeBucket, IsExactNearAndLogarithmicFar) {
  struct Edge {
    ptrdiff_t first;  // the smallest distance of the bucket
    size_t bucket;
  };
  const Edge edges[] = {{0, 0},  {1, 1},   {2, 2},   {3, 3},   {4, 4},   {5, 5},   {6, 6},   {7, 7},   {8, 8},
                        {12, 9}, {16, 10}, {23, 11}, {32, 12}, {46, 13}, {64, 14}, {91, 15}, {200, 15}};
  for (size_t e = 0; e + 1 < std::size(edges); ++e) {
    for (ptrdiff_t d = edges[e].first; d < edges[e + 1].first; ++d) {
      EXPECT_EQ(relative_bucket(-d, 32, 128), edges[e].bucket) << -d;
      EXPECT_EQ(relative_bucket(d, 32, 128), edges[e].bucket + (d > 0 ? 16 : 0)) << d;
    }
  }
  EXPECT_EQ(relative_bucket(-1000000, 32, 128), 15u);
  EXPECT_EQ(relative_bucket(1000000, 32, 128), 31u);
}

TEST(RelativeBucket, StaysInsideTheTableForEverySizeThatIsAllowed) {
  for (size_t buckets : {4, 5, 6, 7, 8, 9, 33, 500}) {
    for (size_t farthest : {buckets / 4 + 1, size_t{128}, size_t{1} << 40}) {
      if (farthest <= buckets / 4) continue;
      for (ptrdiff_t d : {0, 1, 2, 3, 10, 127, 128, 129, 100000}) {
        EXPECT_LT(relative_bucket(d, buckets, farthest), buckets);
        EXPECT_LT(relative_bucket(-d, buckets, farthest), buckets);
      }
    }
  }
}

TEST(RelativeBias, TakesTheTableByBucketAndHead) {
  std::vector<float> table(32 * 2);
  for (size_t i = 0; i < table.size(); ++i) table[i] = static_cast<float>(i);
  const RelativeBias bias = bucketed_bias(table.data(), 32, 2, 100, 128);
  for (size_t head : {0, 1}) {
    for (size_t i : {0, 50, 99}) {
      for (size_t j : {0, 1, 49, 50, 51, 99}) {
        const size_t bucket = relative_bucket(static_cast<ptrdiff_t>(j) - static_cast<ptrdiff_t>(i), 32, 128);
        EXPECT_EQ(bias.row(head, i)[j], static_cast<float>(2 * bucket + head));
      }
    }
  }
}

TEST(RelativeBias, OfNoRowsIsEmpty) {
  const float table[4] = {};
  EXPECT_TRUE(bucketed_bias(table, 4, 1, 0, 128).values.empty());
  EXPECT_TRUE(alibi_bias(8, 0).values.empty());
}

// 8 heads: 1/2, 1/4 ... 1/256. 12 heads: these, then every second slope of 16 heads: 2^-0.5, 2^-1.5, 2^-2.5, 2^-3.5.
TEST(Alibi, HasTheSlopesOfThePaper) {
  for (size_t heads : {1, 2, 8, 12}) {
    const RelativeBias bias = alibi_bias(heads, 4);
    for (size_t h = 0; h < heads; ++h) {
      const size_t power = heads == 12 ? 8 : heads;
      const double slope = h < power ? std::exp2(-8.0 / static_cast<double>(power) * static_cast<double>(h + 1))
                                     : std::exp2(-0.5 - static_cast<double>(h - 8));
      for (size_t i = 0; i < 4; ++i) {
        for (size_t j = 0; j < 4; ++j) {
          const double distance = i > j ? static_cast<double>(i - j) : static_cast<double>(j - i);
          EXPECT_NEAR(bias.row(h, i)[j], -slope * distance, 1e-6) << heads << " heads, head " << h;
        }
      }
    }
  }
}

TEST(Rotary, FrequenciesFallFromOneByTheBase) {
  const std::vector<float> frequencies = rotary_frequencies(8, 10000);
  ASSERT_EQ(frequencies.size(), 4u);
  EXPECT_FLOAT_EQ(frequencies[0], 1);
  EXPECT_FLOAT_EQ(frequencies[1], 0.1f);
  EXPECT_FLOAT_EQ(frequencies[2], 0.01f);
  EXPECT_FLOAT_EQ(frequencies[3], 0.001f);
  EXPECT_TRUE(rotary_frequencies(1, 10000).empty());
}

class RotaryOf : public testing::TestWithParam<bool> {};

TEST_P(RotaryOf, PairsTurnsThemByPositionTimesFrequency) {
  const bool interleaved = GetParam();
  base::ThreadPool pool(2);
  Context context{pool};
  // Two heads of 10 columns after 3 that are left, of which the first 8 turn.
  const size_t head_dim = 10, heads = 2, before = 3;
  const std::vector<float> frequencies = rotary_frequencies(8, 100);
  const Sequences sequences = sequences_of({5, 0, 1, 40});
  const Matrix x = random_matrix(46, before + heads * head_dim + 2, 6);
  Matrix y(x.rows(), x.columns());
  std::copy(x.values().begin(), x.values().end(), y.values().begin());
  Rotary(frequencies, interleaved)(y, before, heads, head_dim, sequences, context);
  for (size_t s = 0; s < sequences.count(); ++s) {
    for (size_t p = 0; p < sequences.length(s); ++p) {
      const size_t r = sequences.begin(s) + p;
      std::vector<double> want(x.row(r), x.row(r) + x.columns());
      for (size_t h = 0; h < heads; ++h) {
        for (size_t i = 0; i < 4; ++i) {
          const size_t a = before + h * head_dim + (interleaved ? 2 * i : i);
          const size_t b = before + h * head_dim + (interleaved ? 2 * i + 1 : 4 + i);
          const double angle = static_cast<double>(p) * std::pow(100.0, -static_cast<double>(i) / 4);
          want[a] = x.row(r)[a] * std::cos(angle) - x.row(r)[b] * std::sin(angle);
          want[b] = x.row(r)[a] * std::sin(angle) + x.row(r)[b] * std::cos(angle);
        }
      }
      for (size_t c = 0; c < x.columns(); ++c) ASSERT_NEAR(y.row(r)[c], want[c], 2e-5) << "row " << r << ", " << c;
    }
  }
  // The last sequence by itself, on one thread.
  base::ThreadPool one(1);
  Context single{one};
  Matrix alone(40, x.columns());
  std::copy_n(x.row(6), alone.values().size(), alone.data());
  Rotary(frequencies, interleaved)(alone, before, heads, head_dim, sequences_of({40}), single);
  EXPECT_TRUE(same_bytes(alone.data(), y.row(6), alone.values().size()));
}

INSTANTIATE_TEST_SUITE_P(Both, RotaryOf, testing::Bool(),
                         [](const auto& one) { return one.param ? "neighbours" : "halves"; });

TEST(Rotary, KeepsTheProductOfTwoRowsThatAreEquallyFarApart) {
  base::ThreadPool pool(1);
  Context context{pool};
  const Matrix pair = random_matrix(2, 16, 7);
  Matrix x(60, 16);
  for (size_t i = 0; i < 60; ++i) std::copy_n(pair.row(i % 2), 16, x.row(i));
  Rotary(rotary_frequencies(16, 10000))(x, 0, 1, 16, sequences_of({60}), context);
  auto product = [&](size_t i, size_t j) {
    double sum = 0;
    for (size_t c = 0; c < 16; ++c) sum += double{x.row(i)[c]} * x.row(j)[c];
    return sum;
  };
  for (size_t i = 2; i + 3 < 60; i += 2) EXPECT_NEAR(product(i, i + 3), product(0, 3), 1e-4);
}

}  // namespace
}  // namespace sextant::tensor
