#include "model/encoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "model/architectures/architectures.h"
#include "sextant/error.h"

namespace sextant::model {
namespace {

using Loader = std::unique_ptr<Encoder> (*)(const Config&, const Parameters&);

struct Architecture {
  std::string_view model_type;
  Loader load;
};

constexpr Architecture kArchitectures[] = {
    {"albert", load_albert},
    {"bert", load_bert},
    {"camembert", load_bert},
    {"deberta-v2", load_deberta_v2},
    {"distilbert", load_distilbert},
    {"electra", load_bert},
    {"gemma2", load_gemma},
    {"gemma3_text", load_gemma},
    {"llama", load_llama},
    {"mistral", load_llama},
    {"modernbert", load_modernbert},
    {"mpnet", load_mpnet},
    {"new", load_gte_new},
    {"nomic_bert", load_nomic_bert},
    {"nvembed", load_nv_embed},
    {"qwen2", load_llama},
    {"qwen3", load_llama},
    {"roberta", load_bert},
    {"t5", load_t5},
    {"xlm-roberta", load_bert},
};

}  // namespace

std::unique_ptr<Encoder> load_encoder(const Config& config, const Parameters& parameters) {
  const std::string type = config.text("model_type");
  // Jina's models call themselves BERT, but say where their own code lies and that they use ALiBi.
  if (type == "bert" && config.text("position_embedding_type", "absolute") == "alibi") {
    return load_jina_bert(config, parameters);
  }
  std::string known;
  for (const Architecture& architecture : kArchitectures) {
    if (architecture.model_type == type) return architecture.load(config, parameters);
    known += (known.empty() ? "" : ", ") + std::string(architecture.model_type);
  }
  config.unsupported("model_type", "one of " + known);
}

tensor::Matrix run_encoder(const Encoder& encoder, const TokenBatch& batch, tensor::Context& context) {
  if (batch.sequences.row_count() != batch.ids.size() ||
      (!batch.type_ids.empty() && batch.type_ids.size() != batch.ids.size())) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("a batch has {} token ids and {} types for sequences of {} tokens", batch.ids.size(),
                            batch.type_ids.size(), batch.sequences.row_count()));
  }
  for (TokenId id : batch.ids) {
    if (id < 0 || static_cast<size_t>(id) >= encoder.vocabulary_size) {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("token id {} is outside the model's vocabulary of {}", id, encoder.vocabulary_size));
    }
  }
  for (TokenId type : batch.type_ids) {
    if (type < 0 || (encoder.type_count > 0 && static_cast<size_t>(type) >= encoder.type_count)) {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("token type {} is outside the model's {} types", type, encoder.type_count));
    }
  }
  for (size_t s = 0; s < batch.sequences.count(); ++s) {
    const size_t length = batch.sequences.length(s);
    if (encoder.max_positions > 0 && length > encoder.max_positions) {
      throw Error(ErrorCode::invalid_argument, fmt::format("a sequence has {} tokens, the model has positions for {}",
                                                           length, encoder.max_positions));
    }
  }
  return encoder.encode(batch, context);
}

tensor::Matrix first_rows(const tensor::Matrix& hidden, const tensor::Sequences& sequences) {
  tensor::Matrix first(sequences.count(), hidden.columns());
  for (size_t s = 0; s < sequences.count(); ++s) {
    std::fill_n(first.row(s), first.columns(), 0.0f);
    if (sequences.length(s) == 0) continue;
    std::memcpy(first.row(s), hidden.row(sequences.begin(s)), hidden.columns() * sizeof(float));
  }
  return first;
}

tensor::Matrix Pooler::operator()(const tensor::Matrix& hidden, const tensor::Sequences& sequences,
                                  tensor::Context& context) const {
  tensor::Matrix pooled = dense(first_rows(hidden, sequences), context);
  tensor::activate(activation, pooled.values());
  return pooled;
}

size_t head_dim_of(const Config& config, size_t hidden, size_t heads, std::string_view heads_key) {
  if (hidden % heads != 0) config.corrupted(heads_key, fmt::format("a divisor of the hidden size {}", hidden));
  return hidden / heads;
}

