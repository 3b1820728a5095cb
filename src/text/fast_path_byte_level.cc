#include <string>

#include "text/bpe.h"
#include "text/fast_path.h"
#include "text/pipeline.h"
#include "text/split_patterns.h"
#include "text/unicode.h"

namespace sextant::text {
namespace {

// How a pre-tokenizer that ends in ByteLevel cuts: steps of its own, then a pattern.
struct ByteLevelCut {
  std::vector<const PreTokenizer*> steps;
  PieceEnd piece_end = nullptr;  // null: what the steps leave is a word
  bool add_prefix_space = false;
};

bool understand(const PreTokenizer* pre_tokenizer, ByteLevelCut& cut) {
  if (auto byte_level = dynamic_cast<const ByteLevelPreTokenizer*>(pre_tokenizer)) {
    cut.add_prefix_space = byte_level->add_prefix_space();
    if (byte_level->use_pattern()) cut.piece_end = find_piece_end(ByteLevelPreTokenizer::kPattern);
    return true;
  }
  auto sequence = dynamic_cast<const PreTokenizerSequence*>(pre_tokenizer);
  if (sequence == nullptr || sequence->steps().empty()) return false;
  const auto& steps = sequence->steps();
  if (dynamic_cast<const ByteLevelPreTokenizer*>(steps.back().get()) == nullptr) return false;
  understand(steps.back().get(), cut);
  for (size_t i = 0; i + 1 < steps.size(); ++i) {
    const PreTokenizer* step = steps[i].get();
    if (step->needs_alignment()) return false;
    // One known pattern before bare bytes is the usual case, and needs no list of pieces.
    auto split = dynamic_cast<const SplitPreTokenizer*>(step);
    if (steps.size() == 2 && split && split->behavior() == SplitBehavior::isolated && !split->inverted() &&
        cut.piece_end == nullptr && !cut.add_prefix_space) {
      cut.piece_end = find_piece_end(split->pattern().pattern());
      if (cut.piece_end) return true;
    }
    cut.steps.push_back(step);
  }
  return true;
}

class ByteLevelFastPath : public FastPath {
 public:
  ByteLevelFastPath(const Bpe& model, const UnicodeNormalizer* normalizer, ByteLevelCut cut)
      : model_(model), normalizer_(normalizer), cut_(std::move(cut)) {}

  bool encode(std::string_view text, std::vector<TokenId>& out) const override {
    if (text.empty()) return true;
    WordCache& cache = WordCache::of(model_.bytes_owner());
    AlignedText normalized;
    if (normalizer_ && !is_normalized(text, normalizer_->form())) {
      normalized.assign(text, 0, false);
      normalizer_->apply(normalized);
      text = normalized.view();
    }
    if (cut_.steps.empty()) {
      encode_piece(text, cache, out);
      return true;
    }
    Pieces pieces;
    pieces.append(text);
    for (const PreTokenizer* step : cut_.steps) step->apply(pieces);
    for (const Piece& piece : pieces.list) encode_piece(pieces.view(piece), cache, out);
    return true;
  }

 private:
  void encode_piece(std::string_view text, WordCache& cache, std::vector<TokenId>& out) const {
    std::string prefixed;
    if (cut_.add_prefix_space && !text.starts_with(' ')) {
      prefixed.reserve(text.size() + 1);
      prefixed += ' ';
      prefixed += text;
      text = prefixed;
    }
    if (cut_.piece_end == nullptr) {
      model_.tokenize_bytes(text, cache, out);
      return;
    }
    for (size_t begin = 0; begin < text.size();) {
      size_t end = cut_.piece_end(text, begin);
      model_.tokenize_bytes(text.substr(begin, end - begin), cache, out);
      begin = end;
    }
  }

  const Bpe& model_;
  const UnicodeNormalizer* normalizer_;
  ByteLevelCut cut_;
};

}  // namespace

std::unique_ptr<FastPath> make_byte_level_fast_path(const Pipeline& pipeline) {
  auto model = dynamic_cast<const Bpe*>(pipeline.model.get());
  if (model == nullptr || !model->takes_bytes()) return nullptr;
  auto normalizer = dynamic_cast<const UnicodeNormalizer*>(pipeline.normalizer.get());
  if (pipeline.normalizer && normalizer == nullptr) return nullptr;
  ByteLevelCut cut;
  if (!understand(pipeline.pre_tokenizer.get(), cut)) return nullptr;
  return std::make_unique<ByteLevelFastPath>(*model, normalizer, std::move(cut));
}

}  // namespace sextant::text
