// sextant search: a question, answered from a library by meaning.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/json.h"
#include "base/utf8.h"
#include "cli/commands/all.h"
#include "cli/database.h"
#include "cli/sample_library.h"
#include "cli/table.h"
#include "sextant/library.h"

namespace sextant::cli {
namespace {

struct SearchSettings {
  std::vector<std::string> arguments;  // [LIB] QUERY
  std::string model;
  // Of a collection.
  DatabaseSettings database;
  std::optional<std::string> filter;
  double target_recall = 0.95;
  bool exact = false, explain = false, force = false;
  SearchOptions search{.limit = 5, .all_passages = false};
};

constexpr size_t kPassageIndent = 10;
// Of a longer passage, the sentences around the match are shown.
constexpr size_t kExcerptBytesMax = 480;

void print_json(const SearchResult& result, const std::string& query, const Library& library) {
  nlohmann::ordered_json out = {{"query", query},
                                {"model", library.model_name()},
                                {"exact", true},
                                {"windows_compared", result.windows_compared},
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
  const size_t width = text_width();
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

// A JSON list is a vector.
std::vector<float> read_vector(const std::string& text) {
  try {
    return base::parse_json(text).get<std::vector<float>>();
  } catch (const nlohmann::json::exception& error) {
    throw Error(ErrorCode::invalid_argument, fmt::format("QUERY: a list of numbers was expected: {}", error.what()));
  }
}

void search_collection(const SearchSettings& options, const Context& context) {
  if (options.database.db.empty() || options.database.collection.empty()) {
    throw Error(ErrorCode::invalid_argument, "--db and --collection: a collection needs both");
  }
  if (options.arguments.size() != 1) {
    throw Error(ErrorCode::invalid_argument, "a collection is searched with one QUERY; several words need quotes");
  }
  const auto database = open_database(options.database, context, Access::read);
  const engine::Collection collection(database->open(options.database.collection));
  const std::string& query = options.arguments[0];
  store::SearchRequest request;
  request.limit = options.search.limit;
  request.exact = options.exact;
  request.target_recall = options.target_recall;
  if (options.filter) request.filter = store::parse_filter(*options.filter, "--filter");
  const auto milliseconds_since = [](auto start) {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  };
  auto start = std::chrono::steady_clock::now();
  double embed_ms = 0;
  if (query.starts_with('[') && !collection.model() && options.model.empty()) {
    request.query.values = read_vector(query);
  } else {
    const auto model = collection_model(collection, options.model, context);
    if (!options.force) collection.check_model(*model);
    start = std::chrono::steady_clock::now();
    request.query.values = collection.query_vector(query, *model);
    request.expected_slot = collection.vector_slot();
    embed_ms = milliseconds_since(start);
  }
  start = std::chrono::steady_clock::now();
  store::SearchAnswer answer;
  const bool empty = request.query.values.empty();
  if (!empty) answer = collection.points().search(request);
  const double search_ms = milliseconds_since(start);
  if (context.json) {
    nlohmann::ordered_json out = {{"query", query},
                                  {"exact", answer.exact},
                                  {"embed_ms", embed_ms},
                                  {"search_ms", search_ms},
                                  {"payloads_read", answer.payloads_read},
                                  {"without_index", answer.without_index}};
    out["hits"] = nlohmann::ordered_json::array();
    for (size_t i = 0; i < answer.points.size(); ++i) {
      nlohmann::ordered_json hit = {{"rank", i + 1}, {"score", answer.points[i].score}};
      hit.update(point_json(answer.points[i].point, *collection.points().config()));
      out["hits"].push_back(std::move(hit));
    }
    if (options.explain) {
      out["parts"] = nlohmann::ordered_json::array();
      for (const store::PartPlan& part : answer.parts) {
        out["parts"].push_back({{"part", part.part},
                                {"rows", part.rows},
                                {"plan", part.plan},
                                {"exact", part.exact},
                                {"compared", part.compared},
                                {"expected_recall", part.expected_recall}});
      }
    }
    print(base::json_text(out) + "\n");
    return;
  }
  const size_t width = text_width();
  for (size_t i = 0; i < answer.points.size(); ++i) {
    const store::FoundPoint& found = answer.points[i];
    print(fmt::format("{:>2}  {:.4f}  {}\n{}\n", i + 1, found.score, bold(found.point.id.text()),
                      point_text(found.point, width)));
  }
  if (empty) {
    print("The model knows no word of the question, so nothing is near it.\n");
    return;
  }
  if (answer.points.empty()) print("Nothing was found.\n");
  if (options.explain) {
    Table table({"part", "rows", "plan", "compared", "expected recall"});
    for (const store::PartPlan& part : answer.parts) {
      table.add({part.part, fmt::format("{}", part.rows), part.plan, fmt::format("{}", part.compared),
                 part.exact ? "exact" : fmt::format("{:.3f}", part.expected_recall)});
    }
    print(table.text());
    if (answer.payloads_read > 0) {
      print(fmt::format("No index could answer the filter alone: {} payloads were read{}\n", answer.payloads_read,
                        answer.without_index.empty()
                            ? ""
                            : fmt::format("; without an index: {}", fmt::join(answer.without_index, ", "))));
    }
  }
  print(faint(fmt::format("{:.2f} ms: {:.2f} to embed the question, {:.2f} to search {} points, {}",
                          embed_ms + search_ms, embed_ms, search_ms, collection.points().count(std::nullopt),
                          answer.exact ? "exactly" : "approximately")) +
        "\n");
}

}  // namespace

void add_search(Command app, Context& context) {
  auto options = std::make_shared<SearchSettings>();
  Command command = app.subcommand("search", "Answer a question from a library or a collection by meaning");
  command
      .option("ARGUMENTS", options->arguments,
              "[LIB] QUERY: a library, and a question in quotes. Without LIB: the library that the environment "
              "variable SEXTANT_LIBRARY names, else the sample library. With --db and --collection: QUERY alone")
      .required()
      .count(1, 2)
      .option_text("[LIB] QUERY");
  command.option("--limit,-k", options->search.limit, "How many documents").range(1, 100000).show_default();
  command.flag("--all-passages", options->search.all_passages, "Every passage, not only each document's best");
  command.option("--model,-m", options->model, "The model that the library was built with, if it has moved");
  command.option("--db", options->database.db, "Search a collection: its database's folder");
  command.option("--collection,-c", options->database.collection, "Search a collection: its name");
  command.option(
      "--filter", options->filter,
      R"(Of a collection, such as '{"must": {"key": "color", "match": {"value": "red"}}}'; docs/filters.md)");
  command.option("--target-recall", options->target_recall, "Of a collection: share of the true nearest to find")
      .range(0.01, 1)
      .show_default();
  command.flag("--exact", options->exact, "Of a collection: compare every point");
  command.flag("--explain", options->explain, "Of a collection: how each part of it was searched");
  command.flag("--force", options->force, "Of a collection: also with another model than its own");
  command.option("--memory", options->database.memory, "Of a collection: memory for blocks of its database");
  add_compute_option(command, context);
  add_common_options(command, context, Common::json);
  command.callback([options, &context] {
    if (!options->database.db.empty() || !options->database.collection.empty()) {
      search_collection(*options, context);
      return;
    }
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
