// model/precision.h: the precision that a model's layers compute in, and the check that it is good enough.
//
// A lower precision is compared with float32 on a few texts when a model is loaded: the lowest cosine of their vectors
// must reach the precision's bar. Compute::automatic takes the fastest that does; a precision that was asked for by
// name is used all the same, and says so.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sextant/embed.h"
#include "tensor/packing.h"

namespace sextant::model {

// The lowest cosine to float32 that a precision must reach: 1 for float32, 0.9999 for bfloat16, 0.999 for int8.
double precision_bar(Compute compute);

// REQUIRES: compute is not automatic.
tensor::Compute operand_of(Compute compute);

// What automatic tries on these kernels, fastest first; float32, which needs no check, is the last.
std::vector<Compute> precisions_to_try(const tensor::Kernels& kernels);

// Texts of several kinds and lengths that a check embeds.
std::span<const std::string_view> check_texts();

struct PrecisionCheck {
  Compute compute;
  double cosine;  // the lowest over the texts
  bool passed() const { return cosine >= precision_bar(compute); }
  // "cosine 0.99952 to float32, which reaches 0.999"
  std::string text() const;
};

}  // namespace sextant::model
