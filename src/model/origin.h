// model/origin.h: what is in effect in a loaded model, and the file that says so; for `sextant info`.
#pragma once

#include <string>
#include <vector>

#include "model/config.h"
#include "model/encoder.h"

namespace sextant::model {

// A setting, its value and the file it was read from.
struct Origin {
  std::string what, value, file;
};

// Architecture and parameters.
std::vector<Origin> origins_of(const Encoder& encoder, const Config& config, const Weights& weights);

}  // namespace sextant::model
