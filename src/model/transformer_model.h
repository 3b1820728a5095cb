// model/transformer_model.h: a Hugging Face or sentence-transformers folder as it lies on disk, as an Embedder.
//
// modules.json names what follows the encoder: Pooling, Dense, Normalize, LayerNorm, SpladePooling; without it the
// hidden states are pooled by their mean, a decoder's by the last token. sentence_bert_config.json and
// tokenizer_config.json give the longest input, config_sentence_transformers.json prompts and similarity; BGE-M3's
// heads lie in sparse_linear.pt and colbert_linear.pt. What is in effect, and from which file, is kept in origins().
// Source: the sentence-transformers library, version 5.
// Texts are computed in packs (model/packs.h), in the precision that a check allows (model/encoder_loader.h).
// Threads: immutable once loaded; a call computes on the calling thread and, where its options ask for more, on those
// of a pool that all calls share.
#pragma once

#include <filesystem>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "model/encoder_loader.h"
#include "model/heads.h"
#include "model/packs.h"
#include "model/pooling.h"
#include "sextant/embed.h"

namespace sextant::model {

// Layers after the pooling.
struct DenseModule {
  tensor::Linear linear;
  tensor::Activation activation;
};
struct NormalizeModule {};
struct LayerNormModule {
  tensor::LayerNorm norm;
};
using Module = std::variant<DenseModule, NormalizeModule, LayerNormModule>;

class TransformerModel : public Embedder {
 public:
  // NAME is what users call it; the folder where it is empty. WEIGHTS, where given, is the one file to take them from.
  explicit TransformerModel(const std::filesystem::path& folder, const std::string& name = {},
                            const std::filesystem::path& weights = {}, const LoadOptions& options = {});

  void embed(std::span<const std::string_view> texts, const EmbedOptions& options, std::span<float> out,
             EmbedReport* report) const override;
  OutputSet outputs() const override;
  void embed_outputs(std::span<const std::string_view> texts, const EmbedOptions& options, OutputSet wanted,
                     Outputs& out, EmbedReport* report) const override;
  TokenVectors embed_tokens(std::string_view text, const EmbedOptions& options,
                            EmbedReport* report = nullptr) const override;
  Explanation explain(std::string_view text, const EmbedOptions& options) const override;
  size_t preferred_batch() const override { return 64; }
  bool uses_threads() const override { return true; }
  size_t dim() const override { return dim_; }
  size_t max_length() const override { return max_length_; }
  // Throws not_found where the folder has no tokenizer.
  const Tokenizer& tokenizer() const override;
  bool has_tokenizer() const override { return tokenizer_.has_value(); }
  const std::string& name() const override { return name_; }
  const std::string& hash() const override;
  Metric similarity() const override { return similarity_; }
  const std::vector<std::pair<std::string, std::string>>& prompts() const override { return prompts_; }
  std::vector<std::string> words() const override { return {}; }

  // Stage by stage, for those who have token ids: the hidden states, and what is made of them.
  const Encoder& encoder() const { return *encoder_; }
  const Config& config() const { return config_; }
  const Pooling& pooling() const { return pooling_; }
  std::string pooling_name() const override;
  const std::vector<Module>& modules() const { return modules_; }
  const std::optional<MaskedLmHead>& masked_lm_head() const { return masked_lm_head_; }
  const std::optional<SpladePooling>& splade() const { return splade_; }
  const std::optional<M3Heads>& m3_heads() const { return m3_heads_; }
  // What a text's tokens are, after prompt, stripping and truncation.
  std::vector<TokenId> token_ids(std::string_view text, const EmbedOptions& options) const;
  tensor::Matrix hidden_states(const TokenBatch& batch) const;
  tensor::Matrix hidden_states(const TokenBatch& batch, tensor::Context& context) const;
  // Pooled, through all modules, and cut to the first CUT components (0: all); SKIPPED as in pool(). Normalised as
  // NORMALIZE says, else as the modules do.
  tensor::Matrix sentence_vectors(const tensor::Matrix& hidden, const tensor::Sequences& sequences,
                                  std::span<const size_t> skipped, std::optional<bool> normalize, size_t cut = 0) const;
  tensor::Matrix sentence_vectors(tensor::Matrix hidden, const tensor::Sequences& sequences,
                                  std::span<const size_t> skipped, std::optional<bool> normalize, size_t cut,
                                  tensor::Context& context) const;
  // What the layers compute in, and how each lower precision that was tried compared with float32.
  Compute compute() const { return precision_.compute; }
  const std::vector<PrecisionCheck>& precision_checks() const { return precision_.checks; }
  const std::vector<Origin>& origins() const { return origins_; }
  uint64_t parameter_bytes() const { return weights_->bytes(); }

 private:
  struct Item;
  // Of check_texts(), or of made-up ids where there is no tokenizer: [texts, dim].
  tensor::Matrix check_vectors() const;
  // Returns what goes on loading the encoder.
  EncoderLoader read_modules(const std::filesystem::path& weights, const LoadOptions& options);
  void read_tokenizer();
  void read_prompts();
  Item prepare(std::string_view text, const EmbedOptions& options) const;
  const std::string& prompt_of(const EmbedOptions& options) const {
    return options.prompt.empty() && options.use_default_prompt ? default_prompt_ : options.prompt;
  }
  size_t limit_of(const EmbedOptions& options) const;
  static void note(const Item& item, size_t index, EmbedReport* report);
  size_t prompt_token_count(const std::string& prompt) const;
  void compute(const Pack& pack, const std::vector<Item>& items, const EmbedOptions& options, OutputSet wanted,
               size_t dim, Outputs& out, tensor::Context& context) const;

  std::filesystem::path folder_, encoder_folder_;
  std::string name_;
  Config config_;
  ChosenPrecision precision_;
  std::shared_ptr<const Weights> weights_;
  std::shared_ptr<tensor::Buffers> buffers_ = std::make_shared<tensor::Buffers>();
  std::unique_ptr<Encoder> encoder_;
  std::optional<Tokenizer> tokenizer_;
  std::string tokenizer_problem_;  // why there is none
  Pooling pooling_;
  std::vector<Module> modules_;
  std::optional<MaskedLmHead> masked_lm_head_;
  std::optional<SpladePooling> splade_;
  std::optional<M3Heads> m3_heads_;
  std::vector<TokenId> structural_ids_;  // cls, eos, pad and unk, which get no lexical weight
  std::optional<TokenId> appended_id_;   // NV-Embed's end of sequence
  size_t dim_ = 0;
  size_t max_length_ = 0;
  bool lowercases_ = false;
  bool strips_ = true;  // outer white space, as sentence-transformers does and FlagEmbedding does not
  Metric similarity_ = Metric::cosine;
  std::vector<std::pair<std::string, std::string>> prompts_;
  std::string default_prompt_;
  std::vector<Origin> origins_;
  mutable std::once_flag hashed_;
  mutable std::string hash_;
};

}  // namespace sextant::model
