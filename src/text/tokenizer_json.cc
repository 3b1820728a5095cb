// Reads tokenizer.json. Every construct is either understood or refused by name: a default taken in silence would
// change ids.
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>

#include "sextant/error.h"
#include "text/bpe.h"
#include "text/normalizer_precompiled.h"
#include "text/pipeline.h"
#include "text/unicode.h"
#include "text/unigram.h"
#include "text/wordlevel.h"
#include "text/wordpiece.h"

namespace sextant::text {
namespace {

namespace dom = simdjson::dom;

constexpr int kDepthMax = 32;  // of Sequences inside Sequences

std::string kind_of(const dom::element& value) {
  switch (value.type()) {
    case dom::element_type::ARRAY:
      return "a list";
    case dom::element_type::OBJECT:
      return "an object";
    case dom::element_type::STRING:
      return "a string";
    case dom::element_type::BOOL:
      return "true or false";
    case dom::element_type::NULL_VALUE:
      return "null";
    default:
      return "a number";
  }
}

// A value and where it stands, so that every complaint names its field.
class Field {
 public:
  Field(dom::element value, std::string path, std::string_view source)
      : value_(value), path_(std::move(path)), source_(source) {}

  [[noreturn]] void fail(ErrorCode code, const std::string& what) const {
    throw Error(code, std::string(source_) + ": " + (path_.empty() ? "the top level" : path_) + " " + what);
  }
  [[noreturn]] void expected(const std::string& what) const {
    fail(ErrorCode::corrupted, "is " + kind_of(value_) + ", expected " + what);
  }

  // The member, unless it is absent or null.
  std::optional<Field> find(std::string_view key) const {
    dom::element member;
    if (object()[key].get(member) != simdjson::SUCCESS || member.is_null()) return std::nullopt;
    return Field(member, path_.empty() ? std::string(key) : path_ + "." + std::string(key), source_);
  }
  Field get(std::string_view key) const {
    if (auto member = find(key)) return *member;
    fail(ErrorCode::corrupted, "has no \"" + std::string(key) + "\"");
  }
  std::vector<Field> items() const {
    std::vector<Field> fields;
    size_t index = 0;
    for (dom::element item : array()) {
      fields.emplace_back(item, path_ + "[" + std::to_string(index++) + "]", source_);
    }
    return fields;
  }

  dom::object object() const {
    dom::object object;
    if (value_.get(object) != simdjson::SUCCESS) expected("an object");
    return object;
  }
  dom::array array() const {
    dom::array array;
    if (value_.get(array) != simdjson::SUCCESS) expected("a list");
    return array;
  }
  std::string_view string() const {
    std::string_view text;
    if (value_.get(text) != simdjson::SUCCESS) expected("a string");
    return text;
  }
  bool boolean() const {
    bool flag = false;
    if (value_.get(flag) != simdjson::SUCCESS) expected("true or false");
    return flag;
  }
  uint64_t unsigned_integer(uint64_t highest) const {
    uint64_t number = 0;
    if (value_.get(number) != simdjson::SUCCESS) expected("a number of 0 or more");
    if (number > highest) {
      fail(ErrorCode::unsupported,
           "is " + std::to_string(number) + ", the highest supported is " + std::to_string(highest));
    }
    return number;
  }
  TokenId token_id() const { return static_cast<TokenId>(unsigned_integer(kTokenIdMax)); }
  bool boolean_or(std::string_view key, bool otherwise) const {
    auto member = find(key);
    return member ? member->boolean() : otherwise;
  }
  std::string string_or(std::string_view key, std::string_view otherwise) const {
    auto member = find(key);
    return std::string(member ? member->string() : otherwise);
  }
  std::string_view type() const { return get("type").string(); }
  [[noreturn]] void unknown_type() const {
    fail(ErrorCode::unsupported, "has the type \"" + std::string(type()) + "\", which Sextant does not know");
  }
  const std::string& path() const { return path_; }
  std::string_view source() const { return source_; }
  const dom::element& value() const { return value_; }

