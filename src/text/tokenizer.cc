#include "sextant/tokenizer.h"

#include <algorithm>
#include <utility>

#include "base/files.h"
#include "sextant/error.h"
#include "text/fast_path.h"
#include "text/pipeline.h"

namespace sextant {

struct Tokenizer::Impl {
  std::unique_ptr<text::Pipeline> pipeline;
  std::unique_ptr<text::FastPath> fast_path;  // null: none fits
  // What the post-processor puts around a single text's ids, where that is all it does.
  std::vector<TokenId> ids_before;
  std::vector<TokenId> ids_after;
  bool wraps_single = false;
};

namespace {

using text::Pieces;
using text::Pipeline;

constexpr size_t kBytesKept = 1 << 20;  // of scratch memory, per thread

// Offsets of a repaired text back to those of the text that it was repaired from: one entry a byte, and one past it.
std::vector<uint32_t> repair_positions(std::string_view text) {
  std::vector<uint32_t> positions;
  std::string repaired;
  for (size_t i = 0; i < text.size();) {
    size_t start = i;
    size_t before = repaired.size();
    base::append_utf8(repaired, base::decode_utf8(text, i));
    // The character's first byte stands for the start of what it replaced, its others for the end.
    for (size_t k = before; k < repaired.size(); ++k) {
      positions.push_back(static_cast<uint32_t>(k == before ? start : i));
    }
  }
  positions.push_back(static_cast<uint32_t>(text.size()));
  return positions;
}

void check_size(std::string_view text) {
  if (text.size() >= UINT32_MAX / 2) {
    throw Error(ErrorCode::invalid_argument,
                "a text of " + std::to_string(text.size()) + " bytes is too long to tokenize at once: at most 2 GiB");
  }
}

// The bytes of the original that a token stands for.
TokenOffset origin_of(const Pieces& pieces, const text::Piece& piece, const text::ModelToken& token) {
  size_t end = std::min<size_t>(piece.begin + token.end, piece.end);
  size_t begin = std::min<size_t>(piece.begin + token.begin, end);
  if (begin < end) return pieces.origin(begin, end);
  uint32_t place = begin < piece.end ? pieces.origins[begin].begin : pieces.origins[piece.end - 1].end;
  return {place, place};
}

// The tokens of one valid text, nothing added.
Encoding encode_alone(const Pipeline& pipeline, std::string_view text, int8_t sequence_id) {
  Pieces pieces;
  pipeline.cut(text, true, pieces);
  Encoding encoding;
  std::vector<text::ModelToken> tokens;
  for (const text::Piece& piece : pieces.list) {
    if (piece.added_id >= 0) {
      encoding.ids.push_back(piece.added_id);
      encoding.tokens.emplace_back(pieces.view(piece));
      encoding.offsets.push_back(pieces.origin(piece.begin, piece.end));
      continue;
    }
    tokens.clear();
    pipeline.model->tokenize(pieces.view(piece), tokens);
    for (const text::ModelToken& token : tokens) {
      encoding.ids.push_back(token.id);
      encoding.tokens.emplace_back(token.shows_text ? pieces.view(piece).substr(token.begin, token.end - token.begin)
                                                    : pipeline.model->vocabulary().token(token.id));
      encoding.offsets.push_back(origin_of(pieces, piece, token));
    }
  }
  size_t count = encoding.ids.size();
  encoding.type_ids.assign(count, static_cast<uint8_t>(sequence_id));
  encoding.special_mask.assign(count, 0);
  encoding.sequence_ids.assign(count, sequence_id);
  return encoding;
}

// The ids of one valid text through the stages.
void append_ids_staged(const Pipeline& pipeline, std::string_view text, std::vector<TokenId>& out) {
  thread_local Pieces pieces;
  pipeline.cut(text, pipeline.needs_alignment, pieces);
  for (const text::Piece& piece : pieces.list) {
    if (piece.added_id >= 0) {
      out.push_back(piece.added_id);
    } else {
      pipeline.model->tokenize_ids(pieces.view(piece), out);
    }
  }
  // What one long text needed is not kept for ever.
  if (pieces.text.capacity() > kBytesKept) pieces = {};
}

// The ids of one valid text, by the fast path where that can.
void append_ids(const Pipeline& pipeline, const text::FastPath* fast_path, std::string_view text,
                std::vector<TokenId>& out) {
  if (fast_path == nullptr) {
    append_ids_staged(pipeline, text, out);
    return;
  }
  if (!pipeline.added.has(false) && !pipeline.added.has(true)) {
    if (!fast_path->encode(text, out)) append_ids_staged(pipeline, text, out);
    return;
  }
  size_t first = out.size();
  thread_local std::vector<text::AddedTokens::Range> ranges;
  thread_local std::vector<text::AddedTokens::Range> inner;
  ranges.clear();
  pipeline.added.find(text, false, ranges);
  bool done = true;
  auto encode = [&](std::string_view part, TokenId id) {
    if (id >= 0) {
      out.push_back(id);
    } else {
      done = done && fast_path->encode(part, out);
    }
  };
  for (const text::AddedTokens::Range& range : ranges) {
    std::string_view part = text.substr(range.begin, range.end - range.begin);
    if (range.id >= 0 || !pipeline.added.has(true)) {
      encode(part, range.id);
      continue;
    }
    inner.clear();
    pipeline.added.find(part, true, inner);
    for (const auto& piece : inner) encode(part.substr(piece.begin, piece.end - piece.begin), piece.id);
  }
  if (done) return;
  out.resize(first);
  append_ids_staged(pipeline, text, out);
}

void truncate(Encoding& encoding, size_t length, bool left) {
  size_t count = encoding.ids.size();
  if (count <= length) return;
  auto cut = [&](auto& values) {
    if (left) {
      values.erase(values.begin(), values.end() - static_cast<ptrdiff_t>(length));
    } else {
      values.resize(length);
    }
  };
  cut(encoding.ids);
  cut(encoding.tokens);
  cut(encoding.offsets);
  cut(encoding.type_ids);
  cut(encoding.special_mask);
  cut(encoding.sequence_ids);
  encoding.tokens_dropped += count - length;
}

// Shortens one or two encodings to LENGTH tokens together.
void truncate_all(std::vector<Encoding>& encodings, size_t length, const EncodeOptions& options) {
  size_t total = 0;
  for (const Encoding& encoding : encodings) total += encoding.ids.size();
  if (total <= length) return;
  size_t excess = total - length;
  auto only = [&](size_t which, std::string_view name) {
    size_t count = encodings[which].ids.size();
    if (count <= excess && length > 0) {
      throw Error(ErrorCode::invalid_argument, "truncation " + std::string(name) + ": that text has " +
                                                   std::to_string(count) + " tokens, and " + std::to_string(excess) +
                                                   " must go to reach the maximum length");
    }
    truncate(encodings[which], count > excess ? count - excess : 0, options.truncate_left);
  };
  if (encodings.size() == 1) {
    if (options.truncation == TruncationStrategy::only_second) {
      throw Error(ErrorCode::invalid_argument, "truncation only_second: there is no second text");
    }
    truncate(encodings[0], length, options.truncate_left);
    return;
  }
  switch (options.truncation) {
    case TruncationStrategy::only_first:
      only(0, "only_first");
      return;
    case TruncationStrategy::only_second:
      only(1, "only_second");
      return;
    case TruncationStrategy::longest_first:
      break;
  }
  size_t first = encodings[0].ids.size();
  size_t second = encodings[1].ids.size();
  bool swapped = first > second;
  if (swapped) std::swap(first, second);
  // FIRST is the shorter one now: it keeps all it has where that leaves the other at least as much, else they share.
  second = first > length ? first : std::max(first, length - first);
  if (first + second > length) {
    first = length / 2;
    second = first + length % 2;
  }
  if (swapped) std::swap(first, second);
  truncate(encodings[0], first, options.truncate_left);
  truncate(encodings[1], second, options.truncate_left);
}

Encoding encode_all(const Pipeline& pipeline, const std::vector<std::string_view>& texts,
                    const EncodeOptions& options) {
  std::vector<std::string> repaired(texts.size());
  std::vector<std::string_view> valid = texts;
  std::vector<Encoding> encodings;
  for (size_t i = 0; i < texts.size(); ++i) {
    check_size(texts[i]);
    if (!base::is_valid_utf8(texts[i])) {
      repaired[i] = base::repair_utf8(texts[i]);
      valid[i] = repaired[i];
    }
    encodings.push_back(encode_alone(pipeline, valid[i], static_cast<int8_t>(i)));
  }
  if (options.max_length > 0) {
    size_t added = options.add_special_tokens && pipeline.post_processor
                       ? pipeline.post_processor->added_count(texts.size() > 1)
                       : 0;
    truncate_all(encodings, options.max_length > added ? options.max_length - added : 0, options);
  }
  if (pipeline.post_processor) pipeline.post_processor->apply(encodings, valid, options.add_special_tokens);
  Encoding result;
  for (Encoding& encoding : encodings) text::append_encoding(result, std::move(encoding));
  for (size_t i = 0; i < texts.size(); ++i) {
    if (repaired[i].empty()) continue;
    std::vector<uint32_t> positions = repair_positions(texts[i]);
    for (size_t k = 0; k < result.ids.size(); ++k) {
      if (result.sequence_ids[k] != static_cast<int8_t>(i)) continue;
      TokenOffset& offset = result.offsets[k];
      offset = {positions[offset.begin], positions[offset.end]};
    }
  }
  return result;
}

}  // namespace

Tokenizer::Tokenizer(std::unique_ptr<const Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

namespace {

// What the post-processor puts around the ids of a single text: asked once, with a text of one token that no
// vocabulary has.
bool find_wrapping(const Pipeline& pipeline, std::vector<TokenId>& before, std::vector<TokenId>& after) {
  if (!pipeline.post_processor) return true;
  constexpr TokenId kProbe = -2;
  std::vector<Encoding> encodings(1);
  encodings[0] = {{kProbe}, {""}, {{0, 0}}, {0}, {0}, {0}, 0};
  pipeline.post_processor->apply(encodings, {""}, true);
  bool seen = false;
  for (const Encoding& encoding : encodings) {
    for (TokenId id : encoding.ids) {
      if (id != kProbe) {
        (seen ? after : before).push_back(id);
      } else if (seen) {
        return false;
      } else {
        seen = true;
      }
    }
  }
  return seen;
}

}  // namespace

Tokenizer Tokenizer::of_pipeline(std::unique_ptr<text::Pipeline> pipeline) {
  auto impl = std::make_unique<Impl>();
  impl->pipeline = std::move(pipeline);
  impl->fast_path = text::make_fast_path(*impl->pipeline);
  impl->wraps_single = find_wrapping(*impl->pipeline, impl->ids_before, impl->ids_after);
  return Tokenizer(std::move(impl));
}

Tokenizer Tokenizer::from_json(std::string_view json, std::string_view source) {
  return of_pipeline(text::read_tokenizer_json(json, source));
}

namespace {

constexpr uint64_t kFileBytesMax = uint64_t{1} << 30;

// The file to read in a folder, the first that there is.
std::filesystem::path find_file(const std::filesystem::path& folder) {
  for (const char* name : {"tokenizer.json", "vocab.txt", "vocab.json", "tokenizer.model", "spiece.model",
                           "sentencepiece.bpe.model", "sentencepiece.model"}) {
    if (std::filesystem::exists(folder / name)) return folder / name;
  }
  std::vector<std::filesystem::path> others;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".tiktoken" || entry.path().extension() == ".model") others.push_back(entry.path());
  }
  if (others.empty()) {
    throw Error(ErrorCode::not_found,
                folder.string() +
                    ": no tokenizer in this folder: expected tokenizer.json, vocab.txt, vocab.json "
                    "with merges.txt, a .model or a .tiktoken file");
  }
  return *std::min_element(others.begin(), others.end());
}

std::unique_ptr<Pipeline> read_file_of_any_kind(const std::filesystem::path& file) {
  std::string bytes = base::read_file(file, kFileBytesMax);
  std::string source = file.string();
  text::VocabularyFileOptions options;
  auto config = file.parent_path() / "tokenizer_config.json";
  auto read_config = [&] {
    if (std::filesystem::exists(config)) {
      options = text::read_tokenizer_config(base::read_file(config, kFileBytesMax), config.string());
    }
  };
  if (file.extension() == ".tiktoken" || (file.extension() == ".model" && text::looks_like_tiktoken(bytes))) {
    return text::read_tiktoken(bytes, source);
  }
  if (file.extension() == ".model") return text::read_sentencepiece(bytes, source);
  if (file.extension() == ".txt") {
    read_config();
    return text::read_vocabulary_text(bytes, options, source);
  }
  if (text::is_tokenizer_json(bytes, source)) return text::read_tokenizer_json(bytes, source);
  auto merges = file.parent_path() / "merges.txt";
  if (!std::filesystem::exists(merges)) {
    throw Error(ErrorCode::corrupted, source + ": no \"model\" inside, and no merges.txt beside it");
  }
  read_config();
  return text::read_vocabulary_and_merges(bytes, base::read_file(merges, kFileBytesMax), options, source);
}

}  // namespace

