#include "model/transformer_model.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "base/files.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "sextant/error.h"
#include "simd/kernels.h"
#include "text/unicode.h"

namespace sextant::model {
namespace {

// What Python's str.strip removes.
bool is_python_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

std::string_view strip(std::string_view text) {
  size_t begin = text.size();
  size_t end = 0;
  for (size_t position = 0; position < text.size();) {
    const size_t start = position;
    if (is_python_space(base::decode_utf8(text, position))) continue;
    begin = std::min(begin, start);
    end = position;
  }
  return begin < end ? text.substr(begin, end - begin) : std::string_view();
}

// ORIGINS, where wanted: for each byte of the result, and for its end, the place in TEXT that it comes from.
std::string lower(std::string_view text, std::vector<uint32_t>* origins = nullptr) {
  std::string out;
  for (size_t position = 0; position < text.size();) {
    const auto from = static_cast<uint32_t>(position);
    char32_t lowered[2];
    const int count = text::lower_case(base::decode_utf8(text, position), lowered);
    for (int i = 0; i < count; ++i) base::append_utf8(out, lowered[i]);
    if (origins != nullptr) origins->resize(out.size(), from);
  }
  if (origins != nullptr) origins->push_back(static_cast<uint32_t>(text.size()));
  return out;
}

void normalize_rows(tensor::Matrix& x) {
  for (size_t i = 0; i < x.rows(); ++i) simd::kernels().normalize_f32(x.row(i), x.columns());
}

}  // namespace

// A text on its way: its tokens, and what happened to it.
struct TransformerModel::Item {
  std::vector<TokenId> ids;
  size_t skipped = 0;  // first tokens that the pooling leaves out
  size_t tokens_dropped = 0;
  size_t unknown_count = 0;
};

size_t TransformerModel::prompt_token_count(const std::string& prompt) const {
  std::vector<TokenId> ids;
  std::string_view used = prompt;
  if (strips_) used = strip(used);
  std::string lowered;
  if (lowercases_) used = lowered = lower(used);
  tokenizer().encode_ids(used, {}, ids);
  // An end token that the template appends does not belong to the prompt. What the template adds in front does.
  std::vector<TokenId> empty;
  tokenizer().encode_ids("", {}, empty);
  if (!ids.empty() && !empty.empty() && ids.back() == empty.back() && ids.size() > 1) ids.pop_back();
  return ids.size();
}

// Tokens that the tokenizer may give; 0: no limit.
size_t TransformerModel::limit_of(const EmbedOptions& options) const {
  const size_t positions = encoder_->max_positions;
  size_t limit = options.max_length > 0 ? options.max_length : max_length_;
  if (positions > 0 && (limit == 0 || limit > positions)) limit = positions;
  if (!appended_id_ || limit == 0) return limit;
  if (limit == 1) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("max_length is 1, model {} needs 2 or more: it appends a token", name_));
  }
  return limit - 1;
}

TransformerModel::Item TransformerModel::prepare(std::string_view text, const EmbedOptions& options) const {
  const std::string& prompt = prompt_of(options);
  std::string whole = prompt + std::string(text);
  std::string_view used = whole;
  if (strips_) used = strip(used);
  std::string lowered;
  if (lowercases_) used = lowered = lower(used);
  Item item;
  EncodeOptions encode;
  encode.max_length = limit_of(options);
  item.tokens_dropped = tokenizer().encode_ids(used, encode, item.ids);
  if (appended_id_) item.ids.push_back(*appended_id_);
  if (!pooling_.include_prompt && !prompt.empty()) item.skipped = prompt_token_count(prompt);
  if (auto unknown = tokenizer().unknown_id()) {
    item.unknown_count = static_cast<size_t>(std::count(item.ids.begin(), item.ids.end(), *unknown));
  }
  return item;
}

void TransformerModel::note(const Item& item, size_t index, EmbedReport* report) {
  if (report == nullptr) return;
  report->token_count += item.ids.size();
  report->unknown_count += item.unknown_count;
  if (item.ids.size() <= item.skipped) report->empty.push_back(index);
  if (item.tokens_dropped > 0) report->truncated.push_back({index, item.tokens_dropped});
}

