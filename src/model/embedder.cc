#include "sextant/embedder.h"

#include <fmt/format.h>

#include <filesystem>

#include "model/hub.h"
#include "model/remote_embedder.h"
#include "model/static_model.h"
#include "sextant/error.h"

namespace sextant {

std::unique_ptr<Embedder> Embedder::load(std::string_view name_or_folder) {
  if (name_or_folder == "builtin") return model::load_builtin();
  if (model::RemoteEmbedder::is_name(name_or_folder)) {
    return std::make_unique<model::RemoteEmbedder>(name_or_folder, model::RemoteOptions::from_environment());
  }
  std::filesystem::path folder(name_or_folder);
  if (!std::filesystem::is_directory(folder)) {
    auto cached = model::find_in_cache(name_or_folder);
    if (!cached) {
      throw Error(ErrorCode::not_found,
                  fmt::format("model '{0}' is neither 'builtin' nor a folder{1}", name_or_folder,
                              model::HubName::parse(name_or_folder)
                                  ? fmt::format(", and not in the Hugging Face cache; 'sextant pull {}' downloads it",
                                                name_or_folder)
                                  : ""));
    }
    folder = *cached;
  }
  return model::StaticModel::load(folder);
}

}  // namespace sextant
