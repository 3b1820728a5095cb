// sextant search: a question, answered from a library by meaning.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/commands/all.h"
#include "cli/sample_library.h"
#include "sextant/library.h"

namespace sextant::cli {
namespace {

struct Options {
  std::vector<std::string> arguments;  // [LIB] QUERY
  std::string model;
  SearchOptions search{.limit = 5, .all_passages = false};
};

constexpr size_t kWidthMax = 100;
constexpr size_t kPassageIndent = 10;

void print_json(const SearchResult& result, const std::string& query, const Library& library) {
  nlohmann::ordered_json out = {{"query", query},
                                {"model", library.model_name()},
                                {"exact", true},
                                {"passages_compared", result.query_is_empty ? 0 : library.passage_count()},
                                {"embed_ms", result.embed_ms},
                                {"search_ms", result.search_ms}};
  out["hits"] = nlohmann::ordered_json::array();
  for (const Hit& hit : result.hits) {
    out["hits"].push_back({{"rank", hit.rank},
                           {"score", hit.score},
                           {"path", hit.path},
                           {"title", hit.title},
                           {"heading", hit.heading},
                           {"passage", hit.passage},
                           {"begin", hit.begin},
                           {"end", hit.end}});
  }
  print(out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

void print_hits(const SearchResult& result, const Library& library) {
  const size_t width = std::clamp<size_t>(terminal_width(), 40, kWidthMax);
  for (const Hit& hit : result.hits) {
    std::string heading = hit.heading.empty() ? "" : " > " + hit.heading;
    print(fmt::format("{:>2}  {:.2f}  {}{}  {}\n", hit.rank, hit.score, bold(hit.title), heading, faint(hit.path)));
    print(wrap(hit.passage, width, kPassageIndent) + "\n");
  }
  if (result.query_is_empty) {
    print("The model knows no word of the question, so nothing is near it.\n");
  } else {
    print(faint(fmt::format("{:.2f} ms: {:.2f} to embed the question, {:.2f} to compare it with all {} passages of {} "
                            "documents",
                            result.embed_ms + result.search_ms, result.embed_ms, result.search_ms,
                            library.passage_count(), library.document_count())) +
          "\n");
  }
}

// The library's model is loaded by the name that the library remembers, unless another is named.
std::unique_ptr<Embedder> load_model(const Options& options, const std::string& remembered) {
  if (!options.model.empty()) return Embedder::load(options.model);
  try {
    return Embedder::load(remembered);
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("the library's model: {} (--model names it elsewhere)", error.what()));
  }
}

}  // namespace

void add_search(CLI::App& app, Context& context) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("search", "Answer a question from a library by meaning");
  command
      ->add_option("ARGUMENTS", options->arguments,
                   "[LIB] QUERY: a library, and a question in quotes. Without LIB: the library that the environment "
                   "variable SEXTANT_LIBRARY names, else the sample library")
      ->required()
      ->expected(1, 2)
      ->option_text("[LIB] QUERY");
  command->add_option("--limit,-k", options->search.limit, "How many documents")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  command->add_flag("--all-passages", options->search.all_passages, "Every passage, not only each document's best");
  command->add_option("--model,-m", options->model, "The model that the library was built with, if it has moved");
  add_common_options(*command, context, Common::json);
  command->callback([options, &context] {
    const std::string& query = options->arguments.back();
    std::string path;
    if (options->arguments.size() == 2) path = options->arguments.front();
    const char* named = std::getenv("SEXTANT_LIBRARY");
    if (path.empty() && named != nullptr) path = named;
    std::optional<Library> library;
    std::unique_ptr<Embedder> model;
    if (path.empty()) {
      model = load_model(*options, "builtin");
      library = open_sample_library(*model, context);
    } else {
      if (options->arguments.size() == 2 && !std::filesystem::exists(path)) {
        throw Error(ErrorCode::not_found,
                    fmt::format("{}: there is no such library; a question of several words needs quotes", path));
      }
      library = Library::open(path);
      model = load_model(*options, library->model_name());
    }
    SearchResult result = library->search(query, *model, options->search);
    if (context.json) {
      print_json(result, query, *library);
    } else {
      print_hits(result, *library);
    }
  });
}

}  // namespace sextant::cli
