// peer_hnswlib: the graph library that most others are compared with (Debian's libhnswlib-dev: 0.6.2, headers).
//
// "build" takes "M" and "ef_construction". A setting of "search" is ef. It has no filters before version 0.7, so it is
// measured in each form that it allows, and the fastest counts:
//   walk   rows that are not allowed are marked as deleted, outside the clock: the search then walks through them and
//          does not return them, which is what later versions do with a filter
//   after  a search without a filter, of the ef that the setting says, and what is not allowed dropped afterwards
//   scan   all allowed rows, with the library's own distance
#include <hnswlib/hnswlib.h>

#include <memory>
#include <queue>
#include <stdexcept>

#include "peer.h"

namespace {

using namespace sextant::bench;
using nlohmann::json;
using Graph = hnswlib::HierarchicalNSW<float>;

class Peer {
 public:
  json answer(const json& question) {
    const std::string task = question.at("do");
    if (task == "build") return build(question);
    if (!graph_) throw std::runtime_error("nothing is built yet");
    if (task == "search") return search(question);
    if (task == "churn") return churn(question);
    throw std::runtime_error("unknown question: " + task);
  }

 private:
  json build(const json& question) {
    base_ = read_matrix(question.at("base"));
    const size_t m = question.value("M", 16);
    const double begin = seconds();
    if (question.at("metric") == "l2") {
      space_ = std::make_unique<hnswlib::L2Space>(base_.dim);
    } else {
      space_ = std::make_unique<hnswlib::InnerProductSpace>(base_.dim);
    }
    graph_ = std::make_unique<Graph>(space_.get(), base_.rows, m, question.value("ef_construction", 200));
    graph_->addPoint(base_.row(0), 0);  // the first alone: it becomes the entry
    spread(base_.rows - 1, question.value("threads", 1),
           [&](size_t i, size_t) { graph_->addPoint(base_.row(i + 1), i + 1); });
    const double end = seconds();
    size_t bytes = base_.rows * (graph_->size_data_per_element_ - graph_->data_size_);
    for (size_t i = 0; i < base_.rows; ++i) {
      bytes += static_cast<size_t>(graph_->element_levels_[i]) * graph_->size_links_per_element_;
    }
    return {{"build_s", end - begin}, {"bytes", bytes}, {"rows", base_.rows}, {"dim", base_.dim}};
  }

  size_t found(const float* query, size_t k, size_t step, uint32_t* ids) const {
    auto best = graph_->searchKnn(query, k);  // the farthest on top
    size_t count = 0;
    for (; !best.empty(); best.pop()) {
      if (best.top().second % step == 0) ids[count++] = static_cast<uint32_t>(best.top().second);
    }
    return count;
  }

  json search(const json& question) {
    const Questions questions(question);
    const size_t step = question.value("step", 1), k = questions.k();
    json points = json::array();
    for (size_t ef : question.at("settings").get<std::vector<size_t>>()) {
      graph_->setEf(ef);
      if (step == 1) {
        points.push_back(questions.measure("ef=" + std::to_string(ef), "graph",
                                           [&](const float* query, uint32_t* ids) { found(query, k, 1, ids); }));
        continue;
      }
      points.push_back(questions.measure("ef=" + std::to_string(ef), "after", [&](const float* query, uint32_t* ids) {
        thread_local std::vector<uint32_t> all;
        all.resize(ef);
        const size_t count = found(query, ef, step, all.data());
        for (size_t i = 0; i < std::min(count, k); ++i) ids[i] = all[count - 1 - i];
      }));
    }
    if (step > 1) {
      points.push_back(
          questions.measure("exact", "scan", [&](const float* query, uint32_t* ids) { scan(query, k, step, ids); }));
      walk(question, questions, step, points);
    }
    return {{"points", points}};
  }

  void walk(const json& question, const Questions& questions, size_t step, json& points) {
    for (size_t i = 0; i < base_.rows; ++i) {
      if (i % step != 0) graph_->markDelete(i);
    }
    const size_t allowed = (base_.rows + step - 1) / step;
    // A walk for one row in a hundred or fewer meets much of the graph: tens of queries a second, so fewer of them.
    const size_t queries = step >= 100 ? 100 : questions.queries().rows;
    for (size_t ef : question.at("settings").get<std::vector<size_t>>()) {
      // With more than are allowed it walks through the whole graph: the scan is better then.
      if (ef >= allowed) continue;
      graph_->setEf(ef);
      points.push_back(questions.measure(
          "ef=" + std::to_string(ef), "walk",
          [&](const float* query, uint32_t* ids) { found(query, questions.k(), 1, ids); }, queries));
      if (points.back()["recall"] >= 0.99) break;  // slower and slower from here on
    }
    for (size_t i = 0; i < base_.rows; ++i) {
      if (i % step != 0) graph_->unmarkDelete(i);
    }
  }

  void scan(const float* query, size_t k, size_t step, uint32_t* ids) const {
    const auto distance = space_->get_dist_func();
    std::priority_queue<std::pair<float, uint32_t>> best;
    for (size_t i = 0; i < base_.rows; i += step) {
      const float d = distance(query, base_.row(i), space_->get_dist_func_param());
      if (best.size() == k && d >= best.top().first) continue;
      if (best.size() == k) best.pop();
      best.emplace(d, static_cast<uint32_t>(i));
    }
    for (size_t i = best.size(); i-- > 0; best.pop()) ids[i] = best.top().second;
  }

  json churn(const json& question) {
    const double fraction = question.at("fraction");
    std::vector<size_t> rows;
    for (size_t i = 0; i < base_.rows; ++i) {
      if (is_churned(i, fraction)) rows.push_back(i);
    }
    const double begin = seconds();
    for (size_t row : rows) graph_->markDelete(row);
    const double deleted = seconds();
    spread(rows.size(), question.value("threads", 1),
           [&](size_t i, size_t) { graph_->addPoint(base_.row(rows[i]), rows[i]); });
    return {{"delete_s", deleted - begin}, {"insert_s", seconds() - deleted}, {"rows", rows.size()}};
  }

  Matrix base_;
  std::unique_ptr<hnswlib::SpaceInterface<float>> space_;
  std::unique_ptr<Graph> graph_;
};

}  // namespace

int main() {
  Peer peer;
  serve_lines([&](const json& question) { return peer.answer(question); });
}
