#include <fmt/format.h>

#include <filesystem>

#include "model/static_model.h"
#include "model/transformer_model.h"
#include "sextant/embed.h"
#include "sextant/error.h"

namespace sextant {

std::unique_ptr<Embedder> Embedder::load(std::string_view name_or_folder) {
  if (name_or_folder == "builtin") return model::load_builtin();
  std::filesystem::path folder(name_or_folder);
  if (!std::filesystem::is_directory(folder)) {
    throw Error(ErrorCode::not_found, fmt::format("model '{}' is neither 'builtin' nor a folder", name_or_folder));
  }
  return model::is_static_model(folder) ? std::unique_ptr<Embedder>(model::StaticModel::load(folder))
                                        : std::make_unique<model::TransformerModel>(folder);
}

void Embedder::embed_outputs(std::span<const std::string_view> texts, const EmbedOptions& options, OutputSet wanted,
                             Outputs& out, EmbedReport* report) const {
  if (wanted.sparse || wanted.multi) {
    throw Error(ErrorCode::unsupported,
                fmt::format("model {} gives no {} vectors", name(), wanted.sparse ? "sparse" : "token"));
  }
  out = {};
  if (!wanted.dense) return;
  out.dense.resize(texts.size() * (options.dim > 0 ? options.dim : dim()));
  embed(texts, options, out.dense, report);
}

TokenVectors Embedder::embed_tokens(std::string_view, const EmbedOptions&) const {
  throw Error(ErrorCode::unsupported, fmt::format("model {} has no hidden states of single tokens", name()));
}

}  // namespace sextant