std::vector<TokenId> TransformerModel::token_ids(std::string_view text, const EmbedOptions& options) const {
  return prepare(text, options).ids;
}

tensor::Matrix TransformerModel::hidden_states(const TokenBatch& batch, tensor::Context& context) const {
  return run_encoder(*encoder_, batch, context);
}

tensor::Matrix TransformerModel::hidden_states(const TokenBatch& batch) const {
  base::ThreadPool pool(1);
  tensor::Context context{pool};
  return hidden_states(batch, context);
}

tensor::Matrix TransformerModel::sentence_vectors(const tensor::Matrix& hidden, const tensor::Sequences& sequences,
                                                  std::span<const size_t> skipped, std::optional<bool> normalize,
                                                  size_t cut) const {
  base::ThreadPool pool(1);
  tensor::Context context{pool};
  tensor::Matrix copy(hidden.rows(), hidden.columns());
  std::copy(hidden.values().begin(), hidden.values().end(), copy.values().begin());
  return sentence_vectors(std::move(copy), sequences, skipped, normalize, cut, context);
}

tensor::Matrix TransformerModel::sentence_vectors(tensor::Matrix hidden, const tensor::Sequences& sequences,
                                                  std::span<const size_t> skipped, std::optional<bool> normalize,
                                                  size_t cut, tensor::Context& context) const {
  tensor::Matrix x = pool(pooling_, encoder_->refine(std::move(hidden), sequences, context), sequences, skipped);
  // A Normalize at the end is left to the caller's wish, and follows the cut.
  bool normalized = false;
  for (const Module& module : modules_) {
    if (std::holds_alternative<NormalizeModule>(module)) {
      normalized = true;
      continue;
    }
    if (std::exchange(normalized, false)) normalize_rows(x);
    if (const auto* dense = std::get_if<DenseModule>(&module)) {
      x = dense->linear(x, context, {.activation = dense->activation});
    } else {
      std::get<LayerNormModule>(module).norm(x, context);
    }
  }
  if (cut > 0 && cut < x.columns()) {
    // Nomic's models were trained for a layer norm before the cut.
    if (encoder_->norm_before_cut) tensor::standardize(x, 1e-5f, context);
    tensor::Matrix shorter(x.rows(), cut);
    for (size_t i = 0; i < x.rows(); ++i) std::memcpy(shorter.row(i), x.row(i), cut * sizeof(float));
    x = std::move(shorter);
  }
  if (normalize.value_or(normalized)) normalize_rows(x);
  return x;
}

OutputSet TransformerModel::outputs() const {
  OutputSet set;
  set.dense = !splade_;
  set.sparse = splade_.has_value() || (m3_heads_ && !m3_heads_->sparse.empty());
  set.multi = m3_heads_ && !m3_heads_->colbert.empty();
  return set;
}

void TransformerModel::embed(std::span<const std::string_view> texts, const EmbedOptions& options, std::span<float> out,
                             EmbedReport* report) const {
  const size_t dim = options.dim > 0 ? options.dim : dim_;
  if (out.size() != texts.size() * dim) {
    throw Error(ErrorCode::invalid_argument, fmt::format("output has {} floats, {} texts of {} components need {}",
                                                         out.size(), texts.size(), dim, texts.size() * dim));
  }
  Outputs outputs;
  embed_outputs(texts, options, {}, outputs, report);
  std::copy(outputs.dense.begin(), outputs.dense.end(), out.begin());
}