size_t bucket_count_of(const Config& config, size_t distance_max) {
  constexpr const char* kKey = "relative_attention_num_buckets";
  const size_t buckets = config.has(kKey) ? config.count(kKey) : 32;
  if (buckets < 4 || buckets / 4 >= distance_max) {
    config.corrupted(kKey, fmt::format("4 or more, and a quarter of them below the largest distance {}", distance_max));
  }
  return buckets;
}

void add_types(tensor::Matrix& x, const tensor::Parameter& types, const TokenBatch& batch, tensor::Context& context) {
  tensor::for_rows(x.rows(), context, [&](size_t i) {
    const size_t type = batch.type_ids.empty() ? 0 : static_cast<size_t>(batch.type_ids[i]);
    const float* row = types.data + type * types.shape[1];
    for (size_t c = 0; c < x.columns(); ++c) x.row(i)[c] += row[c];
  });
}

void add_positions(tensor::Matrix& x, const tensor::Parameter& positions, const tensor::Sequences& sequences,
                   size_t first, tensor::Context& context) {
  const size_t width = positions.shape[1];
  context.pool.parallel_for(sequences.count(), [&](size_t s, size_t) {
    for (size_t i = 0; i < sequences.length(s); ++i) {
      float* row = x.row(sequences.begin(s) + i);
      const float* position = positions.data + (first + i) * width;
      for (size_t c = 0; c < width; ++c) row[c] += position[c];
    }
  });
}

void add_positions_after_padding(tensor::Matrix& x, const tensor::Parameter& positions, const TokenBatch& batch,
                                 TokenId pad_id, tensor::Context& context) {
  const size_t width = positions.shape[1];
  context.pool.parallel_for(batch.sequences.count(), [&](size_t s, size_t) {
    auto next = static_cast<size_t>(pad_id);
    for (size_t r = batch.sequences.begin(s); r < batch.sequences.begin(s) + batch.sequences.length(s); ++r) {
      const bool padding = batch.ids[r] == pad_id;
      if (!padding) ++next;
      const float* position = positions.data + (padding ? static_cast<size_t>(pad_id) : next) * width;
      for (size_t c = 0; c < width; ++c) x.row(r)[c] += position[c];
    }
  });
}

tensor::Matrix AttentionLayer::operator()(const tensor::Matrix& x, const tensor::Matrix& input,
                                          const tensor::Sequences& sequences, const tensor::AttentionOptions& options,
                                          tensor::Context& context) const {
  const tensor::Matrix attended = fused_attention(qkv(input, context), sequences, options, context);
  return output(attended, context, {.residual = &x});
}

tensor::Matrix FeedForward::operator()(const tensor::Matrix& x, tensor::Context& context) const {
  return out(in(x, context, {.activation = activation}), context, {.residual = &x});
}

void PostNormLayer::operator()(tensor::Matrix& x, const tensor::Sequences& sequences,
                               const tensor::AttentionOptions& options, tensor::Context& context) const {
  x = attention(x, x, sequences, options, context);
  attention_norm(x, context);
  x = feed_forward(x, context);
  output_norm(x, context);
}

PostNormLayer read_post_norm_layer(const Parameters& p, const PostNormNames& names, size_t hidden, size_t inner,
                                   double epsilon, tensor::Activation activation) {
  return {{p.stacked({{names.query, hidden}, {names.key, hidden}, {names.value, hidden}}, hidden),
           p.linear(names.attention_output, hidden, hidden)},
          p.layer_norm(names.attention_norm, hidden, epsilon),
          {p.linear(names.in, inner, hidden), p.linear(names.out, hidden, inner), activation},
          p.layer_norm(names.output_norm, hidden, epsilon)};
}

tensor::Matrix fused_attention(const tensor::Matrix& qkv, const tensor::Sequences& sequences,
                               const tensor::AttentionOptions& options, tensor::Context& context) {
  const size_t width = options.heads * options.head_dim;
  return tensor::attention(sequences, columns(qkv), columns(qkv, width), columns(qkv, 2 * width), options, context);
}

tensor::AttentionOptions plain_attention(size_t heads, size_t head_dim) {
  tensor::AttentionOptions options;
  options.heads = options.kv_heads = heads;
  options.head_dim = head_dim;
  options.scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(head_dim)));
  return options;
}

}  // namespace sextant::model
