// text/pieces.h: a text cut into pieces that the model tokenizes one by one.
//
// One buffer holds the (rewritten) text of all pieces; a piece is a range of it. Pieces that matched an added token are
// done: they carry its id and no pre-tokenizer touches them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sextant/tokenizer.h"
#include "text/aligned_text.h"

namespace sextant::text {

struct Piece {
  uint32_t begin = 0;  // bytes of Pieces::text
  uint32_t end = 0;
  TokenId added_id = -1;  // -1: for the model to tokenize
};

struct Pieces {
  std::string text;
  std::vector<TokenOffset> origins;  // one a byte of text; empty when not aligned
  std::vector<Piece> list;
  bool aligned = false;

  std::string_view view(const Piece& piece) const {
    return std::string_view(text).substr(piece.begin, piece.end - piece.begin);
  }
  // Adds TEXT as a piece; empty text adds nothing.
  void append(std::string_view added_text, const TokenOffset* added_origins, TokenId added_id = -1);
  // The same for texts that are not aligned.
  void append(std::string_view added_text) {
    if (added_text.empty()) return;
    list.push_back({static_cast<uint32_t>(text.size()), static_cast<uint32_t>(text.size() + added_text.size()), -1});
    text.append(added_text);
  }
  // The bytes of the original that bytes [begin, end) of text stand for. REQUIRES: aligned, begin < end <= text.size().
  TokenOffset origin(size_t begin, size_t end) const { return {origins[begin].begin, origins[end - 1].end}; }

  // Cuts each piece that is not done: CUT(view, emit) calls emit(begin, end), bytes of the view, for each new piece.
  template <class Cut>
  void cut(Cut cut_piece) {
    std::vector<Piece> cut_list;
    cut_list.reserve(list.size() * 2);
    for (const Piece& piece : list) {
      if (piece.added_id >= 0) {
        cut_list.push_back(piece);
        continue;
      }
      cut_piece(view(piece), [&](size_t begin, size_t end) {
        if (begin < end) {
          cut_list.push_back(
              {static_cast<uint32_t>(piece.begin + begin), static_cast<uint32_t>(piece.begin + end), -1});
        }
      });
    }
    list.swap(cut_list);
  }

  // Rewrites each piece that is not done with REWRITE(AlignedText&).
  template <class Rewrite>
  void rewrite(Rewrite rewrite_piece) {
    Pieces rewritten;
    rewritten.aligned = aligned;
    rewritten.text.reserve(text.size() + text.size() / 4);
    rewritten.list.reserve(list.size());
    AlignedText scratch;
    for (const Piece& piece : list) {
      const TokenOffset* from = aligned ? origins.data() + piece.begin : nullptr;
      if (piece.added_id >= 0) {
        rewritten.append(view(piece), from, piece.added_id);
        continue;
      }
      scratch.assign(view(piece), from);
      rewrite_piece(scratch);
      rewritten.append(scratch.view(), aligned ? scratch.origins().data() : nullptr);
    }
    *this = std::move(rewritten);
  }
};

inline void Pieces::append(std::string_view added_text, const TokenOffset* added_origins, TokenId added_id) {
  if (added_text.empty()) return;
  auto begin = static_cast<uint32_t>(text.size());
  text.append(added_text);
  if (aligned) origins.insert(origins.end(), added_origins, added_origins + added_text.size());
  list.push_back({begin, static_cast<uint32_t>(text.size()), added_id});
}

}  // namespace sextant::text
