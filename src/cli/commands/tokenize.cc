// sextant tokenize: texts into tokens, a JSON object a line with the fields of the recorded outputs in tests.
#include <simdjson.h>

#include "base/utf8.h"
#include "cli/commands/all.h"
#include "io/jsonl.h"
#include "io/lines.h"
#include "sextant/tokenizer.h"

namespace sextant::cli {
namespace {

struct TokenizeSettings {
  std::vector<std::string> texts;
  std::string tokenizer = "builtin";
  std::string input;
  bool plain = false;
  bool no_special_tokens = false;
  size_t max_length = 0;
  std::string truncation = "longest_first";
};

// Positions in code points of byte positions that only grow.
class CodePoints {
 public:
  explicit CodePoints(std::string_view text) : text_(text) {}
  size_t at(size_t byte) {
    if (byte < byte_) byte_ = count_ = 0;
    count_ += base::count_code_points(text_.substr(byte_, byte - byte_));
    byte_ = byte;
    return count_;
  }

 private:
  std::string_view text_;
  size_t byte_ = 0;
  size_t count_ = 0;
};

template <class Values>
void append_numbers(std::string& out, std::string_view key, const Values& values) {
  out += fmt::format(", \"{}\": [", key);
  for (size_t i = 0; i < values.size(); ++i) {
    if (i) out += ", ";
    out += std::to_string(values[i]);
  }
  out += ']';
}

void append_encoding(std::string& out, const Encoding& encoding, std::string_view a, std::string_view b) {
  append_numbers(out, "ids", encoding.ids);
  out += ", \"tokens\": [";
  for (size_t i = 0; i < encoding.tokens.size(); ++i) {
    if (i) out += ", ";
    io::append_json_string(out, encoding.tokens[i]);
  }
  out += "], \"offsets\": [";
  CodePoints in_a(a), in_b(b);
  for (size_t i = 0; i < encoding.offsets.size(); ++i) {
    CodePoints& text = encoding.sequence_ids[i] == 1 ? in_b : in_a;
    size_t begin = text.at(encoding.offsets[i].begin);
    out += fmt::format("{}[{}, {}]", i ? ", " : "", begin, text.at(encoding.offsets[i].end));
  }
  out += ']';
  append_numbers(out, "type_ids", encoding.type_ids);
  append_numbers(out, "special_mask", encoding.special_mask);
}

class Writer {
 public:
  Writer(const Tokenizer& tokenizer, EncodeOptions options) : tokenizer_(tokenizer), options_(options) {}

  void single(std::string_view text) {
    Encoding encoding = tokenizer_.encode(text, options_);
    line_ = "{\"text\": ";
    io::append_json_string(line_, text);
    append_encoding(line_, encoding, text, {});
    finish(encoding);
  }

  void pair(std::string_view a, std::string_view b) {
    Encoding encoding = tokenizer_.encode_pair(a, b, options_);
    line_ = "{\"a\": ";
    io::append_json_string(line_, a);
    line_ += ", \"b\": ";
    io::append_json_string(line_, b);
    append_encoding(line_, encoding, a, b);
    line_ += ", \"sequence_ids\": [";
    for (size_t i = 0; i < encoding.sequence_ids.size(); ++i) {
      if (i) line_ += ", ";
      line_ += encoding.sequence_ids[i] < 0 ? "null" : std::to_string(encoding.sequence_ids[i]);
    }
    line_ += ']';
    finish(encoding);
  }

 private:
  void finish(const Encoding& encoding) {
    if (options_.max_length > 0) line_ += fmt::format(", \"tokens_dropped\": {}", encoding.tokens_dropped);
    line_ += "}\n";
    print(line_);
  }

  const Tokenizer& tokenizer_;
  EncodeOptions options_;
  std::string line_;
};

void tokenize_line(Writer& writer, simdjson::dom::parser& parser, std::string_view line, const io::LineReader& reader) {
  auto bad = [&](std::string_view what) {
    return Error(ErrorCode::corrupted,
                 fmt::format("{}: line {}: {}; expected a JSON string, {{\"text\"}} or {{\"a\", \"b\"}}", reader.name(),
                             reader.line_number(), what));
  };
  simdjson::dom::element value;
  if (auto error = parser.parse(line.data(), line.size()).get(value)) throw bad(simdjson::error_message(error));
  std::string_view text, b;
  if (value.get(text) == simdjson::SUCCESS) return writer.single(text);
  simdjson::dom::object object;
  if (value.get(object) != simdjson::SUCCESS) throw bad("neither a string nor an object");
  if (object["text"].get(text) == simdjson::SUCCESS) return writer.single(text);
  if (object["a"].get(text) != simdjson::SUCCESS || object["b"].get(b) != simdjson::SUCCESS) {
    throw bad("an object without the strings it needs");
  }
  writer.pair(text, b);
}

}  // namespace

void add_tokenize(Command app, Context& context) {
  auto options = std::make_shared<TokenizeSettings>();
  Command command = app.subcommand("tokenize", "Show how a tokenizer cuts text into tokens");
  command.option("TEXT", options->texts, "Texts; without any, lines are read from --input");
  command
      .option("--tokenizer", options->tokenizer,
              "tokenizer.json, vocab.txt, vocab.json (+ merges.txt), .model, .tiktoken, or a model folder")
      .show_default();
  command.option("--input", options->input,
                 "A file, or - for stdin: a line is a JSON string, {\"text\"}, or {\"a\", \"b\"} for a pair; "
                 "a line that begins otherwise is a text itself");
  command.flag("--plain", options->plain, "Take every input line as a text, even one that looks like JSON");
  command.flag("--no-special-tokens", options->no_special_tokens, "Do not add [CLS], </s> and the like");
  command.option("--max-length", options->max_length, "Keep at most this many tokens, special ones included");
  command.option("--truncation", options->truncation, "Which text of a pair is cut first")
      .one_of({"longest_first", "only_first", "only_second"})
      .show_default();
  add_common_options(command, context, Common::quiet);
  command.callback([options] {
    EncodeOptions encode;
    encode.add_special_tokens = !options->no_special_tokens;
    encode.max_length = options->max_length;
    if (options->truncation == "only_first") encode.truncation = TruncationStrategy::only_first;
    if (options->truncation == "only_second") encode.truncation = TruncationStrategy::only_second;
    std::unique_ptr<Embedder> builtin;
    std::optional<Tokenizer> loaded;
    if (options->tokenizer == "builtin") {
      builtin = Embedder::load("builtin");
    } else {
      loaded.emplace(Tokenizer::load(options->tokenizer));
    }
    Writer writer(loaded ? *loaded : builtin->tokenizer(), encode);
    for (const std::string& text : options->texts) writer.single(text);
    if (!options->texts.empty() && options->input.empty()) return;
    io::LineReader reader(options->input.empty() ? "-" : options->input);
    simdjson::dom::parser parser;
    std::string_view line;
    while (reader.next(line)) {
      size_t first = line.find_first_not_of(" \t");
      bool json = !options->plain && first != std::string_view::npos && (line[first] == '"' || line[first] == '{');
      if (json) {
        tokenize_line(writer, parser, line, reader);
      } else {
        writer.single(line);
      }
    }
  });
}

}  // namespace sextant::cli
