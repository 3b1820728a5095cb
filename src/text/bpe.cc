#include "text/bpe.h"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <queue>

#include "sextant/error.h"
#include "text/byte_level.h"
#include "text/unicode.h"

namespace sextant::text {
namespace {

constexpr std::string_view kWordMark = "\xe2\x96\x81";  // U+2581
constexpr size_t kSymbolsKept = 1 << 16;                // scratch memory that a thread keeps

constexpr size_t kShortSymbols = 48;  // up to here a scan for the best pair beats a heap

uint64_t pair_key(TokenId left, TokenId right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

uint64_t mix(uint64_t key) {
  key *= 0x9E3779B97F4A7C15ull;
  return key ^ (key >> 32);
}

}  // namespace

Bpe::Bpe(Vocabulary vocabulary, const std::vector<Merge>& merges, BpeOptions options)
    : Model(std::move(vocabulary)), options_(std::move(options)) {
  if (options_.unknown_token) unknown_id_ = vocabulary_.find(*options_.unknown_token);
  for (int byte = 0; byte < 256; ++byte) {
    char token_name[8];
    std::snprintf(token_name, sizeof token_name, "<0x%02X>", byte);
    byte_ids_[byte] = vocabulary_.find(token_name);
  }
  const auto& characters = byte_level_characters();
  takes_bytes_ = options_.continuing_prefix.empty() && options_.end_of_word_suffix.empty();
  for (size_t byte = 0; byte < 256; ++byte) {
    std::string character;
    base::append_utf8(character, characters[byte]);
    byte_level_ids_[byte] = vocabulary_.find(character);
    takes_bytes_ = takes_bytes_ && byte_level_ids_[byte] >= 0;
  }
  cuts_at_marks_ =
      options_.continuing_prefix.empty() && options_.end_of_word_suffix.empty() && vocabulary_.find(kWordMark) >= 0;
  merges_.assign(std::bit_ceil(merges.size() * 2 + 2), Slot{});
  merges_mask_ = merges_.size() - 1;
  std::string merged;
  for (size_t index = 0; index < merges.size(); ++index) {
    auto [left, right, rank] = merges[index];
    auto fail = [&](std::string_view token) {
      throw Error(ErrorCode::corrupted, "model.merges[" + std::to_string(index) + "] needs the token \"" +
                                            std::string(token) + "\", which model.vocab lacks");
    };
    TokenId left_id = vocabulary_.find(left);
    TokenId right_id = vocabulary_.find(right);
    if (left_id < 0) fail(left);
    if (right_id < 0) fail(right);
    merged.assign(left);
    merged.append(right.substr(std::min(right.size(), options_.continuing_prefix.size())));
    TokenId merged_id = vocabulary_.find(merged);
    if (merged_id < 0) fail(merged);
    for (size_t i = merged.find(kWordMark, 1); i != std::string::npos; i = merged.find(kWordMark, i + 1)) {
      if (!std::string_view(merged).substr(0, i).ends_with(kWordMark)) cuts_at_marks_ = false;
    }
    add_merge(left_id, right_id, rank, merged_id);
  }
}

void Bpe::add_merge(TokenId left, TokenId right, uint32_t rank, TokenId merged) {
  uint64_t key = pair_key(left, right);
  uint64_t i = mix(key) & merges_mask_;
  while (merges_[i].pair != Slot::kEmpty && merges_[i].pair != key) i = (i + 1) & merges_mask_;
  merges_[i] = {key, rank, merged};
}

const Bpe::Slot* Bpe::find_merge(TokenId left, TokenId right) const {
  uint64_t key = pair_key(left, right);
  for (uint64_t i = mix(key) & merges_mask_;; i = (i + 1) & merges_mask_) {
    const Slot& slot = merges_[i];
    if (slot.pair == key) return &slot;
    if (slot.pair == Slot::kEmpty) return nullptr;
  }
}

void Bpe::start(std::string_view piece, std::vector<Symbol>& symbols) const {
  symbols.clear();
  TokenId pending_id = -1;  // an unknown token that may still grow
  uint32_t pending_size = 0;
  auto flush = [&] {
    if (pending_size > 0) symbols.push_back({pending_id, pending_size});
    pending_size = 0;
  };
  std::string decorated;
  for (size_t i = 0; i < piece.size();) {
    auto size = static_cast<size_t>(utf8_size_of_lead(piece[i]));
    std::string_view character = piece.substr(i, size);
    bool is_last = i + size == piece.size();
    if ((i > 0 && !options_.continuing_prefix.empty()) || (is_last && !options_.end_of_word_suffix.empty())) {
      decorated.assign(i > 0 ? options_.continuing_prefix : "");
      decorated.append(character);
      if (is_last) decorated.append(options_.end_of_word_suffix);
      character = decorated;
    }
    i += size;
    TokenId id = vocabulary_.find(character);
    if (id >= 0) {
      flush();
      symbols.push_back({id, static_cast<uint32_t>(size)});
      continue;
    }
    if (options_.byte_fallback) {
      bool all = std::all_of(character.begin(), character.end(),
                             [&](char c) { return byte_ids_[static_cast<unsigned char>(c)] >= 0; });
      if (all) {
        for (char c : character) symbols.push_back({byte_ids_[static_cast<unsigned char>(c)], 1});
        continue;
      }
    }
    // Without an unknown token what is not in the vocabulary is left out.
    if (!options_.unknown_token) continue;
    if (unknown_id_ < 0) {
      throw Error(ErrorCode::corrupted,
                  "model.unk_token \"" + *options_.unknown_token + "\" is not in model.vocab, and this text needs it");
    }
    if (!options_.fuse_unknown) flush();
    pending_id = unknown_id_;
    pending_size += static_cast<uint32_t>(size);
  }
  flush();
}

void Bpe::merge(std::vector<Symbol>& symbols) const {
  if (symbols.size() <= kShortSymbols) {
    merge_short(symbols);
  } else {
    merge_long(symbols);
  }
}

void Bpe::merge_short(std::vector<Symbol>& symbols) const {
  constexpr uint32_t kNone = static_cast<uint32_t>(-1);
  size_t count = symbols.size();
  if (count < 2) return;
  uint32_t ranks[kShortSymbols];
  TokenId merged[kShortSymbols];
  auto look = [&](size_t i) {
    const Slot* slot = i + 1 < count ? find_merge(symbols[i].id, symbols[i + 1].id) : nullptr;
    ranks[i] = slot ? slot->rank : kNone;
    merged[i] = slot ? slot->merged : -1;
  };
  for (size_t i = 0; i < count; ++i) look(i);
  for (;;) {
    size_t best = 0;
    for (size_t i = 1; i < count; ++i) {
      if (ranks[i] < ranks[best]) best = i;
    }
    if (ranks[best] == kNone) break;
    symbols[best] = {merged[best], symbols[best].size + symbols[best + 1].size};
    --count;
    for (size_t i = best + 1; i < count; ++i) {
      symbols[i] = symbols[i + 1];
      ranks[i] = ranks[i + 1];
      merged[i] = merged[i + 1];
    }
    look(best);
    if (best > 0) look(best - 1);
  }
  symbols.resize(count);
}

void Bpe::merge_long(std::vector<Symbol>& symbols) const {
  struct Candidate {
    uint32_t rank;
    uint32_t position;
    TokenId left;
    TokenId right;
    bool operator>(const Candidate& other) const {
      return rank != other.rank ? rank > other.rank : position > other.position;
    }
  };
  constexpr uint32_t kNone = static_cast<uint32_t>(-1);
  auto count = static_cast<uint32_t>(symbols.size());
  std::vector<uint32_t> next(count);
  std::vector<uint32_t> previous(count);
  std::vector<Candidate> found;
  auto candidate = [&](uint32_t left, uint32_t right, auto push) {
    const Slot* slot = find_merge(symbols[left].id, symbols[right].id);
    if (slot) push(Candidate{slot->rank, left, symbols[left].id, symbols[right].id});
  };
  for (uint32_t i = 0; i < count; ++i) {
    next[i] = i + 1 < count ? i + 1 : kNone;
    previous[i] = i > 0 ? i - 1 : kNone;
    if (i + 1 < count) candidate(i, i + 1, [&](const Candidate& made) { found.push_back(made); });
  }
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue(std::greater<>(), std::move(found));
  while (!queue.empty()) {
    Candidate top = queue.top();
    queue.pop();
    uint32_t left = top.position;
    // Merged away or changed since it was queued?
    if (symbols[left].size == 0 || symbols[left].id != top.left) continue;
    uint32_t right = next[left];
    if (right == kNone || symbols[right].id != top.right) continue;
    symbols[left].id = find_merge(top.left, top.right)->merged;
    symbols[left].size += symbols[right].size;
    symbols[right].size = 0;
    next[left] = next[right];
    if (next[left] != kNone) previous[next[left]] = left;
    auto push = [&](const Candidate& made) { queue.push(made); };
    if (previous[left] != kNone) candidate(previous[left], left, push);
    if (next[left] != kNone) candidate(left, next[left], push);
  }
  std::erase_if(symbols, [](const Symbol& symbol) { return symbol.size == 0; });
}

void Bpe::tokenize(std::string_view piece, std::vector<ModelToken>& out) const {
  if (options_.ignore_merges) {
    TokenId id = vocabulary_.find(piece);
    if (id >= 0) {
      out.push_back({id, 0, static_cast<uint32_t>(piece.size())});
      return;
    }
  }
  thread_local std::vector<Symbol> symbols;
  start(piece, symbols);
  merge(symbols);
  uint32_t begin = 0;
  for (const Symbol& symbol : symbols) {
    out.push_back({symbol.id, begin, begin + symbol.size});
    begin += symbol.size;
  }
  if (symbols.capacity() > kSymbolsKept) symbols = {};
}

void Bpe::tokenize_word(std::string_view word, WordCache& cache, std::vector<TokenId>& out) const {
  WordCache::Key key;
  if (word.size() <= WordCache::kWordBytesMax) {
    key = WordCache::key_of(word);
    if (cache.find(key, out)) return;
  }
  thread_local std::vector<Symbol> symbols;
  start(word, symbols);
  merge(symbols);
  size_t first = out.size();
  for (const Symbol& symbol : symbols) out.push_back(symbol.id);
  if (key.size > 0) cache.keep(key, out.data() + first, out.size() - first);
  if (symbols.capacity() > kSymbolsKept) symbols = {};
}

void Bpe::tokenize_ids(std::string_view piece, std::vector<TokenId>& out) const {
  if (piece.empty()) return;
  if (options_.ignore_merges) {
    TokenId id = vocabulary_.find(piece);
    if (id >= 0) {
      out.push_back(id);
      return;
    }
  }
  WordCache& cache = WordCache::of(words_owner_);
  if (!cuts_at_marks_) {
    tokenize_word(piece, cache, out);
    return;
  }
  for (size_t begin = 0; begin < piece.size();) {
    // Past the marks that the word begins with, up to the next.
    size_t end = begin;
    while (piece.substr(end).starts_with(kWordMark)) end += kWordMark.size();
    end = std::min(piece.find(kWordMark, end), piece.size());
    tokenize_word(piece.substr(begin, end - begin), cache, out);
    begin = end;
  }
}

void Bpe::tokenize_bytes(std::string_view word, WordCache& cache, std::vector<TokenId>& out) const {
  WordCache::Key key;
  if (word.size() <= WordCache::kWordBytesMax) {
    key = WordCache::key_of(word);
    if (cache.find(key, out)) return;
  }
  size_t first = out.size();
  TokenId whole = -1;
  if (options_.ignore_merges) {
    std::string visible;
    append_byte_level(word, visible);
    whole = vocabulary_.find(visible);
  }
  if (whole >= 0) {
    out.push_back(whole);
  } else {
    thread_local std::vector<Symbol> symbols;
    symbols.clear();
    for (char c : word) symbols.push_back({byte_level_ids_[static_cast<unsigned char>(c)], 1});
    merge(symbols);
    for (const Symbol& symbol : symbols) out.push_back(symbol.id);
    if (symbols.capacity() > kSymbolsKept) symbols = {};
  }
  if (key.size > 0) cache.keep(key, out.data() + first, out.size() - first);
}

}  // namespace sextant::text
