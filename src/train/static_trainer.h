// train/static_trainer.h: trains a static model (a table of token vectors) from pairs of texts.
//
// Each batch is drawn from one source (or from a few, with segment_pairs), chosen with probability weight x pairs:
// texts of one kind are the harder negatives. A text is the mean of its tokens' rows; the loss is train/contrastive.h,
// the step Adagrad with a linear warm-up and a linear way down to zero. Rows start as a random direction times a / (a +
// p) with p the token's share of the corpus (SIF, Arora et al. 2017): frequent words begin small, and training goes on
// from there.
// Same options, same files, same SIMD tier: the same bytes, for any number of threads, also across a resume.
// Threads: one call of train() at a time; it uses options.thread_count threads and one more that reads ahead.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/progress.h"
#include "sextant/tokenizer.h"
#include "train/pair_source.h"

namespace sextant::train {

struct StaticTrainOptions {
  std::vector<SourceOptions> sources;
  // Shares of training at which one phase of source weights gives way to the next, ascending, below 1.
  std::vector<double> phase_ends = {};
  std::filesystem::path tokenizer;  // a folder or file that holds a tokenizer.json
  std::filesystem::path output;     // the model's folder; its checkpoint lies beside the model until training ends

  size_t dim = 256;
  std::vector<size_t> matryoshka_dims = {};  // empty: dim, dim / 2 ... down to 32
  size_t batch_pairs = 2048;
  size_t segment_pairs = 0;  // pairs in a row from one source; 0: the whole batch
  size_t step_count = 0;     // 0: as many batches as pass over every source `epochs` times
  double epochs = 1;
  size_t tokens_max = 128;  // of each text; what is longer is cut
  float learning_rate = 0.1f;
  size_t warmup_steps = 100;
  float scale = 20.0f;  // of cosines before the softmax
  double sif = 1e-3;    // a of the initial weights; 0: all alike
  uint64_t seed = 1;
  size_t thread_count = 0;

  size_t checkpoint_steps = 1000;  // 0: none
  size_t report_steps = 100;
  bool resume = false;
};

struct StaticTrainReport {
  size_t step_count = 0;
  size_t pair_count = 0;  // in the sources, once through
  size_t held_out_count = 0;
  std::vector<double> held_out_loss;  // by Matryoshka dim, after training
  double seconds = 0;
};

// Trains and writes options.output: a Model2Vec folder (config.json, tokenizer.json, model.safetensors in float32).
// Throws invalid_argument for options that make no sense, and what reading and writing throw.
StaticTrainReport train_static(const StaticTrainOptions& options, base::Progress* progress);

}  // namespace sextant::train
