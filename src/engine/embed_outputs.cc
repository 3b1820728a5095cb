#include "engine/embed_outputs.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/threads.h"
#include "io/bytes.h"
#include "io/jsonl.h"
#include "sextant/error.h"

namespace sextant::engine {
namespace {

constexpr size_t kBatchItems = 64;
constexpr size_t kSliceItems = 8;

void append_row(std::string& line, std::span<const float> values) {
  line += '[';
  for (size_t i = 0; i < values.size(); ++i) {
    if (i > 0) line += ", ";
    io::append_json_number(line, values[i]);
  }
  line += ']';
}

void append_rows(std::string& line, std::span<const float> values, size_t width) {
  line += '[';
  for (size_t begin = 0; begin < values.size(); begin += width) {
    if (begin > 0) line += ", ";
    append_row(line, values.subspan(begin, width));
  }
  line += ']';
}

template <class Values, class Append>
void append_list(std::string& line, std::string_view key, const Values& values, Append append) {
  line += fmt::format(", \"{}\": [", key);
  for (size_t i = 0; i < values.size(); ++i) {
    if (i > 0) line += ", ";
    append(values[i]);
  }
  line += ']';
}

void append_tokens(std::string& line, const TokenVectors& tokens) {
  append_list(line, "tokens", tokens.tokens, [&](const std::string& token) { io::append_json_string(line, token); });
  append_list(line, "ids", tokens.ids, [&](TokenId id) { line += std::to_string(id); });
  append_list(line, "offsets", tokens.offsets,
              [&](const TokenOffset& offset) { line += fmt::format("[{}, {}]", offset.begin, offset.end); });
  line += ", \"vectors\": ";
  append_rows(line, tokens.vectors, tokens.dim);
}

class OutputsStream {
 public:
  OutputsStream(const Embedder& model, const EmbedOutputsOptions& options)
      : model_(model),
        options_(options),
        pool_(base::ThreadPool::shared(options.thread_count)),
        dim_(options.embed.dim > 0 ? options.embed.dim : model.dim()),
        out_(options.output.empty() ? "-" : options.output) {}

  void add(SourceItem&& item) {
    batch_.push_back(std::move(item));
    if (batch_.size() == kBatchItems) flush();
  }

  EmbedStreamReport finish() {
    flush();
    out_.finish();
    return std::move(report_);
  }

 private:
  void flush() {
    std::vector<std::string> lines(batch_.size());
    const size_t slices = (batch_.size() + kSliceItems - 1) / kSliceItems;
    std::vector<EmbedReport> reports(slices);
    const uint64_t first = report_.item_count;
    pool_.parallel_for(slices, [&](size_t slice, size_t) {
      const size_t begin = slice * kSliceItems;
      const size_t end = std::min(batch_.size(), begin + kSliceItems);
      compute(begin, end, first, reports[slice], lines);
    });
    for (size_t slice = 0; slice < slices; ++slice) {
      const EmbedReport& report = reports[slice];
      report_.token_count += report.token_count;
      report_.unknown_count += report.unknown_count;
      report_.empty_count += report.empty.size();
      for (const auto& cut : report.truncated) {
        const size_t at = slice * kSliceItems + cut.item;
        note_truncation(report_, options_.on_overflow, batch_[at].name, first + at, cut.tokens_dropped,
                        options_.embed.max_length > 0 ? options_.embed.max_length : model_.max_length());
      }
    }
    for (const std::string& line : lines) out_.write(line);
    report_.item_count += batch_.size();
    report_.row_count += batch_.size();
    batch_.clear();
  }

  void compute(size_t begin, size_t end, uint64_t first, EmbedReport& report, std::vector<std::string>& lines) const {
    std::vector<std::string_view> texts;
    for (size_t i = begin; i < end; ++i) texts.push_back(batch_[i].text);
    Outputs outputs;
    if (!options_.tokens) model_.embed_outputs(texts, options_.embed, options_.wanted, outputs, &report);
    for (size_t i = begin; i < end; ++i) {
      std::string& line = lines[i];
      line = fmt::format("{{\"index\": {}", first + i);
      const size_t at = i - begin;
      if (options_.tokens) {
        EmbedReport one;
        append_tokens(line, model_.embed_tokens(texts[at], options_.embed, &one));
        add_report(report, one, at);
      }
      if (!options_.tokens && options_.wanted.dense) {
        line += ", \"embedding\": ";
        append_row(line, std::span(outputs.dense).subspan(at * dim_, dim_));
      }
      if (!options_.tokens && options_.wanted.sparse) {
        const SparseVector& sparse = outputs.sparse[at];
        line += ", \"sparse\": {\"tokens\": [";
        for (size_t t = 0; t < sparse.ids.size(); ++t) {
          if (t > 0) line += ", ";
          io::append_json_string(line, model_.tokenizer().id_to_token(sparse.ids[t]));
        }
        line += ']';
        append_list(line, "indices", sparse.ids, [&](TokenId id) { line += std::to_string(id); });
        append_list(line, "values", sparse.weights, [&](float weight) { io::append_json_number(line, weight); });
        line += '}';
      }
      if (!options_.tokens && options_.wanted.multi) {
        line += ", \"multi\": ";
        append_rows(line, outputs.multi[at].vectors, outputs.multi[at].dim);
      }
      line += "}\n";
    }
  }

  // The report of a single text, the slice's AT-th.
  static void add_report(EmbedReport& slice, const EmbedReport& one, size_t at) {
    slice.token_count += one.token_count;
    slice.unknown_count += one.unknown_count;
    if (!one.empty.empty()) slice.empty.push_back(at);
    for (const auto& cut : one.truncated) slice.truncated.push_back({at, cut.tokens_dropped});
  }

  const Embedder& model_;
  const EmbedOutputsOptions& options_;
  base::ThreadPool& pool_;
  size_t dim_;
  io::ByteWriter out_;
  std::vector<SourceItem> batch_;
  EmbedStreamReport report_;
};

}  // namespace

OutputSet parse_outputs(std::string_view list) {
  OutputSet set;
  set.dense = false;
  for (size_t begin = 0; begin <= list.size();) {
    const size_t end = std::min(list.find(',', begin), list.size());
    const std::string_view name = list.substr(begin, end - begin);
    if (name == "dense") {
      set.dense = true;
    } else if (name == "sparse") {
      set.sparse = true;
    } else if (name == "multi") {
      set.multi = true;
    } else {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("output '{}' is unknown; expected dense, sparse or multi, joined by commas", name));
    }
    begin = end + 1;
  }
  return set;
}

EmbedStreamReport embed_outputs(const Embedder& model, TextSource& source, const EmbedOutputsOptions& options,
                                base::Progress* progress) {
  const bool to_stdout = options.output.empty() || options.output == "-";
  if (!to_stdout && !options.output.ends_with(".jsonl")) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("output '{}' has an unknown ending; sparse and token vectors are written as .jsonl",
                            options.output));
  }
  if (options.on_overflow == OnOverflow::chunk) {
    throw Error(ErrorCode::invalid_argument, "--on-overflow chunk is for dense vectors alone");
  }
  OutputsStream stream(model, options);
  for_each_item(source, progress, [&](SourceItem&& item) { stream.add(std::move(item)); });
  EmbedStreamReport report = stream.finish();
  report.skipped = source.skipped();
  return report;
}

}  // namespace sextant::engine
