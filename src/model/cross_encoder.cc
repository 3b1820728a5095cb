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

bool CrossEncoder::is_one(const fs::path& folder) {
  const Config config = Config::load_if_there(folder / "config.json");
  if (fs::exists(folder / "modules.json") || config.object("id2label").keys().size() != 1) return false;
  const std::vector<std::string> architectures = config.texts("architectures");
  return std::any_of(architectures.begin(), architectures.end(),
                     [](const std::string& name) { return name.ends_with("ForSequenceClassification"); });
}

CrossEncoder::CrossEncoder(const fs::path& folder, const LoadOptions& options) : name_(folder.string()) {
  EncoderLoader loader({{folder}}, "reranker", options);
  config_ = Config::load(folder / "config.json");
  weights_ = std::make_shared<const Weights>(Weights::load(folder));
  encoder_ = loader.read(config_, weights_);
  origins_ = origins_of(*encoder_, config_, *weights_);
  try {
    tokenizer_.emplace(Tokenizer::load(folder));
  } catch (const Error& e) {
    if (e.code() != ErrorCode::not_found) throw;
    tokenizer_problem_ = e.what();
  }
  if (encoder_->causal) {
    read_answers(config_, Parameters(weights_));
  } else {
    read_head();
    activation_ = activation_of(config_);
    origins_.push_back({"score",
                        activation_ == tensor::Activation::identity  ? "the logit"
                        : activation_ == tensor::Activation::sigmoid ? "the logit's sigmoid"
                                                                     : "an activation of the logit",
                        config_.source()});
  }
  read_limit(folder);
  if (tokenizer_) {
    origins_.push_back({"tokenizer",
                        fmt::format("{}, {} entries", tokenizer_->model_name(), tokenizer_->vocabulary_size()),
                        folder.string()});
  }
  loader.choose(encoder_, PrecisionMeasure::spread, [&] {
    read_head();
    return check_scores();
  });
  read_head();
  precision_ = loader.finish(origins_);
}

void CrossEncoder::read_answers(const Config& config, const Parameters& parameters) {
  // Others would need other words around query and document.
  if (config.text("model_type") != "qwen3") config.unsupported("model_type", "an encoder's, or qwen3");
  if (parameters.has("lm_head.weight")) {
    vocabulary_ = parameters.linear("lm_head", encoder_->vocabulary_size, encoder_->hidden_size, Bias::none);
  } else {
    vocabulary_ = tensor::Linear(encoder_->embeddings, {});
  }
  if (!tokenizer_) return;
  auto find = [&](std::string_view word) {
    const TokenId id = tokenizer_->token_to_id(word).value_or(-1);
    return id >= 0 && static_cast<size_t>(id) < encoder_->vocabulary_size ? id : -1;
  };
  yes_ = find("yes");
  no_ = find("no");
}

// Anew with each encoder, whose pooler it may use.
void CrossEncoder::read_head() {
  if (encoder_->causal) return;
  const Parameters parameters(weights_);
  head_ = ClassificationHead::load(config_, parameters, *encoder_);
  if (!head_) {
    throw Error(ErrorCode::unsupported,
                fmt::format("{}: parameter 'classifier.weight' is missing: not a cross-encoder", parameters.source()));
  }
  if (head_->label_count() != 1) {
    throw Error(ErrorCode::unsupported, fmt::format("{}: the classifier has {} labels, reranking needs one",
                                                    parameters.source(), head_->label_count()));
  }
}

void CrossEncoder::read_limit(const fs::path& folder) {
  max_length_ = encoder_->max_positions;
  std::string from = config_.source();
  const Config tokenizer_config = Config::load_if_there(folder / "tokenizer_config.json");
  const double limit = tokenizer_config.number("model_max_length", kMaxLengthNone);
  if (limit >= 1 && limit < kMaxLengthNone && (max_length_ == 0 || limit < static_cast<double>(max_length_))) {
    max_length_ = static_cast<size_t>(limit);
    from = tokenizer_config.source();
  }
  origins_.push_back({"longest input", max_length_ > 0 ? fmt::format("{} tokens", max_length_) : "no limit", from});
}

tensor::Matrix CrossEncoder::logits(const TokenBatch& batch) const {
  base::ThreadPool pool_of_one(1);
  tensor::Context context{pool_of_one};
  return logits(batch, context);
}

tensor::Matrix CrossEncoder::logits(const TokenBatch& batch, tensor::Context& context) const {
  const tensor::Matrix hidden = run_encoder(*encoder_, batch, context);
  if (head_) return (*head_)(hidden, batch.sequences, context);
  return vocabulary_(pool(PoolingMode::last_token, hidden, batch.sequences), context);
}

