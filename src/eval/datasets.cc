#include "eval/datasets.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>

#include "base/files.h"
#include "base/json.h"
#include "io/csv.h"
#include "io/jsonl.h"
#include "io/lines.h"
#include "sextant/error.h"

namespace sextant::eval {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 4> kScoreNames = {"score", "label", "similarity", "similarity_score"};
constexpr std::array<std::string_view, 4> kFirstNames = {"a", "sentence1", "text1", "sentence_a"};
constexpr std::array<std::string_view, 4> kSecondNames = {"b", "sentence2", "text2", "sentence_b"};
constexpr std::array<std::string_view, 5> kTextNames = {"text", "sentence", "utterance", "query", "content"};
constexpr std::array<std::string_view, 5> kLabelNames = {"label", "category", "intent", "label_text", "class"};
constexpr uint64_t kJsonBytesMax = uint64_t{1} << 30;

[[noreturn]] void fail(const std::string& file, uint64_t line, const std::string& what) {
  throw Error(ErrorCode::corrupted, fmt::format("{}: line {}: {}", file, line, what));
}

// At most 60 bytes of what was found, for an error.
std::string quote(std::string_view text) {
  return text.size() <= 60 ? fmt::format("'{}'", text) : fmt::format("'{}...'", text.substr(0, 60));
}

std::string_view strip(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n\v\f";
  size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

std::vector<std::string_view> split(std::string_view line, char delimiter) {
  std::vector<std::string_view> fields;
  while (true) {
    size_t end = line.find(delimiter);
    fields.push_back(line.substr(0, end));
    if (end == std::string_view::npos) return fields;
    line.remove_prefix(end + 1);
  }
}

std::optional<double> parse_number(std::string_view text) {
  text = strip(text);
  double value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

std::optional<int64_t> parse_integer(std::string_view text) {
  text = strip(text);
  int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Lower case, a final .zst left out: ".jsonl" for "Pairs.JSONL.zst".
std::string extension(fs::path path) {
  auto lower = [](std::string text) {
    for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return text;
  };
  if (lower(path.extension().string()) == ".zst") path.replace_extension();
  return lower(path.extension().string());
}

void require_exists(const fs::path& path) {
  std::error_code error;
  if (!fs::exists(path, error)) throw Error(ErrorCode::not_found, fmt::format("{} does not exist", path.string()));
}

// The place of the first of NAMES that COLUMNS has.
std::optional<size_t> find_column(std::span<const std::string_view> columns, std::span<const std::string_view> names) {
  for (std::string_view name : names) {
    auto found = std::find(columns.begin(), columns.end(), name);
    if (found != columns.end()) return static_cast<size_t>(found - columns.begin());
  }
  return std::nullopt;
}

std::optional<std::string_view> find_field(const io::JsonLineReader& line, std::span<const std::string_view> names) {
  for (std::string_view name : names) {
    if (line.has(name)) return name;
  }
  return std::nullopt;
}

std::string_view require_field(const io::JsonLineReader& line, std::span<const std::string_view> names) {
  auto field = find_field(line, names);
  if (!field) {
    fail(line.name(), line.line_number(), fmt::format("has no field {}", fmt::join(names, " or ")));
  }
  return *field;
}

// A string as it is, a whole number as its digits: ids and labels come as either.
std::string scalar(const io::JsonLineReader& line, std::string_view field) {
  std::optional<std::string> text;
  line.for_each_text([&](std::string_view name, std::string_view value) {
    if (name == field) text = value;
  });
  if (text) return *text;
  auto number = line.find_number(field);
  if (!number) fail(line.name(), line.line_number(), fmt::format("has no field '{}'", field));
  return fmt::format("{}", *number);
}

// --- STS ---

struct StsColumns {
  size_t score, a, b;
};

std::optional<StsColumns> sts_header(std::span<const std::string_view> columns) {
  auto score = find_column(columns, kScoreNames);
  auto a = find_column(columns, kFirstNames);
  auto b = find_column(columns, kSecondNames);
  if (!score || !a || !b) return std::nullopt;
  return StsColumns{*score, *a, *b};
}

void add_sts_row(StsDataset& dataset, std::span<const std::string_view> fields, const StsColumns& columns,
                 const std::string& file, uint64_t line) {
  size_t needed = std::max({columns.score, columns.a, columns.b}) + 1;
  if (fields.size() < needed) fail(file, line, fmt::format("{} fields, expected at least {}", fields.size(), needed));
  if (strip(fields[columns.score]).empty()) {
    ++dataset.unscored_count;
    return;
  }
  auto score = parse_number(fields[columns.score]);
  if (!score) fail(file, line, fmt::format("the score is {}, expected a number", quote(fields[columns.score])));
  dataset.pairs.push_back({std::string(fields[columns.a]), std::string(fields[columns.b]), *score});
}

void read_sts_tabs(StsDataset& dataset, const fs::path& path) {
  io::LineReader lines(path.string());
  std::optional<StsColumns> columns;
  std::string_view line;
  while (lines.next(line)) {
    if (line.empty()) continue;
    auto fields = split(line, '\t');
    if (!columns) {
      columns = sts_header(fields);
      if (columns) continue;
      if (fields.size() == 3) {
        columns = StsColumns{0, 1, 2};
      } else if (fields.size() >= 7) {
        columns = StsColumns{4, 5, 6};
      } else {
        fail(lines.name(), lines.line_number(),
             fmt::format("{} tab-separated fields; expected 3 (score, a, b), at least 7 (STS Benchmark), or a header "
                         "with score, sentence1 and sentence2",
                         fields.size()));
      }
    }
    add_sts_row(dataset, fields, *columns, lines.name(), lines.line_number());
  }
}

void read_sts_commas(StsDataset& dataset, const fs::path& path) {
  io::CsvReader csv(path.string(), {.delimiter = ','});
  std::vector<std::string_view> names(csv.names().begin(), csv.names().end());
  auto columns = sts_header(names);
  if (!columns) {
    fail(csv.name(), 1,
         fmt::format("the columns are {}; expected a header with score, sentence1 and sentence2",
                     quote(fmt::format("{}", fmt::join(names, ", ")))));
  }
  while (csv.next()) add_sts_row(dataset, csv.fields(), *columns, csv.name(), csv.line_number());
}

void read_sts_json(StsDataset& dataset, const fs::path& path) {
  io::JsonLineReader lines(path.string());
  while (lines.next()) {
    auto a = lines.text(require_field(lines, kFirstNames));
    auto b = lines.text(require_field(lines, kSecondNames));
    auto score_field = find_field(lines, kScoreNames);
    if (!score_field) {
      ++dataset.unscored_count;
      continue;
    }
    dataset.pairs.push_back({std::string(a), std::string(b), *lines.find_number(*score_field)});
  }
}

bool first_line_has_tab(const fs::path& path) {
  io::LineReader lines(path.string());
  std::string_view line;
  while (lines.next(line)) {
    if (!line.empty()) return line.find('\t') != std::string_view::npos;
  }
  return false;
}

// --- retrieval ---

std::string indexed_text(std::string_view title, std::string_view text) {
  return std::string(strip(fmt::format("{} {}", title, text)));
}

// Judgements by query id while they are read. Judging a document twice differently is an error, as in trec_eval.
class JudgementTable {
 public:
  void add(const std::string& query, const std::string& document, double gain, const std::string& file, uint64_t line) {
    auto [place, is_new] = gains_[query].try_emplace(document, gain);
    if (!is_new && place->second != gain) {
      fail(file, line,
           fmt::format("judges document {} for query {} a second time, with {} instead of {}", quote(document),
                       quote(query), gain, place->second));
    }
  }

  // Moves queries that are judged into DATASET, in the order given, with their judgements.
  void attach(RetrievalDataset& dataset, std::vector<std::string> ids, std::vector<std::string> texts) {
    std::unordered_map<std::string_view, uint32_t> documents;
    for (uint32_t i = 0; i < dataset.document_ids.size(); ++i) documents.emplace(dataset.document_ids[i], i);
    for (size_t i = 0; i < ids.size(); ++i) {
      auto judged = gains_.find(ids[i]);
      if (judged == gains_.end()) {
        ++dataset.unjudged_query_count;
        continue;
      }
      std::vector<Judgement> judgements;
      for (const auto& [document, gain] : judged->second) {
        auto found = documents.find(document);
        if (found == documents.end()) ++dataset.unknown_document_count;
        judgements.push_back({found == documents.end() ? kUnknownDocument : found->second, gain});
      }
      dataset.judgements.push_back(std::move(judgements));
      dataset.query_ids.push_back(std::move(ids[i]));
      dataset.queries.push_back(std::move(texts[i]));
    }
    dataset.unknown_query_count = gains_.size() - dataset.queries.size();
    if (dataset.queries.empty()) {
      throw Error(ErrorCode::corrupted, fmt::format("{}: none of its {} judged queries is among the {} queries",
                                                    dataset.judgements_name, gains_.size(), ids.size()));
    }
  }

 private:
  std::map<std::string, std::map<std::string, double>> gains_;  // ordered: the same sums in the same order always
};

class UniqueIds {
 public:
  explicit UniqueIds(const char* what) : what_(what) {}
  void add(const std::string& id, const std::string& file, uint64_t line) {
    auto [place, is_new] = lines_.try_emplace(id, line);
    if (!is_new) {
      fail(file, line, fmt::format("{} {} was already in line {}", what_, quote(id), place->second));
    }
  }

 private:
  const char* what_;
  std::unordered_map<std::string, uint64_t> lines_;
};

struct CranfieldRecord {
  std::string id;
  uint64_t line;
  std::string title, text;
};

// Records begin with ".I number"; sections are .T title, .A author, .B source, .W text. Three documents of the
// original file have section marks strewn into their text: after .W only .I ends a record, other marks are dropped.
std::vector<CranfieldRecord> read_cranfield_records(const fs::path& path) {
  io::LineReader lines(path.string());
  std::vector<CranfieldRecord> records;
  char section = 0;
  std::string_view line;
  while (lines.next(line)) {
    std::string_view stripped = strip(line);
    if (line.starts_with(".I")) {
      auto number = parse_integer(stripped.substr(2));
      if (!number) fail(lines.name(), lines.line_number(), fmt::format("{}, expected '.I number'", quote(line)));
      records.push_back({fmt::format("{}", *number), lines.line_number(), {}, {}});
      section = 'I';
      continue;
    }
    if (records.empty()) {
      if (stripped.empty()) continue;
      fail(lines.name(), lines.line_number(), fmt::format("begins with {}, expected '.I number'", quote(line)));
    }
    if (stripped == ".T" || stripped == ".A" || stripped == ".B" || stripped == ".W") {
      if (section != 'W') section = stripped[1];
      continue;
    }
    std::string* target = section == 'T' ? &records.back().title : section == 'W' ? &records.back().text : nullptr;
    if (target == nullptr) continue;
    if (!target->empty()) *target += ' ';
    *target += stripped;
  }
  if (records.empty()) throw Error(ErrorCode::corrupted, fmt::format("{}: holds no record", lines.name()));
  return records;
}

RetrievalDataset read_cranfield(const fs::path& folder, const fs::path& documents) {
  RetrievalDataset dataset;
  dataset.name = folder.string();
  dataset.format = "Cranfield";
  dataset.judgements_name = (folder / "cranqrel").string();
  UniqueIds seen("document");
  for (CranfieldRecord& record : read_cranfield_records(documents)) {
    seen.add(record.id, documents.string(), record.line);
    dataset.documents.push_back(indexed_text(record.title, record.text));
    dataset.document_ids.push_back(std::move(record.id));
  }

  std::vector<std::string> ids, texts;
  for (CranfieldRecord& record : read_cranfield_records(folder / "cran.qry")) {
    ids.push_back(fmt::format("{}", ids.size() + 1));  // its position: the numbers after .I are others
    texts.push_back(std::move(record.text));
  }

  JudgementTable table;
  io::LineReader lines(dataset.judgements_name);
  std::string_view line;
  while (lines.next(line)) {
    std::vector<std::string_view> fields;
    for (std::string_view field : split(strip(line), ' ')) {
      if (!field.empty()) fields.push_back(field);
    }
    if (fields.empty()) continue;
    if (fields.size() != 3 || !parse_integer(fields[0]) || !parse_integer(fields[1]) || !parse_integer(fields[2])) {
      fail(lines.name(), lines.line_number(),
           fmt::format("{}, expected three numbers: query, document, code", quote(line)));
    }
    table.add(fmt::format("{}", *parse_integer(fields[0])), fmt::format("{}", *parse_integer(fields[1])), 1,
              lines.name(), lines.line_number());
  }
  table.attach(dataset, std::move(ids), std::move(texts));
  return dataset;
}

fs::path plain_or_compressed(const fs::path& path) {
  fs::path compressed = path.string() + ".zst";
  return !fs::exists(path) && fs::exists(compressed) ? compressed : path;
}

RetrievalDataset read_beir(const fs::path& folder, const fs::path& corpus, const RetrievalReadOptions& options) {
  RetrievalDataset dataset;
  dataset.name = folder.string();
  dataset.format = "BEIR";
  {
    io::JsonLineReader lines(corpus.string());
    UniqueIds seen("document");
    while (lines.next()) {
      std::string id = scalar(lines, "_id");
      seen.add(id, lines.name(), lines.line_number());
      dataset.document_ids.push_back(std::move(id));
      dataset.documents.push_back(indexed_text(lines.find_text("title").value_or(""), lines.text("text")));
    }
    if (dataset.documents.empty())
      throw Error(ErrorCode::corrupted, fmt::format("{}: holds no document", lines.name()));
  }
  std::vector<std::string> ids, texts;
  {
    io::JsonLineReader lines(plain_or_compressed(folder / "queries.jsonl").string());
    UniqueIds seen("query");
    while (lines.next()) {
      std::string id = scalar(lines, "_id");
      seen.add(id, lines.name(), lines.line_number());
      ids.push_back(std::move(id));
      texts.emplace_back(lines.text("text"));
    }
  }
  fs::path judged = plain_or_compressed(folder / "qrels" / (options.split + ".tsv"));
  if (!fs::exists(judged)) {
    std::vector<std::string> there;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder / "qrels", error)) {
      there.push_back(entry.path().filename().string());
    }
    std::sort(there.begin(), there.end());
    throw Error(ErrorCode::not_found, fmt::format("{} does not exist; {}", judged.string(),
                                                  there.empty() ? "there are no judgements in qrels/"
                                                                : fmt::format("there is {}", fmt::join(there, ", "))));
  }
  dataset.judgements_name = judged.string();
  JudgementTable table;
  io::LineReader lines(judged.string());
  std::string_view line;
  while (lines.next(line)) {
    if (strip(line).empty()) continue;
    auto fields = split(line, '\t');
    auto gain = fields.size() == 3 ? parse_number(fields[2]) : std::nullopt;
    if (!gain) {
      if (fields.size() == 3 && lines.line_number() == 1) continue;  // the header
      fail(lines.name(), lines.line_number(),
           fmt::format("{}, expected three tab-separated fields: query, document, gain", quote(line)));
    }
    table.add(std::string(fields[0]), std::string(fields[1]), *gain, lines.name(), lines.line_number());
  }
  table.attach(dataset, std::move(ids), std::move(texts));
  return dataset;
}

// --- classification ---

struct RawRows {
  std::vector<std::string> texts;
  std::vector<std::string> labels;

  void add(std::string_view text, std::string_view label, const std::string& file, uint64_t line) {
    if (strip(label).empty()) fail(file, line, "the label is empty");
    texts.emplace_back(text);
    labels.emplace_back(label);
  }
};

RawRows read_labelled_csv(const fs::path& path, const ClassificationReadOptions& options) {
  RawRows rows;
  // Whether the first record is a header is for its content to say, so the reader must not decide it.
  io::CsvReader csv(path.string(), {.header = false});
  bool first = true;
  bool has_header = true;
  size_t text_column = 0, label_column = 0;
  while (csv.next()) {
    auto fields = csv.fields();
    if (first) {
      first = false;
      auto resolve = [&](const std::string& wanted, std::span<const std::string_view> names) -> std::optional<size_t> {
        if (wanted.empty()) return find_column(fields, names);
        std::string_view name = wanted;
        auto found = find_column(fields, std::span(&name, 1));
        if (!found) {
          throw Error(ErrorCode::invalid_argument, fmt::format("{}: has no column {}; its columns are {}", csv.name(),
                                                               quote(wanted), fmt::join(fields, ", ")));
        }
        return found;
      };
      auto text = resolve(options.text_column, kTextNames);
      auto label = resolve(options.label_column, kLabelNames);
      if (text && label) {
        text_column = *text;
        label_column = *label;
        continue;
      }
      if (text || label || fields.size() < 2 || !parse_integer(fields[0])) {
        fail(csv.name(), csv.line_number(),
             fmt::format("the columns are {}; expected a header with text ({}) and label ({}), or rows of label, text",
                         quote(fmt::format("{}", fmt::join(fields, ", "))), fmt::join(kTextNames, ", "),
                         fmt::join(kLabelNames, ", ")));
      }
      has_header = false;
    }
    if (has_header) {
      rows.add(fields[text_column], fields[label_column], csv.name(), csv.line_number());
    } else {
      rows.add(fmt::format("{}", fmt::join(fields.subspan(1), " ")), fields[0], csv.name(), csv.line_number());
    }
  }
  return rows;
}

RawRows read_labelled_json_lines(const fs::path& path, const ClassificationReadOptions& options) {
  RawRows rows;
  io::JsonLineReader lines(path.string());
  while (lines.next()) {
    std::string_view text = options.text_column.empty() ? require_field(lines, kTextNames) : options.text_column;
    std::string_view label = options.label_column.empty() ? require_field(lines, kLabelNames) : options.label_column;
    std::string_view value = lines.text(text);
    rows.add(value, scalar(lines, label), lines.name(), lines.line_number());
  }
  return rows;
}

RawRows read_labelled_json(const nlohmann::json& root, const char* key, const std::string& file) {
  RawRows rows;
  auto found = root.find(key);
  if (found == root.end() || !found->is_array()) {
    throw Error(ErrorCode::corrupted, fmt::format("{}: has no array '{}' of [text, label] pairs", file, key));
  }
  size_t item = 0;
  for (const auto& pair : *found) {
    if (!pair.is_array() || pair.size() != 2 || !pair[0].is_string() || !pair[1].is_string()) {
      throw Error(ErrorCode::corrupted, fmt::format("{}: item {} of '{}' is not [text, label]", file, item, key));
    }
    rows.texts.push_back(pair[0].get<std::string>());
    rows.labels.push_back(pair[1].get<std::string>());
    ++item;
  }
  return rows;
}

RawRows read_labelled_file(const fs::path& folder, const char* name, const ClassificationReadOptions& options) {
  for (const char* suffix : {".csv", ".tsv", ".jsonl", ".csv.zst", ".tsv.zst", ".jsonl.zst"}) {
    fs::path path = folder / (std::string(name) + suffix);
    if (!fs::exists(path)) continue;
    RawRows result =
        extension(path) == ".jsonl" ? read_labelled_json_lines(path, options) : read_labelled_csv(path, options);
    if (result.texts.empty()) throw Error(ErrorCode::corrupted, fmt::format("{}: holds no row", path.string()));
    return result;
  }
  throw Error(ErrorCode::not_found,
              fmt::format("{}: has no {}.csv, {}.tsv or {}.jsonl", folder.string(), name, name, name));
}

ClassificationDataset number_labels(std::string name, RawRows train, RawRows test) {
  ClassificationDataset dataset;
  dataset.name = std::move(name);
  std::map<std::string, uint32_t> numbers;
  for (const RawRows* rows : {&train, &test}) {
    for (const std::string& label : rows->labels) numbers.emplace(label, 0);
  }
  for (auto& [label, number] : numbers) {
    number = static_cast<uint32_t>(dataset.label_names.size());
    dataset.label_names.push_back(label);
  }
  auto number = [&](RawRows& from, LabelledTexts& to) {
    for (const std::string& label : from.labels) to.labels.push_back(numbers[label]);
    to.texts = std::move(from.texts);
  };
  number(train, dataset.train);
  number(test, dataset.test);
  return dataset;
}

}  // namespace

StsDataset read_sts_file(const fs::path& path) {
  require_exists(path);
  StsDataset dataset;
  dataset.name = path.string();
  std::string kind = extension(path);
  if (kind == ".jsonl") {
    read_sts_json(dataset, path);
  } else if (kind == ".tsv" || ((kind == ".csv" || kind == ".txt") && first_line_has_tab(path))) {
    read_sts_tabs(dataset, path);
  } else if (kind == ".csv") {
    read_sts_commas(dataset, path);
  } else {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{}: not a pair file; expected .csv, .tsv or .jsonl", path.string()));
  }
  if (dataset.pairs.empty()) throw Error(ErrorCode::corrupted, fmt::format("{}: holds no scored pair", path.string()));
  return dataset;
}

std::vector<StsDataset> read_sts(const fs::path& path) {
  require_exists(path);
  std::vector<StsDataset> datasets;
  if (!fs::is_directory(path)) {
    datasets.push_back(read_sts_file(path));
    return datasets;
  }
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::recursive_directory_iterator entry(path, error), end; !error && entry != end; entry.increment(error)) {
    std::string kind = extension(entry->path());
    if (entry->is_regular_file() && (kind == ".csv" || kind == ".tsv" || kind == ".jsonl")) {
      files.push_back(entry->path());
    }
  }
  if (error) throw Error(ErrorCode::unavailable, fmt::format("{}: {}", path.string(), error.message()));
  if (files.empty()) {
    throw Error(ErrorCode::not_found, fmt::format("{}: holds no .csv, .tsv or .jsonl file", path.string()));
  }
  std::sort(files.begin(), files.end());
  for (const fs::path& file : files) datasets.push_back(read_sts_file(file));
  return datasets;
}

