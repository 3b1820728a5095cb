#include "text/pipeline.h"

#include <algorithm>

namespace sextant::text {

void Pipeline::cut(std::string_view text, bool aligned, Pieces& out) const {
  out.text.clear();
  out.origins.clear();
  out.list.clear();
  out.aligned = aligned;
  out.text.reserve(text.size() + text.size() / 8);
  std::vector<AddedTokens::Range> ranges;
  std::vector<AddedTokens::Range> inner;
  added.find(text, false, ranges);
  AlignedText segment;
  for (const AddedTokens::Range& range : ranges) {
    segment.assign(text.substr(range.begin, range.end - range.begin), static_cast<uint32_t>(range.begin), aligned);
    if (range.id >= 0) {
      out.append(segment.view(), segment.origins().data(), range.id);
      continue;
    }
    if (normalizer) normalizer->apply(segment);
    inner.clear();
    added.find(segment.view(), true, inner);
    for (const AddedTokens::Range& part : inner) {
      out.append(segment.view().substr(part.begin, part.end - part.begin),
                 aligned ? segment.origins().data() + part.begin : nullptr, part.id);
    }
  }
  if (pre_tokenizer) pre_tokenizer->apply(out);
}

std::string Pipeline::normalize(std::string_view text) const {
  std::vector<AddedTokens::Range> ranges;
  added.find(text, false, ranges);
  std::string out;
  AlignedText segment;
  for (const AddedTokens::Range& range : ranges) {
    segment.assign(text.substr(range.begin, range.end - range.begin), 0, false);
    if (range.id < 0 && normalizer) normalizer->apply(segment);
    out.append(segment.view());
  }
  return out;
}

TokenId Pipeline::token_to_id(std::string_view token) const {
  TokenId id = added.id_of(token);
  return id >= 0 ? id : model->vocabulary().find(token);
}

std::string_view Pipeline::id_to_token(TokenId id) const {
  if (const AddedToken* token = added.by_id(id)) return token->content;
  return model->vocabulary().token(id);
}

void Pipeline::add_tokens(std::vector<AddedToken> tokens) {
  // Special ones first: of two patterns that are equal the first wins.
  std::vector<AddedToken*> order;
  TokenId highest = -1;
  for (AddedToken& token : tokens) {
    if (token.content.empty()) continue;
    TokenId id = token_to_id(token.content);
    for (const AddedToken* earlier : order) {
      if (earlier->content == token.content) id = earlier->id;
    }
    auto model_size = static_cast<TokenId>(model->vocabulary().size());
    if (id < 0) id = highest >= model_size ? highest + 1 : model_size;
    token.id = id;
    highest = std::max(highest, id);
    order.push_back(&token);
  }
  std::stable_partition(order.begin(), order.end(), [](const AddedToken* token) { return token->special; });
  AlignedText pattern;
  for (const AddedToken* token : order) {
    pattern.assign(token->content, 0, false);
    if (token->normalized && normalizer) normalizer->apply(pattern);
    added.add(*token, pattern.view());
  }
}

}  // namespace sextant::text
