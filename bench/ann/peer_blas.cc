// peer_blas: exact search of many queries at once as a float matrix product (Debian's libopenblas-dev) and a selection.
//
// Blocks of queries times blocks of rows, small enough for the scores to stay in the second cache; the best k of each
// query are kept sorted beside them. "search" has no settings; a "step" is not for it.
#include <cblas.h>

#include <limits>
#include <stdexcept>

#include "peer.h"

namespace {

using namespace sextant::bench;
using nlohmann::json;

constexpr size_t kQueriesAtOnce = 128;
constexpr size_t kRowsAtOnce = 1024;

// The best K so far, best first; a new one is moved in from the end.
struct Best {
  std::vector<float> scores;
  std::vector<uint32_t> ids;
  explicit Best(size_t k) : scores(k, std::numeric_limits<float>::lowest()), ids(k, 0xFFFFFFFF) {}
  void offer(float score, uint32_t id) {
    size_t at = scores.size() - 1;
    for (; at > 0 && scores[at - 1] < score; --at) {
      scores[at] = scores[at - 1];
      ids[at] = ids[at - 1];
    }
    scores[at] = score;
    ids[at] = id;
  }
};

class Peer {
 public:
  json answer(const json& question) {
    const std::string task = question.at("do");
    if (task == "build") return build(question);
    if (task == "search" && question.value("step", 1) == 1) return search(question);
    throw std::runtime_error("a matrix product cannot do it: " + task);
  }

 private:
  json build(const json& question) {
    base_ = read_matrix(question.at("base"));
    const double begin = seconds();
    // By L2 the order is that of dot - |row|^2 / 2.
    offsets_.assign(base_.rows, 0);
    for (size_t i = 0; i < base_.rows && question.at("metric") == "l2"; ++i) {
      offsets_[i] = -0.5f * cblas_sdot(static_cast<int>(base_.dim), base_.row(i), 1, base_.row(i), 1);
    }
    return {{"build_s", seconds() - begin}, {"bytes", 0}, {"rows", base_.rows}, {"dim", base_.dim}};
  }

  json search(const json& question) const {
    const Questions questions(question);
    openblas_set_num_threads(static_cast<int>(questions.threads()));
    const Matrix& queries = questions.queries();
    const size_t k = questions.k();
    json points = json::array();
    points.push_back(questions.measure_batch("exact", "sgemm", [&](uint32_t* ids) {
      std::vector<float> scores(kQueriesAtOnce * kRowsAtOnce);
      for (size_t q = 0; q < queries.rows; q += kQueriesAtOnce) {
        const size_t asked = std::min(kQueriesAtOnce, queries.rows - q);
        std::vector<Best> best(asked, Best(k));
        for (size_t r = 0; r < base_.rows; r += kRowsAtOnce) {
          const size_t rows = std::min(kRowsAtOnce, base_.rows - r);
          const int dim = static_cast<int>(base_.dim);
          cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, static_cast<int>(asked), static_cast<int>(rows), dim, 1,
                      queries.row(q), dim, base_.row(r), dim, 0, scores.data(), static_cast<int>(rows));
          for (size_t i = 0; i < asked; ++i) select(scores.data() + i * rows, rows, r, best[i]);
        }
        for (size_t i = 0; i < asked; ++i) std::copy_n(best[i].ids.begin(), k, ids + (q + i) * k);
      }
    }));
    return {{"points", points}};
  }

  void select(const float* scores, size_t count, size_t first, Best& best) const {
    constexpr size_t kGroup = 32;
    for (size_t begin = 0; begin < count; begin += kGroup) {
      const size_t end = std::min(count, begin + kGroup);
      // Most groups have nothing better than what is there, which the compiler's vectors see at once.
      float highest = std::numeric_limits<float>::lowest();
      for (size_t i = begin; i < end; ++i) highest = std::max(highest, scores[i] + offsets_[first + i]);
      if (highest <= best.scores.back()) continue;
      for (size_t i = begin; i < end; ++i) {
        const float score = scores[i] + offsets_[first + i];
        if (score > best.scores.back()) best.offer(score, static_cast<uint32_t>(first + i));
      }
    }
  }

  Matrix base_;
  std::vector<float> offsets_;  // [rows]
};

}  // namespace

int main() {
  Peer peer;
  serve_lines([&](const json& question) { return peer.answer(question); });
}
