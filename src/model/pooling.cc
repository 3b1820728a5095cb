#include "model/pooling.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "simd/kernels.h"

namespace sextant::model {
namespace {

struct Named {
  PoolingMode mode;
  std::string_view name;
  std::string_view old_key;  // "pooling_mode_..."
};

// In the order in which the vectors of several modes follow each other.
constexpr Named kModes[] = {
    {PoolingMode::cls, "cls", "pooling_mode_cls_token"},
    {PoolingMode::max, "max", "pooling_mode_max_tokens"},
    {PoolingMode::mean, "mean", "pooling_mode_mean_tokens"},
    {PoolingMode::mean_sqrt_len, "mean_sqrt_len_tokens", "pooling_mode_mean_sqrt_len_tokens"},
    {PoolingMode::weighted_mean, "weightedmean", "pooling_mode_weightedmean_tokens"},
    {PoolingMode::last_token, "lasttoken", "pooling_mode_lasttoken"},
};

}  // namespace

std::string_view name(PoolingMode mode) {
  for (const Named& known : kModes) {
    if (known.mode == mode) return known.name;
  }
  return "";
}

Pooling Pooling::of(const Config& config) {
  Pooling pooling;
  pooling.include_prompt = config.flag("include_prompt", true);
  if (config.has("pooling_mode")) {
    std::vector<std::string> wanted;
    if (config.is_text("pooling_mode")) {
      wanted = {config.text("pooling_mode")};
    } else {
      wanted = config.texts("pooling_mode");
    }
    for (const std::string& one : wanted) {
      auto known = std::find_if(std::begin(kModes), std::end(kModes), [&](const Named& m) { return m.name == one; });
      if (known == std::end(kModes)) {
        config.unsupported("pooling_mode", "cls, max, mean, mean_sqrt_len_tokens, weightedmean or lasttoken");
      }
      if (std::find(pooling.modes.begin(), pooling.modes.end(), known->mode) != pooling.modes.end()) {
        config.corrupted("pooling_mode", "each mode once");
      }
      pooling.modes.push_back(known->mode);
    }
  } else {
    for (const Named& known : kModes) {
      if (config.flag(known.old_key, false)) pooling.modes.push_back(known.mode);
    }
  }
  if (pooling.modes.empty()) pooling.modes = {PoolingMode::mean};
  return pooling;
}

tensor::Matrix pool(PoolingMode mode, const tensor::Matrix& hidden, const tensor::Sequences& sequences,
                    std::span<const size_t> skipped) {
  const simd::Kernels& kernel = simd::kernels();
  const size_t width = hidden.columns();
  tensor::Matrix out(sequences.count(), width);
  for (size_t s = 0; s < sequences.count(); ++s) {
    const size_t begin = sequences.begin(s);
    const size_t end = begin + sequences.length(s);
    const size_t first = begin + (skipped.empty() ? 0 : std::min(skipped[s], sequences.length(s)));
    float* row = out.row(s);
    std::fill_n(row, width, 0.0f);
    if (begin == end || (first == end && mode != PoolingMode::cls)) continue;
    const auto count = static_cast<float>(end - first);
    switch (mode) {
      case PoolingMode::cls:
        std::memcpy(row, hidden.row(begin), width * sizeof(float));
        break;
      case PoolingMode::last_token:
        std::memcpy(row, hidden.row(end - 1), width * sizeof(float));
        break;
      case PoolingMode::max:
        std::memcpy(row, hidden.row(first), width * sizeof(float));
        for (size_t i = first + 1; i < end; ++i) {
          for (size_t c = 0; c < width; ++c) row[c] = std::max(row[c], hidden.row(i)[c]);
        }
        break;
      case PoolingMode::mean:
      case PoolingMode::mean_sqrt_len:
        for (size_t i = first; i < end; ++i) kernel.add_row_f32(row, hidden.row(i), 1.0f, width);
        kernel.scale_f32(row, width, 1.0f / (mode == PoolingMode::mean ? count : std::sqrt(count)));
        break;
      case PoolingMode::weighted_mean: {
        double total = 0;
        for (size_t i = first; i < end; ++i) {
          const auto weight = static_cast<float>(i - begin + 1);
          kernel.add_row_f32(row, hidden.row(i), weight, width);
          total += weight;
        }
        kernel.scale_f32(row, width, static_cast<float>(1.0 / total));
        break;
      }
    }
  }
  return out;
}

tensor::Matrix pool(const Pooling& pooling, const tensor::Matrix& hidden, const tensor::Sequences& sequences,
                    std::span<const size_t> skipped) {
  if (pooling.modes.size() == 1) return pool(pooling.modes[0], hidden, sequences, skipped);
  tensor::Matrix out(sequences.count(), pooling.modes.size() * hidden.columns());
  for (size_t m = 0; m < pooling.modes.size(); ++m) {
    const tensor::Matrix one = pool(pooling.modes[m], hidden, sequences, skipped);
    for (size_t s = 0; s < sequences.count(); ++s) {
      std::memcpy(out.row(s) + m * one.columns(), one.row(s), one.columns() * sizeof(float));
    }
  }
  return out;
}

}  // namespace sextant::model