void TransformerModel::embed_outputs(std::span<const std::string_view> texts, const EmbedOptions& options,
                                     OutputSet wanted, Outputs& out, EmbedReport* report) const {
  const OutputSet able = outputs();
  auto require = [&](bool asked, bool has, std::string_view what) {
    if (asked && !has) throw Error(ErrorCode::unsupported, fmt::format("model {} gives no {} vectors", name_, what));
  };
  require(wanted.dense, able.dense, "dense");
  require(wanted.sparse, able.sparse, "sparse");
  require(wanted.multi, able.multi, "token");
  const size_t dim = options.dim > 0 ? options.dim : dim_;
  if (dim > dim_) throw Error(ErrorCode::invalid_argument, fmt::format("dim is {}, model {} has {}", dim, name_, dim_));

  out.dense.assign(wanted.dense ? texts.size() * dim : 0, 0.0f);
  out.sparse.assign(wanted.sparse ? texts.size() : 0, {});
  out.multi.assign(wanted.multi ? texts.size() : 0, {});

  base::ThreadPool& pool = base::ThreadPool::shared(options.threads);
  tensor::Context context{pool, buffers_};
  std::vector<Item> items(texts.size());
  compute_in_packs(
      texts.size(), pool,
      [&](size_t i) {
        items[i] = prepare(texts[i], options);
        return items[i].ids.size();
      },
      [&](const Pack& pack) { compute(pack, items, options, wanted, dim, out, context); });
  for (size_t i = 0; i < items.size(); ++i) note(items[i], i, report);
}

void TransformerModel::compute(const Pack& pack, const std::vector<Item>& items, const EmbedOptions& options,
                               OutputSet wanted, size_t dim, Outputs& out, tensor::Context& context) const {
  TokenBatch batch;
  std::vector<size_t> skipped;
  for (size_t i : pack) {
    batch.ids.insert(batch.ids.end(), items[i].ids.begin(), items[i].ids.end());
    batch.sequences.append(items[i].ids.size());
    skipped.push_back(items[i].skipped);
  }
  const tensor::Sequences& sequences = batch.sequences;
  tensor::Matrix hidden = hidden_states(batch, context);
  if (wanted.sparse && splade_) {
    for (size_t s = 0; s < sequences.count(); ++s) {
      // A sequence at a time: a row of logits is as wide as the vocabulary.
      tensor::Matrix one(sequences.length(s), hidden.columns(), context);
      std::copy_n(hidden.row(sequences.begin(s)), one.values().size(), one.data());
      const std::vector<float> weights = (*splade_)((*masked_lm_head_)(one, context));
      SparseVector& sparse = out.sparse[pack[s]];
      for (size_t id = 0; id < weights.size(); ++id) {
        if (weights[id] <= 0) continue;
        sparse.ids.push_back(static_cast<TokenId>(id));
        sparse.weights.push_back(weights[id]);
      }
    }
  } else if (wanted.sparse) {
    const tensor::Matrix weights = m3_heads_->token_weights(hidden, context);
    for (size_t s = 0; s < sequences.count(); ++s) {
      out.sparse[pack[s]] = M3Heads::lexical_weights(items[pack[s]].ids, weights, sequences.begin(s), structural_ids_);
    }
  }
  if (wanted.multi) {
    const tensor::Matrix vectors = m3_heads_->token_vectors(hidden, sequences, context);
    size_t row = 0;
    for (size_t s = 0; s < sequences.count(); ++s) {
      const size_t count = std::max<size_t>(1, sequences.length(s)) - 1;
      TokenVectors& multi = out.multi[pack[s]];
      multi.dim = vectors.columns();
      multi.vectors.assign(vectors.row(row), vectors.row(row) + count * multi.dim);
      row += count;
      const std::vector<TokenId>& ids = items[pack[s]].ids;
      for (size_t i = 1; i < ids.size(); ++i) {
        multi.ids.push_back(ids[i]);
        multi.tokens.push_back(tokenizer().id_to_token(ids[i]));
      }
    }
  }
  if (wanted.dense) {
    const tensor::Matrix vectors =
        sentence_vectors(std::move(hidden), sequences, skipped, options.normalize, dim, context);
    for (size_t s = 0; s < sequences.count(); ++s) {
      if (sequences.length(s) == 0) continue;
      std::memcpy(out.dense.data() + pack[s] * dim, vectors.row(s), dim * sizeof(float));
    }
  }
}