RetrievalDataset read_retrieval(const fs::path& folder, const RetrievalReadOptions& options) {
  require_exists(folder);
  for (const char* name : {"cran.all.1400", "cran.all"}) {
    if (fs::exists(folder / name)) return read_cranfield(folder, folder / name);
  }
  fs::path corpus = plain_or_compressed(folder / "corpus.jsonl");
  if (fs::exists(corpus)) return read_beir(folder, corpus, options);
  throw Error(ErrorCode::not_found,
              fmt::format("{}: holds neither corpus.jsonl (BEIR) nor cran.all.1400 (Cranfield)", folder.string()));
}

ClassificationDataset read_classification(const fs::path& path, const ClassificationReadOptions& options) {
  require_exists(path);
  if (fs::is_directory(path)) {
    RawRows train = read_labelled_file(path, "train", options);
    RawRows test = read_labelled_file(path, "test", options);
    return number_labels(path.string(), std::move(train), std::move(test));
  }
  if (extension(path) != ".json") {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{}: expected a folder with train and test files, or a .json file", path.string()));
  }
  std::string name = path.string();
  nlohmann::json root;
  try {
    root = base::parse_json(base::read_file(path, kJsonBytesMax));
  } catch (const nlohmann::json::parse_error&) {
    throw Error(ErrorCode::corrupted, fmt::format("{}: not valid JSON", name));
  }
  if (!root.is_object()) throw Error(ErrorCode::corrupted, fmt::format("{}: not a JSON object", name));
  RawRows train = read_labelled_json(root, "train", name);
  RawRows test = read_labelled_json(root, "test", name);
  if (train.texts.empty() || test.texts.empty()) {
    throw Error(ErrorCode::corrupted, fmt::format("{}: 'train' or 'test' is empty", name));
  }
  return number_labels(name, std::move(train), std::move(test));
}

}  // namespace sextant::eval
