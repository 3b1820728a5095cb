#include "train/pair_source.h"

#include <fmt/format.h>

#include "base/hash.h"
#include "sextant/error.h"

namespace sextant::train {

PairReader::PairReader(const SourceOptions& source) : source_(source), reader_(source.path) {}

bool PairReader::next(Pair& pair) {
  while (pending_.empty()) {
    if (!reader_.next()) return false;
    if (source_.running_text) {
      pairs_of_document(reader_.text("title"), reader_.text("text"), source_.text,
                        [&](std::string anchor, std::string positive) {
                          pending_.push_back({std::move(anchor), std::move(positive), {}});
                        });
      continue;
    }
    pair.anchor = reader_.text("a");
    pair.positive = reader_.text("b");
    pair.negatives.clear();
    reader_.for_each_text([&](std::string_view field, std::string_view text) {
      bool negative = field[0] == 'n' && field.find_first_not_of("0123456789", 1) == std::string_view::npos;
      if (negative && !text.empty()) pair.negatives.emplace_back(text);
    });
    if (pair.negatives.empty() && reader_.has("n")) {
      for (size_t i = 0; reader_.has(fmt::format("/n/{}", i)); ++i) {
        pair.negatives.emplace_back(reader_.text(fmt::format("/n/{}", i)));
      }
    }
    return true;
  }
  pair = std::move(pending_.front());
  pending_.pop_front();
  return true;
}

bool is_held_out(const Pair& pair) { return base::hash64(pair.positive, base::hash64(pair.anchor)) % 500 == 0; }

ShuffledSource::ShuffledSource(const SourceOptions& source, uint64_t seed, size_t block_pairs)
    : source_(source), random_(seed), block_pairs_(block_pairs) {}

void ShuffledSource::refill() {
  block_.clear();
  position_ = 0;
  Pair pair;
  // A second opening in a row without a pair means that there is none to be had.
  for (int openings = 0; block_.empty() && openings < 2;) {
    if (!reader_) {
      reader_ = std::make_unique<PairReader>(source_);
      ++openings;
    }
    bool more = true;
    while (block_.size() < block_pairs_ && (more = reader_->next(pair))) {
      if (!is_held_out(pair)) block_.push_back(std::move(pair));
    }
    if (!more) reader_.reset();
  }
  if (block_.empty()) {
    throw Error(ErrorCode::invalid_argument, fmt::format("{}: has no pairs to train on", source_.path));
  }
  random_.shuffle(block_);
}

const Pair& ShuffledSource::next() {
  if (position_ == block_.size()) refill();
  return block_[position_++];
}

}  // namespace sextant::train