TokenVectors TransformerModel::embed_tokens(std::string_view text, const EmbedOptions& options,
                                            EmbedReport* report) const {
  const Item item = prepare(text, options);
  note(item, 0, report);
  TokenBatch batch;
  batch.ids = item.ids;
  batch.sequences.append(item.ids.size());
  const tensor::Matrix hidden = hidden_states(batch);
  TokenVectors tokens;
  tokens.ids = item.ids;
  tokens.dim = hidden.columns();
  tokens.vectors.assign(hidden.values().begin(), hidden.values().end());
  for (TokenId id : item.ids) tokens.tokens.push_back(tokenizer().id_to_token(id));
  // Offsets refer to the text as given: the prompt lies before it, and what was stripped from its start as well.
  const std::string& prompt = prompt_of(options);
  const std::string whole = prompt + std::string(text);
  const std::string_view used = strips_ ? strip(whole) : std::string_view(whole);
  const size_t stripped = used.empty() ? 0 : static_cast<size_t>(used.data() - whole.data());
  std::vector<uint32_t> origins;
  EncodeOptions encode;
  encode.max_length = limit_of(options);
  const Encoding encoding = tokenizer().encode(lowercases_ ? lower(used, &origins) : std::string(used), encode);
  for (size_t i = 0; i < std::min(encoding.offsets.size(), item.ids.size()); ++i) {
    const TokenOffset offset = encoding.offsets[i];
    const size_t begin = (lowercases_ ? origins[offset.begin] : offset.begin) + stripped;
    const size_t end = (lowercases_ ? origins[offset.end] : offset.end) + stripped;
    const bool special = encoding.special_mask[i] != 0 || begin < prompt.size();
    tokens.offsets.push_back(special ? TokenOffset{}
                                     : TokenOffset{static_cast<uint32_t>(begin - prompt.size()),
                                                   static_cast<uint32_t>(end - prompt.size())});
  }
  tokens.offsets.resize(item.ids.size());
  return tokens;
}

std::string TransformerModel::pooling_name() const {
  std::vector<std::string_view> names;
  for (PoolingMode mode : pooling_.modes) names.push_back(model::name(mode));
  return fmt::format("{}", fmt::join(names, " + "));
}

Explanation TransformerModel::explain(std::string_view text, const EmbedOptions& options) const {
  const TokenVectors tokens = embed_tokens(text, options, nullptr);
  const Item item = prepare(text, options);
  Explanation explanation;
  const std::string& prompt = prompt_of(options);
  explanation.normalized_text = tokenizer().normalize(prompt + std::string(text));
  const size_t counted = tokens.ids.size() - std::min(tokens.ids.size(), item.skipped);
  for (size_t i = 0; i < tokens.ids.size(); ++i) {
    const float* row = tokens.vectors.data() + i * tokens.dim;
    float weight = 0;
    switch (pooling_.modes[0]) {
      case PoolingMode::cls:
        weight = i == 0 ? 1.0f : 0.0f;
        break;
      case PoolingMode::last_token:
        weight = i + 1 == tokens.ids.size() ? 1.0f : 0.0f;
        break;
      case PoolingMode::weighted_mean: {
        // Weights 1, 2, 3 ... of the positions, the skipped ones included.
        const size_t n = tokens.ids.size();
        const size_t skipped = n - counted;
        const double total = (static_cast<double>(n) * static_cast<double>(n + 1) -
                              static_cast<double>(skipped) * static_cast<double>(skipped + 1)) /
                             2;
        weight = i < skipped ? 0.0f : static_cast<float>(static_cast<double>(i + 1) / total);
        break;
      }
      default:
        weight = i < item.skipped || counted == 0 ? 0.0f : 1.0f / static_cast<float>(counted);
    }
    const float norm = std::sqrt(simd::kernels().dot_f32(row, row, tokens.dim));
    explanation.tokens.push_back(
        {tokens.ids[i], tokens.tokens[i], weight, norm, tokens.ids[i] != tokenizer().unknown_id()});
  }
  explanation.pooling = fmt::format("{} of the last hidden states", pooling_name());
  const size_t dim = options.dim > 0 ? std::min(options.dim, dim_) : dim_;
  EmbedOptions raw = options;
  raw.normalize = false;
  explanation.vector.resize(dim);
  embed(std::span(&text, 1), raw, explanation.vector, nullptr);
  explanation.norm_before =
      std::sqrt(simd::kernels().dot_f32(explanation.vector.data(), explanation.vector.data(), dim));
  embed(std::span(&text, 1), options, explanation.vector, nullptr);
  return explanation;
}

}  // namespace sextant::model
