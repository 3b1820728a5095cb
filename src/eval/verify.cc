#include "eval/verify.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>

#include "base/files.h"
#include "base/json.h"
#include "eval/token_inputs.h"
#include "io/npy.h"
#include "model/cross_encoder.h"
#include "model/static_model.h"
#include "model/transformer_model.h"
#include "sextant/embed.h"
#include "sextant/error.h"
#include "simd/kernels.h"

namespace sextant::eval {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

// A correct float32 implementation agrees to about 5e-6; these leave room for another order of additions.
constexpr double kHiddenTolerance = 5e-5;
constexpr double kVectorTolerance = 1e-5;
constexpr double kScoreTolerance = 2e-5;
constexpr double kLogitTolerance = 1e-4;
constexpr double kCosineLeast = 0.999999;
constexpr double kReferenceErrors = 5;  // times the recording's own

// What was computed, beside what was recorded: rows of one width.
struct Comparison {
  double max_error = 0;
  double cosine = 1;
  size_t rows = 0;

  void add(const float* ours, const float* theirs, size_t width) {
    double dot = 0, a = 0, b = 0;
    for (size_t i = 0; i < width; ++i) {
      const double difference = std::abs(static_cast<double>(ours[i]) - theirs[i]);
      max_error = std::isnan(difference) ? std::numeric_limits<double>::infinity() : std::max(max_error, difference);
      dot += static_cast<double>(ours[i]) * theirs[i];
      a += static_cast<double>(ours[i]) * ours[i];
      b += static_cast<double>(theirs[i]) * theirs[i];
    }
    if (a > 0 && b > 0) cosine = std::min(cosine, dot / std::sqrt(a * b));
    ++rows;
  }
};

Json read_json(const fs::path& path) {
  try {
    // Python writes NaN where there is no number, which JSON has not.
    std::string text = base::read_file(path);
    constexpr std::string_view kNaN = ": NaN";
    for (size_t at = 0; (at = text.find(kNaN, at)) != std::string::npos;) text.replace(at, kNaN.size(), ": null");
    return base::parse_ordered_json(text);
  } catch (const Json::exception& e) {
    throw Error(ErrorCode::corrupted, fmt::format("{}: not what a recording is: {}", path.string(), e.what()));
  }
}

class Verifier {
 public:
  Verifier(const fs::path& folder, Compute compute) : folder_(folder), compute_(compute) {
    if (!fs::is_directory(folder)) {
      throw Error(ErrorCode::not_found, fmt::format("{}: there is no such folder", folder.string()));
    }
    if (fs::exists(folder / "golden_meta.json")) {
      const Json meta = read_json(folder / "golden_meta.json");
      if (meta.contains("f64_err") && meta["f64_err"].is_number()) reference_error_ = meta["f64_err"].get<double>();
    }
  }

