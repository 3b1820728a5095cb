#include "contest.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/json.h"
#include "sextant/error.h"
#include "sextant/tokenizer.h"
#include "simd/kernels.h"

namespace sextant::bench {

using nlohmann::json;
namespace fs = std::filesystem;

namespace {

using Vectors = std::vector<std::vector<float>>;

constexpr double kFloatCosineMin = 0.99999;  // between two float32 engines
constexpr double kTextsCosineMax = 0.98;     // between different texts, else the model tells nothing apart
constexpr double kPeakSeconds = 0.03;
constexpr size_t kTrials = 3;       // of each form
constexpr size_t kCallTokens = 16;  // what a call of the peer costs beside its tokens

double cosine(const std::vector<float>& a, const std::vector<float>& b) {
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    ab += static_cast<double>(a[i]) * b[i];
    aa += static_cast<double>(a[i]) * a[i];
    bb += static_cast<double>(b[i]) * b[i];
  }
  return a.size() == b.size() ? ab / std::sqrt(aa * bb) : 0;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

std::vector<double> ratios(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> result(a.size());
  for (size_t i = 0; i < a.size(); ++i) result[i] = a[i] / b[i];
  return result;
}

// Where to cut texts of ascending LENGTHS into batches of at most ROWS_MAX, so that the padded tokens are fewest, and a
// call costs as much as kCallTokens of them. Returns the end of each batch.
std::vector<size_t> best_batches(const std::vector<size_t>& lengths, size_t rows_max) {
  std::vector<size_t> cost(lengths.size() + 1, 0), begins(lengths.size() + 1, 0);
  for (size_t end = 1; end <= lengths.size(); ++end) {
    cost[end] = std::numeric_limits<size_t>::max();
    for (size_t rows = 1; rows <= std::min(rows_max, end); ++rows) {
      const size_t total = cost[end - rows] + rows * lengths[end - 1] + kCallTokens;
      if (total >= cost[end]) continue;
      cost[end] = total;
      begins[end] = end - rows;
    }
  }
  std::vector<size_t> ends;
  for (size_t end = lengths.size(); end > 0; end = begins[end]) ends.push_back(end);
  std::reverse(ends.begin(), ends.end());
  return ends;
}

// The texts of a case, and the same as the peer takes them.
struct Texts {
  std::vector<std::string> texts;
  std::vector<size_t> tokens;
  std::vector<size_t> order;  // the peer's row i is text order[i]
  json batches = json::array();
  double token_count = 0;
  double operations = 0;
  size_t batch_count = 0;  // of the case's own size
};

Texts make_texts(const Shape& shape, const Case& which, const fs::path& folder) {
  Texts result;
  if (which.length == 0) {
    result.tokens = mixed_lengths(which.batch == 1 ? 64 : 4 * which.batch);
  } else {
    // Alone, texts of one length take the same time: enough of them that they are not always the same words.
    const size_t count = which.batch == 1 ? std::max<size_t>(2, 256 / which.length) : which.batch;
    result.tokens.assign(count, which.length);
  }
  const Tokenizer tokenizer = Tokenizer::load(folder);
  std::vector<std::vector<TokenId>> ids(result.tokens.size());
  for (size_t i = 0; i < result.tokens.size(); ++i) {
    result.texts.push_back(text_of(shape, result.tokens[i], i + 1));
    tokenizer.encode_ids(result.texts[i], {}, ids[i]);
    if (ids[i].size() != result.tokens[i]) {
      throw Error(ErrorCode::internal,
                  fmt::format("text {} has {} tokens, expected {}", i, ids[i].size(), result.tokens[i]));
    }
    result.token_count += static_cast<double>(ids[i].size());
    result.operations += shape.operations(ids[i].size());
  }
  result.batch_count = ids.size() / which.batch;
  result.order.resize(ids.size());
  std::iota(result.order.begin(), result.order.end(), size_t{0});
  std::stable_sort(result.order.begin(), result.order.end(),
                   [&](size_t a, size_t b) { return ids[a].size() < ids[b].size(); });
  std::vector<size_t> sorted;
  for (size_t text : result.order) sorted.push_back(ids[text].size());
  size_t begin = 0;
  for (size_t end : best_batches(sorted, which.batch)) {
    const size_t columns = ids[result.order[end - 1]].size();
    std::vector<TokenId> padded;
    std::vector<size_t> lengths;
    for (size_t i = begin; i < end; ++i) {
      const std::vector<TokenId>& row = ids[result.order[i]];
      padded.insert(padded.end(), row.begin(), row.end());
      padded.resize(padded.size() + columns - row.size(), 0);
      lengths.push_back(row.size());
    }
    result.batches.push_back({{"rows", end - begin}, {"columns", columns}, {"ids", padded}, {"lengths", lengths}});
    begin = end;
  }
  return result;
}

// The fastest arithmetic that a tier has for a precision; empty where there is none.
std::string peak_of(simd::Tier tier, const std::string& precision, const std::vector<std::string>& available) {
  auto first_of = [&](std::initializer_list<std::pair<simd::Tier, const char*>> candidates) {
    for (const auto& [needed, name] : candidates) {
      if (tier >= needed && std::find(available.begin(), available.end(), name) != available.end()) {
        return std::string(name);
      }
    }
    return std::string();
  };
  using simd::Tier;
  if (precision == "int8") {
    return first_of({{Tier::amx, "amx int8"}, {Tier::avx512_vnni, "avx512 int8"}, {Tier::avx2, "avx2 int8"}});
  }
  if (precision == "bfloat16") return first_of({{Tier::amx, "amx bf16"}, {Tier::avx512_bf16, "avx512 bf16"}});
  return first_of({{Tier::avx512, "avx512 f32"}, {Tier::avx2, "avx2 f32"}});
}

// A contestant in a case: one of the forms that it may take.
struct Entry {
  std::string form;
  std::unique_ptr<Child> child;
  double load_seconds = 0;
  double cosine_min = 1;
  std::vector<double> rates = {};
};

}  // namespace

struct Contest::Contestant {
  std::string name;
  std::string precision;
  std::string tier;  // Sextant's; empty for the peer
  std::string peak_name;
  struct Graph {
    fs::path path;
    bool masked = true;
  };
  std::vector<Graph> graphs = {};  // the peer's, one a form
  bool is_peer() const { return !graphs.empty(); }

