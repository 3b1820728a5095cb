#include "model/cross_encoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "model/hub.h"
#include "sextant/error.h"

namespace sextant::model {
namespace {

namespace fs = std::filesystem;

constexpr size_t kPackRows = 4096;
constexpr double kNoLimit = 1e9;

// Qwen3-Reranker's own words, from its model card.
constexpr std::string_view kQwenPrefix =
    "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct "
    "provided. "
    "Note that the answer can only be \"yes\" or \"no\".<|im_end|>\n<|im_start|>user\n";
constexpr std::string_view kQwenSuffix = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n";
constexpr std::string_view kQwenInstruction =
    "Given a web search query, retrieve relevant passages that answer the query";

tensor::Activation activation_of(const Config& config) {
  const Config newer = config.object("sentence_transformers");
  if (newer.has("activation_fn")) return tensor::parse_activation(newer.text("activation_fn"), newer.source());
  constexpr const char* kOlder = "sbert_ce_default_activation_function";
  if (config.has(kOlder)) return tensor::parse_activation(config.text(kOlder), config.source());
  return tensor::Activation::sigmoid;
}

}  // namespace

CrossEncoder::CrossEncoder(const fs::path& folder) : name_(folder.string()) {
  const Config config = Config::load(folder / "config.json");
  const Parameters parameters(std::make_shared<const Weights>(Weights::load(folder)));
  encoder_ = load_encoder(config, parameters);
  try {
    tokenizer_.emplace(Tokenizer::load(folder));
  } catch (const Error& e) {
    if (e.code() != ErrorCode::not_found) throw;
    tokenizer_problem_ = e.what();
  }
  if (encoder_->causal) {
    // Others would need other words around query and document.
    if (config.text("model_type") != "qwen3") config.unsupported("model_type", "an encoder's, or qwen3");
    if (parameters.has("lm_head.weight")) {
      vocabulary_ = parameters.linear("lm_head", encoder_->vocabulary_size, encoder_->hidden_size, Bias::none);
    } else {
      vocabulary_ = tensor::Linear(encoder_->embeddings, {});
    }
    if (tokenizer_) {
      auto find = [&](std::string_view word) {
        const TokenId id = tokenizer_->token_to_id(word).value_or(-1);
        return id >= 0 && static_cast<size_t>(id) < encoder_->vocabulary_size ? id : -1;
      };
      yes_ = find("yes");
      no_ = find("no");
    }
  } else {
    head_ = ClassificationHead::load(config, parameters, *encoder_);
    if (!head_) {
      throw Error(
          ErrorCode::unsupported,
          fmt::format("{}: parameter 'classifier.weight' is missing: not a cross-encoder", parameters.source()));
    }
    if (head_->label_count() != 1) {
      throw Error(ErrorCode::unsupported, fmt::format("{}: the classifier has {} labels, reranking needs one",
                                                      parameters.source(), head_->label_count()));
    }
    activation_ = activation_of(config);
  }
  max_length_ = encoder_->max_positions;
  const Config tokenizer_config = Config::load_if_there(folder / "tokenizer_config.json");
  const double limit = tokenizer_config.number("model_max_length", kNoLimit);
  if (limit >= 1 && limit < kNoLimit && (max_length_ == 0 || limit < static_cast<double>(max_length_))) {
    max_length_ = static_cast<size_t>(limit);
  }
}

tensor::Matrix CrossEncoder::logits(const TokenBatch& batch) const {
  base::ThreadPool pool_of_one(1);
  tensor::Context context{pool_of_one};
  const tensor::Matrix hidden = run_encoder(*encoder_, batch, context);
  if (head_) return (*head_)(hidden, batch.sequences, context);
  return vocabulary_(pool(PoolingMode::last_token, hidden, batch.sequences), context);
}

size_t CrossEncoder::prepare(std::string_view query, std::string_view document, const RerankOptions& options,
                             size_t limit, TokenBatch& batch) const {
  std::vector<TokenId> ids;
  size_t dropped = 0;
  if (head_) {
    EncodeOptions encode;
    encode.max_length = limit;
    const Encoding encoding = tokenizer_->encode_pair(query, document, encode);
    ids.assign(encoding.ids.begin(), encoding.ids.end());
    dropped = encoding.tokens_dropped;
    if (encoder_->type_count > 1) {
      batch.type_ids.insert(batch.type_ids.end(), encoding.type_ids.begin(), encoding.type_ids.end());
    }
  } else {
    const EncodeOptions plain{.add_special_tokens = false};
    std::vector<TokenId> suffix, middle;
    tokenizer_->encode_ids(kQwenPrefix, plain, ids);
    tokenizer_->encode_ids(kQwenSuffix, plain, suffix);
    tokenizer_->encode_ids(
        fmt::format("<Instruct>: {}\n<Query>: {}\n<Document>: {}",
                    options.instruction.empty() ? kQwenInstruction : std::string_view(options.instruction), query,
                    document),
        plain, middle);
    const size_t frame = ids.size() + suffix.size();
    if (limit > 0 && frame + middle.size() > limit) {
      const size_t kept = limit > frame ? limit - frame : 0;
      dropped = middle.size() - kept;
      middle.resize(kept);
    }
    ids.insert(ids.end(), middle.begin(), middle.end());
    ids.insert(ids.end(), suffix.begin(), suffix.end());
  }
  batch.ids.insert(batch.ids.end(), ids.begin(), ids.end());
  batch.sequences.append(ids.size());
  return dropped;
}

size_t CrossEncoder::limit_of(const RerankOptions& options) const {
  const size_t limit = options.max_length > 0 ? options.max_length : max_length_;
  const size_t positions = encoder_->max_positions;
  return positions > 0 && (limit == 0 || limit > positions) ? positions : limit;
}

std::vector<TokenId> CrossEncoder::token_ids(std::string_view query, std::string_view document,
                                             const RerankOptions& options) const {
  if (!tokenizer_) throw Error(ErrorCode::not_found, tokenizer_problem_);
  TokenBatch batch;
  prepare(query, document, options, limit_of(options), batch);
  return batch.ids;
}

void CrossEncoder::score(std::string_view query, std::span<const std::string_view> documents,
                         const RerankOptions& options, std::span<float> scores, EmbedReport* report) const {
  if (!tokenizer_) throw Error(ErrorCode::not_found, tokenizer_problem_);
  if (!head_ && (yes_ < 0 || no_ < 0)) {
    throw Error(ErrorCode::unsupported,
                fmt::format("{}: the vocabulary has no single token for yes and no: not a reranker", name_));
  }
  if (scores.size() != documents.size()) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("scores has {} places, there are {} documents", scores.size(), documents.size()));
  }
  const size_t limit = limit_of(options);
  size_t next = 0;
  while (next < documents.size()) {
    TokenBatch batch;
    const size_t first = next;
    for (; next < documents.size() && batch.ids.size() < kPackRows; ++next) {
      const size_t before = batch.ids.size();
      const size_t dropped = prepare(query, documents[next], options, limit, batch);
      if (report == nullptr) continue;
      report->token_count += batch.ids.size() - before;
      if (dropped > 0) report->truncated.push_back({next, dropped});
    }
    const tensor::Matrix values = logits(batch);
    for (size_t i = first; i < next; ++i) {
      const float* row = values.row(i - first);
      scores[i] = head_ ? row[0] : row[yes_] - row[no_];
    }
    if (!options.raw) tensor::activate(activation_, scores.subspan(first, next - first));
  }
}

}  // namespace sextant::model

namespace sextant {

std::unique_ptr<Reranker> Reranker::load(std::string_view name_or_folder) {
  return std::make_unique<model::CrossEncoder>(model::model_folder(name_or_folder));
}

}  // namespace sextant
