// sextant get, delete, scroll and count: the points of a collection themselves.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/json.h"
#include "cli/commands/all.h"
#include "cli/database.h"
#include "cli/points_file.h"
#include "cli/table.h"
#include "query/stored_points.h"

namespace sextant::cli {
namespace {

using nlohmann::ordered_json;

struct PointsSettings {
  DatabaseSettings database;
  std::vector<std::string> ids;
  std::optional<std::string> filter, from;
  size_t limit = 10;
  bool vectors = false, descending = false;
  std::optional<std::string> order_by;
  size_t sample_seed = 0;
  std::string output;
  bool limit_given = false;
};

std::vector<store::PointId> ids_of(const std::vector<std::string>& texts) {
  std::vector<store::PointId> ids;
  for (const std::string& text : texts) ids.push_back(store::PointId::parse(text));
  return ids;
}

std::optional<store::Filter> filter_of(const PointsSettings& settings) {
  if (!settings.filter) return std::nullopt;
  return store::parse_filter(*settings.filter, "--filter");
}

void show(const store::StoredPoint& point, const store::StoreConfig& config, const Context& context) {
  if (context.json) {
    print(base::json_text(point_json(point, config)) + "\n");
    return;
  }
  print(fmt::format("{}  {}\n{}", bold(point.id.text()), faint(fmt::format("version {}", point.version)),
                    point_text(point, text_width())));
}

void get(const PointsSettings& settings, const Context& context) {
  const auto database = open_database(settings.database, context, Access::read);
  const auto points = query::stored_points(database->open(settings.database.collection));
  const auto ids = ids_of(settings.ids);
  const auto found = points->get(ids, {.all_vectors = settings.vectors});
  std::vector<std::string> missing;
  for (size_t i = 0; i < found.size(); ++i) {
    if (found[i]) {
      show(*found[i], *points->config(), context);
    } else {
      missing.push_back(ids[i].text());
    }
  }
  if (!missing.empty()) {
    throw Error(ErrorCode::not_found,
                fmt::format("not in collection '{}': {}", settings.database.collection, fmt::join(missing, ", ")));
  }
}

void remove(const PointsSettings& settings, const Context& context) {
  const auto filter = filter_of(settings);
  if (settings.ids.empty() == !filter.has_value()) {
    throw Error(ErrorCode::invalid_argument, "ID or --filter: give one of the two");
  }
  const auto database = open_database(settings.database, context, Access::write);
  const auto points = query::stored_points(database->open(settings.database.collection));
  const store::Written written = filter ? points->write_where(*filter, store::DeletePoints{})
                                        : points->write(store::DeletePoints{ids_of(settings.ids)});
  if (context.json) {
    print(base::json_text(ordered_json{{"deleted", written.removed}, {"missing", written.missing}}) + "\n");
  } else {
    context.note("Deleted {} points{}", written.removed,
                 written.missing > 0 ? fmt::format("; {} were not there", written.missing) : "");
  }
}

void write_file(const PointsSettings& settings, const query::Points& points, const Context& context) {
  PointsFileOptions options;
  if (settings.from) options.from = store::PointId::parse(*settings.from);
  options.filter = filter_of(settings);
  if (settings.limit_given) options.limit = settings.limit;
  options.vectors = settings.vectors;
  auto progress = context.progress();
  options.progress = progress.get();
  const PointsFileReport report = write_points(points, settings.output, options);
  progress.reset();
  if (report.without_vector > 0) context.note("{} points without a vector were left out", report.without_vector);
  if (report.expiring > 0) context.note("{} points expire at a time that is not written", report.expiring);
  for (const std::string& name : report.left_out) context.note("The vectors called '{}' were left out", name);
  if (context.json) {
    print(base::json_text(ordered_json{{"points", report.points},
                                       {"without_vector", report.without_vector},
                                       {"expiring", report.expiring},
                                       {"vectors_left_out", report.left_out},
                                       {"output", settings.output},
                                       {"ids", report.ids_path ? ordered_json(*report.ids_path) : ordered_json()}}) +
          "\n");
  } else {
    context.note("Wrote {} points: {}{}", report.points, settings.output,
                 report.ids_path ? fmt::format("; their ids and payloads: {}", *report.ids_path) : "");
  }
}

void scroll(const PointsSettings& settings, const Context& context) {
  const auto database = open_database(settings.database, context, Access::read);
  const auto points = query::stored_points(database->open(settings.database.collection));
  if (!settings.output.empty()) {
    write_file(settings, *points, context);
    return;
  }
  store::Fields fields;
  fields.all_vectors = settings.vectors;
  if (settings.order_by) {
    store::OrderRequest order{.key = store::KeyPath::parse(*settings.order_by)};
    order.descending = settings.descending;
    order.limit = settings.limit;
    order.filter = filter_of(settings);
    order.fields = fields;
    for (const store::OrderedPoint& found : points->ordered(order)) show(found.point, *points->config(), context);
    return;
  }
  if (settings.sample_seed != 0) {
    for (const store::StoredPoint& point :
         points->sample(settings.limit, filter_of(settings), settings.sample_seed, fields)) {
      show(point, *points->config(), context);
    }
    return;
  }
  store::ScrollRequest request;
  if (settings.from) request.from = store::PointId::parse(*settings.from);
  request.limit = settings.limit;
  request.filter = filter_of(settings);
  request.fields = fields;
  const store::ScrollAnswer answer = points->scroll(request);
  for (const store::StoredPoint& point : answer.points) show(point, *points->config(), context);
  if (answer.next) context.note("More from {} on (--from)", answer.next->text());
}

void count(const PointsSettings& settings, const Context& context) {
  const auto database = open_database(settings.database, context, Access::read);
  const auto points = query::stored_points(database->open(settings.database.collection));
  const auto filter = filter_of(settings);
  const uint64_t found = points->count(filter);
  print(context.json ? fmt::format("{{\"count\": {}}}\n", found) : fmt::format("{}\n", found));
}

void facet(const PointsSettings& settings, const Context& context) {
  const auto database = open_database(settings.database, context, Access::read);
  const auto points = query::stored_points(database->open(settings.database.collection));
  const auto counts = points->facet(store::KeyPath::parse(settings.ids.front()), filter_of(settings), settings.limit);
  ordered_json out = ordered_json::array();
  Table table({"value", "points"});
  for (const store::FacetCount& count : counts) {
    const ordered_json value = std::visit([](const auto& v) { return ordered_json(v); }, count.value);
    out.push_back({{"value", value}, {"count", count.count}});
    table.add({value.is_string() ? value.get<std::string>() : base::json_text(value), fmt::format("{}", count.count)});
  }
  print(context.json ? base::json_text(out) + "\n" : table.text());
}

constexpr const char* kFilterHelp =
    R"(Such as '{"must": {"key": "color", "match": {"value": "red"}}}'; docs/filters.md)";

}  // namespace

void add_points(Command app, Context& context) {
  {
    auto settings = std::make_shared<PointsSettings>();
    Command command = app.subcommand("get", "Points of a collection by their ids");
    add_collection_options(command, settings->database);
    command.option("ID", settings->ids, "Numbers or UUIDs").required();
    command.flag("--vectors", settings->vectors, "With their vectors");
    add_common_options(command, context, Common::json);
    command.callback([settings, &context] { get(*settings, context); });
  }
  {
    auto settings = std::make_shared<PointsSettings>();
    Command command = app.subcommand("delete", "Delete points by their ids or by a filter");
    add_collection_options(command, settings->database);
    command.option("ID", settings->ids, "Numbers or UUIDs");
    command.option("--filter", settings->filter, kFilterHelp);
    add_common_options(command, context, Common::json);
    command.callback([settings, &context] { remove(*settings, context); });
  }
  {
    auto settings = std::make_shared<PointsSettings>();
    Command command = app.subcommand("scroll", "Points in the order of their ids, a page at a time");
    add_collection_options(command, settings->database);
    command.option("--filter", settings->filter, kFilterHelp);
    const Option from = command.option("--from", settings->from, "The first id of the page");
    const Option order =
        command.option("--order-by", settings->order_by, "In the order of this number in the payloads");
    command.flag("--descending", settings->descending, "The largest first");
    const Option sample = command.option("--sample", settings->sample_seed, "Some at random instead, by this seed");
    order.excludes(from).excludes(sample);
    sample.excludes(from);
    const Option limit =
        command.option("--limit,-k", settings->limit, "How many; with --output all unless it is given");
    limit.range(1, 1e9).show_default();
    command.flag("--vectors", settings->vectors, "With their vectors");
    const Option output = command.option(
        "--output,-o", settings->output,
        "A file instead: .parquet or .jsonl, or .npy or .fbin with the vectors and F.ids.jsonl with ids and payloads");
    output.excludes(order).excludes(sample);
    add_common_options(command, context, Common::json);
    command.callback([settings, limit, &context] {
      settings->limit_given = limit.given();
      scroll(*settings, context);
    });
  }
  {
    auto settings = std::make_shared<PointsSettings>();
    Command command = app.subcommand("count", "How many points there are");
    add_collection_options(command, settings->database);
    command.option("--filter", settings->filter, kFilterHelp);
    add_common_options(command, context, Common::json);
    command.callback([settings, &context] { count(*settings, context); });
  }
  {
    auto settings = std::make_shared<PointsSettings>();
    Command command = app.subcommand("facet", "The values of a field, and how many points have each");
    add_collection_options(command, settings->database);
    command.option("FIELD", settings->ids, "A dotted path, such as color or tags[].name").required().count(1, 1);
    command.option("--filter", settings->filter, kFilterHelp);
    command.option("--limit,-k", settings->limit, "How many values").range(1, 1e9).show_default();
    add_common_options(command, context, Common::json);
    command.callback([settings, &context] { facet(*settings, context); });
  }
}

}  // namespace sextant::cli
