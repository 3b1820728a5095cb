#include "text/post_processor.h"

#include <algorithm>
#include <iterator>

namespace sextant::text {

void append_encoding(Encoding& to, Encoding&& from) {
  auto append = [](auto& target, auto& source) {
    target.insert(target.end(), std::make_move_iterator(source.begin()), std::make_move_iterator(source.end()));
  };
  append(to.ids, from.ids);
  append(to.tokens, from.tokens);
  append(to.offsets, from.offsets);
  append(to.type_ids, from.type_ids);
  append(to.special_mask, from.special_mask);
  append(to.sequence_ids, from.sequence_ids);
  to.tokens_dropped += from.tokens_dropped;
}

void TemplateProcessing::apply(std::vector<Encoding>& encodings, const std::vector<std::string_view>&,
                               bool add_special_tokens) const {
  const std::vector<TemplatePiece>& pieces = encodings.size() > 1 ? pair_ : single_;
  std::vector<Encoding> made;
  for (const TemplatePiece& piece : pieces) {
    if (piece.sequence >= 0) {
      Encoding encoding = encodings[static_cast<size_t>(piece.sequence)];
      std::fill(encoding.type_ids.begin(), encoding.type_ids.end(), piece.type_id);
      made.push_back(std::move(encoding));
    } else if (add_special_tokens) {
      Encoding special;
      special.ids = piece.ids;
      special.tokens = piece.tokens;
      special.offsets.resize(piece.ids.size());
      special.type_ids.assign(piece.ids.size(), piece.type_id);
      special.special_mask.assign(piece.ids.size(), 1);
      special.sequence_ids.assign(piece.ids.size(), -1);
      made.push_back(std::move(special));
    }
  }
  encodings.swap(made);
}

size_t TemplateProcessing::added_count(bool is_pair) const {
  size_t count = 0;
  for (const TemplatePiece& piece : is_pair ? pair_ : single_) count += piece.ids.size();
  return count;
}

}  // namespace sextant::text
