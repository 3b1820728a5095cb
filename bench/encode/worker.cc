#include "worker.h"

#include <time.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "child.h"
#include "peak.h"
#include "sextant/embed.h"
#include "sextant/error.h"
#include "simd/kernels.h"

namespace sextant::bench {
namespace {

using nlohmann::json;

double seconds_of(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

class Worker {
 public:
  json answer(const json& question) {
    const auto op = question.at("op").get<std::string>();
    if (op == "load") {
      threads_ = question.at("threads").get<size_t>();
      model_ = Embedder::load(
          question.at("folder").get<std::string>(),
          {parse_compute(question.at("compute").get<std::string>()), question.at("packed_cache").get<std::string>()});
      return {{"tier", std::string(simd::name(simd::kernels().tier))}};
    }
    if (op == "set") {
      texts_ = question.at("texts").get<std::vector<std::string>>();
      views_.assign(texts_.begin(), texts_.end());
      texts_per_call_ = std::max<size_t>(1, question.at("texts_per_call").get<size_t>());
      vectors_.assign(texts_.size() * model_->dim(), 0);
      json tokens = json::array();
      for (const std::string& text : texts_) tokens.push_back(model_->tokenizer().encode(text).ids.size());
      return {{"tokens", tokens}};
    }
    if (op == "vectors") {
      pass();
      json rows = json::array();
      for (size_t i = 0; i < texts_.size(); ++i) {
        const auto row = vectors_.begin() + static_cast<ptrdiff_t>(i * model_->dim());
        rows.push_back(std::vector<float>(row, row + static_cast<ptrdiff_t>(model_->dim())));
      }
      return {{"vectors", rows}};
    }
    if (op == "run") return run(question.at("seconds").get<double>());
    if (op == "peaks") return {{"peaks", peak_names()}};
    if (op == "peak") {
      return {{"rate", measure_peak(question.at("name").get<std::string>(), question.at("threads").get<size_t>(),
                                    question.at("seconds").get<double>())}};
    }
    throw Error(ErrorCode::invalid_argument, "op '" + op + "' is unknown");
  }

 private:
  void pass() {
    for (size_t begin = 0; begin < views_.size(); begin += texts_per_call_) {
      const size_t count = std::min(texts_per_call_, views_.size() - begin);
      model_->embed(std::span(views_).subspan(begin, count), {.threads = threads_},
                    std::span(vectors_).subspan(begin * model_->dim(), count * model_->dim()));
    }
  }

  json run(double seconds_min) {
    size_t passes = 0;
    const double cpu_start = seconds_of(CLOCK_PROCESS_CPUTIME_ID), start = seconds_of(CLOCK_MONOTONIC);
    double seconds = 0;
    do {
      pass();
      ++passes;
      seconds = seconds_of(CLOCK_MONOTONIC) - start;
    } while (seconds < seconds_min);
    return {
        {"passes", passes}, {"seconds", seconds}, {"cpu_seconds", seconds_of(CLOCK_PROCESS_CPUTIME_ID) - cpu_start}};
  }

  std::unique_ptr<Embedder> model_;
  std::vector<std::string> texts_;
  std::vector<std::string_view> views_;
  size_t texts_per_call_ = 1;
  std::vector<float> vectors_;  // [texts_.size(), dim]
  size_t threads_ = 1;
};

}  // namespace

void run_worker() {
  Worker worker;
  serve_lines([&](const json& question) { return worker.answer(question); });
}

}  // namespace sextant::bench