Tokenizer Tokenizer::load(const std::filesystem::path& file_or_folder) {
  bool is_folder = std::filesystem::is_directory(file_or_folder);
  return of_pipeline(read_file_of_any_kind(is_folder ? find_file(file_or_folder) : file_or_folder));
}

Encoding Tokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  return encode_all(*impl_->pipeline, {text}, options);
}

Encoding Tokenizer::encode_pair(std::string_view a, std::string_view b, const EncodeOptions& options) const {
  return encode_all(*impl_->pipeline, {a, b}, options);
}

size_t Tokenizer::encode_ids(std::string_view text, const EncodeOptions& options, std::vector<TokenId>& out) const {
  if (!impl_->wraps_single || options.truncation == TruncationStrategy::only_second) {
    Encoding encoding = encode(text, options);
    out.insert(out.end(), encoding.ids.begin(), encoding.ids.end());
    return encoding.tokens_dropped;
  }
  check_size(text);
  std::string repaired;
  if (!base::is_valid_utf8(text)) {
    repaired = base::repair_utf8(text);
    text = repaired;
  }
  const Pipeline& pipeline = *impl_->pipeline;
  if (options.add_special_tokens) out.insert(out.end(), impl_->ids_before.begin(), impl_->ids_before.end());
  size_t first = out.size();
  append_ids(pipeline, impl_->fast_path.get(), text, out);
  size_t dropped = 0;
  if (options.max_length > 0) {
    size_t added = options.add_special_tokens ? impl_->ids_before.size() + impl_->ids_after.size() : 0;
    size_t length = options.max_length > added ? options.max_length - added : 0;
    size_t count = out.size() - first;
    if (count > length) {
      dropped = count - length;
      auto begin = out.begin() + static_cast<ptrdiff_t>(first);
      if (options.truncate_left) {
        out.erase(begin, begin + static_cast<ptrdiff_t>(dropped));
      } else {
        out.resize(first + length);
      }
    }
  }
  if (options.add_special_tokens) out.insert(out.end(), impl_->ids_after.begin(), impl_->ids_after.end());
  return dropped;
}

