#include "model/encoder_loader.h"

#include <fmt/format.h>

#include "base/files.h"
#include "sextant/error.h"

namespace sextant::model {

EncoderLoader::EncoderLoader(ModelFiles files, std::string_view use, const LoadOptions& options)
    : files_(std::move(files)), use_(use), wanted_(options.compute) {
  if (options.packed_cache.empty()) return;
  cache_key_ = packed_cache_key(files_, use_, wanted_);
  cache_file_ = packed_cache_file(options.packed_cache, files_, use_, wanted_);
  made_ = std::make_shared<std::vector<NamedLinear>>();
}

std::unique_ptr<Encoder> EncoderLoader::read(const Config& config, std::shared_ptr<const Weights> weights) {
  config_ = config;
  weights_ = std::move(weights);
  if (auto kept = read_cache()) return kept;
  // What is checked against float32 is also fitted to what float32 sees meanwhile.
  const bool checks = wanted_ != Compute::float32;
  if (checks) input_ranges_ = std::make_shared<std::map<std::string, std::vector<float>>>();
  return load_encoder(config_, Parameters(weights_, {tensor::Compute::float32, input_ranges_, true, nullptr,
                                                     checks ? nullptr : made_}));
}

std::unique_ptr<Encoder> EncoderLoader::read_cache() {
  if (cache_file_.empty()) return nullptr;
  try {
    const std::shared_ptr<const PackedCache> cache = PackedCache::open(cache_file_, cache_key_);
    auto encoder =
        load_encoder(config_, Parameters(weights_, {.compute = operand_of(cache->compute()), .packed = cache}));
    precision_ = {cache->compute(), cache->precision_checks()};
    cache_used_ = true;
    return encoder;
  } catch (const Error& e) {
    // What is wrong with the model itself will be said again when it is read without.
    if (e.code() != ErrorCode::not_found) cache_problem_ = e.what();
    return nullptr;
  }
}

void EncoderLoader::choose(std::unique_ptr<Encoder>& encoder, PrecisionMeasure measure, const Outcome& outcome) {
  if (cache_used_ || wanted_ == Compute::float32) return;  // as it was read
  std::vector<Compute> candidates = {wanted_};
  if (wanted_ == Compute::automatic) candidates = precisions_to_try(tensor::kernels());
  const tensor::Matrix exact = outcome();
  for (Compute candidate : candidates) {
    load_as(encoder, candidate);
    if (candidate == Compute::float32) return;
    precision_.checks.push_back(PrecisionCheck::of(candidate, measure, exact, outcome()));
    if (wanted_ != Compute::automatic || precision_.checks.back().passed()) return;
  }
}

void EncoderLoader::load_as(std::unique_ptr<Encoder>& encoder, Compute compute) {
  encoder.reset();  // two at once would double the memory
  if (made_) made_->clear();
  encoder = load_encoder(config_, Parameters(weights_, {operand_of(compute), input_ranges_, false, nullptr, made_}));
  precision_.compute = compute;
}

ChosenPrecision EncoderLoader::finish(std::vector<Origin>& origins) {
  if (!cache_file_.empty()) {
    std::string outcome = "read";
    if (!cache_used_) {
      outcome = cache_problem_.empty() ? "written" : "rebuilt: " + cache_problem_;
      try {
        if (packed_cache_key(files_, use_, wanted_) != cache_key_) {
          throw Error(ErrorCode::unavailable, "the model's files changed while they were read");
        }
        base::make_folders(cache_file_.parent_path());
        write_packed_cache(cache_file_, cache_key_, precision_.compute, precision_.checks, *made_);
      } catch (const Error& e) {
        outcome = fmt::format("not written: {}", e.what());
      }
    }
    origins.push_back({"packed cache", outcome, cache_file_.string()});
  }
  weights_->give_up_pages();
  return std::move(precision_);
}

}  // namespace sextant::model
