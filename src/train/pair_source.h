// train/pair_source.h: training pairs, streamed without end from files.
//
// A source is a JSONL file (plain or .zst) of {"a", "b"} with any number of negatives ("n", "n1", ..., or "n" as a
// list), or one of running text ({"title", "text"}) whose pairs derive from it. Pairs are shuffled a block at a time,
// so that each pass over the file takes every pair once and composes other batches; the sequence depends on the seed
// alone. Memory: one block and one line, whatever the file's size.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "io/jsonl.h"
#include "train/text_pairs.h"

namespace sextant::train {

struct Pair {
  std::string anchor;
  std::string positive;
  std::vector<std::string> negatives;
};

struct SourceOptions {
  std::string path;
  bool running_text = false;
  TextPairOptions text = {};
  std::vector<double> weights = {1.0};  // one a phase of training; the last holds for further ones
};

// Once through the file, in its order.
class PairReader {
 public:
  explicit PairReader(const SourceOptions& source);
  // False at the end. Throws corrupted naming file, line and field.
  bool next(Pair& pair);

 private:
  const SourceOptions& source_;
  io::JsonLineReader reader_;
  std::deque<Pair> pending_;  // of one document
};

// Held out from training: about one pair in 500, by the hash of its two texts.
bool is_held_out(const Pair& pair);

class ShuffledSource {
 public:
  // REQUIRES: source outlives the object.
  ShuffledSource(const SourceOptions& source, uint64_t seed, size_t block_pairs);

  // The next pair of the endless sequence, valid until the next call. Throws invalid_argument when there is none.
  const Pair& next();

 private:
  void refill();

  const SourceOptions& source_;
  base::Random random_;
  size_t block_pairs_;
  std::unique_ptr<PairReader> reader_;
  std::vector<Pair> block_;
  size_t position_ = 0;
};

}  // namespace sextant::train
