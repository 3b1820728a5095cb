// engine/library_impl.h: the two forms of a library: a store of passages, as libraries are made now, and a file, as the
// first version made them, which is still searched.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "sextant/library.h"

namespace sextant {

struct Library::Impl {
  virtual ~Impl() = default;

  struct Found {
    std::vector<Hit> hits;
    uint64_t windows_compared = 0;
  };
  // QUERY [dim], of unit length.
  virtual Found search(std::span<const float> query, const SearchOptions& options) const = 0;

  virtual size_t document_count() const = 0;
  virtual size_t passage_count() const = 0;

  std::string model_name, model_hash, query_prompt;
  size_t dim = 0;
};

namespace engine {

// Throw as Library::open does.
std::unique_ptr<const Library::Impl> open_stored_library(const std::string& folder);
std::unique_ptr<const Library::Impl> open_library_file(const std::string& path);

}  // namespace engine
}  // namespace sextant
