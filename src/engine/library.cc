#include "sextant/library.h"

#include <fmt/format.h>

#include <chrono>
#include <filesystem>

#include "engine/library_impl.h"
#include "engine/library_store.h"
#include "engine/passages.h"
#include "sextant/error.h"

namespace sextant {
namespace {

double milliseconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

LibraryReport Library::build(const std::vector<std::string>& paths, const Embedder& model, const std::string& output,
                             const LibraryOptions& options) {
  return engine::build_stored_library(paths, model, output, options);
}

Library::Library(std::unique_ptr<const Impl> impl) : impl_(std::move(impl)) {}
Library::Library(Library&&) noexcept = default;
Library& Library::operator=(Library&&) noexcept = default;
Library::~Library() = default;

Library Library::open(const std::string& path) {
  return Library(std::filesystem::is_directory(path) ? engine::open_stored_library(path)
                                                     : engine::open_library_file(path));
}

SearchResult Library::search(std::string_view query, const Embedder& model, const SearchOptions& options) const {
  if (model.hash() != impl_->model_hash || model.dim() != impl_->dim) {
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("the library was built with model '{}' ({}), not with '{}' ({}); search with that model or "
                    "build it again",
                    impl_->model_name, impl_->model_hash.substr(0, 12), model.name(), model.hash().substr(0, 12)));
  }
  SearchResult result;
  auto start = std::chrono::steady_clock::now();
  std::vector<float> vector(model.dim());
  EmbedReport report;
  model.embed({&query, 1}, {.normalize = true, .prompt = engine::query_prompt(model)}, vector, &report);
  result.embed_ms = milliseconds_since(start);
  result.query_is_empty = !report.empty.empty();
  if (result.query_is_empty) return result;
  start = std::chrono::steady_clock::now();
  Impl::Found found = impl_->search(vector, options);
  result.hits = std::move(found.hits);
  result.windows_compared = found.windows_compared;
  result.search_ms = milliseconds_since(start);
  return result;
}

size_t Library::document_count() const { return impl_->document_count(); }
size_t Library::passage_count() const { return impl_->passage_count(); }
size_t Library::dim() const { return impl_->dim; }
const std::string& Library::model_name() const { return impl_->model_name; }
const std::string& Library::model_hash() const { return impl_->model_hash; }

}  // namespace sextant