  std::vector<VerifiedFile> run() {
    std::vector<std::string> files;
    for (const auto& entry : fs::directory_iterator(folder_)) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with("expected_")) files.push_back(name);
    }
    if (files.empty()) {
      throw Error(ErrorCode::not_found,
                  fmt::format("{}: holds no recorded outputs (expected_*.npy)", folder_.string()));
    }
    std::sort(files.begin(), files.end());
    load();
    for (const char* file :
         {"e2e.json", "e2e_prompt_query.json", "e2e_prompt_passage.json", "e2e_prompt_document.json"}) {
      if (fs::exists(folder_ / file)) guarded(file, [&] { ids_of_texts(file); });
    }
    for (const std::string& file : files) guarded(file, [&] { verify(file); });
    return std::move(results_);
  }

 private:
  void load() {
    const model::Config config = model::Config::load(folder_ / "config.json");
    bool pairs = false;
    for (const std::string& architecture : config.texts("architectures")) {
      pairs = pairs || architecture.ends_with("ForSequenceClassification");
    }
    if (fs::exists(folder_ / "inputs.json")) {
      const Json json = read_json(folder_ / "inputs.json");
      pairs = pairs || json.contains("yes_token_id");
    }
    if (pairs) {
      reranker_.emplace(folder_, LoadOptions{compute_});
      compute_ = reranker_->compute();
    } else if (model::is_static_model(folder_)) {
      static_ = model::StaticModel::load(folder_);
    } else {
      transformer_.emplace(folder_, std::string(), fs::path(), LoadOptions{compute_});
      compute_ = transformer_->compute();
    }
    // What has one precision only is held to it.
    if (static_) compute_ = Compute::float32;
  }

  template <class Work>
  void guarded(const std::string& file, Work work) {
    try {
      work();
    } catch (const Json::exception& e) {
      fail(file, e.what());
    } catch (const std::out_of_range&) {
      fail(file, "a number in the file or in its name is beyond what the model gives");
    } catch (const std::invalid_argument&) {
      fail(file, "the file's name has no number where one belongs");
    } catch (const Error& e) {
      fail(file, e.what());
    }
  }

  void fail(const std::string& file, const std::string& problem) {
    VerifiedFile result;
    result.file = file;
    result.problem = problem;
    results_.push_back(std::move(result));
  }

  void report(const std::string& file, const Comparison& comparison, double tolerance, bool check_cosine = false) {
    VerifiedFile result;
    result.file = file;
    result.max_error = comparison.max_error;
    result.cosine = comparison.cosine;
    result.tolerance = std::max(tolerance, kReferenceErrors * reference_error_);
    result.passed = comparison.rows > 0 && comparison.max_error <= result.tolerance &&
                    (!check_cosine || comparison.cosine >= kCosineLeast);
    if (compute_ != Compute::float32) {
      result.tolerance = 0;
      result.cosine_least = lower_precision_cosine(compute_);
      result.passed = comparison.rows > 0 && comparison.cosine >= result.cosine_least;
    }
    if (comparison.rows == 0) result.problem = "nothing to compare";
    results_.push_back(std::move(result));
  }

  std::vector<float> expected(const std::string& file, std::vector<size_t> shape) const {
    io::NpyFile npy(folder_ / file);
    std::vector<size_t> found = npy.shape();
    if (found.size() == 1 && shape.size() == 2 && shape[1] == 1) found.push_back(1);
    if (found != shape) {
      throw Error(ErrorCode::corrupted, fmt::format("shape is [{}], the model's is [{}]", fmt::join(npy.shape(), ", "),
                                                    fmt::join(shape, ", ")));
    }
    return npy.floats();
  }

  // Rows of HIDDEN beside a padded recording [sequences, length, width].
  void compare_padded(const std::string& file, const tensor::Matrix& hidden, const TokenInputs& inputs,
                      double tolerance) {
    const auto& sequences = inputs.batch.sequences;
    const std::vector<float> recorded = expected(file, {sequences.count(), inputs.padded_length, hidden.columns()});
    Comparison comparison;
    for (size_t s = 0; s < sequences.count(); ++s) {
      for (size_t i = sequences.begin(s); i < sequences.begin(s) + sequences.length(s); ++i) {
        const size_t at = s * inputs.padded_length + inputs.positions[i];
        comparison.add(hidden.row(i), recorded.data() + at * hidden.columns(), hidden.columns());
      }
    }
    report(file, comparison, tolerance);
  }

  void compare_rows(const std::string& file, const tensor::Matrix& ours, double tolerance, bool check_cosine) {
    const std::vector<float> recorded = expected(file, {ours.rows(), ours.columns()});
    Comparison comparison;
    for (size_t i = 0; i < ours.rows(); ++i) {
      comparison.add(ours.row(i), recorded.data() + i * ours.columns(), ours.columns());
    }
    report(file, comparison, tolerance, check_cosine);
    if (compute_ == Compute::float32 || ours.columns() > 1 || ours.rows() < 2) return;
    // Single numbers have no direction: what they may differ by is a part of how far they lie apart.
    const auto [low, high] = std::minmax_element(recorded.begin(), recorded.end());
    VerifiedFile& result = results_.back();
    result.cosine_least = 0;
    result.tolerance = lower_precision_share(compute_) * (double{*high} - double{*low});
    result.passed = comparison.max_error <= result.tolerance;
  }

  const TokenInputs& inputs() {
    if (!inputs_) inputs_ = read_token_inputs(folder_ / "inputs.json");
    return *inputs_;
  }
  const tensor::Matrix& hidden() {
    if (!hidden_) hidden_ = transformer_->hidden_states(inputs().batch);
    return *hidden_;
  }

  void verify(const std::string& file) {
    const std::string name = file.substr(9, file.rfind('.') - 9);
    if (fs::exists(folder_ / "e2e.json")) return verify_texts(file, name);
    if (static_) return verify_static(file, name);
    if (reranker_) return verify_logits(file, name);
    const auto& sequences = inputs().batch.sequences;
    if (name == "last_hidden_state") return compare_padded(file, hidden(), inputs(), kHiddenTolerance);
    if (name.starts_with("last_hidden_state_row")) return verify_one_sequence(file, std::stoul(name.substr(21)));
    if (name == "latent_hidden") return compare_padded(file, refined(), inputs(), kHiddenTolerance);
    if (name == "sentence_embedding")
      return compare_rows(file, vectors(hidden(), sequences, {}), kVectorTolerance, true);
    if (name == "dense_unnormalized") {
      return compare_rows(file, transformer_->sentence_vectors(hidden(), sequences, {}, false), kHiddenTolerance,
                          false);
    }
    if (name.starts_with("pool_")) return verify_pooling(file, name.substr(5));
    if (name == "pooler_output") {
      if (!transformer_->encoder().pooler) throw Error(ErrorCode::unsupported, "the model has no pooler");
      tensor::Context context{pool_};
      return compare_rows(file, (*transformer_->encoder().pooler)(hidden(), sequences, context), kHiddenTolerance,
                          false);
    }
    if (name == "sentence_embedding_leftpad") {
      const TokenInputs padded = read_token_inputs(folder_ / "inputs_leftpad.json");
      const tensor::Matrix states = transformer_->hidden_states(padded.batch);
      return compare_rows(file, vectors(states, padded.batch.sequences, {}), kVectorTolerance, true);
    }
    if (name == "prompt_excluded_embedding") return verify_skipping(file, "prompt_excluded", "prompt_length");
    if (name == "sentence_embedding_instruction_masked") return verify_skipping(file, "instruction", "instruction_len");
    if (name.starts_with("matryoshka")) return verify_matryoshka(file, std::stoul(name.substr(10)));
    if (name == "mlm_logits") {
      tensor::Context context{pool_};
      return compare_padded(file, head()(hidden(), context), inputs(), kLogitTolerance);
    }
    if (name.starts_with("sparse_embedding") && transformer_->masked_lm_head()) return verify_splade(file, name);
    if (transformer_->m3_heads()) return verify_m3(file, name);
    throw Error(ErrorCode::unsupported, "no known kind of recording");
  }

  tensor::Matrix vectors(const tensor::Matrix& states, const tensor::Sequences& sequences,
                         std::span<const size_t> skipped) const {
    return transformer_->sentence_vectors(states, sequences, skipped, std::nullopt);
  }

  tensor::Matrix refined() {
    tensor::Context context{pool_};
    tensor::Matrix copy(hidden().rows(), hidden().columns());
    std::copy(hidden().values().begin(), hidden().values().end(), copy.values().begin());
    return transformer_->encoder().refine(std::move(copy), inputs().batch.sequences, context);
  }

  const model::MaskedLmHead& head() const {
    if (!transformer_->masked_lm_head()) throw Error(ErrorCode::unsupported, "the model has no language model's head");
    return *transformer_->masked_lm_head();
  }

  void verify_one_sequence(const std::string& file, size_t s) {
    const auto& sequences = inputs().batch.sequences;
    if (s >= sequences.count()) throw Error(ErrorCode::corrupted, "inputs.json has no such row");
    tensor::Matrix rows(sequences.length(s), hidden().columns());
    std::copy_n(hidden().row(sequences.begin(s)), rows.values().size(), rows.data());
    compare_rows(file, rows, kHiddenTolerance, false);
  }

  void verify_pooling(const std::string& file, const std::string& mode) {
    for (auto known :
         {model::PoolingMode::cls, model::PoolingMode::max, model::PoolingMode::mean, model::PoolingMode::mean_sqrt_len,
          model::PoolingMode::weighted_mean, model::PoolingMode::last_token}) {
      if (model::name(known) != mode) continue;
      return compare_rows(file, model::pool(known, hidden(), inputs().batch.sequences), kHiddenTolerance, false);
    }
    throw Error(ErrorCode::unsupported, fmt::format("pooling '{}' is unknown", mode));
  }

  // The rows that KEY names, without the first tokens that LENGTH_KEY counts.
  void verify_skipping(const std::string& file, const char* key, const char* length_key) {
    const Json json = read_json(folder_ / "inputs.json").at(key);
    const auto rows = json.at("rows").get<std::vector<size_t>>();
    const std::vector<size_t> skipped(inputs().batch.sequences.count(), json.at(length_key).get<size_t>());
    const tensor::Matrix all = vectors(hidden(), inputs().batch.sequences, skipped);
    tensor::Matrix some(rows.size(), all.columns());
    for (size_t i = 0; i < rows.size(); ++i) {
      if (rows[i] >= all.rows()) throw Error(ErrorCode::corrupted, "inputs.json has no such row");
      std::copy_n(all.row(rows[i]), all.columns(), some.row(i));
    }
    compare_rows(file, some, kVectorTolerance, true);
  }

  void verify_matryoshka(const std::string& file, size_t dim) {
    const tensor::Matrix cut =
        transformer_->sentence_vectors(hidden(), inputs().batch.sequences, {}, std::nullopt, dim);
    compare_rows(file, cut, kVectorTolerance, true);
  }

  void verify_splade(const std::string& file, const std::string& name) {
    model::SpladePooling pooling = transformer_->splade().value_or(model::SpladePooling{});
    if (name == "sparse_embedding_sum") pooling.sum = true;
    if (name == "sparse_embedding_max_log1p_relu") pooling.log_twice = true;
    tensor::Context context{pool_};
    const auto& sequences = inputs().batch.sequences;
    tensor::Matrix weights(sequences.count(), head().vocabulary_size());
    for (size_t s = 0; s < sequences.count(); ++s) {
      tensor::Matrix states(sequences.length(s), hidden().columns());
      std::copy_n(hidden().row(sequences.begin(s)), states.values().size(), states.data());
      const std::vector<float> row = pooling(head()(states, context));
      std::copy(row.begin(), row.end(), weights.row(s));
    }
    compare_rows(file, weights, pooling.sum ? kLogitTolerance : kScoreTolerance, false);
  }

  void verify_m3(const std::string& file, const std::string& name) {
    const model::M3Heads& heads = *transformer_->m3_heads();
    tensor::Context context{pool_};
    const auto& sequences = inputs().batch.sequences;
    const tensor::Matrix weights = heads.token_weights(hidden(), context);
    if (name == "sparse_token_weights") {
      const std::vector<float> recorded = expected(file, {sequences.count(), inputs().padded_length});
      Comparison comparison;
      for (size_t s = 0; s < sequences.count(); ++s) {
        for (size_t i = sequences.begin(s); i < sequences.begin(s) + sequences.length(s); ++i) {
          comparison.add(weights.row(i), &recorded[s * inputs().padded_length + inputs().positions[i]], 1);
        }
      }
      return report(file, comparison, kScoreTolerance);
    }
    const Json json = read_json(folder_ / "inputs.json");
    std::vector<TokenId> structural;
    for (const auto& [key, id] : json.at("special_token_ids").items()) structural.push_back(id.get<TokenId>());
    auto lexical = [&](size_t s) {
      const std::span ids(inputs().batch.ids);
      return model::M3Heads::lexical_weights(ids.subspan(sequences.begin(s), sequences.length(s)), weights,
                                             sequences.begin(s), structural);
    };
    if (name == "sparse_embedding") {
      tensor::Matrix dense(sequences.count(), transformer_->encoder().vocabulary_size);
      std::fill(dense.values().begin(), dense.values().end(), 0.0f);
      for (size_t s = 0; s < sequences.count(); ++s) {
        const SparseVector ours = lexical(s);
        for (size_t t = 0; t < ours.ids.size(); ++t) dense.row(s)[ours.ids[t]] = ours.weights[t];
      }
      return compare_rows(file, dense, kScoreTolerance, false);
    }
    if (name == "lexical_weights") {
      const Json recorded = read_json(folder_ / file);
      Comparison comparison;
      for (size_t s = 0; s < sequences.count(); ++s) {
        compare_sparse(comparison, lexical(s), recorded.at(s));
        ++comparison.rows;
      }
      return report(file, comparison, kScoreTolerance);
    }
    const tensor::Matrix tokens = heads.token_vectors(hidden(), sequences, context);
    if (name == "colbert_vecs") {
      const size_t width = inputs().padded_length - 1;
      const std::vector<float> recorded = expected(file, {sequences.count(), width, tokens.columns()});
      Comparison comparison;
      size_t row = 0;
      for (size_t s = 0; s < sequences.count(); ++s) {
        for (size_t i = 1; i < sequences.length(s); ++i, ++row) {
          const size_t position = inputs().positions[sequences.begin(s) + i] - 1;
          comparison.add(tokens.row(row), recorded.data() + (s * width + position) * tokens.columns(),
                         tokens.columns());
        }
      }
      return report(file, comparison, kVectorTolerance);
    }
    if (name.starts_with("colbert_score_q")) return verify_late_interaction(file, name, tokens);
    throw Error(ErrorCode::unsupported, "no known kind of recording");
  }

  // Weights beside a recorded {id: weight}, which must have the same ids; below float32 a weight near 0 may be on
  // either side of it, and the two are compared as the vectors that they are.
  void compare_sparse(Comparison& comparison, const SparseVector& ours, const Json& recorded) const {
    if (compute_ != Compute::float32) {
      std::map<std::string, std::array<float, 2>> both;
      for (size_t t = 0; t < ours.ids.size(); ++t) both[std::to_string(ours.ids[t])][0] = ours.weights[t];
      for (const auto& [id, weight] : recorded.items()) both[id][1] = weight.get<float>();
      std::vector<float> left, right;
      for (const auto& [id, weights] : both) {
        left.push_back(weights[0]);
        right.push_back(weights[1]);
      }
      return comparison.add(left.data(), right.data(), left.size());
    }
    if (recorded.size() != ours.ids.size()) throw Error(ErrorCode::corrupted, "other tokens have weights");
    for (size_t t = 0; t < ours.ids.size(); ++t) {
      const auto theirs = recorded.at(std::to_string(ours.ids[t])).get<float>();
      comparison.add(&ours.weights[t], &theirs, 1);
    }
  }

  // colbert_score_qQ_pP1_P2...: the mean over the query's tokens of their best match in each passage.
  void verify_late_interaction(const std::string& file, const std::string& name, const tensor::Matrix& tokens) {
    const auto& sequences = inputs().batch.sequences;
    std::vector<size_t> numbers;
    for (size_t i = 0; i < name.size();) {
      if (std::isdigit(static_cast<unsigned char>(name[i])) == 0) {
        ++i;
        continue;
      }
      size_t used = 0;
      numbers.push_back(std::stoul(name.substr(i), &used));
      i += used;
    }
    if (numbers.size() < 2) throw Error(ErrorCode::corrupted, "the file's name has no query and passages");
    for (size_t number : numbers) {
      if (number >= sequences.count() || sequences.length(number) < 2) {
        throw Error(ErrorCode::corrupted, "inputs.json has no such row with tokens to compare");
      }
    }
    for (size_t s = 0; s < sequences.count(); ++s) {
      if (sequences.length(s) == 0) throw Error(ErrorCode::corrupted, "a row of inputs.json has no tokens");
    }
    auto first_of = [&](size_t s) { return sequences.begin(s) - s; };
    tensor::Matrix scores(1, numbers.size() - 1);
    for (size_t p = 1; p < numbers.size(); ++p) {
      double total = 0;
      const size_t query_length = sequences.length(numbers[0]) - 1;
      for (size_t q = 0; q < query_length; ++q) {
        float best = -std::numeric_limits<float>::infinity();
        for (size_t d = 0; d + 1 < sequences.length(numbers[p]); ++d) {
          best = std::max(best, simd::kernels().dot_f32(tokens.row(first_of(numbers[0]) + q),
                                                        tokens.row(first_of(numbers[p]) + d), tokens.columns()));
        }
        total += best;
      }
      scores.row(0)[p - 1] = static_cast<float>(total / static_cast<double>(query_length));
    }
    compare_rows(file, scores, kScoreTolerance, false);
  }

  void verify_logits(const std::string& file, const std::string& name) {
    const tensor::Matrix logits = reranker_->logits(inputs().batch);
    if (name == "logits") return compare_rows(file, logits, kScoreTolerance, false);
    if (name == "last_token_logits") return compare_rows(file, logits, kLogitTolerance, false);
    if (name != "scores_sigmoid" && name != "scores") throw Error(ErrorCode::unsupported, "no known kind of recording");
    tensor::Matrix scores(logits.rows(), 1);
    const Json json = read_json(folder_ / "inputs.json");
    for (size_t s = 0; s < logits.rows(); ++s) {
      scores.row(s)[0] = logits.row(s)[0];
      if (name == "scores") {
        const auto yes = json.at("yes_token_id").get<size_t>(), no = json.at("no_token_id").get<size_t>();
        if (std::max(yes, no) >= logits.columns()) {
          throw Error(ErrorCode::corrupted, "inputs.json has token ids outside the vocabulary");
        }
        scores.row(s)[0] = logits.row(s)[yes] - logits.row(s)[no];
      }
    }
    tensor::activate(tensor::Activation::sigmoid, scores.values());
    compare_rows(file, scores, kScoreTolerance, false);
  }

  // Texts in, vectors out.

  struct Texts {
    std::vector<std::string> texts;
    std::string prompt;
    size_t max_length = 0;
    std::vector<std::string_view> views() const { return {texts.begin(), texts.end()}; }
  };

  Texts texts_of(const std::string& file) const {
    const Json json = read_json(folder_ / file);
    Texts texts;
    texts.texts = json.at("texts").get<std::vector<std::string>>();
    texts.prompt = json.value("prompt", "");
    texts.max_length = json.value("max_length", size_t{0});
    return texts;
  }

  void ids_of_texts(const std::string& file) {
    const Json json = read_json(folder_ / file);
    if (!json.contains("ids")) return;
    const auto recorded = json.at("ids").get<std::vector<std::vector<TokenId>>>();
    size_t different = 0;
    auto count = [&](size_t i, const std::vector<TokenId>& ids) { different += ids != recorded.at(i); };
    if (transformer_) {
      const Texts texts = texts_of(file);
      for (size_t i = 0; i < texts.texts.size(); ++i) {
        EmbedOptions options;
        options.prompt = texts.prompt;
        options.max_length = texts.max_length;
        count(i, transformer_->token_ids(texts.texts[i], options));
      }
    } else if (reranker_) {
      const auto pairs = json.at("texts").get<std::vector<std::vector<std::string>>>();
      for (size_t i = 0; i < pairs.size(); ++i) {
        count(i, reranker_->token_ids(pairs[i].at(0), pairs[i].at(1),
                                      {.max_length = json.value("max_length", size_t{0})}));
      }
    }
    VerifiedFile result;
    result.file = file + ": ids";
    result.passed = different == 0;
    if (different > 0) result.problem = fmt::format("{} of {} texts have other token ids", different, recorded.size());
    results_.push_back(std::move(result));
  }

  void verify_texts(const std::string& file, const std::string& name) {
    if (reranker_) return verify_pairs(file, name);
    if (name == "embeddings" || name == "dense") return verify_embeddings(file, "e2e.json");
    if (name.starts_with("embeddings_prompt_"))
      return verify_embeddings(file, "e2e_prompt_" + name.substr(18) + ".json");
    if (static_) return verify_static(file, name);
    const Texts texts = texts_of("e2e.json");
    Outputs outputs;
    OutputSet wanted = transformer_->outputs();
    wanted.dense = false;
    EmbedOptions options;
    options.max_length = texts.max_length;
    transformer_->embed_outputs(texts.views(), options, wanted, outputs, nullptr);
    if (name == "lexical_weights") {
      const Json recorded = read_json(folder_ / file);
      Comparison comparison;
      for (size_t i = 0; i < texts.texts.size(); ++i) {
        compare_sparse(comparison, outputs.sparse[i], recorded.at(i));
      }
      return report(file, comparison, kScoreTolerance);
    }
    if (name.starts_with("colbert_row")) {
      const TokenVectors& ours = outputs.multi.at(std::stoul(name.substr(11)));
      const std::vector<float> recorded = expected(file, {ours.ids.size(), ours.dim});
      Comparison comparison;
      for (size_t i = 0; i < ours.ids.size(); ++i) {
        comparison.add(ours.vectors.data() + i * ours.dim, recorded.data() + i * ours.dim, ours.dim);
      }
      return report(file, comparison, kVectorTolerance, true);
    }
    if (name == "sparse") return verify_sparse_tokens(file, outputs);
    if (name.starts_with("sparse_embedding_first")) {
      const size_t count = std::min<size_t>(std::stoul(name.substr(22)), texts.texts.size());
      tensor::Matrix dense(count, transformer_->encoder().vocabulary_size);
      std::fill(dense.values().begin(), dense.values().end(), 0.0f);
      for (size_t i = 0; i < count; ++i) {
        const SparseVector& sparse = outputs.sparse[i];
        for (size_t t = 0; t < sparse.ids.size(); ++t) dense.row(i)[sparse.ids[t]] = sparse.weights[t];
      }
      return compare_rows(file, dense, kScoreTolerance, false);
    }
    throw Error(ErrorCode::unsupported, "no known kind of recording");
  }

  // [{token: weight}], a text's heaviest tokens.
  void verify_sparse_tokens(const std::string& file, const Outputs& outputs) {
    const Json recorded = read_json(folder_ / file);
    Comparison comparison;
    for (size_t i = 0; i < recorded.size(); ++i) {
      for (const auto& [token, weight] : recorded.at(i).items()) {
        const auto id = transformer_->tokenizer().token_to_id(token);
        const SparseVector& sparse = outputs.sparse.at(i);
        const auto at = std::find(sparse.ids.begin(), sparse.ids.end(), id.value_or(-1));
        const float ours = at == sparse.ids.end() ? 0.0f : sparse.weights[static_cast<size_t>(at - sparse.ids.begin())];
        const auto theirs = weight.get<float>();
        comparison.add(&ours, &theirs, 1);
      }
    }
    report(file, comparison, kScoreTolerance);
  }

  void verify_embeddings(const std::string& file, const std::string& texts_file) {
    const Texts texts = texts_of(texts_file);
    const Embedder& model = static_ ? static_cast<const Embedder&>(*static_) : *transformer_;
    EmbedOptions options;
    options.prompt = texts.prompt;
    options.max_length = texts.max_length;
    tensor::Matrix vectors(texts.texts.size(), model.dim());
    model.embed(texts.views(), options, vectors.values());
    compare_rows(file, vectors, kVectorTolerance, true);
  }

  void verify_pairs(const std::string& file, const std::string& name) {
    const Json json = read_json(folder_ / "e2e.json");
    const auto pairs = json.at("texts").get<std::vector<std::vector<std::string>>>();
    RerankOptions options;
    options.max_length = json.value("max_length", size_t{0});
    options.raw = name == "logits";
    tensor::Matrix scores(pairs.size(), 1);
    for (size_t i = 0; i < pairs.size(); ++i) {
      const std::string_view document = pairs[i].at(1);
      reranker_->score(pairs[i].at(0), {&document, 1}, options, {scores.row(i), 1}, nullptr);
    }
    compare_rows(file, scores, kScoreTolerance, false);
  }

  void verify_static(const std::string& file, const std::string& name) {
    if (name != "embeddings") throw Error(ErrorCode::unsupported, "no known kind of recording");
    verify_embeddings(file, "e2e.json");
  }

  fs::path folder_;
  Compute compute_;
  double reference_error_ = 0;
  base::ThreadPool pool_{1};
  std::optional<model::TransformerModel> transformer_;
  std::optional<model::CrossEncoder> reranker_;
  std::unique_ptr<model::StaticModel> static_;
  std::optional<TokenInputs> inputs_;
  std::optional<tensor::Matrix> hidden_;
  std::vector<VerifiedFile> results_;
};

}  // namespace

