// model/static_model.h: a table of token vectors; a text's vector is their mean. No layers, no order of words.
//
// Two families of folders are read:
//   Model2Vec (MinishLab/model2vec): model.safetensors with `embeddings` [rows, dim] in F32, F16, BF16, F64 or I8, and
//     where present `weights` [vocabulary], a factor for each token, and `mapping` [vocabulary], its row. Unknown
//     tokens are dropped; at most 512 tokens, of a text cut at 512 x (median token length) code points; `normalize` in
//     config.json.
//   sentence-transformers StaticEmbedding: `embedding.weight` [vocabulary, dim]; no token is dropped and none is added.
// The table is used where it is mapped; only dtypes without a kernel, or tables at odd addresses, are copied.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/files.h"
#include "model/safetensors.h"
#include "sextant/embed.h"

namespace sextant::model {

// The texts of a folder's files; empty where there is none.
struct StaticModelFiles {
  std::string name;                        // in errors and in name()
  std::string_view config;                 // config.json
  std::string_view modules;                // modules.json
  std::string_view sentence_transformers;  // config_sentence_transformers.json
  std::span<const std::byte> weights;      // model.safetensors
  std::string_view tokenizer;              // tokenizer.json
};

class StaticModel : public Embedder {
 public:
  // The bytes must outlive the model.
  explicit StaticModel(const StaticModelFiles& files);
  static std::unique_ptr<StaticModel> load(const std::filesystem::path& folder);

  void embed(std::span<const std::string_view> texts, const EmbedOptions& options, std::span<float> out,
             EmbedReport* report) const override;
  Explanation explain(std::string_view text, const EmbedOptions& options) const override;
  size_t preferred_batch() const override { return 512; }
  size_t dim() const override { return dim_; }
  size_t max_length() const override { return max_length_; }
  const Tokenizer& tokenizer() const override { return tokenizer_; }
  const std::string& name() const override { return name_; }
  const std::string& hash() const override { return hash_; }
  Metric similarity() const override { return similarity_; }
  std::string pooling_name() const override { return "mean"; }
  const std::vector<std::pair<std::string, std::string>>& prompts() const override { return prompts_; }
  std::vector<std::string> words() const override;

 private:
  enum class Storage { f32, f16, i8 };

  // The tokens of one text that count, after prompt, unknown tokens and length limit.
  struct Selection {
    std::vector<TokenId> ids;
    size_t unknown_count = 0;
    size_t tokens_dropped = 0;
  };
  void select(std::string_view text, const EmbedOptions& options, Selection& selection) const;
  // accumulator [dim] += the rows of the tokens, each times its weight.
  void add_rows(std::span<const TokenId> ids, std::vector<uint32_t>& rows, std::vector<float>& weights,
                float* accumulator) const;
  // The sum of COUNT rows becomes their mean, of length 1 if asked for.
  void finish(float* sum, size_t dim, size_t count, bool normalize) const;
  void read_weights(const Safetensors& file);

  std::string name_, hash_;
  base::MappedFile mapped_;  // of a folder; the built-in model's bytes are the program's own
  Tokenizer tokenizer_;
  Storage storage_ = Storage::f32;
  const void* table_ = nullptr;   // [row_count, dim] in storage_
  std::vector<float> own_table_;  // where it could not be used in place
  size_t row_count_ = 0;
  size_t dim_ = 0;
  std::vector<uint32_t> mapping_;  // [vocabulary] or empty: row = id
  std::vector<float> weights_;     // [vocabulary] or empty: 1
  // numpy gives the mean of float16 rows in float16, so exact means rounding there too. (Model2Vec then normalises in
  // float16 as well, or in float64 when a text of the same call is empty; here it is always the precise way.)
  bool half_arithmetic_ = false;
  bool normalizes_ = false;  // by its own config
  std::optional<TokenId> dropped_id_;
  size_t max_length_ = 0;
  size_t code_points_max_ = 0;  // 0: no limit
  Metric similarity_ = Metric::cosine;
  std::vector<std::pair<std::string, std::string>> prompts_;
};

// Whether the folder's own files call it a static model; for what does not look like a model at all, too.
bool is_static_model(const std::filesystem::path& folder);

// The model inside the program.
std::unique_ptr<StaticModel> load_builtin();

}  // namespace sextant::model
