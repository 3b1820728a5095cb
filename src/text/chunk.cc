#include "text/chunk.h"

#include <fmt/format.h>

#include <algorithm>

#include "sextant/error.h"

namespace sextant::text {
namespace {

// A sentence is looked at as a whole (encoded with offsets) only up to this length, so that a document without any
// full stop costs no more than one with many.
constexpr size_t kSentenceBytesMax = 8192;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v'; }
bool continues_code_point(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

ByteRange trimmed(std::string_view text, size_t begin, size_t end) {
  while (begin < end && is_space(text[begin])) ++begin;
  while (end > begin && is_space(text[end - 1])) --end;
  return {begin, end};
}

std::string_view bytes_of(std::string_view text, ByteRange range) {
  return text.substr(range.begin, range.end - range.begin);
}

}  // namespace

std::string with_context(std::string_view context, std::string_view passage) {
  if (context.empty()) return std::string(passage);
  return fmt::format("{}\n{}", context, passage);
}

Chunker::Chunker(const Tokenizer& tokenizer, const ChunkOptions& options) : tokenizer_(tokenizer), options_(options) {
  size_t least = kChunkTokensMin + tokenizer.special_token_count();
  if (options.tokens_max < least) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("chunks of {} tokens, expected at least {}", options.tokens_max, least));
  }
  if (options.overlap_tokens > options.tokens_max / 2) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("an overlap of {} tokens, expected at most half of a chunk, {}", options.overlap_tokens,
                            options.tokens_max / 2));
  }
}

size_t Chunker::count(std::string_view text, bool special) {
  ids_.clear();
  tokenizer_.encode_ids(text, {.add_special_tokens = special}, ids_);
  return ids_.size();
}

size_t Chunker::count_embedded(std::string_view context, std::string_view passage) {
  if (context.empty()) return count(passage, true);
  return count(with_context(context, passage), true);
}

std::string Chunker::fit_context(std::string_view context) {
  if (context.size() > kSentenceBytesMax) {
    size_t cut = kSentenceBytesMax;
    while (cut > 0 && continues_code_point(context[cut])) --cut;
    context = context.substr(0, cut);
  }
  size_t budget = (options_.tokens_max - tokenizer_.special_token_count()) / 2;
  while (!context.empty() && count(with_context(context, ""), false) > budget) {
    size_t space = context.find_last_of(" \t\n");
    context = context.substr(0, space == std::string_view::npos ? 0 : space);
    while (!context.empty() && is_space(context.back())) context.remove_suffix(1);
  }
  return std::string(context);
}

std::vector<Chunk> Chunker::chunk(std::string_view text, std::span<const Section> sections) {
  std::vector<Chunk> out;
  for (size_t i = 0; i < sections.size(); ++i) chunk_section(text, sections[i], i, out);
  return out;
}

// RANGE as one piece, or halves of it until each has at most BUDGET tokens: a stretch may count differently alone than
// within its sentence.
void Chunker::append_halved(std::string_view text, ByteRange range, size_t budget) {
  range = trimmed(text, range.begin, range.end);
  if (range.begin == range.end) return;
  size_t token_count = count(bytes_of(text, range), false);
  if (token_count > budget) {
    size_t half = range.begin + (range.end - range.begin) / 2;
    while (half > range.begin && continues_code_point(text[half])) --half;
    if (half > range.begin) {
      append_halved(text, {range.begin, half}, budget);
      append_halved(text, {half, range.end}, budget);
      return;
    }
  }
  pieces_.push_back({range, token_count});
}