  // Of a case.
  std::unique_ptr<Child> child = nullptr;
  std::vector<double> rates = {};  // tokens a second, one a round
  Result result = {};
};

Contest::Contest(const Shape& shape, ContestOptions options)
    : shape_(shape), options_(std::move(options)), folder_(model_folder(shape, options_.work_folder / "models")) {
  reference_ = std::make_unique<Child>("the reference", std::vector<std::string>{options_.program, "--worker"});
  reference_->ask(load_question("float32", 1));
  peaks_ = reference_->ask({{"op", "peaks"}})["peaks"].get<std::vector<std::string>>();
  add_sextant();
  if (options_.with_peer) add_peer();
}

Contest::~Contest() = default;

double Contest::model_megabytes() const {
  return static_cast<double>(fs::file_size(folder_ / "model.safetensors")) / 1e6;
}

void Contest::add_sextant() {
  std::vector<std::string> tiers = options_.tiers;
  if (tiers.empty()) tiers = {std::string(simd::name(simd::best_tier()))};
  for (const std::string& tier : tiers) {
    for (const std::string& compute : options_.computes) {
      contestants_.push_back({fmt::format("sextant {} {}", compute, tier), compute, tier,
                              peak_of(simd::parse_tier(tier), compute, peaks_)});
    }
  }
}

void Contest::add_peer() {
  // Without VNNI, products of two whole bytes overflow the 16 bits that they are summed in.
  const char* weights = simd::is_available(simd::Tier::avx512_vnni) ? "s8" : "s7";
  for (const char* precision : {"float32", "int8"}) {
    Contestant peer{fmt::format("onnxruntime {}", precision), precision, "",
                    peak_of(simd::best_tier(), precision, peaks_)};
    std::vector<json> forms;
    switch (shape_.family) {
      case Family::bert:
        forms = {{{"attention", "plain"}, {"fused", false}},
                 {{"attention", "fused"}, {"fused", true}},
                 {{"attention", "heads"}, {"fused", true}, {"masked", false}}};
        break;
      case Family::modernbert:
        forms = {{{"attention", "heads"}}, {{"attention", "heads"}, {"masked", false}}};
        break;
      case Family::qwen3:
        forms = {{{"attention", "grouped"}}};
        break;
    }
    for (json& form : forms) {
      form["precision"] = precision;
      if (peer.precision == "int8") form["weights"] = weights;
      std::string name = precision;
      if (form.contains("weights")) name += fmt::format("-{}", weights);
      name += "-" + form["attention"].get<std::string>();
      const bool masked = form.value("masked", true);
      if (!masked) name += "-unmasked";
      fs::path graph = options_.work_folder / "graphs" / folder_.filename() / (name + ".onnx");
      fs::create_directories(graph.parent_path());
      Child writer("graph.js", {"node", (options_.peer_sources / "graph.js").string(), folder_.string(), graph.string(),
                                base::json_text(form)});
      writer.listen();
      peer.graphs.push_back({std::move(graph), masked});
    }
    contestants_.push_back(std::move(peer));
  }
}

std::unique_ptr<Child> Contest::start(const Contestant& contestant, const std::string& graph, size_t threads) const {
  if (contestant.is_peer()) {
    auto child = std::make_unique<Child>(contestant.name,
                                         std::vector<std::string>{"node", (options_.peer_sources / "peer.js").string()},
                                         std::vector<std::pair<std::string, std::string>>{
                                             {"SEXTANT_BENCH_PEER", (options_.work_folder / "peer").string()}});
    child->ask({{"op", "load"}, {"graph", graph}, {"threads", threads}});
    return child;
  }
  auto child =
      std::make_unique<Child>(contestant.name, std::vector<std::string>{options_.program, "--worker"},
                              std::vector<std::pair<std::string, std::string>>{{"SEXTANT_SIMD", contestant.tier}});
  child->ask(load_question(contestant.precision, threads));
  return child;
}

json Contest::load_question(const std::string& compute, size_t threads) const {
  return {{"op", "load"},
          {"folder", folder_.string()},
          {"compute", compute},
          {"packed_cache", options_.packed_cache.string()},
          {"threads", threads}};
}

CaseResult Contest::run(const Case& which) {
  const Texts texts = make_texts(shape_, which, folder_);
  // Mixed lengths come all at once, and Sextant groups them itself.
  const size_t texts_per_call = which.batch == 1 ? 1 : texts.texts.size();
  const json set_texts = {{"op", "set"}, {"texts", texts.texts}, {"texts_per_call", texts_per_call}};
  const json set_batches = {{"op", "set"}, {"batches", texts.batches}};
  const Texts first = make_texts(shape_, {16, 1, 1}, folder_);
  const json set_first_text = {{"op", "set"}, {"texts", {first.texts[0]}}, {"texts_per_call", 1}};
  const json set_first_batch = {{"op", "set"}, {"batches", {first.batches[0]}}};
  auto rate_of = [&](Child& child, double seconds) {
    const json answer = child.ask({{"op", "run"}, {"seconds", seconds}});
    const double taken = answer[options_.cpu_clock ? "cpu_seconds" : "seconds"].get<double>();
    return texts.token_count * answer["passes"].get<double>() / taken;
  };
  auto vectors_of = [](Child& child) { return child.ask({{"op", "vectors"}})["vectors"].get<Vectors>(); };

  reference_->ask(set_texts);
  const Vectors expected = vectors_of(*reference_);
  std::vector<double> between;
  for (size_t a = 0; a < expected.size(); ++a) {
    for (size_t b = 0; b < a; ++b) between.push_back(cosine(expected[a], expected[b]));
  }
  CaseResult result;
  result.texts_cosine_median = median(between);
  result.texts_cosine_max = *std::max_element(between.begin(), between.end());
  if (result.texts_cosine_median > kTextsCosineMax) {
    throw Error(ErrorCode::internal, fmt::format("{}: half of the texts have nearly the same vector, cosine {:.4f}",
                                                 shape_.name, result.texts_cosine_median));
  }

  for (Contestant& contestant : contestants_) {
    contestant.rates.clear();
    contestant.result = {};
    contestant.result.contestant = contestant.name;
    contestant.result.peak_name = contestant.peak_name;
    std::vector<Entry> entries;
    for (const auto& [graph, masked] : contestant.is_peer() ? contestant.graphs : std::vector<Contestant::Graph>{{}}) {
      if (!masked && which.length == 0) continue;  // texts of one length need no mask
      Entry entry{graph.stem(), start(contestant, graph, which.threads)};
      entry.child->ask(contestant.is_peer() ? set_first_batch : set_first_text);
      vectors_of(*entry.child);
      entry.load_seconds = entry.child->age_seconds();
      entry.child->ask(contestant.is_peer() ? set_batches : set_texts);
      const Vectors found = vectors_of(*entry.child);
      for (size_t i = 0; i < expected.size(); ++i) {
        const size_t text = contestant.is_peer() ? texts.order[i] : i;
        entry.cosine_min = std::min(entry.cosine_min, cosine(found.at(i), expected[text]));
      }
      if (contestant.precision == "float32" && entry.cosine_min < kFloatCosineMin) {
        throw Error(ErrorCode::internal, fmt::format("{}: cosine {:.7f} to Sextant's float32, expected {} or more",
                                                     contestant.name, entry.cosine_min, kFloatCosineMin));
      }
      entries.push_back(std::move(entry));
    }
    for (size_t trial = 0; trial < kTrials && entries.size() > 1; ++trial) {
      for (Entry& entry : entries) entry.rates.push_back(rate_of(*entry.child, options_.seconds));
    }
    Entry& best = *std::max_element(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
      return !a.rates.empty() && median(a.rates) < median(b.rates);
    });
    contestant.child = std::move(best.child);
    contestant.result.form = best.form;
    contestant.result.load_seconds = best.load_seconds;
    contestant.result.cosine_min = best.cosine_min;
  }

