#include <fmt/format.h>

#include <filesystem>

#include "model/hub.h"
#include "model/remote_embedder.h"
#include "model/static_model.h"
#include "model/transformer_model.h"
#include "sextant/embed.h"
#include "sextant/error.h"

namespace sextant {

std::filesystem::path model::model_folder(std::string_view name_or_folder) {
  std::filesystem::path folder(name_or_folder);
  if (std::filesystem::is_directory(folder)) return folder;
  if (auto cached = find_in_cache(name_or_folder)) return *cached;
  throw Error(ErrorCode::not_found,
              fmt::format("model '{0}' is neither 'builtin' nor a folder{1}", name_or_folder,
                          HubName::parse(name_or_folder)
                              ? fmt::format(", and not in the Hugging Face cache; 'sextant pull {}' downloads it",
                                            name_or_folder)
                              : ""));
}

std::string_view name(Compute compute) {
  switch (compute) {
    case Compute::float32:
      return "float32";
    case Compute::bfloat16:
      return "bfloat16";
    case Compute::int8:
      return "int8";
    case Compute::automatic:
      return "auto";
  }
  return "float32";
}

Compute parse_compute(std::string_view name) {
  for (Compute compute : {Compute::float32, Compute::bfloat16, Compute::int8, Compute::automatic}) {
    if (sextant::name(compute) == name) return compute;
  }
  throw Error(ErrorCode::invalid_argument,
              fmt::format("compute '{}' is unknown; expected float32, bfloat16, int8 or auto", name));
}

std::unique_ptr<Embedder> Embedder::load(std::string_view name_or_folder, const LoadOptions& options) {
  if (name_or_folder == "builtin") return model::load_builtin();
  if (model::RemoteEmbedder::is_name(name_or_folder)) {
    return std::make_unique<model::RemoteEmbedder>(name_or_folder, model::RemoteOptions::from_environment());
  }
  // One file of weights, with its configuration beside it.
  const std::filesystem::path file(name_or_folder);
  if (std::filesystem::is_regular_file(file)) {
    return std::make_unique<model::TransformerModel>(file.parent_path().empty() ? "." : file.parent_path(),
                                                     std::string(name_or_folder), file, options);
  }
  const std::filesystem::path folder = model::model_folder(name_or_folder);
  return model::is_static_model(folder) ? std::unique_ptr<Embedder>(model::StaticModel::load(folder))
                                        : std::make_unique<model::TransformerModel>(folder, std::string(name_or_folder),
                                                                                    std::filesystem::path(), options);
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

TokenVectors Embedder::embed_tokens(std::string_view, const EmbedOptions&, EmbedReport*) const {
  throw Error(ErrorCode::unsupported, fmt::format("model {} has no hidden states of single tokens", name()));
}

}  // namespace sextant
