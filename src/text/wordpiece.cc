#include "text/wordpiece.h"

#include "base/utf8.h"
#include "sextant/error.h"

namespace sextant::text {

WordPiece::WordPiece(Vocabulary vocabulary, WordPieceOptions options)
    : Model(std::move(vocabulary)),
      options_(std::move(options)),
      unknown_id_(vocabulary_.find(options_.unknown_token)) {
  std::vector<std::pair<std::string_view, uint32_t>> entries;
  vocabulary_.for_each([&](std::string_view token, TokenId id) {
    if (!token.empty()) entries.emplace_back(token, static_cast<uint32_t>(id));
  });
  words_.reserve(entries.size());
  for (const auto& [token, id] : entries) {
    if (token.size() <= WordTable::kWordBytesMax) words_.add(token, static_cast<TokenId>(id));
  }
  trie_ = DoubleArray(std::move(entries));
  continuing_ = trie_.walk(options_.continuing_prefix);
}

TokenId WordPiece::require_unknown_id() const {
  if (unknown_id_ >= 0) return unknown_id_;
  throw Error(ErrorCode::corrupted,
              "model.unk_token \"" + options_.unknown_token + "\" is not in model.vocab, and this text needs it");
}

void WordPiece::tokenize(std::string_view piece, std::vector<ModelToken>& out) const {
  auto size = static_cast<uint32_t>(piece.size());
  size_t first = out.size();
  bool covered = base::count_code_points(piece) <= options_.word_chars_max;
  std::string candidate;
  for (uint32_t begin = 0; covered && begin < size;) {
    candidate.assign(begin > 0 ? options_.continuing_prefix : "");
    size_t prefix_size = candidate.size();
    candidate.append(piece.substr(begin));
    TokenId id = -1;
    while (candidate.size() > prefix_size) {
      id = vocabulary_.find(candidate);
      if (id >= 0) break;
      do {
        candidate.pop_back();
      } while (candidate.size() > prefix_size &&
               (static_cast<unsigned char>(piece[begin + candidate.size() - prefix_size]) & 0xC0) == 0x80);
    }
    covered = id >= 0;
    if (covered) {
      auto end = static_cast<uint32_t>(begin + candidate.size() - prefix_size);
      out.push_back({id, begin, end});
      begin = end;
    }
  }
  if (!covered) {
    out.resize(first);
    out.push_back({require_unknown_id(), 0, size});
  }
}

void WordPiece::tokenize_ids(std::string_view piece, std::vector<TokenId>& out) const {
  if (piece.empty()) return;
  if (piece.size() <= WordTable::kWordBytesMax && piece.size() <= options_.word_chars_max) {
    TokenId id = words_.find(piece);
    if (id >= 0) {
      out.push_back(id);
      return;
    }
  }
  // No more characters than bytes: most pieces need no count.
  if (piece.size() > options_.word_chars_max && base::count_code_points(piece) > options_.word_chars_max) {
    out.push_back(require_unknown_id());
    return;
  }
  longest_matches(piece, out);
}

void WordPiece::longest_matches(std::string_view piece, std::vector<TokenId>& out) const {
  size_t first = out.size();
  DoubleArray::Node start = trie_.root();
  for (size_t begin = 0; begin < piece.size();) {
    DoubleArray::Node node = start;
    TokenId best = -1;
    size_t best_end = begin;
    for (size_t end = begin; end < piece.size() && node != DoubleArray::kNowhere;) {
      int32_t id = -1;
      node = trie_.next(node, static_cast<unsigned char>(piece[end++]), id);
      if (node != DoubleArray::kNowhere && id >= 0) {
        best = id;
        best_end = end;
      }
    }
    if (best < 0) {
      out.resize(first);
      out.push_back(require_unknown_id());
      return;
    }
    out.push_back(best);
    begin = best_end;
    start = continuing_;
  }
}

}  // namespace sextant::text