  std::map<std::string, double> peaks;  // the best of the rounds
  for (size_t round = 0; round < options_.rounds; ++round) {
    for (Contestant& contestant : contestants_)
      contestant.rates.push_back(rate_of(*contestant.child, options_.seconds));
    for (const std::string& name : peaks_) {
      const json question = {{"op", "peak"}, {"name", name}, {"threads", which.threads}, {"seconds", kPeakSeconds}};
      peaks[name] = std::max(peaks[name], reference_->ask(question)["rate"].get<double>());
    }
  }

  auto rates_of = [&](const char* name) -> const std::vector<double>* {
    for (const Contestant& contestant : contestants_) {
      if (contestant.name == name) return &contestant.rates;
    }
    return nullptr;
  };
  const std::vector<double>* f32 = rates_of("onnxruntime float32");
  const std::vector<double>* int8 = rates_of("onnxruntime int8");
  for (Contestant& contestant : contestants_) {
    Result& own = contestant.result;
    const std::vector<double>& rates = contestant.rates;
    own.tokens_per_second = median(rates);
    own.tokens_per_second_min = *std::min_element(rates.begin(), rates.end());
    own.tokens_per_second_max = *std::max_element(rates.begin(), rates.end());
    own.milliseconds_per_batch =
        1000 * texts.token_count / own.tokens_per_second / static_cast<double>(texts.batch_count);
    if (!contestant.peak_name.empty()) {
      own.peak_share = own.tokens_per_second * texts.operations / texts.token_count / peaks[contestant.peak_name];
    }
    if (f32 != nullptr) own.ratio_to_f32 = median(ratios(rates, *f32));
    if (int8 != nullptr) own.ratio_to_int8 = median(ratios(rates, *int8));
    own.memory_bytes_max = contestant.child->peak_memory_bytes();
    contestant.child.reset();
    result.rows.push_back(std::move(own));
  }
  return result;
}

}  // namespace sextant::bench
