// Model folders whose configs are damaged, beside weights that are in order: loading ends in an Error, or what was
// loaded computes. An input is FOLDER, a zero byte, FILE, a zero byte, and what that file holds instead.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/files.h"
#include "fuzz/fuzz.h"
#include "model/cross_encoder.h"
#include "model/transformer_model.h"
#include "sextant/error.h"

namespace {

namespace fs = std::filesystem;
using namespace sextant;

// One of each architecture, and of each kind of module.
constexpr const char* kFolders[] = {"albert-mean",       "bert-mean",
                                    "deberta-v2-seqcls", "distilbert-dense-tanh",
                                    "e2e-bge-m3",        "e2e-crossencoder-bert",
                                    "e2e-mpnet-style",   "e2e-qwen3-style",
                                    "e2e-splade",        "electra-mean",
                                    "embeddinggemma",    "gemma2-lasttoken",
                                    "gte-new",           "jina-bert-v2-qk-post-norm",
                                    "llama-lasttoken",   "mistral-lasttoken",
                                    "modernbert-seqcls", "nomic-bert",
                                    "nv-embed",          "qwen2-lasttoken",
                                    "roberta-mean",      "t5-encoder-gated-gelu"};
constexpr const char* kConfigs[] = {
    "config.json",           "sentence_bert_config.json",   "config_sentence_transformers.json",
    "tokenizer_config.json", "special_tokens_map.json",     "modules.json",
    "1_Pooling/config.json", "1_SpladePooling/config.json", "2_Dense/config.json"};

// Copies of the folders, made once; a file that was damaged is put back after each input.
const fs::path& copies() {
  static const base::TemporaryFolder folder;
  static const bool copied = [] {
    for (const char* name : kFolders) {
      fs::copy(fs::path(SEXTANT_SOURCE_DIR) / "tests/golden/models" / name, folder.path() / name,
               fs::copy_options::recursive);
    }
    return true;
  }();
  (void)copied;
  return folder.path();
}

struct Damaged {
  Damaged(fs::path file, std::string_view bytes) : path(std::move(file)), original(base::read_file(path)) {
    write(bytes);
  }
  ~Damaged() { write(original); }
  void write(std::string_view bytes) const {
    std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }

  fs::path path;
  std::string original;
};

// The part of BYTES before the next zero byte, which is taken off.
std::string_view take(std::string_view& bytes) {
  const std::string_view part = bytes.substr(0, bytes.find('\0'));
  bytes.remove_prefix(std::min(bytes.size(), part.size() + 1));
  return part;
}

template <class Names>
bool is_one_of(const Names& names, std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

void compute(const model::TransformerModel& model) {
  if (model.dim() > (1 << 20)) return;
  const std::string_view texts[] = {"A man is eating food.", ""};
  try {
    Outputs out;
    EmbedReport report;
    model.embed_outputs(texts, {}, model.outputs(), out, &report);
    model.embed_tokens(texts[0], {.max_length = 4});
  } catch (const Error& e) {
    if (e.code() != ErrorCode::not_found) throw;  // no tokenizer
  }
  model::TokenBatch batch;
  const size_t longest = model.encoder().max_positions == 0 ? 12 : std::min<size_t>(12, model.encoder().max_positions);
  for (size_t length : {longest, size_t{0}, size_t{1}}) {
    batch.sequences.append(length);
    for (size_t i = 0; i < length; ++i) batch.ids.push_back(static_cast<TokenId>(i % model.encoder().vocabulary_size));
  }
  const tensor::Matrix vectors = model.sentence_vectors(model.hidden_states(batch), batch.sequences, {}, true);
  if (vectors.rows() != 3 || vectors.columns() != model.dim()) std::abort();
}

}  // namespace

std::vector<std::string> fuzz_seeds() {
  std::vector<std::string> seeds;
  for (const char* folder : kFolders) {
    for (const char* config : kConfigs) {
      const fs::path path = copies() / folder / config;
      if (!fs::exists(path)) continue;
      seeds.push_back(std::string(folder) + '\0' + config + '\0' + base::read_file(path));
    }
  }
  return seeds;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::string_view folder = take(bytes), file = take(bytes);
  if (!is_one_of(kFolders, folder) || !is_one_of(kConfigs, file)) return 0;
  const fs::path path = copies() / folder;
  if (!fs::exists(path / file)) return 0;
  const Damaged damaged(path / file, bytes);
  if (folder.find("crossencoder") != std::string_view::npos || folder.ends_with("seqcls")) {
    try {
      const model::CrossEncoder reranker(path);
      const std::string_view documents[] = {"A man.", ""};
      float scores[2];
      reranker.score("food", documents, {}, scores, nullptr);
    } catch (const Error& e) {
      if (e.code() == ErrorCode::internal) throw;
    }
  }
  compute(model::TransformerModel(path));
  return 0;
}
