#include "text/sentencepiece.h"

#include <algorithm>
#include <cfloat>
#include <cstdio>
#include <queue>
#include <unordered_map>

#include "sextant/error.h"
#include "text/pipeline.h"
#include "text/unicode.h"

namespace sextant::text {
namespace {

constexpr size_t kTokensKept = 1 << 16;  // scratch memory that a thread keeps
constexpr float kUnknownPenalty = 10.0f;
constexpr double kUserDefinedBonus = 0.1;
constexpr std::string_view kSpaceMark = "\xe2\x96\x81";  // U+2581, what a space becomes

void add_user_defined(const SentencePieceSpec& spec, StringMatcher& matcher) {
  for (size_t i = 0; i < spec.pieces.size(); ++i) {
    if (spec.pieces[i].type == SentencePieceType::user_defined)
      matcher.add(spec.pieces[i].piece, static_cast<TokenId>(i));
  }
}

}  // namespace

SentencePieceNormalizer::SentencePieceNormalizer(const SentencePieceSpec& spec, const std::string& source)
    : charsmap_(spec.charsmap, source + ": normalizer_spec.precompiled_charsmap"),
      whitespace_as_suffix_(spec.treat_whitespace_as_suffix),
      add_dummy_prefix_(spec.add_dummy_prefix),
      remove_extra_whitespaces_(spec.remove_extra_whitespaces),
      escape_whitespaces_(spec.escape_whitespaces) {
  add_user_defined(spec, user_defined_);
}

void SentencePieceNormalizer::apply(AlignedText& text) const {
  std::string_view old = text.view();
  const TokenOffset* origins = text.aligned() ? text.origins().data() : nullptr;
  std::string_view space = escape_whitespaces_ ? kSpaceMark : std::string_view(" ");
  std::string made;
  std::vector<TokenOffset> made_origins;
  made.reserve(old.size() + old.size() / 4 + 4);
  // What the text at I becomes, and how many bytes that covers.
  auto normalize_prefix = [&](size_t i, size_t& size) -> std::string_view {
    size = user_defined_.match_at(old, i);
    if (size > 0) return old.substr(i, size);
    Charsmap::Match match = charsmap_.longest(old.substr(i));
    size = match.size;
    if (size > 0) return match.replacement;
    size = static_cast<size_t>(utf8_size_of_lead(old[i]));
    return old.substr(i, size);
  };
  auto append = [&](std::string_view added, TokenOffset origin) {
    made.append(added);
    if (origins) made_origins.insert(made_origins.end(), added.size(), origin);
  };
  auto origin_at = [&](size_t begin, size_t end) {
    return origins ? TokenOffset{origins[begin].begin, origins[end - 1].end} : TokenOffset{};
  };
  size_t i = 0;
  size_t size = 0;
  while (remove_extra_whitespaces_ && i < old.size() && normalize_prefix(i, size) == " ") i += size;
  if (i < old.size()) {
    if (add_dummy_prefix_ && !whitespace_as_suffix_) {
      uint32_t place = origin_at(i, i + 1).begin;
      append(space, {place, place});
    }
    bool after_space = remove_extra_whitespaces_;
    while (i < old.size()) {
      std::string_view part = normalize_prefix(i, size);
      TokenOffset origin = origin_at(i, i + size);
      while (after_space && part.starts_with(' ')) part.remove_prefix(1);
      if (!part.empty()) {
        for (size_t k = 0; k < part.size();) {
          size_t stop = std::min(part.find(' ', k), part.size());
          append(part.substr(k, stop - k), origin);
          if (stop < part.size()) append(space, origin);
          k = stop + 1;
        }
        after_space = remove_extra_whitespaces_ && part.ends_with(' ');
      }
      i += size;
    }
    while (remove_extra_whitespaces_ && made.ends_with(space)) made.erase(made.size() - space.size());
    if (origins) made_origins.resize(made.size());
    if (add_dummy_prefix_ && whitespace_as_suffix_) {
      uint32_t place = origin_at(old.size() - 1, old.size()).end;
      append(space, {place, place});
    }
  }
  text.assign(made, origins ? made_origins.data() : nullptr);
}

SentencePieceModel::SentencePieceModel(const SentencePieceSpec& spec, const std::string& source)
    : Model(Vocabulary()), is_bpe_(spec.is_bpe), byte_fallback_(spec.byte_fallback) {
  std::vector<std::pair<std::string_view, uint32_t>> entries;
  vocabulary_.reserve(spec.pieces.size(), spec.pieces.size() * 8);
  lowest_score_ = FLT_MAX;
  highest_score_ = FLT_MIN;
  for (size_t i = 0; i < spec.pieces.size(); ++i) {
    const SentencePieceEntry& entry = spec.pieces[i];
    auto id = static_cast<TokenId>(i);
    if (vocabulary_.find(entry.piece) >= 0) {
      throw Error(ErrorCode::corrupted, source + ": the piece \"" + entry.piece + "\" is there twice");
    }
    vocabulary_.add(entry.piece, id);
    scores_.push_back(entry.score);
    types_.push_back(entry.type);
    if (entry.type == SentencePieceType::unknown) {
      if (unknown_id_ >= 0) throw Error(ErrorCode::corrupted, source + ": two pieces are of the unknown type");
      unknown_id_ = id;
    }
    if (entry.type == SentencePieceType::normal) {
      lowest_score_ = std::min(lowest_score_, entry.score);
      highest_score_ = std::max(highest_score_, entry.score);
    }
    if (entry.type == SentencePieceType::normal || entry.type == SentencePieceType::user_defined ||
        entry.type == SentencePieceType::unused) {
      entries.emplace_back(entry.piece, static_cast<uint32_t>(i));
      matching_.add(entry.piece, id);
    }
  }
  if (unknown_id_ < 0) throw Error(ErrorCode::corrupted, source + ": no piece is of the unknown type");
  for (int byte = 0; byte < 256; ++byte) {
    char name[8];
    std::snprintf(name, sizeof name, "<0x%02X>", byte);
    byte_ids_[byte] = vocabulary_.find(name);
    if (byte_fallback_ && byte_ids_[byte] < 0) {
      throw Error(ErrorCode::corrupted, source + ": trainer_spec.byte_fallback is on, and there is no piece " + name);
    }
  }
  TokenId mark = vocabulary_.find(kSpaceMark);
  cuts_at_marks_ = mark >= 0 && is_type(mark, SentencePieceType::normal);
  for (const auto& [text, id] : entries) {
    for (size_t i = text.find(kSpaceMark, 1); i != std::string_view::npos; i = text.find(kSpaceMark, i + 1)) {
      if (!text.substr(0, i).ends_with(kSpaceMark)) cuts_at_marks_ = false;
    }
  }
  trie_ = DoubleArray(std::move(entries));
  add_user_defined(spec, user_defined_);
}

void SentencePieceModel::tokenize(std::string_view piece, std::vector<ModelToken>& out) const {
  thread_local std::vector<ModelToken> found;
  found.clear();
  if (is_bpe_) {
    tokenize_bpe(piece, found);
  } else {
    tokenize_unigram(piece, found);
  }
  finish(piece, found, out);
  if (found.capacity() > kTokensKept) found = {};
}

void SentencePieceModel::tokenize_ids(std::string_view piece, std::vector<TokenId>& out) const {
  thread_local std::vector<ModelToken> tokens;
  auto append = [&](std::string_view part) {
    tokens.clear();
    tokenize(part, tokens);
    for (const ModelToken& token : tokens) out.push_back(token.id);
    if (tokens.capacity() > kTokensKept) tokens = {};
  };
  // Unigram scores are sums from the start of the text: a word's cut may depend on what they were rounded to.
  if (!is_bpe_ || !cuts_at_marks_) {
    append(piece);
    return;
  }
  WordCache& cache = WordCache::of(words_owner_);
  for (size_t begin = 0; begin < piece.size();) {
    size_t end = begin;
    while (piece.substr(end).starts_with(kSpaceMark)) end += kSpaceMark.size();
    end = std::min(piece.find(kSpaceMark, end), piece.size());
    std::string_view word = piece.substr(begin, end - begin);
    begin = end;
    if (word.size() > WordCache::kWordBytesMax) {
      append(word);
      continue;
    }
    WordCache::Key key = WordCache::key_of(word);
    if (cache.find(key, out)) continue;
    size_t first = out.size();
    append(word);
    cache.keep(key, out.data() + first, out.size() - first);
  }
}

void SentencePieceModel::finish(std::string_view piece, const std::vector<ModelToken>& found,
                                std::vector<ModelToken>& out) const {
  bool after_unknown = false;
  for (const ModelToken& token : found) {
    bool is_unknown = token.id == unknown_id_;
    if (is_unknown && byte_fallback_) {
      for (uint32_t i = token.begin; i < token.end; ++i) {
        out.push_back({byte_ids_[static_cast<unsigned char>(piece[i])], token.begin, token.end});
      }
    } else if (is_unknown && after_unknown) {
      out.back().end = token.end;
    } else {
      out.push_back(token);
      out.back().shows_text = is_unknown;
    }
    after_unknown = is_unknown;
  }
}

void SentencePieceModel::tokenize_unigram(std::string_view piece, std::vector<ModelToken>& out) const {
  struct Arrival {
    float score = 0;
    uint32_t begin = static_cast<uint32_t>(-1);
    TokenId id = -1;
  };
  constexpr auto kNone = static_cast<uint32_t>(-1);
  size_t size = piece.size();
  std::vector<Arrival> arrivals(size + 1);
  const float unknown_score = lowest_score_ - kUnknownPenalty;
  for (size_t begin = 0; begin < size;) {
    float score_here = arrivals[begin].score;
    auto character_size = static_cast<size_t>(utf8_size_of_lead(piece[begin]));
    bool covered = false;
    DoubleArray::Node node = trie_.root();
    for (size_t end = begin; end < size;) {
      int32_t id = -1;
      node = trie_.next(node, static_cast<unsigned char>(piece[end++]), id);
      if (node == DoubleArray::kNowhere) break;
      if (id < 0 || is_type(id, SentencePieceType::unused)) continue;
      Arrival& arrival = arrivals[end];
      size_t length = end - begin;
      // Compared in double precision and kept in single, as in the original.
      double score = is_type(id, SentencePieceType::user_defined)
                         ? static_cast<double>(static_cast<float>(length) * highest_score_) - kUserDefinedBonus
                         : static_cast<double>(scores_[static_cast<size_t>(id)]);
      double candidate = score + static_cast<double>(score_here);
      if (arrival.begin == kNone || candidate > static_cast<double>(arrival.score)) {
        arrival = {static_cast<float>(candidate), static_cast<uint32_t>(begin), id};
      }
      covered = covered || length == character_size;
    }
    if (!covered) {
      Arrival& arrival = arrivals[begin + character_size];
      float candidate = unknown_score + score_here;
      if (arrival.begin == kNone || candidate > arrival.score) {
        arrival = {candidate, static_cast<uint32_t>(begin), unknown_id_};
      }
    }
    begin += character_size;
  }
  for (size_t end = size; end > 0; end = arrivals[end].begin) {
    out.push_back({arrivals[end].id, arrivals[end].begin, static_cast<uint32_t>(end)});
  }
  std::reverse(out.begin(), out.end());
}

void SentencePieceModel::tokenize_bpe(std::string_view piece, std::vector<ModelToken>& out) const {
  struct Symbol {
    uint32_t begin;
    uint32_t size;
    int32_t previous;
    int32_t next;
    bool frozen;
  };
  struct Pair {
    float score;
    int32_t left;
    int32_t right;
    uint32_t size;
    bool operator<(const Pair& other) const { return score != other.score ? score < other.score : left > other.left; }
  };
  std::vector<Symbol> symbols;
  for (size_t i = 0; i < piece.size();) {
    size_t size = user_defined_.match_at(piece, i);
    bool frozen = size > 0;
    if (!frozen) size = static_cast<size_t>(utf8_size_of_lead(piece[i]));
    auto index = static_cast<int32_t>(symbols.size());
    symbols.push_back({static_cast<uint32_t>(i), static_cast<uint32_t>(size), index - 1, index + 1, frozen});
    i += size;
  }
  if (symbols.empty()) return;
  symbols.back().next = -1;
  // How unused pieces were made, to take them apart again.
  std::unordered_map<std::string_view, std::pair<std::string_view, std::string_view>> made_of;
  auto text_of = [&](const Symbol& symbol) { return piece.substr(symbol.begin, symbol.size); };
  std::vector<Pair> found;
  auto look = [&](int32_t left, int32_t right, auto push) {
    if (left < 0 || right < 0) return;
    const Symbol& a = symbols[static_cast<size_t>(left)];
    const Symbol& b = symbols[static_cast<size_t>(right)];
    if (a.frozen || b.frozen) return;
    std::string_view joined = piece.substr(a.begin, a.size + b.size);
    TokenId id = matching_.find(joined);
    if (id < 0) return;
    push(Pair{scores_[static_cast<size_t>(id)], left, right, a.size + b.size});
    if (is_type(id, SentencePieceType::unused)) made_of[joined] = {text_of(a), text_of(b)};
  };
  for (size_t i = 1; i < symbols.size(); ++i) {
    look(static_cast<int32_t>(i) - 1, static_cast<int32_t>(i), [&](const Pair& pair) { found.push_back(pair); });
  }
  std::priority_queue<Pair> agenda(std::less<Pair>(), std::move(found));
  while (!agenda.empty()) {
    Pair top = agenda.top();
    agenda.pop();
    Symbol& left = symbols[static_cast<size_t>(top.left)];
    Symbol& right = symbols[static_cast<size_t>(top.right)];
    if (left.size == 0 || right.size == 0 || left.size + right.size != top.size) continue;
    left.size += right.size;
    left.next = right.next;
    if (right.next >= 0) symbols[static_cast<size_t>(right.next)].previous = top.left;
    right.size = 0;
    auto push = [&](const Pair& pair) { agenda.push(pair); };
    look(left.previous, top.left, push);
    look(top.left, left.next, push);
  }
  std::vector<std::string_view> pending;
  for (int32_t i = 0; i >= 0; i = symbols[static_cast<size_t>(i)].next) {
    pending.push_back(text_of(symbols[static_cast<size_t>(i)]));
    while (!pending.empty()) {
      std::string_view text = pending.back();
      pending.pop_back();
      TokenId id = vocabulary_.find(text);
      if (id >= 0 && is_type(id, SentencePieceType::unused)) {
        if (auto parts = made_of.find(text); parts != made_of.end()) {
          pending.push_back(parts->second.second);
          pending.push_back(parts->second.first);
          continue;
        }
      }
      auto begin = static_cast<uint32_t>(text.data() - piece.data());
      out.push_back({id < 0 ? unknown_id_ : id, begin, static_cast<uint32_t>(begin + text.size())});
    }
  }
}

std::unique_ptr<Pipeline> read_sentencepiece(std::string_view bytes, std::string_view source) {
  SentencePieceSpec spec = parse_sentencepiece(bytes, source);
  std::string name(source);
  auto pipeline = std::make_unique<Pipeline>();
  pipeline->normalizer = std::make_unique<SentencePieceNormalizer>(spec, name);
  pipeline->model = std::make_unique<SentencePieceModel>(spec, name);
  std::vector<std::unique_ptr<Decoder>> decoders;
  if (spec.escape_whitespaces) {
    decoders.push_back(std::make_unique<ReplaceDecoder>(ReplaceNormalizer::of_string(kSpaceMark, " ")));
  }
  decoders.push_back(std::make_unique<ByteFallbackDecoder>());
  decoders.push_back(std::make_unique<FuseDecoder>());
  if (spec.add_dummy_prefix) {
    bool suffix = spec.treat_whitespace_as_suffix;
    decoders.push_back(std::make_unique<StripDecoder>(U' ', suffix ? 0 : 1, suffix ? 1 : 0));
  }
  pipeline->decoder = std::make_unique<DecoderSequence>(std::move(decoders));
  return pipeline;
}

}  // namespace sextant::text
