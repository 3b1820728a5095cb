// The older kinds of file: a vocabulary without the stages around it, which follow from what is in it.
#include <algorithm>
#include <array>
#include <charconv>
#include <unordered_map>

#include "sextant/error.h"
#include "text/bpe.h"
#include "text/byte_level.h"
#include "text/pipeline.h"
#include "text/unicode.h"
#include "text/wordpiece.h"

namespace sextant::text {
namespace {

constexpr const char* kThreeDigitPattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kOneDigitPattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kO200kPattern =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kClipPattern =
    R"(<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+)";

// Calls SEE(line, number) for each line, numbers from 0, without its end.
template <class See>
void for_each_line(std::string_view text, See see) {
  size_t number = 0;
  for (size_t begin = 0; begin < text.size(); ++number) {
    size_t end = std::min(text.find('\n', begin), text.size());
    std::string_view line = text.substr(begin, end - begin);
    if (line.ends_with('\r')) line.remove_suffix(1);
    see(line, number);
    begin = end + 1;
  }
}

AddedToken special_token(std::string_view content, bool strip_left = false) {
  AddedToken token;
  token.content = content;
  token.special = true;
  token.normalized = false;
  token.strip_left = strip_left;
  return token;
}

TemplatePiece special_piece(std::string_view token, TokenId id, uint8_t type_id = 0) {
  TemplatePiece piece;
  piece.type_id = type_id;
  piece.ids = {id};
  piece.tokens = {std::string(token)};
  return piece;
}

TemplatePiece text_piece(int sequence, uint8_t type_id) {
  TemplatePiece piece;
  piece.sequence = sequence;
  piece.type_id = type_id;
  return piece;
}

std::unique_ptr<PreTokenizer> split_then_bytes(const char* pattern) {
  std::vector<std::unique_ptr<PreTokenizer>> steps;
  steps.push_back(std::make_unique<SplitPreTokenizer>(Regex(pattern), SplitBehavior::isolated, false));
  steps.push_back(std::make_unique<ByteLevelPreTokenizer>(false, false));
  return std::make_unique<PreTokenizerSequence>(std::move(steps));
}

}  // namespace

std::unique_ptr<Pipeline> read_vocabulary_text(std::string_view lines, const VocabularyFileOptions& options,
                                               std::string_view source) {
  Vocabulary vocabulary;
  for_each_line(lines, [&](std::string_view line, size_t number) {
    auto fail = [&](const std::string& what) {
      throw Error(ErrorCode::corrupted, std::string(source) + ": line " + std::to_string(number + 1) + " " + what);
    };
    if (number > static_cast<size_t>(kTokenIdMax)) fail("is past the highest supported number of tokens");
    if (!base::is_valid_utf8(line)) fail("is not UTF-8");
    if (!line.empty()) vocabulary.add(line, static_cast<TokenId>(number));
  });
  WordPieceOptions model_options;
  if (vocabulary.find(model_options.unknown_token) < 0) {
    throw Error(ErrorCode::corrupted,
                std::string(source) + ": no line is \"[UNK]\", expected a token a line as BERT's");
  }
  TokenId first = vocabulary.find("[CLS]");
  TokenId last = vocabulary.find("[SEP]");
  std::vector<AddedToken> added;
  for (std::string_view token : {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}) {
    if (vocabulary.find(token) >= 0) added.push_back(special_token(token));
  }
  auto pipeline = std::make_unique<Pipeline>();
  pipeline->model = std::make_unique<WordPiece>(std::move(vocabulary), model_options);
  BertNormalizerOptions normalizer;
  normalizer.lowercase = options.lowercase;
  normalizer.strip_accents = options.strip_accents;
  normalizer.space_ideographs = options.space_ideographs;
  pipeline->normalizer = std::make_unique<BertNormalizer>(normalizer);
  pipeline->pre_tokenizer = std::make_unique<BertPreTokenizer>();
  pipeline->decoder = std::make_unique<WordPieceDecoder>("##", true);
  if (first >= 0 && last >= 0) {
    std::vector<TemplatePiece> single = {special_piece("[CLS]", first), text_piece(0, 0), special_piece("[SEP]", last)};
    std::vector<TemplatePiece> pair = single;
    pair.push_back(text_piece(1, 1));
    pair.push_back(special_piece("[SEP]", last, 1));
    pipeline->post_processor = std::make_unique<TemplateProcessing>(std::move(single), std::move(pair));
  }
  pipeline->add_tokens(std::move(added));
  return pipeline;
}

std::unique_ptr<Pipeline> read_vocabulary_and_merges(std::string_view json, std::string_view merges_text,
                                                     const VocabularyFileOptions& options, std::string_view source) {
  Vocabulary vocabulary = read_vocabulary_json(json, source);
  std::vector<Bpe::Merge> merges;
  bool words_end_in_suffix = false;
  for_each_line(merges_text, [&](std::string_view line, size_t number) {
    if (line.empty() || (number == 0 && line.starts_with("#version"))) return;
    size_t space = line.find(' ');
    if (space == std::string_view::npos || line.find(' ', space + 1) != std::string_view::npos) {
      throw Error(ErrorCode::corrupted, std::string(source) + ": merges.txt beside it: line " +
                                            std::to_string(number + 1) + " is not two tokens with a space between");
    }
    words_end_in_suffix = words_end_in_suffix || line.ends_with("</w>");
    merges.push_back({line.substr(0, space), line.substr(space + 1), static_cast<uint32_t>(merges.size())});
  });
  auto pipeline = std::make_unique<Pipeline>();
  BpeOptions model_options;
  std::vector<AddedToken> added;
  auto add_special = [&](std::string_view token, bool strip_left = false) {
    if (vocabulary.find(token) >= 0) added.push_back(special_token(token, strip_left));
  };
  auto classifier = [&](std::string_view first, std::string_view last) {
    ClassifierProcessing::Options processing;
    processing.first = {vocabulary.find(first), std::string(first)};
    processing.last = {vocabulary.find(last), std::string(last)};
    processing.roberta = true;
    processing.trim_offsets = !words_end_in_suffix;
    processing.add_prefix_space = options.add_prefix_space;
    return processing.first.id < 0 || processing.last.id < 0 ? nullptr
                                                             : std::make_unique<ClassifierProcessing>(processing);
  };
  if (words_end_in_suffix) {
    model_options.end_of_word_suffix = "</w>";
    model_options.unknown_token = "<|endoftext|>";
    std::vector<std::unique_ptr<Normalizer>> normalizers;
    normalizers.push_back(std::make_unique<UnicodeNormalizer>(UnicodeForm::nfc));
    normalizers.push_back(std::make_unique<ReplaceNormalizer>(Regex(R"(\s+)"), " "));
    normalizers.push_back(std::make_unique<LowercaseNormalizer>());
    pipeline->normalizer = std::make_unique<NormalizerSequence>(std::move(normalizers));
    std::vector<std::unique_ptr<PreTokenizer>> steps;
    steps.push_back(std::make_unique<SplitPreTokenizer>(Regex(kClipPattern), SplitBehavior::removed, true));
    steps.push_back(std::make_unique<ByteLevelPreTokenizer>(false, true));
    pipeline->pre_tokenizer = std::make_unique<PreTokenizerSequence>(std::move(steps));
    add_special("<|startoftext|>");
    add_special("<|endoftext|>");
    pipeline->post_processor = classifier("<|startoftext|>", "<|endoftext|>");
  } else {
    pipeline->pre_tokenizer = std::make_unique<ByteLevelPreTokenizer>(options.add_prefix_space, true);
    if (vocabulary.find("<s>") >= 0) {
      for (std::string_view token : {"<s>", "<pad>", "</s>", "<unk>"}) add_special(token);
      add_special("<mask>", true);
    } else {
      add_special("<|endoftext|>");
    }
    pipeline->post_processor = classifier("<s>", "</s>");
    if (!pipeline->post_processor) {
      pipeline->post_processor = std::make_unique<ByteLevelProcessing>(options.add_prefix_space, true);
    }
  }
  pipeline->decoder = std::make_unique<ByteLevelDecoder>();
  try {
    pipeline->model = std::make_unique<Bpe>(std::move(vocabulary), merges, std::move(model_options));
  } catch (const Error& e) {
    throw Error(e.code(), std::string(source) + ": " + e.what());
  }
  pipeline->add_tokens(std::move(added));
  return pipeline;
}

bool looks_like_tiktoken(std::string_view bytes) {
  std::string_view line = bytes.substr(0, bytes.find('\n'));
  size_t space = line.find(' ');
  std::string decoded;
  return space != std::string_view::npos && space > 0 && line.size() < 1000 && space + 1 < line.size() &&
         append_base64_bytes(line.substr(0, space), decoded) && line[space + 1] >= '0' && line[space + 1] <= '9';
}

std::unique_ptr<Pipeline> read_tiktoken(std::string_view lines, std::string_view source) {
  constexpr size_t kTokenBytesMax = 256;  // every way to cut a token in two is looked up
  std::unordered_map<std::string, TokenId> ranks;
  for_each_line(lines, [&](std::string_view line, size_t number) {
    if (line.empty()) return;
    auto fail = [&](const std::string& what) {
      throw Error(ErrorCode::corrupted, std::string(source) + ": line " + std::to_string(number + 1) + " " + what);
    };
    size_t space = line.find(' ');
    std::string token;
    if (space == std::string_view::npos || !append_base64_bytes(line.substr(0, space), token) || token.empty()) {
      fail("is not a base64 token and its rank");
    }
    if (token.size() > kTokenBytesMax) fail("is a token of more than " + std::to_string(kTokenBytesMax) + " bytes");
    TokenId rank = -1;
    auto [end, error] = std::from_chars(line.data() + space + 1, line.data() + line.size(), rank);
    if (error != std::errc() || end != line.data() + line.size() || rank < 0 || rank > kTokenIdMax) {
      fail("has a rank that is not a number from 0 to " + std::to_string(kTokenIdMax));
    }
    if (!ranks.emplace(std::move(token), rank).second) fail("has a token that was there before");
  });
  if (ranks.empty()) throw Error(ErrorCode::corrupted, std::string(source) + ": no tokens");
  // Each way to make a token of two others is a merge with the token's rank.
  Vocabulary vocabulary;
  vocabulary.reserve(ranks.size(), ranks.size() * 10);
  std::string visible;
  for (const auto& [token, rank] : ranks) {
    visible.clear();
    append_byte_level(token, visible);
    if (vocabulary.contains(rank)) {
      throw Error(ErrorCode::corrupted, std::string(source) + ": two tokens have the rank " + std::to_string(rank));
    }
    vocabulary.add(visible, rank);
  }
  std::vector<Bpe::Merge> merges;
  for (const auto& [token, rank] : ranks) {
    for (size_t cut = 1; cut < token.size(); ++cut) {
      auto left = ranks.find(token.substr(0, cut));
      if (left == ranks.end()) continue;
      auto right = ranks.find(token.substr(cut));
      if (right == ranks.end()) continue;
      merges.push_back({vocabulary.token(left->second), vocabulary.token(right->second), static_cast<uint32_t>(rank)});
    }
  }
  BpeOptions model_options;
  model_options.ignore_merges = true;
  auto pipeline = std::make_unique<Pipeline>();
  Vocabulary copy = vocabulary;
  pipeline->model = std::make_unique<Bpe>(std::move(copy), merges, std::move(model_options));
  pipeline->decoder = std::make_unique<ByteLevelDecoder>();
  pipeline->post_processor = std::make_unique<ByteLevelProcessing>(false, false);

  std::string name = std::filesystem::path(source).filename().string();
  auto named = [&](std::string_view part) { return name.find(part) != std::string::npos; };
  std::vector<std::pair<std::string_view, TokenId>> specials;
  const char* pattern = kThreeDigitPattern;
  if (named("r50k") || named("p50k") || named("gpt2")) {
    pipeline->pre_tokenizer = std::make_unique<ByteLevelPreTokenizer>(false, true);
    specials = {{"<|endoftext|>", 50256}};
  } else if (named("qwen")) {
    pattern = kOneDigitPattern;
    pipeline->normalizer = std::make_unique<UnicodeNormalizer>(UnicodeForm::nfc);
    specials = {{"<|endoftext|>", 151643}, {"<|im_start|>", 151644}, {"<|im_end|>", 151645}};
  } else if (named("cl100k")) {
    specials = {{"<|endoftext|>", 100257},
                {"<|fim_prefix|>", 100258},
                {"<|fim_middle|>", 100259},
                {"<|fim_suffix|>", 100260},
                {"<|endofprompt|>", 100276}};
  } else if (named("o200k")) {
    pattern = kO200kPattern;
    specials = {{"<|endoftext|>", 199999}, {"<|endofprompt|>", 200018}};
  }
  if (!pipeline->pre_tokenizer) pipeline->pre_tokenizer = split_then_bytes(pattern);
  for (auto [content, id] : specials) {
    AddedToken token = special_token(content);
    token.id = id;
    pipeline->added.add(token, content);
  }
  return pipeline;
}

}  // namespace sextant::text
