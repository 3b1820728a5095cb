// model/encoder_loader.h: an encoder in the precision that was asked for, checked against float32, or as a packed cache
// keeps it.
//
// A check compares what the caller makes of the encoder's hidden states, vectors or scores, so that loading has steps:
//   EncoderLoader loader(files, "embedder", options);   // before any file of the model is read
//   encoder = loader.read(config, weights);             // in float32, or as it is kept
//   ...                                                 // tokenizer, pooling, heads: what a check needs
//   loader.choose(encoder, measure, outcome);           // computes, compares, falls back
//   precision = loader.finish(origins);                 // writes the cache
// Threads: for one, while a model is loaded.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "model/encoder.h"
#include "model/origin.h"
#include "model/packed_cache.h"
#include "model/precision.h"
#include "sextant/embed.h"

namespace sextant::model {

// What an encoder's layers compute in, and how each lower precision that was tried compared with float32.
struct ChosenPrecision {
  Compute compute = Compute::float32;
  std::vector<PrecisionCheck> checks;
};

class EncoderLoader {
 public:
  // What the model makes of the texts of a check, in the encoder's precision as it is now.
  using Outcome = std::function<tensor::Matrix()>;

  // USE says what a check compares: caches of one model for two uses are two.
  EncoderLoader(ModelFiles files, std::string_view use, const LoadOptions& options);

  std::unique_ptr<Encoder> read(const Config& config, std::shared_ptr<const Weights> weights);
  // Puts other encoders in ENCODER's place until one is what was asked for: with Compute::automatic the first of
  // precisions_to_try() that passes. Does nothing for float32 or what a cache kept.
  void choose(std::unique_ptr<Encoder>& encoder, PrecisionMeasure measure, const Outcome& outcome);
  // Adds what became of the cache, where there is to be one, to ORIGINS.
  ChosenPrecision finish(std::vector<Origin>& origins);

 private:
  std::unique_ptr<Encoder> read_cache();
  void load_as(std::unique_ptr<Encoder>& encoder, Compute compute);

  ModelFiles files_;
  std::string use_;
  Compute wanted_;
  Config config_;
  std::shared_ptr<const Weights> weights_;
  ChosenPrecision precision_;
  // What the layers' inputs were seen to take in float32; nullptr where nothing is checked.
  std::shared_ptr<std::map<std::string, std::vector<float>>> input_ranges_;
  // Where there is to be a packed cache: where it lies, what it must be of, and the layers to write into it.
  std::filesystem::path cache_file_;
  std::string cache_key_;
  std::shared_ptr<std::vector<NamedLinear>> made_;
  std::string cache_problem_;  // why there is one, and it is not used
  bool cache_used_ = false;
};

}  // namespace sextant::model
