// DeBERTa v2 and v3 (He et al. 2020, 2021): BERT with disentangled attention: a score is the sum of content to content,
// content to position and position to content, where positions are learned vectors for bucketed distances, shared by
// all layers and sent through each layer's own query and key projections.
#include <fmt/format.h>

#include <cmath>

#include "model/architectures/architectures.h"
#include "tensor/gemm.h"

namespace sextant::model {
namespace {

constexpr PostNormNames kDebertaNames = {"attention.self.query_proj",
                                         "attention.self.key_proj",
                                         "attention.self.value_proj",
                                         "attention.output.dense",
                                         "attention.output.LayerNorm",
                                         "intermediate.dense",
                                         "output.dense",
                                         "output.LayerNorm"};

struct DebertaLayer {
  PostNormLayer base;
  tensor::Linear position_query, position_key;
};

// Distances i - j in buckets: exact up to half of BUCKETS, logarithmic up to MAX beyond; as they are without buckets.
ptrdiff_t bucketed(ptrdiff_t distance, ptrdiff_t buckets, ptrdiff_t max) {
  const ptrdiff_t middle = buckets / 2;
  const ptrdiff_t absolute = distance < middle && distance > -middle ? middle - 1 : std::abs(distance);
  if (buckets <= 0 || max <= 0 || absolute <= middle) return distance;
  const float ratio = std::log(static_cast<float>(absolute) / static_cast<float>(middle)) /
                      static_cast<float>(std::log(static_cast<double>(max - 1) / static_cast<double>(middle)));
  const auto far = static_cast<ptrdiff_t>(std::ceil(ratio * static_cast<float>(middle - 1))) + middle;
  return distance < 0 ? -far : far;
}

class DebertaV2 : public Encoder {
 public:
  DebertaV2(const Config& config, const Parameters& all) {
    architecture = "DeBERTa v2";
    Parameters p = all.in_first_of({"", "deberta"}, "embeddings.word_embeddings.weight");
    if (!config.flag("relative_attention", false)) config.unsupported("relative_attention", "true");
    if (config.size("conv_kernel_size", 0) > 0) config.unsupported("conv_kernel_size", "0");
    hidden_size = config.count("hidden_size");
    layer_count = config.count("num_hidden_layers", 1000);
    vocabulary_size = config.count("vocab_size");
    type_count = config.size("type_vocab_size", 0);
    max_positions = config.count("max_position_embeddings");
    const size_t width = config.has("embedding_size") ? config.count("embedding_size") : hidden_size;
    const size_t heads = config.count("num_attention_heads");
    const size_t inner = config.count("intermediate_size");
    const double epsilon = config.positive("layer_norm_eps", 1e-7);
    const auto activation = tensor::parse_activation(config.text("hidden_act", "gelu"), config.source());
    // -1 stands for the positions there are.
    constexpr double kFarthest = 1 << 20;
    const double farthest = config.number("max_relative_positions", -1.0);
    distance_max_ = static_cast<ptrdiff_t>(farthest >= 1 ? std::min(farthest, kFarthest + 1) : max_positions);
    const double buckets = config.number("position_buckets", -1.0);
    bucket_count_ = buckets > 0 ? static_cast<ptrdiff_t>(std::min(buckets, kFarthest + 1)) : 0;
    span_ = bucket_count_ > 0 ? bucket_count_ : distance_max_;
    if (span_ > static_cast<ptrdiff_t>(kFarthest)) {
      config.corrupted(bucket_count_ > 0 ? "position_buckets" : "max_relative_positions", "at most 1048576");
    }
    // Half the buckets are exact, the others reach logarithmically to the farthest.
    if (bucket_count_ > 0 && (bucket_count_ < 2 || bucket_count_ / 2 >= distance_max_ - 1)) {
      config.corrupted("position_buckets",
                       fmt::format("2 or more, and half of them below the largest distance {}", distance_max_ - 1));
    }
    read_kinds(config);

    options_ = plain_attention(heads, head_dim_of(config, hidden_size, heads, "num_attention_heads"));
    const int terms = 1 + (content_to_position_ ? 1 : 0) + (position_to_content_ ? 1 : 0);
    options_.scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(options_.head_dim) * terms));

    embeddings = p.table("embeddings.word_embeddings.weight", {vocabulary_size, width});
    if (config.flag("position_biased_input", true)) {
      positions_ = p.get("embeddings.position_embeddings.weight", {max_positions, width});
    }
    if (type_count > 0) types_ = p.get("embeddings.token_type_embeddings.weight", {type_count, width});
    if (width != hidden_size) projection_ = p.linear("embeddings.embed_proj", hidden_size, width, Bias::none);
    embedding_norm_ = p.layer_norm("embeddings.LayerNorm", hidden_size, epsilon);
    distances_ = p.get("encoder.rel_embeddings.weight", {2 * static_cast<size_t>(span_), hidden_size});
    if (config.text("norm_rel_ebd", "none").find("layer_norm") != std::string::npos) {
      distance_norm_ = p.layer_norm("encoder.LayerNorm", hidden_size, epsilon);
    }
    const bool shared = config.flag("share_att_key", false);
    for (size_t i = 0; i < layer_count; ++i) {
      Parameters l = p.in(fmt::format("encoder.layer.{}", i));
      DebertaLayer layer;
      layer.base = read_post_norm_layer(l, kDebertaNames, hidden_size, inner, epsilon, activation);
      if (content_to_position_) {
        layer.position_key =
            l.linear(shared ? kDebertaNames.key : "attention.self.pos_key_proj", hidden_size, hidden_size);
      }
      if (position_to_content_) {
        layer.position_query =
            l.linear(shared ? kDebertaNames.query : "attention.self.pos_query_proj", hidden_size, hidden_size);
      }
      layers_.push_back(std::move(layer));
    }
  }

