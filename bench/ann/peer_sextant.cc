// peer_sextant: this project's index as a library, in the peers' manner: an index in memory that still grows, which the
// commands do not show. Compiled as the library is, for any machine.
//
// "build" takes "kind": graph (the default codes), graph_sq1, graph_sq8, graph_floats or flat. A setting of "search" is
// the breadth.
#include <memory>
#include <numeric>
#include <stdexcept>

#include "base/files.h"
#include "peer.h"
#include "sextant/index.h"

namespace {

using namespace sextant::bench;
using nlohmann::json;
using sextant::Index;

class Peer {
 public:
  json answer(const json& question) {
    const std::string task = question.at("do");
    if (task == "build") return build(question);
    if (!index_) throw std::runtime_error("nothing is built yet");
    if (task == "search") return search(question);
    if (task == "churn") return churn(question);
    throw std::runtime_error("unknown question: " + task);
  }

 private:
  json build(const json& question) {
    base_ = read_matrix(question.at("base"));
    const std::string kind = question.value("kind", "graph");
    sextant::IndexOptions options{.dim = base_.dim,
                                  .metric = sextant::parse_metric(question.at("metric").get<std::string>())};
    if (kind == "flat") options.kind = sextant::IndexKind::flat;
    if (kind == "graph_sq1") options.codes = sextant::CodeKind::sq1;
    if (kind == "graph_sq8") options.codes = sextant::CodeKind::sq8;
    if (kind == "graph_floats") options.codes = sextant::CodeKind::none;
    std::vector<uint64_t> ids(base_.rows);
    std::iota(ids.begin(), ids.end(), uint64_t{0});
    const double begin = seconds();
    index_ = Index::create(options);
    index_->add(ids, base_.values, question.value("threads", 1));
    const double end = seconds();
    const sextant::base::TemporaryFolder folder;
    index_->save(folder.path() / "index");
    const size_t bytes = std::filesystem::file_size(folder.path() / "index") - base_.values.size() * sizeof(float);
    return {{"build_s", end - begin}, {"bytes", bytes}, {"rows", base_.rows}, {"dim", base_.dim}};
  }

  json search(const json& question) const {
    const Questions questions(question);
    const size_t step = question.value("step", 1);
    std::vector<uint64_t> words((base_.rows + 63) / 64);
    for (size_t i = 0; i < base_.rows; i += step) words[i / 64] |= uint64_t{1} << i % 64;
    const sextant::AllowedIds allowed(std::move(words));
    json points = json::array();
    for (size_t breadth : question.at("settings").get<std::vector<size_t>>()) {
      const sextant::IndexSearchOptions options{
          .k = questions.k(), .breadth = breadth, .allowed = step > 1 ? &allowed : nullptr};
      const std::string plan{name(index_->search({questions.queries().row(0), base_.dim}, options).plan)};
      points.push_back(
          questions.measure("breadth=" + std::to_string(breadth), plan, [&](const float* query, uint32_t* ids) {
            const sextant::IndexSearchResult found = index_->search({query, base_.dim}, options);
            for (size_t i = 0; i < found.hits.size(); ++i) ids[i] = static_cast<uint32_t>(found.hits[i].id);
          }));
      if (plan == "scan") break;  // wider is the same
    }
    return {{"points", points}};
  }

  json churn(const json& question) {
    std::vector<uint64_t> ids;
    std::vector<float> vectors;
    for (size_t i = 0; i < base_.rows; ++i) {
      if (!is_churned(i, question.at("fraction"))) continue;
      ids.push_back(i);
      vectors.insert(vectors.end(), base_.row(i), base_.row(i) + base_.dim);
    }
    const double begin = seconds();
    for (uint64_t id : ids) index_->remove(id);
    const double removed = seconds();
    index_->add(ids, vectors, question.value("threads", 1));
    return {{"delete_s", removed - begin}, {"insert_s", seconds() - removed}, {"rows", ids.size()}};
  }

  Matrix base_;
  std::unique_ptr<Index> index_;
};

}  // namespace

int main() {
  Peer peer;
  serve_lines([&](const json& question) { return peer.answer(question); });
}
