// sextant search: a question, answered from a library by meaning.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/json.h"
#include "base/utf8.h"
#include "cli/commands/all.h"
#include "cli/sample_library.h"
#include "sextant/library.h"

namespace sextant::cli {
namespace {

struct SearchSettings {
  std::vector<std::string> arguments;  // [LIB] QUERY
  std::string model;
  SearchOptions search{.limit = 5, .all_passages = false};
};

constexpr size_t kWidthMax = 100;
constexpr size_t kPassageIndent = 10;
// Of a longer passage, the sentences around the match are shown.
constexpr size_t kExcerptBytesMax = 480;

void print_json(const SearchResult& result, const std::string& query, const Library& library) {
  nlohmann::ordered_json out = {{"query", query},
                                {"model", library.model_name()},
                                {"exact", true},
                                {"windows_compared", result.query_is_empty ? 0 : library.window_count()},
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
                           {"end", hit.end},
                           {"match_begin", hit.match_begin},
                           {"match_end", hit.match_end}});
  }
  print(base::json_text(out) + "\n");
}

// The passage, or what of it stands around the match, wrapped, with the match emphasised.
std::string excerpt(const Hit& hit, size_t width) {
  const std::string_view text = hit.passage;
  size_t match_begin = hit.match_begin - hit.begin;
  size_t match_end = hit.match_end - hit.begin;
  size_t begin = 0;
  size_t end = text.size();
  if (text.size() > kExcerptBytesMax) {
    size_t before = (kExcerptBytesMax - std::min(kExcerptBytesMax, match_end - match_begin)) / 2;
    if (match_begin > before) begin = text.find_first_of(" \n", match_begin - before);
    begin = std::min(begin, match_begin);
    end = std::max(match_end, std::min(text.size(), begin + kExcerptBytesMax));
    if (end < text.size() && end > match_end) end = std::max(match_end, text.find_last_of(" \n", end));
  }
  std::string out;
  std::string line;
  size_t columns = 0;
  auto add_word = [&](const std::string& shown, std::string_view word) {
    size_t word_columns = base::count_code_points(word);
    if (columns > 0 && kPassageIndent + columns + 1 + word_columns > width) {
      out += line + "\n";
      line.clear();
      columns = 0;
    }
    line += columns == 0 ? std::string(kPassageIndent, ' ') : " ";
    line += shown;
    columns += (columns == 0 ? 0 : 1) + word_columns;
  };
  if (begin > 0) add_word("...", "...");
  size_t position = begin;
  while ((position = text.find_first_not_of(" \t\n", position)) < end) {
    size_t word_end = std::min(text.find_first_of(" \t\n", position), end);
    std::string_view word = text.substr(position, word_end - position);
    bool matches = position >= match_begin && position < match_end && text.size() > match_end - match_begin;
    add_word(matches ? bold(word) : std::string(word), word);
    position = word_end;
  }
  if (end < text.size()) add_word("...", "...");
  return out + line + "\n";
}

void print_hits(const SearchResult& result, const Library& library) {
  const size_t width = std::clamp<size_t>(terminal_width(), 40, kWidthMax);
  for (const Hit& hit : result.hits) {
    std::string heading = hit.heading.empty() ? "" : " > " + hit.heading;
    print(fmt::format("{:>2}  {:.2f}  {}{}  {}\n", hit.rank, hit.score, bold(hit.title), heading, faint(hit.path)));
    print(excerpt(hit, width) + "\n");
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
std::unique_ptr<Embedder> model_of(const SearchSettings& options, const std::string& remembered,
                                   const Context& context) {
  if (!options.model.empty()) return load_model(options.model, context);
  // A file may come from anybody, and must not choose the server that questions are sent to.
  if (remembered.find("://") != std::string::npos) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("the library's model is '{}'; to send the question to that server, name it with --model",
                            remembered));
  }
  try {
    return load_model(remembered, context);
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("the library's model: {} (--model names it elsewhere)", error.what()));
  }
}

}  // namespace

void add_search(Command app, Context& context) {
  auto options = std::make_shared<SearchSettings>();
  Command command = app.subcommand("search", "Answer a question from a library by meaning");
  command
      .option("ARGUMENTS", options->arguments,
              "[LIB] QUERY: a library, and a question in quotes. Without LIB: the library that the environment "
              "variable SEXTANT_LIBRARY names, else the sample library")
      .required()
      .count(1, 2)
      .option_text("[LIB] QUERY");
  command.option("--limit,-k", options->search.limit, "How many documents").range(1, 100000).show_default();
  command.flag("--all-passages", options->search.all_passages, "Every passage, not only each document's best");
  command.option("--model,-m", options->model, "The model that the library was built with, if it has moved");
  add_compute_option(command, context);
  add_common_options(command, context, Common::json);
  command.callback([options, &context] {
    const std::string& query = options->arguments.back();
    std::string path;
    if (options->arguments.size() == 2) path = options->arguments.front();
    const char* named = std::getenv("SEXTANT_LIBRARY");
    if (path.empty() && named != nullptr) path = named;
    std::optional<Library> library;
    std::unique_ptr<Embedder> model;
    if (path.empty()) {
      model = model_of(*options, "builtin", context);
      library = open_sample_library(*model, context);
    } else {
      if (options->arguments.size() == 2 && !std::filesystem::exists(path)) {
        throw Error(ErrorCode::not_found,
                    fmt::format("{}: there is no such library; a question of several words needs quotes", path));
      }
      library = Library::open(path);
      model = model_of(*options, library->model_name(), context);
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