double lower_precision_cosine(Compute compute) {
  return compute == Compute::bfloat16 ? 0.9949 : compute == Compute::int8 ? 0.85 : 1.0;
}

double lower_precision_share(Compute compute) {
  return compute == Compute::bfloat16 ? 0.03 : compute == Compute::int8 ? 0.2 : 0.0;
}

std::vector<VerifiedFile> verify_model(const fs::path& folder, Compute compute) {
  return Verifier(folder, compute).run();
}

void record_model(const fs::path& folder, const std::vector<std::vector<std::string>>& texts) {
  const fs::path texts_path = folder / "e2e.json";
  if (texts.empty()) throw Error(ErrorCode::invalid_argument, "there are no texts to record");
  if (fs::exists(texts_path)) {
    throw Error(ErrorCode::already_exists, fmt::format("{}: there is a recording already", texts_path.string()));
  }
  const bool pairs = texts[0].size() == 2;
  for (const auto& text : texts) {
    if (text.size() != (pairs ? 2 : 1)) {
      throw Error(ErrorCode::invalid_argument, "what is recorded is either texts or pairs of texts throughout");
    }
  }
  Json json;
  std::string output;
  if (pairs) {
    const auto model = Reranker::load(folder.string());
    std::vector<float> logits(texts.size());
    for (size_t i = 0; i < texts.size(); ++i) {
      const std::string_view document = texts[i].at(1);
      model->score(texts[i].at(0), {&document, 1}, {.raw = true}, {&logits[i], 1});
    }
    json["texts"] = texts;
    io::NpyWriter writer((folder / "expected_logits.npy").string(), io::NpyType::float32, 0);
    writer.append(std::span<const float>(logits));
    writer.finish();
  } else {
    const auto model = Embedder::load(folder.string());
    std::vector<std::string_view> views;
    json["texts"] = Json::array();
    for (const auto& text : texts) {
      views.push_back(text.at(0));
      json["texts"].push_back(text.at(0));
    }
    std::vector<float> vectors(views.size() * model->dim());
    model->embed(views, {}, vectors);
    io::NpyWriter writer((folder / "expected_embeddings.npy").string(), io::NpyType::float32, model->dim());
    writer.append(std::span<const float>(vectors));
    writer.finish();
  }
  base::write_file_atomically(texts_path, base::json_text(json) + "\n");
}

}  // namespace sextant::eval