  tensor::Matrix encode(const TokenBatch& batch, tensor::Context& context) const override {
    tensor::Matrix x = tensor::gather(embeddings, batch.ids, context);
    if (!positions_.empty()) add_positions(x, positions_, batch.sequences, 0, context);
    if (type_count > 0) add_types(x, types_, batch, context);
    if (!projection_.empty()) x = projection_(x, context);
    embedding_norm_(x, context);
    tensor::Matrix distances(distances_.shape[0], hidden_size);
    std::copy_n(distances_.data, distances_.size(), distances.data());
    if (!distance_norm_.empty()) distance_norm_(distances, context);
    // The row of each distance i - j, from -(longest - 1) on.
    const auto longest = static_cast<ptrdiff_t>(batch.sequences.longest());
    std::vector<size_t> rows;
    for (ptrdiff_t d = 1 - longest; d < longest; ++d) {
      rows.push_back(static_cast<size_t>(
          std::clamp<ptrdiff_t>(bucketed(d, bucket_count_, distance_max_) + span_, 0, 2 * span_ - 1)));
    }
    for (const DebertaLayer& layer : layers_) attend(layer, x, distances, rows, batch.sequences, context);
    return x;
  }

 private:
  void read_kinds(const Config& config) {
    std::vector<std::string> kinds;
    // Old configs write "p2c|c2p" instead of a list.
    if (config.is_text("pos_att_type")) {
      const std::string joined = config.text("pos_att_type");
      for (size_t begin = 0; begin <= joined.size();) {
        const size_t end = std::min(joined.find('|', begin), joined.size());
        kinds.push_back(joined.substr(begin, end - begin));
        begin = end + 1;
      }
    } else {
      kinds = config.texts("pos_att_type");
    }
    for (const std::string& kind : kinds) {
      if (kind == "c2p") {
        content_to_position_ = true;
      } else if (kind == "p2c") {
        position_to_content_ = true;
      } else {
        config.unsupported("pos_att_type", "c2p and p2c");
      }
    }
  }

  void attend(const DebertaLayer& layer, tensor::Matrix& x, const tensor::Matrix& distances,
              const std::vector<size_t>& rows, const tensor::Sequences& sequences, tensor::Context& context) const {
    if (rows.empty()) return;
    const AttentionLayer& own = layer.base.attention;
    const tensor::Matrix qkv = own.qkv(x, context);
    // The products of every query and key with the positions that occur: [rows, heads * used], one each a distance.
    const auto range = std::minmax_element(rows.begin(), rows.end());
    const size_t first_used = *range.first, used = *range.second - first_used + 1;
    tensor::Matrix content_to_position, position_to_content;
    if (content_to_position_) {
      content_to_position =
          with_positions(columns(qkv), qkv.rows(), layer.position_key(distances, context), first_used, used, context);
    }
    if (position_to_content_) {
      position_to_content = with_positions(columns(qkv, hidden_size), qkv.rows(),
                                           layer.position_query(distances, context), first_used, used, context);
    }
    const auto longest = static_cast<ptrdiff_t>(sequences.longest());
    const tensor::ScoreHook hook = [&](size_t first, size_t head, size_t i, size_t first_key, std::span<float> scores) {
      // Distances i - j fall as j grows.
      const size_t* row = rows.data() + (static_cast<ptrdiff_t>(i) - static_cast<ptrdiff_t>(first_key) + longest - 1);
      const size_t column = head * used;
      const float* of_query = content_to_position_ ? content_to_position.row(first + i) + column : nullptr;
      for (size_t j = 0; j < scores.size(); ++j) {
        const size_t position = *(row - j) - first_used;
        float score = 0;
        if (content_to_position_) score += of_query[position];
        if (position_to_content_) score += position_to_content.row(first + first_key + j)[column + position];
        scores[j] += score * options_.scale;
      }
    };
    tensor::AttentionOptions options = options_;
    options.hook = &hook;
    x = own.output(fused_attention(qkv, sequences, options, context), context, {.residual = &x});
    layer.base.attention_norm(x, context);
    x = layer.base.feed_forward(x, context);
    layer.base.output_norm(x, context);
  }

  // Each head of X's rows times the same head of POSITIONS' rows [FIRST, FIRST + COUNT): [row_count, heads * COUNT].
  tensor::Matrix with_positions(tensor::Columns x, size_t row_count, const tensor::Matrix& positions, size_t first,
                                size_t count, tensor::Context& context) const {
    tensor::Matrix products(row_count, options_.heads * count, context);
    for (size_t head = 0; head < options_.heads; ++head) {
      const size_t column = head * options_.head_dim;
      tensor::gemm({row_count, count, options_.head_dim}, tensor::rows(x.data + column, x.stride),
                   tensor::transposed(positions.row(first) + column, positions.columns()),
                   products.data() + head * count, products.columns(), false, context.pool);
    }
    return products;
  }

  ptrdiff_t bucket_count_, distance_max_, span_;
  bool content_to_position_ = false, position_to_content_ = false;
  tensor::Parameter positions_, types_, distances_;
  tensor::Linear projection_;
  tensor::LayerNorm embedding_norm_, distance_norm_;
  tensor::AttentionOptions options_;
  std::vector<DebertaLayer> layers_;
};

}  // namespace

std::unique_ptr<Encoder> load_deberta_v2(const Config& config, const Parameters& parameters) {
  return std::make_unique<DebertaV2>(config, parameters);
}

}  // namespace sextant::model
