// peer_faiss: FAISS as Debian packages it (libfaiss-dev: 1.7.3, without AVX, several times slower than it
// could be: a reference, not a bar).
//
// "build" takes "kind": hnsw, hnsw_sq8 (8-bit codes in place of the float rows) or flat; "M" and "ef_construction".
// A setting of "search" is ef; a flat index has none and answers all queries at once. With a filter ("step") the graphs
// search without it and drop what is not allowed: this version's graphs take none.
#include <faiss/IndexFlat.h>
#include <faiss/IndexHNSW.h>
#include <omp.h>

#include <memory>
#include <stdexcept>

#include "peer.h"

namespace {

using namespace sextant::bench;
using nlohmann::json;

class Peer {
 public:
  json answer(const json& question) {
    const std::string task = question.at("do");
    if (task == "build") return build(question);
    if (!index_) throw std::runtime_error("nothing is built yet");
    if (task == "search") return search(question);
    throw std::runtime_error("this index cannot do it: " + task);
  }

 private:
  json build(const json& question) {
    const Matrix base = read_matrix(question.at("base"));
    const std::string kind = question.value("kind", "hnsw");
    const int dim = static_cast<int>(base.dim), m = question.value("M", 16);
    omp_set_num_threads(question.value("threads", 1));
    const double begin = seconds();
    // Of vectors of one length the nearest are the same by L2 and by dot, and FAISS's graphs are made for L2.
    if (kind == "hnsw") index_ = graph_ = new faiss::IndexHNSWFlat(dim, m);
    if (kind == "hnsw_sq8") index_ = graph_ = new faiss::IndexHNSWSQ(dim, faiss::ScalarQuantizer::QT_8bit, m);
    if (kind == "flat") {
      const bool l2 = question.at("metric") == "l2";
      index_ = new faiss::IndexFlat(dim, l2 ? faiss::METRIC_L2 : faiss::METRIC_INNER_PRODUCT);
    }
    if (index_ == nullptr) throw std::runtime_error("unknown kind: " + kind);
    if (graph_ != nullptr) graph_->hnsw.efConstruction = question.value("ef_construction", 200);
    index_->train(static_cast<faiss::Index::idx_t>(base.rows), base.values.data());
    index_->add(static_cast<faiss::Index::idx_t>(base.rows), base.values.data());
    const double end = seconds();
    size_t bytes = 0;
    if (graph_ != nullptr) {
      bytes = graph_->hnsw.neighbors.size() * sizeof(graph_->hnsw.neighbors[0]) +
              graph_->hnsw.offsets.size() * sizeof(size_t) + graph_->hnsw.levels.size() * sizeof(int);
      if (kind == "hnsw_sq8") bytes += base.rows * base.dim;
    }
    return {{"build_s", end - begin}, {"bytes", bytes}, {"rows", base.rows}, {"dim", base.dim}};
  }

  json search(const json& question) const {
    const Questions questions(question);
    const size_t step = question.value("step", 1), k = questions.k();
    json points = json::array();
    if (graph_ == nullptr) {
      if (step > 1) throw std::runtime_error("this index takes no filter");
      omp_set_num_threads(static_cast<int>(questions.threads()));
      points.push_back(questions.measure_batch("exact", "flat", [&](uint32_t* ids) {
        std::vector<faiss::Index::idx_t> found(questions.queries().rows * k);
        std::vector<float> scores(found.size());
        index_->search(static_cast<faiss::Index::idx_t>(questions.queries().rows), questions.queries().values.data(),
                       static_cast<faiss::Index::idx_t>(k), scores.data(), found.data());
        std::copy(found.begin(), found.end(), ids);
      }));
      return {{"points", points}};
    }
    for (size_t ef : question.at("settings").get<std::vector<size_t>>()) {
      const size_t wanted = step == 1 ? k : ef;
      graph_->hnsw.efSearch = static_cast<int>(ef);  // given with a query, this version ignores it
      points.push_back(questions.measure("ef=" + std::to_string(ef), step == 1 ? "graph" : "after",
                                         [&](const float* query, uint32_t* ids) { one(query, wanted, step, k, ids); }));
    }
    return {{"points", points}};
  }

  void one(const float* query, size_t wanted, size_t step, size_t k, uint32_t* ids) const {
    thread_local std::vector<faiss::Index::idx_t> found;
    thread_local std::vector<float> scores;
    found.resize(wanted);
    scores.resize(wanted);
    omp_set_num_threads(1);
    index_->search(1, query, static_cast<faiss::Index::idx_t>(wanted), scores.data(), found.data());
    size_t count = 0;
    for (size_t i = 0; i < wanted && count < k; ++i) {
      if (found[i] >= 0 && static_cast<size_t>(found[i]) % step == 0) ids[count++] = static_cast<uint32_t>(found[i]);
    }
  }

  faiss::Index* index_ = nullptr;  // one a process; the process's end frees it
  faiss::IndexHNSW* graph_ = nullptr;
};

}  // namespace

int main() {
  Peer peer;
  serve_lines([&](const json& question) { return peer.answer(question); });
}