 private:
  dom::element value_;
  std::string path_;
  std::string_view source_;
};

// The parser copies the text; the fields' strings point into the copy and end with the parser.
dom::element parse(dom::parser& parser, std::string_view json, std::string_view source) {
  dom::element root;
  if (auto error = parser.parse(json.data(), json.size()).get(root); error != simdjson::SUCCESS) {
    throw Error(ErrorCode::corrupted, std::string(source) + ": not valid JSON: " + simdjson::error_message(error));
  }
  return root;
}

void check_depth(const Field& field, int depth) {
  if (depth > kDepthMax) field.fail(ErrorCode::unsupported, "is nested deeper than " + std::to_string(kDepthMax));
}

std::string where(const Field& field) { return std::string(field.source()) + ": " + field.path(); }

// {"Regex": "..."} or {"String": "..."}.
Regex read_regex(const Field& field) {
  try {
    if (auto pattern = field.find("Regex")) return Regex(pattern->string());
    if (auto text = field.find("String")) return Regex(Regex::escaped(text->string()));
  } catch (const Error& e) {
    throw Error(e.code(), where(field) + ": " + e.what());
  }
  field.expected("an object with \"Regex\" or \"String\"");
}

std::string decode_base64(const Field& field) {
  std::string out;
  if (!append_base64_bytes(field.string(), out)) field.fail(ErrorCode::corrupted, "is not base64");
  return out;
}

SplitBehavior read_behavior(const Field& field) {
  std::string_view name = field.string();
  if (name == "Removed") return SplitBehavior::removed;
  if (name == "Isolated") return SplitBehavior::isolated;
  if (name == "MergedWithPrevious") return SplitBehavior::merged_with_previous;
  if (name == "MergedWithNext") return SplitBehavior::merged_with_next;
  if (name == "Contiguous") return SplitBehavior::contiguous;
  field.fail(ErrorCode::unsupported, "is \"" + std::string(name) +
                                         "\", expected Removed, Isolated, MergedWithPrevious, MergedWithNext or "
                                         "Contiguous");
}

// A string of one character.
char32_t read_character(const Field& field) {
  std::string_view text = field.string();
  size_t end = 0;
  char32_t c = text.empty() ? 0 : next_code_point(text, end);
  if (text.empty() || end != text.size()) field.fail(ErrorCode::corrupted, "is not one character");
  return c;
}

std::unique_ptr<ReplaceNormalizer> read_replace(const Field& field) {
  Field pattern = field.get("pattern");
  std::string content(field.get("content").string());
  if (auto text = pattern.find("String")) return ReplaceNormalizer::of_string(text->string(), content);
  return std::make_unique<ReplaceNormalizer>(read_regex(pattern), content);
}

std::unique_ptr<Normalizer> read_normalizer(const Field& field, int depth) {
  check_depth(field, depth);
  std::string_view type = field.type();
  if (type == "Sequence") {
    std::vector<std::unique_ptr<Normalizer>> steps;
    for (const Field& item : field.get("normalizers").items()) steps.push_back(read_normalizer(item, depth + 1));
    return std::make_unique<NormalizerSequence>(std::move(steps));
  }
  if (type == "BertNormalizer") {
    BertNormalizerOptions options;
    options.clean_text = field.get("clean_text").boolean();
    options.space_ideographs = field.get("handle_chinese_chars").boolean();
    if (auto strip = field.find("strip_accents")) options.strip_accents = strip->boolean();
    options.lowercase = field.get("lowercase").boolean();
    return std::make_unique<BertNormalizer>(options);
  }
  if (type == "NFC") return std::make_unique<UnicodeNormalizer>(UnicodeForm::nfc);
  if (type == "NFD") return std::make_unique<UnicodeNormalizer>(UnicodeForm::nfd);
  if (type == "NFKC") return std::make_unique<UnicodeNormalizer>(UnicodeForm::nfkc);
  if (type == "NFKD") return std::make_unique<UnicodeNormalizer>(UnicodeForm::nfkd);
  if (type == "Lowercase") return std::make_unique<LowercaseNormalizer>();
  if (type == "StripAccents") return std::make_unique<StripAccentsNormalizer>();
  if (type == "Nmt") return std::make_unique<NmtNormalizer>();
  if (type == "ByteLevel") return std::make_unique<ByteLevelNormalizer>();
  if (type == "Prepend") return std::make_unique<PrependNormalizer>(std::string(field.get("prepend").string()));
  if (type == "Strip" || type == "StripNormalizer") {
    return std::make_unique<StripNormalizer>(field.get("strip_left").boolean(), field.get("strip_right").boolean());
  }
  if (type == "Replace") return read_replace(field);
  if (type == "Precompiled") {
    Field map = field.get("precompiled_charsmap");
    return std::make_unique<PrecompiledNormalizer>(Charsmap(decode_base64(map), where(map)));
  }
  field.unknown_type();
}

std::unique_ptr<PreTokenizer> read_pre_tokenizer(const Field& field, int depth) {
  check_depth(field, depth);
  std::string_view type = field.type();
  if (type == "Sequence") {
    std::vector<std::unique_ptr<PreTokenizer>> steps;
    for (const Field& item : field.get("pretokenizers").items()) steps.push_back(read_pre_tokenizer(item, depth + 1));
    return std::make_unique<PreTokenizerSequence>(std::move(steps));
  }
  if (type == "BertPreTokenizer") return std::make_unique<BertPreTokenizer>();
  if (type == "Whitespace") return std::make_unique<WhitespacePreTokenizer>();
  if (type == "WhitespaceSplit") return std::make_unique<WhitespaceSplit>();
  if (type == "UnicodeScripts") return std::make_unique<UnicodeScripts>();
  if (type == "Digits") return std::make_unique<DigitsPreTokenizer>(field.boolean_or("individual_digits", false));
  if (type == "Punctuation") {
    auto behavior = field.find("behavior");
    return std::make_unique<PunctuationPreTokenizer>(behavior ? read_behavior(*behavior) : SplitBehavior::isolated);
  }
  if (type == "CharDelimiterSplit") return std::make_unique<CharDelimiterSplit>(read_character(field.get("delimiter")));
  if (type == "FixedLength") {
    auto length = field.find("length");
    size_t characters = length ? length->unsigned_integer(uint64_t{1} << 31) : 5;
    if (characters == 0) length->fail(ErrorCode::corrupted, "is 0, expected 1 or more");
    return std::make_unique<FixedLength>(characters);
  }
  if (type == "Split") {
    return std::make_unique<SplitPreTokenizer>(read_regex(field.get("pattern")), read_behavior(field.get("behavior")),
                                               field.boolean_or("invert", false));
  }
  if (type == "ByteLevel") {
    return std::make_unique<ByteLevelPreTokenizer>(field.get("add_prefix_space").boolean(),
                                                   field.boolean_or("use_regex", true));
  }
  if (type == "Metaspace") {
    auto prepend = Metaspace::Prepend::always;
    auto scheme = field.find("prepend_scheme");
    if (scheme) {
      std::string_view given = scheme->string();
      if (given == "first") {
        prepend = Metaspace::Prepend::first;
      } else if (given == "never") {
        prepend = Metaspace::Prepend::never;
      } else if (given != "always") {
        scheme->fail(ErrorCode::unsupported, "is \"" + std::string(given) + "\", expected always, first or never");
      }
    }
    // The older form says only whether.
    if (!field.boolean_or("add_prefix_space", true)) {
      if (scheme && prepend != Metaspace::Prepend::never) {
        scheme->fail(ErrorCode::corrupted, "contradicts add_prefix_space, which is false");
      }
      prepend = Metaspace::Prepend::never;
    }
    return std::make_unique<Metaspace>(read_character(field.get("replacement")), prepend,
                                       field.boolean_or("split", true));
  }
  field.unknown_type();
}

std::vector<TemplatePiece> read_template(const Field& field, const Field& special_tokens) {
  std::vector<TemplatePiece> pieces;
  for (const Field& item : field.items()) {
    TemplatePiece piece;
    if (auto sequence = item.find("Sequence")) {
      std::string_view id = sequence->get("id").string();
      if (id != "A" && id != "B") sequence->fail(ErrorCode::corrupted, "has an id other than \"A\" and \"B\"");
      piece.sequence = id == "B";
      piece.type_id = static_cast<uint8_t>(sequence->get("type_id").unsigned_integer(255));
    } else if (auto special = item.find("SpecialToken")) {
      std::string_view id = special->get("id").string();
      piece.type_id = static_cast<uint8_t>(special->get("type_id").unsigned_integer(255));
      auto entry = special_tokens.find(id);
      if (!entry) special->fail(ErrorCode::corrupted, "names \"" + std::string(id) + "\", which special_tokens lacks");
      for (const Field& token_id : entry->get("ids").items()) piece.ids.push_back(token_id.token_id());
      for (const Field& token : entry->get("tokens").items()) piece.tokens.emplace_back(token.string());
      if (piece.ids.size() != piece.tokens.size())
        entry->fail(ErrorCode::corrupted, "has more ids than tokens, or less");
    } else {
      item.expected("an object with \"Sequence\" or \"SpecialToken\"");
    }
    pieces.push_back(std::move(piece));
  }
  return pieces;
}

std::unique_ptr<PostProcessor> read_post_processor(const Field& field, int depth) {
  check_depth(field, depth);
  std::string_view type = field.type();
  if (type == "Sequence") {
    std::vector<std::unique_ptr<PostProcessor>> steps;
    for (const Field& item : field.get("processors").items()) steps.push_back(read_post_processor(item, depth + 1));
    return std::make_unique<PostProcessorSequence>(std::move(steps));
  }
  if (type == "TemplateProcessing") {
    Field special_tokens = field.get("special_tokens");
    std::vector<TemplatePiece> single = read_template(field.get("single"), special_tokens);
    std::vector<TemplatePiece> pair = read_template(field.get("pair"), special_tokens);
    if (std::any_of(single.begin(), single.end(), [](const TemplatePiece& piece) { return piece.sequence == 1; })) {
      field.fail(ErrorCode::corrupted, "names a second text in \"single\"");
    }
    return std::make_unique<TemplateProcessing>(std::move(single), std::move(pair));
  }
  if (type == "ByteLevel") {
    return std::make_unique<ByteLevelProcessing>(field.boolean_or("add_prefix_space", true),
                                                 field.boolean_or("trim_offsets", true));
  }
  if (type == "BertProcessing" || type == "RobertaProcessing") {
    auto read_token = [&](std::string_view key) {
      std::vector<Field> parts = field.get(key).items();
      if (parts.size() != 2) field.get(key).fail(ErrorCode::corrupted, "is not a pair of a token and its id");
      return ClassifierProcessing::Token{parts[1].token_id(), std::string(parts[0].string())};
    };
    ClassifierProcessing::Options options;
    options.first = read_token("cls");
    options.last = read_token("sep");
    options.roberta = type == "RobertaProcessing";
    options.trim_offsets = options.roberta && field.boolean_or("trim_offsets", true);
    options.add_prefix_space = options.roberta && field.boolean_or("add_prefix_space", true);
    return std::make_unique<ClassifierProcessing>(std::move(options));
  }
  field.unknown_type();
}

std::unique_ptr<Decoder> read_decoder(const Field& field, int depth) {
  check_depth(field, depth);
  std::string_view type = field.type();
  if (type == "Sequence") {
    std::vector<std::unique_ptr<Decoder>> steps;
    for (const Field& item : field.get("decoders").items()) steps.push_back(read_decoder(item, depth + 1));
    return std::make_unique<DecoderSequence>(std::move(steps));
  }
  if (type == "ByteLevel") return std::make_unique<ByteLevelDecoder>();
  if (type == "ByteFallback") return std::make_unique<ByteFallbackDecoder>();
  if (type == "Fuse") return std::make_unique<FuseDecoder>();
  if (type == "WordPiece") {
    return std::make_unique<WordPieceDecoder>(field.string_or("prefix", "##"), field.boolean_or("cleanup", true));
  }
  if (type == "BPEDecoder") return std::make_unique<BpeDecoder>(field.string_or("suffix", "</w>"));
  if (type == "Metaspace") {
    std::string mark;
    base::append_utf8(mark, read_character(field.get("replacement")));
    bool never = field.string_or("prepend_scheme", "always") == "never" || !field.boolean_or("add_prefix_space", true);
    return std::make_unique<MetaspaceDecoder>(mark, !never);
  }
  if (type == "Strip") {
    constexpr uint64_t kCountMax = uint64_t{1} << 31;
    return std::make_unique<StripDecoder>(read_character(field.get("content")),
                                          field.get("start").unsigned_integer(kCountMax),
                                          field.get("stop").unsigned_integer(kCountMax));
  }
  if (type == "Replace") return std::make_unique<ReplaceDecoder>(read_replace(field));
  if (type == "CTC") {
    return std::make_unique<CtcDecoder>(field.string_or("pad_token", "<pad>"),
                                        field.string_or("word_delimiter_token", "|"),
                                        field.boolean_or("cleanup", true));
  }
  field.unknown_type();
}

Vocabulary read_vocabulary(const Field& field) {
  Vocabulary vocabulary;
  dom::object object = field.object();
  vocabulary.reserve(object.size(), object.size() * 8);
  for (auto [token, value] : object) {
    uint64_t id = 0;
    if (value.get(id) != simdjson::SUCCESS || id > kTokenIdMax) {
      field.fail(ErrorCode::corrupted, "gives \"" + std::string(token) + "\" an id that is not a number from 0 to " +
                                           std::to_string(kTokenIdMax));
    }
    vocabulary.add(token, static_cast<TokenId>(id));
  }
  return vocabulary;
}

std::unique_ptr<Model> read_bpe(const Field& field) {
  BpeOptions options;
  if (auto unknown = field.find("unk_token")) options.unknown_token = std::string(unknown->string());
  options.continuing_prefix = field.string_or("continuing_subword_prefix", "");
  options.end_of_word_suffix = field.string_or("end_of_word_suffix", "");
  options.fuse_unknown = field.boolean_or("fuse_unk", false);
  options.byte_fallback = field.boolean_or("byte_fallback", false);
  options.ignore_merges = field.boolean_or("ignore_merges", false);
  if (auto dropout = field.find("dropout")) {
    double rate = 0;
    if (dropout->value().get(rate) != simdjson::SUCCESS) dropout->expected("a number or null");
    if (rate != 0) dropout->fail(ErrorCode::unsupported, "asks for random merges, expected null or 0");
  }
  Field list = field.get("merges");
  std::vector<Bpe::Merge> merges;
  merges.reserve(list.array().size());
  size_t rank = 0;
  for (dom::element item : list.array()) {
    auto fail = [&] {
      list.fail(ErrorCode::corrupted, "has at " + std::to_string(rank) + " something other than two tokens");
    };
    std::string_view line;
    dom::array pair;
    if (item.get(line) == simdjson::SUCCESS) {
      size_t space = line.find(' ');
      if (space == std::string_view::npos || line.find(' ', space + 1) != std::string_view::npos) fail();
      merges.push_back({line.substr(0, space), line.substr(space + 1), static_cast<uint32_t>(rank)});
    } else if (item.get(pair) == simdjson::SUCCESS && pair.size() == 2) {
      Bpe::Merge merge;
      merge.rank = static_cast<uint32_t>(rank);
      if (pair.at(0).get(merge.left) != simdjson::SUCCESS || pair.at(1).get(merge.right) != simdjson::SUCCESS) fail();
      merges.push_back(merge);
    } else {
      fail();
    }
    ++rank;
  }
  try {
    return std::make_unique<Bpe>(read_vocabulary(field.get("vocab")), merges, std::move(options));
  } catch (const Error& e) {
    throw Error(e.code(), std::string(field.source()) + ": " + e.what());
  }
}

// The number as the reference's JSON reader rounds it: its digits as an integer, then one division or multiplication by
// a power of ten. That is off by a bit now and then, and such bits decide between ways of equal score.
double reference_rounding(double exact) {
  if (exact == 0 || !std::isfinite(exact)) return exact;
  char text[40];
  auto [end, error] = std::to_chars(text, text + sizeof text, std::abs(exact), std::chars_format::scientific);
  uint64_t digits = 0;
  int exponent = 0;
  bool fraction = false;
  const char* i = text;
  for (; i != end && *i != 'e'; ++i) {
    if (*i == '.') {
      fraction = true;
      continue;
    }
    digits = digits * 10 + static_cast<uint64_t>(*i - '0');
    exponent -= fraction;
  }
  int scale = 0;
  i += 2;  // "e" and the sign
  for (; i < end; ++i) scale = scale * 10 + (*i - '0');
  exponent += std::abs(exact) < 1 ? -scale : scale;
  if (exponent < -308 || exponent > 308) return exact;
  double power = std::pow(10.0, std::abs(exponent));
  auto rounded = static_cast<double>(digits);
  rounded = exponent < 0 ? rounded / power : rounded * power;
  return exact < 0 ? -rounded : rounded;
}

std::unique_ptr<Model> read_unigram(const Field& field) {
  UnigramOptions options;
  Field list = field.get("vocab");
  std::vector<std::pair<std::string, double>> scored;
  scored.reserve(list.array().size());
  for (dom::element item : list.array()) {
    dom::array pair;
    std::string_view token;
    double score = 0;
    if (item.get(pair) != simdjson::SUCCESS || pair.size() != 2 || pair.at(0).get(token) != simdjson::SUCCESS ||
        pair.at(1).get(score) != simdjson::SUCCESS) {
      list.fail(ErrorCode::corrupted,
                "has at " + std::to_string(scored.size()) + " something other than [token, score]");
    }
    scored.emplace_back(token, reference_rounding(score));
  }
  if (scored.size() > static_cast<size_t>(kTokenIdMax)) {
    list.fail(ErrorCode::unsupported, "has more than " + std::to_string(kTokenIdMax) + " tokens");
  }
  if (auto unknown = field.find("unk_id")) {
    options.unknown_id = unknown->token_id();
    if (static_cast<size_t>(options.unknown_id) >= scored.size()) {
      unknown->fail(ErrorCode::corrupted, "is " + std::to_string(options.unknown_id) + ", past the vocabulary's " +
                                              std::to_string(scored.size()) + " tokens");
    }
  }
  options.byte_fallback = field.boolean_or("byte_fallback", false);
  try {
    return std::make_unique<Unigram>(std::move(scored), options);
  } catch (const Error& e) {
    throw Error(e.code(), std::string(field.source()) + ": " + e.what());
  }
}

std::unique_ptr<Model> read_model(const Field& field) {
  std::string type;
  if (auto given = field.find("type")) {
    type = given->string();
  } else if (field.find("merges")) {
    type = "BPE";  // older files leave the type out
  } else if (field.get("vocab").value().is_array()) {
    type = "Unigram";
  } else {
    type = field.find("continuing_subword_prefix") ? "WordPiece" : "WordLevel";
  }
  if (type == "BPE") return read_bpe(field);
  if (type == "Unigram") return read_unigram(field);
  if (type == "WordLevel") {
    return std::make_unique<WordLevel>(read_vocabulary(field.get("vocab")), field.string_or("unk_token", "<unk>"));
  }
  if (type == "WordPiece") {
    WordPieceOptions options;
    options.unknown_token = field.string_or("unk_token", options.unknown_token);
    options.continuing_prefix = field.string_or("continuing_subword_prefix", options.continuing_prefix);
    if (auto longest = field.find("max_input_chars_per_word")) {
      options.word_chars_max = longest->unsigned_integer(uint64_t{1} << 40);
    }
    return std::make_unique<WordPiece>(read_vocabulary(field.get("vocab")), options);
  }
  field.get("type").fail(ErrorCode::unsupported, "is \"" + type + "\", which Sextant does not know");
}

}  // namespace

bool append_base64_bytes(std::string_view text, std::string& out) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  static const std::array<int8_t, 256> values = [&] {
    std::array<int8_t, 256> table{};
    table.fill(-1);
    for (size_t i = 0; i < kAlphabet.size(); ++i) {
      table[static_cast<unsigned char>(kAlphabet[i])] = static_cast<int8_t>(i);
    }
    return table;
  }();
  while (text.ends_with('=')) text.remove_suffix(1);
  uint32_t bits = 0;
  int count = 0;
  for (char c : text) {
    int value = values[static_cast<unsigned char>(c)];
    if (value < 0) return false;
    bits = bits << 6 | static_cast<uint32_t>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out += static_cast<char>(bits >> count & 0xFF);
  }
  return true;
}

