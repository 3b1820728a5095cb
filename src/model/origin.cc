#include "model/origin.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace sextant::model {

std::vector<Origin> origins_of(const Encoder& encoder, const Config& config, const Weights& weights) {
  std::vector<std::string_view> types;
  for (const auto& [name, tensor] : weights.tensors()) {
    const std::string_view type = model::name(tensor.dtype);
    if (std::find(types.begin(), types.end(), type) == types.end()) types.push_back(type);
  }
  return {{"architecture",
           fmt::format("{}, {} layers, hidden size {}", encoder.architecture, encoder.layer_count, encoder.hidden_size),
           config.source()},
          {"parameters", fmt::format("{}, kept as {}", weights.element_count(), fmt::join(types, " and ")),
           weights.source()}};
}

}  // namespace sextant::model
