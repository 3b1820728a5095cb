#include "sextant/embedder.h"

#include <fmt/format.h>

#include <filesystem>

#include "model/static_model.h"
#include "sextant/error.h"

namespace sextant {

std::unique_ptr<Embedder> Embedder::load(std::string_view name_or_folder) {
  if (name_or_folder == "builtin") return model::load_builtin();
  std::filesystem::path folder(name_or_folder);
  if (!std::filesystem::is_directory(folder)) {
    throw Error(ErrorCode::not_found, fmt::format("model '{}' is neither 'builtin' nor a folder", name_or_folder));
  }
  return model::StaticModel::load(folder);
}

}  // namespace sextant