bool is_tokenizer_json(std::string_view json, std::string_view source) {
  dom::parser parser;
  Field file(parse(parser, json, source), "", source);
  auto model = file.find("model");
  return model && model->value().is_object();
}

VocabularyFileOptions read_tokenizer_config(std::string_view json, std::string_view source) {
  dom::parser parser;
  Field file(parse(parser, json, source), "", source);
  VocabularyFileOptions options;
  options.lowercase = file.boolean_or("do_lower_case", options.lowercase);
  options.space_ideographs = file.boolean_or("tokenize_chinese_chars", options.space_ideographs);
  options.add_prefix_space = file.boolean_or("add_prefix_space", options.add_prefix_space);
  if (auto strip = file.find("strip_accents")) options.strip_accents = strip->boolean();
  return options;
}

Vocabulary read_vocabulary_json(std::string_view json, std::string_view source) {
  dom::parser parser;
  return read_vocabulary(Field(parse(parser, json, source), "", source));
}

std::unique_ptr<Pipeline> read_tokenizer_json(std::string_view json, std::string_view source) {
  dom::parser parser;
  Field file(parse(parser, json, source), "", source);
  auto pipeline = std::make_unique<Pipeline>();
  pipeline->model = read_model(file.get("model"));
  if (auto field = file.find("normalizer")) pipeline->normalizer = read_normalizer(*field, 0);
  if (auto field = file.find("pre_tokenizer")) pipeline->pre_tokenizer = read_pre_tokenizer(*field, 0);
  if (auto field = file.find("post_processor")) pipeline->post_processor = read_post_processor(*field, 0);
  if (auto field = file.find("decoder")) pipeline->decoder = read_decoder(*field, 0);
  pipeline->needs_alignment = pipeline->pre_tokenizer && pipeline->pre_tokenizer->needs_alignment();
  std::vector<AddedToken> added;
  if (auto list = file.find("added_tokens")) {
    for (const Field& item : list->items()) {
      AddedToken token;
      token.content = item.get("content").string();
      token.single_word = item.boolean_or("single_word", false);
      token.strip_left = item.boolean_or("lstrip", false);
      token.strip_right = item.boolean_or("rstrip", false);
      token.special = item.boolean_or("special", false);
      token.normalized = item.boolean_or("normalized", !token.special);
      item.get("id").token_id();
      added.push_back(std::move(token));
    }
  }
  pipeline->add_tokens(std::move(added));
  return pipeline;
}

}  // namespace sextant::text
