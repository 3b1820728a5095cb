#include "text/wordlevel.h"

#include "sextant/error.h"

namespace sextant::text {

WordLevel::WordLevel(Vocabulary vocabulary, std::string unknown_token)
    : Model(std::move(vocabulary)),
      unknown_token_(std::move(unknown_token)),
      unknown_id_(vocabulary_.find(unknown_token_)) {}

TokenId WordLevel::id_of(std::string_view piece) const {
  TokenId id = vocabulary_.find(piece);
  if (id >= 0) return id;
  if (unknown_id_ >= 0) return unknown_id_;
  throw Error(ErrorCode::corrupted,
              "model.unk_token \"" + unknown_token_ + "\" is not in model.vocab, and this text needs it");
}

void WordLevel::tokenize(std::string_view piece, std::vector<ModelToken>& out) const {
  out.push_back({id_of(piece), 0, static_cast<uint32_t>(piece.size())});
}

void WordLevel::tokenize_ids(std::string_view piece, std::vector<TokenId>& out) const { out.push_back(id_of(piece)); }

}  // namespace sextant::text