tensor::Matrix CrossEncoder::check_scores() const {
  std::vector<Item> items;
  Pack all;
  for (const CheckPair& pair : check_pairs()) {
    all.push_back(items.size());
    Item item;
    if (tokenizer_) item = prepare(pair.query, pair.document, {}, limit_of({}));
    // Without a tokenizer ids from all over the vocabulary.
    for (size_t i = item.ids.size(); i < 4 + items.size(); ++i) {
      item.ids.push_back(static_cast<TokenId>((i * 7919 + items.size() * 104729) % encoder_->vocabulary_size));
      if (encoder_->type_count > 1) item.type_ids.push_back(0);
    }
    if (encoder_->max_positions > 0 && item.ids.size() > encoder_->max_positions) {
      item.ids.resize(encoder_->max_positions);
      item.type_ids.resize(std::min(item.type_ids.size(), item.ids.size()));
    }
    items.push_back(std::move(item));
  }
  tensor::Matrix values = logits(batch_of(all, items));
  if (!head_ && !answers()) return values;
  tensor::Matrix scores(values.rows(), 1);
  for (size_t i = 0; i < values.rows(); ++i) *scores.row(i) = score_of(values.row(i));
  return scores;
}

CrossEncoder::Item CrossEncoder::prepare(std::string_view query, std::string_view document,
                                         const RerankOptions& options, size_t limit) const {
  Item item;
  if (head_) {
    EncodeOptions encode;
    encode.max_length = limit;
    Encoding encoding = tokenizer_->encode_pair(query, document, encode);
    item.ids = std::move(encoding.ids);
    item.tokens_dropped = encoding.tokens_dropped;
    if (encoder_->type_count > 1) item.type_ids.assign(encoding.type_ids.begin(), encoding.type_ids.end());
    return item;
  }
  const EncodeOptions plain{.add_special_tokens = false};
  std::vector<TokenId> suffix, middle;
  tokenizer_->encode_ids(kQwenPrefix, plain, item.ids);
  tokenizer_->encode_ids(kQwenSuffix, plain, suffix);
  tokenizer_->encode_ids(
      fmt::format("<Instruct>: {}\n<Query>: {}\n<Document>: {}",
                  options.instruction.empty() ? kQwenInstruction : std::string_view(options.instruction), query,
                  document),
      plain, middle);
  const size_t frame = item.ids.size() + suffix.size();
  if (limit > 0 && frame + middle.size() > limit) {
    const size_t kept = limit > frame ? limit - frame : 0;
    item.tokens_dropped = middle.size() - kept;
    middle.resize(kept);
  }
  item.ids.insert(item.ids.end(), middle.begin(), middle.end());
  item.ids.insert(item.ids.end(), suffix.begin(), suffix.end());
  return item;
}

TokenBatch CrossEncoder::batch_of(const Pack& pack, const std::vector<Item>& items) {
  TokenBatch batch;
  for (size_t i : pack) {
    batch.ids.insert(batch.ids.end(), items[i].ids.begin(), items[i].ids.end());
    batch.type_ids.insert(batch.type_ids.end(), items[i].type_ids.begin(), items[i].type_ids.end());
    batch.sequences.append(items[i].ids.size());
  }
  return batch;
}

size_t CrossEncoder::limit_of(const RerankOptions& options) const {
  const size_t limit = options.max_length > 0 ? options.max_length : max_length_;
  const size_t positions = encoder_->max_positions;
  return positions > 0 && (limit == 0 || limit > positions) ? positions : limit;
}

std::vector<TokenId> CrossEncoder::token_ids(std::string_view query, std::string_view document,
                                             const RerankOptions& options) const {
  if (!tokenizer_) throw Error(ErrorCode::not_found, tokenizer_problem_);
  return prepare(query, document, options, limit_of(options)).ids;
}

void CrossEncoder::score(std::string_view query, std::span<const std::string_view> documents,
                         const RerankOptions& options, std::span<float> scores, EmbedReport* report) const {
  if (!tokenizer_) throw Error(ErrorCode::not_found, tokenizer_problem_);
  if (!head_ && !answers()) {
    throw Error(ErrorCode::unsupported,
                fmt::format("{}: the vocabulary has no single token for yes and no: not a reranker", name_));
  }
  if (scores.size() != documents.size()) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("scores has {} places, there are {} documents", scores.size(), documents.size()));
  }
  const size_t limit = limit_of(options);
  base::ThreadPool& pool = base::ThreadPool::shared(options.threads);
  tensor::Context context{pool, buffers_};
  std::vector<Item> items(documents.size());
  compute_in_packs(
      documents.size(), pool,
      [&](size_t i) {
        items[i] = prepare(query, documents[i], options, limit);
        return items[i].ids.size();
      },
      [&](const Pack& pack) {
        const tensor::Matrix values = logits(batch_of(pack, items), context);
        for (size_t s = 0; s < pack.size(); ++s) scores[pack[s]] = score_of(values.row(s));
      });
  if (!options.raw) tensor::activate(activation_, scores);
  if (report == nullptr) return;
  for (size_t i = 0; i < items.size(); ++i) {
    report->token_count += items[i].ids.size();
    if (items[i].tokens_dropped > 0) report->truncated.push_back({i, items[i].tokens_dropped});
  }
}

}  // namespace sextant::model

namespace sextant {

std::unique_ptr<Reranker> Reranker::load(std::string_view name_or_folder, const LoadOptions& options) {
  return std::make_unique<model::CrossEncoder>(model::model_folder(name_or_folder), options);
}

}  // namespace sextant
