// sextant collection: make collections, look at them, keep them in order.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "cli/commands/all.h"
#include "cli/database.h"
#include "cli/table.h"

namespace sextant::cli {
namespace {

using nlohmann::ordered_json;

struct CreateSettings {
  DatabaseSettings database;
  std::string model, metric = "cosine", durability = "sync", type = "float32";
  size_t dim = 0, ttl_seconds = 0;
  engine::PassageOptions passages;
  bool metric_given = false, type_given = false, passages_given = false;
};

ElementType parse_type(const std::string& name) {
  for (ElementType type : {ElementType::float32, ElementType::float16, ElementType::bfloat16, ElementType::int8,
                           ElementType::uint8, ElementType::bit}) {
    if (sextant::name(type) == name) return type;
  }
  return ElementType::float32;
}

void create(CreateSettings& settings, const Context& context) {
  if (!settings.model.empty() && settings.dim > 0) {
    throw Error(ErrorCode::invalid_argument, "--model or --dim: give one of the two, the model or the vectors' length");
  }
  if (settings.model.empty() && settings.dim == 0) {
    if (settings.metric_given || settings.type_given) {
      throw Error(ErrorCode::invalid_argument,
                  "--metric and --type: give the vectors' length, too, as --dim, or name a model as --model");
    }
    settings.model = "builtin";
  }
  if (settings.passages_given && settings.model.empty()) {
    throw Error(ErrorCode::invalid_argument, "--chunk-tokens, --overlap and --window-tokens: not with --dim");
  }
  if (settings.passages.window_tokens > 0 && (settings.metric_given || settings.type_given)) {
    throw Error(ErrorCode::invalid_argument,
                "--window-tokens: windows are compared by dot as float32; leave --metric and --type out");
  }
  engine::CreateOptions options;
  if (settings.passages_given) options.passages = settings.passages;
  std::unique_ptr<Embedder> model;
  if (!settings.model.empty()) {
    model = load_model(lasting_model_name(settings.model), context);
    options.model = model.get();
  }
  options.dim = settings.dim;
  options.metric = parse_metric(settings.metric);
  options.type = parse_type(settings.type);
  options.durability = parse_durability(settings.durability);
  options.ttl_seconds = settings.ttl_seconds;
  if (options.metric == Metric::hamming && settings.metric_given) options.type = ElementType::bit;
  const auto database = open_database(settings.database, context, Access::make);
  const auto collection = engine::Collection::create(*database, settings.database.collection, options);
  const store::VectorConfig& vector = collection.points().config()->vectors.front();
  if (context.json) {
    print(base::json_text(ordered_json{{"collection", settings.database.collection},
                                       {"dim", vector.dim},
                                       {"metric", name(vector.metric)},
                                       {"type", name(vector.type)},
                                       {"durability", settings.durability},
                                       {"model", model ? ordered_json(model->name()) : ordered_json()}}) +
          "\n");
  } else {
    context.note("Made collection '{}': vectors of {} components, compared by {}{}", settings.database.collection,
                 vector.dim, name(vector.metric), model ? fmt::format(", of model '{}'", model->name()) : "");
  }
}

void list(const DatabaseSettings& settings, const Context& context) {
  const auto database = open_database(settings, context, Access::read);
  ordered_json out = ordered_json::array();
  Table table({"collection", "points", "vector", "metric", "model", "aliases"});
  for (const std::string& name : database->names()) {
    const engine::Collection collection(database->open(name));
    std::vector<std::string> aliases;
    for (const auto& alias : database->aliases()) {
      if (alias.collection == name) aliases.push_back(alias.alias);
    }
    const auto config = collection.points().config();
    const std::string vector = config->vectors.empty() ? "none" : fmt::format("{}", config->vectors[0].dim);
    const std::string metric = config->vectors.empty() ? "" : std::string(sextant::name(config->vectors[0].metric));
    const std::string model = collection.model() ? collection.model()->name : "";
    const uint64_t points = collection.points().count(std::nullopt);
    out.push_back({{"name", name}, {"points", points}, {"metric", metric}, {"model", model}, {"aliases", aliases}});
    table.add({name, fmt::format("{}", points), vector, metric, model, fmt::format("{}", fmt::join(aliases, ", "))});
  }
  if (context.json) {
    print(base::json_text(out) + "\n");
  } else if (out.empty()) {
    print(fmt::format("{} has no collections yet; sextant collection create makes one\n", settings.db));
  } else {
    print(table.text());
  }
}

void info(const DatabaseSettings& settings, const Context& context) {
  const auto database = open_database(settings, context, Access::read);
  const engine::Collection collection(database->open(settings.collection));
  const auto config = collection.points().config();
  const store::StoreInfo info = collection.store().info();
  ordered_json out = {{"name", settings.collection},
                      {"points", info.points},
                      {"version", info.version},
                      {"durability", name(config->durability)},
                      {"ttl_seconds", config->ttl_seconds}};
  const std::optional<engine::CollectionModel>& model = collection.model();
  if (model) {
    out["model"] = {{"name", model->name},
                    {"hash", model->hash},
                    {"pooling", model->pooling},
                    {"document_prompt", model->document_prompt},
                    {"query_prompt", model->query_prompt}};
  }
  const auto next_model = engine::read_models(config->metadata, settings.collection).next;
  if (next_model) out["reembed"] = {{"name", next_model->name}, {"hash", next_model->hash}};
  for (const store::VectorConfig& vector : config->vectors) {
    out["vectors"].push_back({{"name", vector.name},
                              {"kind", name(vector.kind)},
                              {"dim", vector.dim},
                              {"metric", name(vector.metric)},
                              {"type", name(vector.type)}});
  }
  out["indexed_points"] = info.indexed_points;
  out["newest_rows"] = info.tail_rows;
  out["truth_bytes"] = info.truth_bytes;
  for (const auto& [path, field] : config->payload_schema.fields()) {
    out["payload_schema"][path] = base::parse_json(store::field_schema_json(field));
  }
  uint64_t segment_bytes = 0, flat_rows = 0;
  out["segments"] = ordered_json::array();
  for (const auto& segment : info.segments) {
    segment_bytes += segment.disk_bytes;
    if (segment.info.kind == store::SegmentKind::flat) flat_rows += segment.info.rows;
    ordered_json entry = {{"number", segment.info.number},
                          {"rows", segment.info.rows},
                          {"build", name(segment.info.kind)},
                          {"dead", segment.dead},
                          {"bytes", segment.disk_bytes}};
    if (!segment.damage.empty()) entry["damage"] = segment.damage;
    out["segments"].push_back(std::move(entry));
  }
  out["segment_bytes"] = segment_bytes;
  if (!info.last_error.empty()) out["last_error"] = info.last_error;
  if (context.json) {
    print(base::json_text(out) + "\n");
    return;
  }
  print(fmt::format("{}  {} points, version {}\n", bold(settings.collection), info.points, info.version));
  if (model) {
    print(fmt::format("model       {} ({}){}\n", model->name, model->hash.substr(0, 12),
                      model->pooling.empty() ? "" : fmt::format(", {} pooling", model->pooling)));
    if (!model->document_prompt.empty() || !model->query_prompt.empty()) {
      print(fmt::format("prompts     '{}' before texts, '{}' before queries\n", model->document_prompt,
                        model->query_prompt));
    }
  }
  if (next_model) {
    print(fmt::format("under way   a re-embedding to {} ({}): the same reembed goes on, --abandon gives it up\n",
                      next_model->name, next_model->hash.substr(0, 12)));
  }
  for (const store::VectorConfig& vector : config->vectors) {
    print(fmt::format("vector      {}{} of {}, {}, {}\n", vector.name.empty() ? "" : "'" + vector.name + "': ",
                      name(vector.kind), vector.dim, name(vector.metric), name(vector.type)));
  }
  for (const auto& [path, field] : config->payload_schema.fields()) {
    print(fmt::format("field       {}, {}\n", path, name(field.kind)));
  }
  print(fmt::format("durability  {}\n", name(config->durability)));
  print(fmt::format("on disk     {} of points, {} of indexes\n", bytes_text(info.truth_bytes),
                    bytes_text(segment_bytes)));
  print(fmt::format("indexed     {} points in {} segments; {} newest rows are compared one by one\n",
                    info.indexed_points, info.segments.size(), info.tail_rows));
  if (flat_rows > 0) {
    print(fmt::format("waiting     {} of them for their graphs: made while something writes, or by 'compact'\n",
                      flat_rows));
  }
  for (const auto& segment : info.segments) {
    if (!segment.damage.empty())
      print(fmt::format("damaged     segment {}: {}\n", segment.info.number, segment.damage));
  }
  if (!info.last_error.empty()) print(fmt::format("trouble     {}\n", info.last_error));
}

void show_snapshot(const store::SnapshotReport& report, std::string_view done, const std::string& path,
                   const Context& context) {
  if (context.json) {
    print(base::json_text(ordered_json{
              {"snapshot", path}, {"points", report.points}, {"version", report.version}, {"bytes", report.bytes}}) +
          "\n");
  } else {
    context.note("{} {} points, version {}: {}, {}", done, report.points, report.version, path,
                 bytes_text(report.bytes));
  }
}

}  // namespace

void add_collection(Command app, Context& context) {
  Command group = app.subcommand("collection", "Collections of points: make, look at, keep in order");
  group.require_subcommand();
  {
    auto settings = std::make_shared<CreateSettings>();
    Command command = group.subcommand("create", "Make a collection");
    add_collection_options(command, settings->database);
    command.option("--model,-m", settings->model,
                   "The model that embeds its texts, which the collection remembers; without --dim: builtin");
    command.option("--dim", settings->dim, "Without a model: components of a vector").range(1, 65536);
    const Option metric = command.option("--metric", settings->metric, "cosine, dot, l2, l1, or hamming for bits");
    metric.one_of({"cosine", "dot", "l2", "l1", "hamming"}).show_default();
    const Option type = command.option("--type", settings->type, "What components are stored as");
    type.one_of({"float32", "float16", "bfloat16", "int8", "uint8", "bit"}).show_default();
    command
        .option("--durability", settings->durability,
                "sync: a write is acknowledged when the disk has it; periodic: when the system has it, the disk a "
                "second later")
        .one_of({"sync", "periodic"})
        .show_default();
    command.option("--ttl", settings->ttl_seconds, "Seconds that points stay; 0: for good").show_default();
    const Option tokens =
        command.option("--chunk-tokens", settings->passages.tokens_max,
                       "For documents: most tokens of a passage; 0: 256, or the model's limit if lower");
    tokens.show_default();
    const Option overlap = command.option("--overlap", settings->passages.overlap_tokens,
                                          "For documents: tokens that a passage repeats of the one before");
    overlap.show_default();
    const Option windows =
        command.option("--window-tokens", settings->passages.window_tokens,
                       "For documents: a vector for each window of so many tokens; 0: one for each passage");
    windows.show_default();
    add_compute_option(command, context);
    add_common_options(command, context, Common::json | Common::threads);
    command.callback([=, &context] {
      settings->metric_given = metric.given();
      settings->type_given = type.given();
      settings->passages_given = tokens.given() || overlap.given() || windows.given();
      create(*settings, context);
    });
  }
  {
    auto settings = std::make_shared<DatabaseSettings>();
    Command command = group.subcommand("list", "All collections of a database");
    add_database_options(command, *settings);
    add_common_options(command, context, Common::json);
    command.callback([settings, &context] { list(*settings, context); });
  }
  {
    auto settings = std::make_shared<DatabaseSettings>();
    Command command = group.subcommand("info", "What a collection holds, and how it lies on the disk");
    add_collection_options(command, *settings);
    add_common_options(command, context, Common::json);
    command.callback([settings, &context] { info(*settings, context); });
  }
  add_reembed(group, context);
  {
    auto settings = std::make_shared<DatabaseSettings>();
    Command command = group.subcommand("delete", "Delete a collection with all its points");
    add_collection_options(command, *settings);
    add_common_options(command, context, Common::quiet);
    command.callback([settings, &context] {
      open_database(*settings, context, Access::write)->remove(settings->collection);
      context.note("Deleted collection '{}'", settings->collection);
    });
  }
  const std::pair<const char*, const char*> chores[] = {
      {"rebuild", "Throw the indexes away and make them again from the points"},
      {"compact", "Make one index of all points, and give the space of what was deleted back"},
      {"verify", "Read all indexes and compare their checksums; damaged ones are made again"}};
  for (const auto& [chore, help] : chores) {
    auto settings = std::make_shared<DatabaseSettings>();
    Command command = group.subcommand(chore, help);
    add_collection_options(command, *settings);
    add_common_options(command, context, Common::json | Common::threads);
    command.callback([settings, &context, which = std::string(chore)] {
      const auto database = open_database(*settings, context, Access::write);
      const auto points = database->open(settings->collection);
      std::vector<std::string> damages;
      if (which == "rebuild") points->rebuild();
      if (which == "compact") points->compact();
      if (which == "verify") {
        damages = points->verify();
        if (!damages.empty()) points->flush();
      }
      const store::StoreInfo info = points->info();
      if (context.json) {
        print(base::json_text(ordered_json{{"points", info.points},
                                           {"segments", info.segments.size()},
                                           {"truth_bytes", info.truth_bytes},
                                           {"damages", damages}}) +
              "\n");
        return;
      }
      for (const std::string& damage : damages) context.note("Damaged, and made again: {}", damage);
      context.note("{} points in {} segments{}", info.points, info.segments.size(),
                   which == "verify" && damages.empty() ? ", all as they were written" : "");
    });
  }
  {
    auto settings = std::make_shared<DatabaseSettings>();
    auto output = std::make_shared<std::string>();
    Command command = group.subcommand("snapshot", "Write a collection as it is now into one file");
    add_collection_options(command, *settings);
    command.option("--output,-o", *output, "The file to write").required();
    add_common_options(command, context, Common::json);
    command.callback([settings, output, &context] {
      const auto database = open_database(*settings, context, Access::write);
      show_snapshot(database->open(settings->collection)->snapshot(*output), "Wrote", *output, context);
    });
  }
  {
    auto settings = std::make_shared<DatabaseSettings>();
    auto input = std::make_shared<std::string>();
    Command command = group.subcommand("restore", "Make a collection of a snapshot");
    add_collection_options(command, *settings);
    command.option("--input,-i", *input, "The snapshot").required();
    add_common_options(command, context, Common::json);
    command.callback([settings, input, &context] {
      const auto database = open_database(*settings, context, Access::make);
      show_snapshot(database->restore(settings->collection, *input), "Restored", *input, context);
    });
  }
  {
    auto settings = std::make_shared<DatabaseSettings>();
    auto field = std::make_shared<std::string>();
    auto schema = std::make_shared<std::string>();
    Command command = group.subcommand("field", "Index a field of the payloads, so that filters need not read them");
    add_collection_options(command, *settings);
    command.option("FIELD", *field, "A dotted path, such as color or tags[].name").required();
    command
        .option("SCHEMA", *schema,
                R"(keyword, integer, float, bool, datetime, geo, text, uuid, none, or JSON such as '{"type": "text"}')")
        .required();
    add_common_options(command, context, Common::quiet | Common::threads);
    command.callback([settings, field, schema, &context] {
      const auto database = open_database(*settings, context, Access::write);
      std::optional<store::FieldSchema> parsed;
      if (*schema != "none") parsed = store::read_field_schema(*schema, "SCHEMA");
      database->open(settings->collection)->set_payload_field(store::KeyPath::parse(*field), parsed);
      context.note("Field '{}' is {}", *field, parsed ? "indexed" : "not indexed any more");
    });
  }
}

}  // namespace sextant::cli
