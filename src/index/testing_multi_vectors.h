// index/testing_multi_vectors.h: seeded rows of several vectors, and a slow MaxSim in double to judge others by.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "base/random.h"
#include "index/testing_vectors.h"

namespace sextant::index {

struct MultiRows {
  size_t dim = 0;
  std::vector<size_t> counts;  // [rows]
  std::vector<float> vectors;  // [sum of counts, dim]
  std::vector<size_t> firsts;  // [rows]

  std::span<const float> row(size_t i) const { return std::span(vectors).subspan(firsts[i] * dim, counts[i] * dim); }
};

// As texts have them: a row is about one of TOPICS, whose words it takes; a word's vector leans a little towards the
// row's own meaning. The same words for every seed.
inline MultiRows worded(size_t rows, size_t dim, uint64_t seed, size_t least, size_t most, size_t topics = 40) {
  constexpr size_t kWords = 1000, kTopicWords = 60;
  base::Random shape(11), random(seed);
  std::vector<double> words(kWords * dim);
  for (double& value : words) value = shape.normal();
  std::vector<size_t> topic_words(topics * kTopicWords);
  for (size_t& word : topic_words) word = shape.below(kWords);
  MultiRows out;
  out.dim = dim;
  std::vector<double> meaning(dim);
  for (size_t i = 0; i < rows; ++i) {
    const size_t topic = random.below(topics);
    for (double& value : meaning) value = 0.5 * random.normal();
    out.firsts.push_back(out.vectors.size() / dim);
    out.counts.push_back(least + random.below(most - least + 1));
    for (size_t v = 0; v < out.counts.back(); ++v) {
      // The first ones of a topic's words are its usual ones.
      const size_t word = topic_words[topic * kTopicWords + random.below(1 + random.below(kTopicWords))];
      for (size_t j = 0; j < dim; ++j) {
        out.vectors.push_back(static_cast<float>(words[word * dim + j] + meaning[j] + 0.25 * random.normal()));
      }
    }
  }
  return out;
}

inline double slow_max_sim(Metric metric, std::span<const float> queries, std::span<const float> row, size_t dim) {
  double sum = 0;
  for (size_t q = 0; q < queries.size(); q += dim) {
    double best = -std::numeric_limits<double>::infinity();
    for (size_t v = 0; v < row.size(); v += dim) {
      best = std::max(best, slow_score(metric, queries.subspan(q, dim), row.subspan(v, dim)));
    }
    sum += best;
  }
  return sum;
}

// (score, row) of the k nearest, best first.
inline std::vector<std::pair<double, uint64_t>> slow_multi_search(Metric metric, const MultiRows& rows,
                                                                  std::span<const float> queries, size_t k,
                                                                  const AllowedIds* allowed = nullptr) {
  std::vector<std::pair<double, uint64_t>> all;
  for (size_t i = 0; i < rows.counts.size(); ++i) {
    if (allowed != nullptr && !allowed->contains(i)) continue;
    all.emplace_back(-slow_max_sim(metric, queries, rows.row(i), rows.dim), i);
  }
  std::sort(all.begin(), all.end());
  all.resize(std::min(k, all.size()));
  for (auto& [score, id] : all) score = -score;
  return all;
}

}  // namespace sextant::index
