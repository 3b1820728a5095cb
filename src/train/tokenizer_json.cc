#include "train/tokenizer_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/json.h"
#include "sextant/error.h"

namespace sextant::train {
namespace {

using Json = nlohmann::ordered_json;

size_t id_of(const SpecialTokens& special, const std::string& token) {
  return static_cast<size_t>(std::find(special.all.begin(), special.all.end(), token) - special.all.begin());
}

Json added_tokens(const SpecialTokens& special) {
  Json list = Json::array();
  for (const std::string& token : special.all) {
    list.push_back({{"id", list.size()},
                    {"content", token},
                    {"single_word", false},
                    {"lstrip", false},
                    {"rstrip", false},
                    {"normalized", false},
                    {"special", true}});
  }
  return list;
}

Json template_special(const std::string& token, int type_id) {
  return {{"SpecialToken", {{"id", token}, {"type_id", type_id}}}};
}
Json template_sequence(const char* id, int type_id) { return {{"Sequence", {{"id", id}, {"type_id", type_id}}}}; }

// FIRST a LAST, and for a pair FIRST a LAST b LAST; DOUBLE_LAST puts another LAST before b.
Json template_processing(const SpecialTokens& special, int second_type_id, bool double_last) {
  if (!special.first || !special.last) return nullptr;
  const std::string& first = *special.first;
  const std::string& last = *special.last;
  Json single = {template_special(first, 0), template_sequence("A", 0), template_special(last, 0)};
  Json pair = single;
  if (double_last) pair.push_back(template_special(last, second_type_id));
  pair.push_back(template_sequence("B", second_type_id));
  pair.push_back(template_special(last, second_type_id));
  Json tokens = Json::object();
  for (const std::string& token : {first, last}) {
    tokens[token] = {{"id", token}, {"ids", {id_of(special, token)}}, {"tokens", {token}}};
  }
  return {{"type", "TemplateProcessing"}, {"single", single}, {"pair", pair}, {"special_tokens", tokens}};
}

Json vocabulary_object(const std::vector<std::string>& tokens) {
  Json::object_t object;
  object.reserve(tokens.size());
  // emplace() would look for each key among all before it; the tokens are distinct.
  for (size_t id = 0; id < tokens.size(); ++id) {
    static_cast<std::vector<std::pair<const std::string, Json>>&>(object).emplace_back(tokens[id], id);
  }
  return object;
}

std::string file(const SpecialTokens& special, Json normalizer, Json pre_tokenizer, Json post_processor, Json decoder,
                 Json model) {
  Json all = {{"version", "1.0"},
              {"truncation", nullptr},
              {"padding", nullptr},
              {"added_tokens", added_tokens(special)},
              {"normalizer", std::move(normalizer)},
              {"pre_tokenizer", std::move(pre_tokenizer)},
              {"post_processor", std::move(post_processor)},
              {"decoder", std::move(decoder)},
              {"model", std::move(model)}};
  return base::json_text(all, 2) + "\n";
}

}  // namespace

SpecialTokens parse_special_tokens(const std::vector<std::string>& tokens) {
  SpecialTokens special;
  for (const std::string& token : tokens) {
    if (token.empty()) throw Error(ErrorCode::invalid_argument, "special tokens: an empty token");
    if (std::find(special.all.begin(), special.all.end(), token) != special.all.end()) {
      throw Error(ErrorCode::invalid_argument, fmt::format("special tokens: {} is named twice", token));
    }
    special.all.push_back(token);
    for (auto [role, bracketed, angled] :
         {std::tuple{&special.unknown, "[UNK]", "<unk>"}, std::tuple{&special.first, "[CLS]", "<s>"},
          std::tuple{&special.last, "[SEP]", "</s>"}, std::tuple{&special.padding, "[PAD]", "<pad>"},
          std::tuple{&special.mask, "[MASK]", "<mask>"}}) {
      if (!*role && (token == bracketed || token == angled)) *role = token;
    }
  }
  return special;
}

std::string wordpiece_json(const BpeVocabulary& vocabulary, const SpecialTokens& special, bool lowercase) {
  Json normalizer = {{"type", "BertNormalizer"},
                     {"clean_text", true},
                     {"handle_chinese_chars", true},
                     {"strip_accents", nullptr},
                     {"lowercase", lowercase}};
  Json model = {{"type", "WordPiece"},
                {"unk_token", *special.unknown},
                {"continuing_subword_prefix", "##"},
                {"max_input_chars_per_word", 100},
                {"vocab", vocabulary_object(vocabulary.tokens)}};
  return file(special, normalizer, {{"type", "BertPreTokenizer"}}, template_processing(special, 1, false),
              {{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", true}}, std::move(model));
}

std::string byte_level_bpe_json(const BpeVocabulary& vocabulary, const SpecialTokens& special, bool lowercase) {
  Json byte_level = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}};
  Json post_processor = byte_level;
  if (special.first && special.last) {
    post_processor = {{"type", "RobertaProcessing"},
                      {"sep", {*special.last, id_of(special, *special.last)}},
                      {"cls", {*special.first, id_of(special, *special.first)}},
                      {"trim_offsets", true},
                      {"add_prefix_space", false}};
  }
  Json merges = Json::array();
  for (auto [left, right] : vocabulary.merges) {
    merges.push_back(vocabulary.tokens[left] + " " + vocabulary.tokens[right]);
  }
  Json model = {{"type", "BPE"},
                {"dropout", nullptr},
                {"unk_token", nullptr},
                {"continuing_subword_prefix", nullptr},
                {"end_of_word_suffix", nullptr},
                {"fuse_unk", false},
                {"byte_fallback", false},
                {"ignore_merges", false},
                {"vocab", vocabulary_object(vocabulary.tokens)},
                {"merges", std::move(merges)}};
  Json normalizer = lowercase ? Json{{"type", "Lowercase"}} : Json(nullptr);
  return file(special, normalizer, byte_level, post_processor, byte_level, std::move(model));
}

std::string unigram_json(const UnigramVocabulary& vocabulary, const SpecialTokens& special, bool lowercase) {
  Json steps = Json::array();
  steps.push_back({{"type", "Nmt"}});
  steps.push_back({{"type", "NFKC"}});
  if (lowercase) steps.push_back({{"type", "Lowercase"}});
  steps.push_back({{"type", "Replace"}, {"pattern", {{"Regex", " {2,}"}}}, {"content", " "}});
  Json metaspace = {{"type", "Metaspace"}, {"replacement", "\u2581"}, {"prepend_scheme", "always"}, {"split", true}};
  Json pieces = Json::array();
  for (const UnigramPiece& piece : vocabulary.pieces) pieces.push_back(Json::array({piece.text, piece.score}));
  Json model = {{"type", "Unigram"},
                {"unk_id", id_of(special, *special.unknown)},
                {"vocab", std::move(pieces)},
                {"byte_fallback", false}};
  return file(special, {{"type", "Sequence"}, {"normalizers", steps}}, metaspace, template_processing(special, 0, true),
              metaspace, std::move(model));
}

std::string tokenizer_config_json(const SpecialTokens& special, bool lowercase) {
  Json config = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                 {"clean_up_tokenization_spaces", false},
                 {"do_lower_case", lowercase}};
  for (auto [key, token] : {std::pair{"unk_token", &special.unknown},
                            {"cls_token", &special.first},
                            {"sep_token", &special.last},
                            {"pad_token", &special.padding},
                            {"mask_token", &special.mask}}) {
    if (*token) config[key] = **token;
  }
  return base::json_text(config, 2) + "\n";
}

}  // namespace sextant::train