std::string Tokenizer::decode(const std::vector<TokenId>& ids, bool skip_special_tokens) const {
  const Pipeline& pipeline = *impl_->pipeline;
  std::vector<std::string> tokens;
  for (TokenId id : ids) {
    if (!pipeline.added.by_id(id) && !pipeline.model->vocabulary().contains(id)) continue;
    std::string_view token = pipeline.id_to_token(id);
    if (skip_special_tokens && pipeline.added.is_special(token)) continue;
    tokens.emplace_back(token);
  }
  if (pipeline.decoder) pipeline.decoder->apply(tokens);
  std::string text;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (i > 0 && !pipeline.decoder) text += ' ';
    text += tokens[i];
  }
  return text;
}

std::string Tokenizer::normalize(std::string_view text) const {
  return impl_->pipeline->normalize(base::repair_utf8(text));
}

size_t Tokenizer::vocabulary_size() const {
  return static_cast<size_t>(std::max(impl_->pipeline->model->vocabulary().id_end(), impl_->pipeline->added.id_end()));
}

std::optional<TokenId> Tokenizer::token_to_id(std::string_view token) const {
  TokenId id = impl_->pipeline->token_to_id(token);
  return id < 0 ? std::nullopt : std::optional(id);
}

std::string Tokenizer::id_to_token(TokenId id) const { return std::string(impl_->pipeline->id_to_token(id)); }

std::optional<TokenId> Tokenizer::unknown_id() const {
  TokenId id = impl_->pipeline->model->unknown_id();
  return id < 0 ? std::nullopt : std::optional(id);
}

size_t Tokenizer::special_token_count() const {
  return impl_->pipeline->post_processor ? impl_->pipeline->post_processor->added_count(false) : 0;
}

std::string_view Tokenizer::model_name() const { return impl_->pipeline->model->name(); }

}  // namespace sextant
