// eval/verify.h: holds a model to recorded outputs.
//
// A folder is a model with recordings beside it. By token ids: inputs.json {"input_ids", "attention_mask"?,
// "token_type_ids"?} with expected_last_hidden_state.npy, expected_sentence_embedding.npy, expected_pool_MODE.npy,
// expected_logits.npy and more. By texts: e2e.json {"texts", "ids"?} with expected_embeddings.npy, and
// e2e_prompt_NAME.json {"prompt", "texts"} with expected_embeddings_prompt_NAME.npy. golden_meta.json {"f64_err"?} says
// how far the recording itself may be off. Padded positions of a recording are not looked at.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "sextant/embed.h"

namespace sextant::eval {

struct VerifiedFile {
  std::string file;
  double max_error = 0;     // largest absolute difference
  double tolerance = 0;     // of max_error; 0 where the cosine alone decides
  double cosine_least = 0;  // where it does
  double cosine = 1;        // of the two farthest apart vectors
  bool passed = false;
  std::string problem;  // why nothing could be compared, or what differs
};

// One entry for every expected_* file of the folder, in the order of their names, and one for the token ids of e2e
// files. Throws not_found where there is no recording, and what loading the model throws.
// A transformer computes in COMPUTE; below float32 its vectors are held to lower_precision_cosine() instead of to an
// absolute error, and a cross-encoder's scores to lower_precision_share().
std::vector<VerifiedFile> verify_model(const std::filesystem::path& folder, Compute compute = Compute::float32);

// The least cosine between a recording's rows and what a lower precision gives: 0.9949 in bfloat16 and 0.85 in int8.
// Looser than what a precision must reach to be chosen (model/precision.h): recordings are of tiny models with random
// weights, in which few roundings average out, and of single hidden states.
double lower_precision_cosine(Compute compute);
// What a score may differ by as a share of the distance from a recording's lowest score to its highest: 0.03 in
// bfloat16 and 0.2 in int8, looser for the same reason.
double lower_precision_share(Compute compute);

// Writes e2e.json and expected_embeddings.npy (a cross-encoder's pairs: expected_logits.npy) for TEXTS into the model's
// folder. Throws already_exists rather than overwrite a recording.
void record_model(const std::filesystem::path& folder, const std::vector<std::vector<std::string>>& texts);

}  // namespace sextant::eval
