#include "text/wordpiece.h"

#include "base/utf8.h"
#include "sextant/error.h"

namespace sextant::text {

WordPiece::WordPiece(Vocabulary vocabulary, WordPieceOptions options)
    : Model(std::move(vocabulary)),
      options_(std::move(options)),
      unknown_id_(vocabulary_.find(options_.unknown_token)) {}

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
  std::vector<ModelToken> tokens;
  tokenize(piece, tokens);
  for (const ModelToken& token : tokens) out.push_back(token.id);
}

}  // namespace sextant::text
