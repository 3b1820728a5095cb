// model/pooling.h: hidden states into one vector a sequence, as sentence-transformers' Pooling module does.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/config.h"
#include "tensor/matrix.h"

namespace sextant::model {

enum class PoolingMode {
  cls,            // the first token
  max,            // the largest of each component
  mean,           // the mean
  mean_sqrt_len,  // the sum over the root of the count
  weighted_mean,  // weights 1, 2, 3 ... by position
  last_token,
};

std::string_view name(PoolingMode mode);  // as the newer configs write it: cls, max, mean, mean_sqrt_len_tokens ...

struct Pooling {
  std::vector<PoolingMode> modes;  // several: their vectors one after another
  bool include_prompt = true;      // whether the prompt's tokens count

  // Of 1_Pooling/config.json, old form or new.
  static Pooling of(const Config& config);
};

// [sequences, hidden columns]. The first SKIPPED[s] rows of sequence s do not count (they do for cls); empty: none.
// Nothing left to pool gives zeros.
tensor::Matrix pool(PoolingMode mode, const tensor::Matrix& hidden, const tensor::Sequences& sequences,
                    std::span<const size_t> skipped = {});
// All modes, concatenated: [sequences, modes * hidden columns].
tensor::Matrix pool(const Pooling& pooling, const tensor::Matrix& hidden, const tensor::Sequences& sequences,
                    std::span<const size_t> skipped = {});

}  // namespace sextant::model
