// model/precision.h: the precision that a model's layers compute in, and the check that it is good enough.
//
// A lower precision is compared with float32 on a few texts when a model is loaded. Vectors are compared by their
// lowest cosine. A cross-encoder's scores are compared by the largest difference between logits as a share of their
// spread, the distance from the lowest to the highest in float32: a score is used to put documents in order, and two
// can change places only where they lie nearer to each other than twice that share of the distance between the best and
// the worst. A sigmoid would hide what happens at both ends, where the order matters as much, and an absolute bar would
// mean something else for every model: logits of one run from -11 to 9, of another from 0.2 to 0.4.
// The check must reach the precision's bar. Compute::automatic takes the fastest that does; a precision that was asked
// for by name is used all the same, and says so.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sextant/embed.h"
#include "tensor/matrix.h"
#include "tensor/packing.h"

namespace sextant::model {

enum class PrecisionMeasure {
  cosine,  // of vectors, the lowest
  spread   // of logits, the largest difference as a share of their spread
};

// The lowest cosine to float32 that a precision must reach: 1 for float32, 0.9999 for bfloat16, 0.999 for int8. The
// largest share of the spread: 0, 0.015 and 0.045, which is how far vectors at these cosines lie apart for a length
// of 1.
double precision_bar(Compute compute, PrecisionMeasure measure = PrecisionMeasure::cosine);

// REQUIRES: compute is not automatic.
tensor::Compute operand_of(Compute compute);

// What automatic tries on these kernels, fastest first; float32, which needs no check, is the last.
std::vector<Compute> precisions_to_try(const tensor::Kernels& kernels);

// Texts of several kinds and lengths that a check embeds.
std::span<const std::string_view> check_texts();

// Queries with documents that answer them, nearly do or do not, for cross-encoders.
struct CheckPair {
  std::string_view query, document;
};
std::span<const CheckPair> check_pairs();

struct PrecisionCheck {
  Compute compute;
  PrecisionMeasure measure;
  double value;  // the worst over the texts
  // GIVEN is what COMPUTE made of what float32 made EXACT of: vectors [texts, dim] or logits [pairs, any]. What is not
  // a number fails.
  static PrecisionCheck of(Compute compute, PrecisionMeasure measure, const tensor::Matrix& exact,
                           const tensor::Matrix& given);
  bool passed() const;
  // "cosine 0.99952 to float32, which reaches 0.999"
  // "logits off by 0.0123 of their spread in float32, within 0.045"
  std::string text() const;
};

}  // namespace sextant::model