// RANGE as pieces of at most BUDGET tokens each.
void Chunker::append_pieces(std::string_view text, ByteRange range, size_t budget) {
  std::string_view sentence = bytes_of(text, range);
  size_t token_count = count(sentence, false);
  if (token_count <= budget) {
    pieces_.push_back({range, token_count});
    return;
  }
  Encoding encoding = tokenizer_.encode(sentence, {.add_special_tokens = false});
  const std::vector<TokenOffset>& offsets = encoding.offsets;
  size_t begin = 0;
  size_t first = 0;  // the first token at or after begin
  while (offsets.size() - first > budget) {
    // The last place to cut before token number BUDGET + 1: between words in the second half, else between tokens.
    size_t cut = 0;
    for (size_t token = first + budget; token > first; --token) {
      size_t place = offsets[token].begin;
      if (place <= begin || place >= sentence.size() || continues_code_point(sentence[place])) continue;
      bool between_words = is_space(sentence[place]) || is_space(sentence[place - 1]);
      if (cut == 0 || between_words) cut = place;
      if (between_words || token <= first + budget / 2) break;
    }
    if (cut == 0) {
      // Not even the first token ends on a code point within the budget: take one code point.
      cut = begin + 1;
      while (cut < sentence.size() && continues_code_point(sentence[cut])) ++cut;
    }
    append_halved(text, {range.begin + begin, range.begin + cut}, budget);
    begin = cut;
    while (first < offsets.size() && offsets[first].begin < cut) ++first;
  }
  append_halved(text, {range.begin + begin, range.end}, budget);
}

void Chunker::chunk_section(std::string_view text, const Section& section, size_t index, std::vector<Chunk>& out) {
  ByteRange whole = trimmed(text, section.begin, section.end);
  if (whole.begin == whole.end) return;
  // Most sections fit as they are.
  if (whole.end - whole.begin <= kSentenceBytesMax) {
    size_t token_count = count_embedded(section.context, bytes_of(text, whole));
    if (token_count <= options_.tokens_max) {
      out.push_back({whole.begin, whole.end, index, token_count});
      return;
    }
  }
  size_t overhead = tokenizer_.special_token_count();
  if (!section.context.empty()) overhead += count(with_context(section.context, ""), false);
  if (overhead + kChunkTokensMin / 2 > options_.tokens_max) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("a context of {} tokens does not fit into chunks of {}", overhead, options_.tokens_max));
  }
  size_t budget = options_.tokens_max - overhead;
  sentences_.clear();
  pieces_.clear();
  splitter_.split(bytes_of(text, whole), kSentenceBytesMax, sentences_);
  for (ByteRange sentence : sentences_) {
    append_pieces(text, {sentence.begin + whole.begin, sentence.end + whole.begin}, budget);
  }

  size_t first = 0;
  size_t end_before = 0;  // one past the last piece of the chunk before
  while (end_before < pieces_.size()) {
    size_t end = first;
    size_t sum = 0;
    while (end < pieces_.size() && (end == first || sum + pieces_[end].token_count <= budget)) {
      sum += pieces_[end++].token_count;
    }
    // Counts do not add up exactly: white space between pieces, and merges across their ends. The real count decides.
    ByteRange range;
    size_t token_count = 0;
    while (true) {
      range = {pieces_[first].range.begin, pieces_[end - 1].range.end};
      token_count = count_embedded(section.context, bytes_of(text, range));
      if (token_count <= options_.tokens_max || end - first == 1) break;
      --end;
    }
    if (end <= end_before) {
      first = end_before;  // nothing new fitted behind the overlap: go without it
      continue;
    }
    if (token_count > options_.tokens_max && range.end - range.begin > 1) {
      // One piece, too long only beside its context: make two of it.
      size_t excess = token_count - options_.tokens_max;
      size_t smaller = pieces_[first].token_count > excess ? pieces_[first].token_count - excess : 1;
      std::vector<Piece> after(pieces_.begin() + static_cast<std::ptrdiff_t>(first) + 1, pieces_.end());
      pieces_.resize(first);
      append_pieces(text, range, smaller);
      bool split = pieces_.size() > first + 1;
      pieces_.insert(pieces_.end(), after.begin(), after.end());
      if (split) continue;
    }
    out.push_back({range.begin, range.end, index, token_count});
    if (end == pieces_.size()) break;
    size_t next = end;
    size_t repeated = 0;
    while (next - 1 > first && repeated + pieces_[next - 1].token_count <= options_.overlap_tokens) {
      repeated += pieces_[--next].token_count;
    }
    while (next < end && repeated + pieces_[end].token_count > budget) repeated -= pieces_[next++].token_count;
    first = next;
    end_before = end;
  }
}

}  // namespace sextant::text
