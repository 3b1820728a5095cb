// engine/library_store.h: a library as a database of one collection: a point a passage, with a vector for each of its
// windows.
//
//   LIB/              a database (store/database.h)
//     "documents"     the collection (engine/collection.h)
//   LIB.new/          the next one in the making
#pragma once

#include <string_view>

#include "engine/library_impl.h"

namespace sextant::engine {

// What `--collection` calls a library's passages.
inline constexpr std::string_view kLibraryCollection = "documents";

LibraryReport build_stored_library(const std::vector<std::string>& paths, const Embedder& model,
                                   const std::string& output, const LibraryOptions& options);

}  // namespace sextant::engine
