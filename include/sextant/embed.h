// sextant/embed.h: texts into vectors with a model.
//
// Ten lines from nothing to a similarity:
//   auto model = sextant::Embedder::load("builtin");
//   std::vector<std::string_view> texts = {"a dripping tap", "plumbing repair"};
//   std::vector<float> vectors(texts.size() * model->dim());       // [2, dim], row-major
//   model->embed(texts, {}, vectors);
// Threads: a loaded model is immutable; every const member may be called from many threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sextant/metric.h"
#include "sextant/tokenizer.h"

namespace sextant {

// What the linear layers of a transformer round their operands to; sums are float32. The less, the faster, at a known
// price: docs/performance.md.
enum class Compute {
  float32,   // nothing: as exact as the reference implementations
  bfloat16,  // 8 bits of mantissa; cosine to float32 0.9999 or better on the built-in texts
  int8,      // 8 bits by output channel and by row; 0.999 or better
  automatic  // the fastest on this machine that keeps its bar, else float32
};
// float32, bfloat16, int8, auto.
std::string_view name(Compute compute);
// Throws invalid_argument for any other name.
Compute parse_compute(std::string_view name);

struct LoadOptions {
  Compute compute = Compute::float32;  // for models that compute at all: static and remote ones do not
  // A folder that keeps a transformer's weights as the kernels read them, so that the next start maps them instead of
  // packing, and checking a precision, anew; costs about as much disk as the model. Made where it is missing; empty:
  // none. docs/performance.md.
  std::filesystem::path packed_cache = {};
};

struct EmbedOptions {
  size_t dim = 0;                      // keep the first DIM components and normalise again (Matryoshka); 0: all
  std::optional<bool> normalize = {};  // to unit length, or not; unset: as the model's own config says
  size_t max_length = 0;               // tokens, special ones included; 0: the model's own limit
  std::string prompt = {};             // written before each text, as it is
  size_t threads = 1;                  // 0: all processors; the vectors do not depend on it
  bool use_default_prompt = true;      // where PROMPT is empty and the model's config names a prompt for all texts
};

// What happened to the items of one embed() call; nothing is silent.
struct EmbedReport {
  struct Truncation {
    size_t item;            // index of the text in the call
    size_t tokens_dropped;  // tokens that did not fit
  };
  std::vector<Truncation> truncated;
  std::vector<size_t> empty;   // items without a single known token: their vector is all zeros
  uint64_t token_count = 0;    // tokens used
  uint64_t unknown_count = 0;  // tokens outside the vocabulary, dropped or mapped to the unknown token
};

// How one text becomes its vector, step by step.
struct Explanation {
  struct Token {
    TokenId id;
    std::string text;
    float weight;  // share in the pooled vector before normalisation
    float norm;    // length of the token's own vector
    bool known;
  };
  std::string normalized_text;
  std::vector<Token> tokens;
  std::string pooling;        // e.g. "mean over known tokens"
  float norm_before = 0;      // length of the pooled vector before it was normalised
  std::vector<float> vector;  // [dim]
};

// Weights of entries of the vocabulary: what SPLADE and BGE-M3 give, to be compared by their dot product.
struct SparseVector {
  std::vector<TokenId> ids;  // ascending
  std::vector<float> weights;
};

// A vector for each token of a text.
struct TokenVectors {
  std::vector<TokenId> ids;
  std::vector<std::string> tokens;
  std::vector<TokenOffset> offsets;  // bytes of the text as it was given, without prompt; special tokens: {0, 0}
  std::vector<float> vectors;        // [ids.size(), dim], row-major
  size_t dim = 0;
};

// What one pass may give.
struct OutputSet {
  bool dense = true;
  bool sparse = false;
  bool multi = false;  // vectors for late interaction (ColBERT)
};
struct Outputs {
  std::vector<float> dense;          // [texts, dim], row-major
  std::vector<SparseVector> sparse;  // [texts]
  std::vector<TokenVectors> multi;   // [texts]
};

class Embedder {
 public:
  // "builtin" (the model inside the binary); "openai:MODEL" (docs/remote-models.md); a model in the Hugging Face cache
  // by its name, e.g. "BAAI/bge-m3" (docs/hub.md); or a model folder as it lies on disk: Hugging Face,
  // sentence-transformers or Model2Vec. Throws not_found, corrupted or unsupported, naming the file and field.
  static std::unique_ptr<Embedder> load(std::string_view name_or_folder, const LoadOptions& options = {});

  virtual ~Embedder() = default;

  // Writes [texts.size(), options.dim or dim()] floats, row-major. A text's vector depends on nothing but the text and
  // the options. REQUIRES: out has that size.
  virtual void embed(std::span<const std::string_view> texts, const EmbedOptions& options, std::span<float> out,
                     EmbedReport* report = nullptr) const = 0;

  // Whether embed_outputs can give these.
  virtual OutputSet outputs() const { return {}; }
  // Everything WANTED from one pass. Throws unsupported for what outputs() lacks.
  virtual void embed_outputs(std::span<const std::string_view> texts, const EmbedOptions& options, OutputSet wanted,
                             Outputs& out, EmbedReport* report = nullptr) const;
  // The last hidden state of each token, in its context: one word in two sentences gets two vectors. Throws unsupported
  // where a model has no hidden states.
  virtual TokenVectors embed_tokens(std::string_view text, const EmbedOptions& options = {},
                                    EmbedReport* report = nullptr) const;

  virtual Explanation explain(std::string_view text, const EmbedOptions& options = {}) const = 0;

  // How many texts a call should bring for each thread so that nothing is lost to calling.
  virtual size_t preferred_batch() const { return 16; }
  // Whether a call shares its work out over EmbedOptions::threads. Else those who want more threads call from several.
  virtual bool uses_threads() const { return false; }
  virtual size_t dim() const = 0;
  virtual size_t max_length() const = 0;  // tokens; 0: no limit
  // Throws unsupported or not_found where a model has none at hand: one that runs elsewhere.
  virtual const Tokenizer& tokenizer() const = 0;
  virtual bool has_tokenizer() const { return true; }
  virtual const std::string& name() const = 0;
  virtual const std::string& hash() const = 0;  // names the content of weights and tokenizer
  virtual Metric similarity() const = 0;        // from the model's config; cosine unless it says otherwise
  // How the vectors of a text's tokens become its vector: "mean", "cls", "last_token"... Empty where that is not known:
  // of a model that runs elsewhere.
  virtual std::string pooling_name() const { return {}; }
  // Prompts by name from the model's config, e.g. {"query", "query: "}.
  virtual const std::vector<std::pair<std::string, std::string>>& prompts() const = 0;
  // The vocabulary entries that are whole words with a vector of their own, for `nearest` and `analogy`; empty where
  // the model has none.
  virtual std::vector<std::string> words() const = 0;
};

}  // namespace sextant
