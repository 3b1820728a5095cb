#include "text/post_processor.h"

#include <algorithm>
#include <iterator>

#include "text/unicode.h"

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

namespace {

bool counts_as_space(char32_t c) { return c == 0x120 || is_white_space(c); }

// Moves the offsets of tokens with spaces at their ends inwards, a character a space.
void trim_offsets(Encoding& encoding, const std::vector<std::string_view>& texts, bool add_prefix_space) {
  for (size_t i = 0; i < encoding.ids.size(); ++i) {
    std::string_view token = encoding.tokens[i];
    size_t leading = 0;
    for (size_t k = 0; k < token.size(); ++leading) {
      if (!counts_as_space(next_code_point(token, k))) break;
    }
    size_t trailing = 0;
    for (size_t k = token.size(); k > 0; ++trailing) {
      char32_t c = previous_code_point(token, k);
      if (!counts_as_space(c)) break;
      k -= static_cast<size_t>(utf8_size(c));
    }
    if (leading == 0 && trailing == 0) continue;
    TokenOffset& offset = encoding.offsets[i];
    int sequence = encoding.sequence_ids[i];
    if (sequence < 0) continue;
    std::string_view text = texts[static_cast<size_t>(sequence)];
    // One space before the first word may be what add_prefix_space put there; several are the text's own.
    if (leading == 1 && (i == 0 || offset.begin == 0) && add_prefix_space) leading = 0;
    for (; leading > 0 && offset.begin < offset.end; --leading) {
      offset.begin += static_cast<uint32_t>(utf8_size_of_lead(text[offset.begin]));
    }
    size_t end = offset.end;
    for (; trailing > 0 && end > 0; --trailing) {
      end -= static_cast<size_t>(utf8_size(previous_code_point(text, end)));
    }
    if (trailing == 0) offset.end = std::max(static_cast<uint32_t>(end), offset.begin);
  }
}

Encoding special_token(const ClassifierProcessing::Token& token, uint8_t type_id) {
  return {{token.id}, {token.text}, {{0, 0}}, {type_id}, {1}, {-1}, 0};
}

}  // namespace

void ByteLevelProcessing::apply(std::vector<Encoding>& encodings, const std::vector<std::string_view>& texts,
                                bool) const {
  if (!trim_offsets_) return;
  for (Encoding& encoding : encodings) trim_offsets(encoding, texts, add_prefix_space_);
}

void ClassifierProcessing::apply(std::vector<Encoding>& encodings, const std::vector<std::string_view>& texts,
                                 bool add_special_tokens) const {
  for (Encoding& encoding : encodings) {
    if (options_.trim_offsets) trim_offsets(encoding, texts, options_.add_prefix_space);
    if (options_.roberta) std::fill(encoding.type_ids.begin(), encoding.type_ids.end(), uint8_t{0});
  }
  if (!add_special_tokens) return;
  std::vector<Encoding> made;
  for (size_t i = 0; i < encodings.size(); ++i) {
    auto type_id = static_cast<uint8_t>(i > 0 && !options_.roberta ? 1 : 0);
    if (i == 0) made.push_back(special_token(options_.first, 0));
    if (i > 0 && options_.roberta) made.push_back(special_token(options_.last, 0));
    std::fill(encodings[i].type_ids.begin(), encodings[i].type_ids.end(), type_id);
    made.push_back(std::move(encodings[i]));
    made.push_back(special_token(options_.last, type_id));
  }
  encodings.swap(made);
}

}  // namespace sextant::text
