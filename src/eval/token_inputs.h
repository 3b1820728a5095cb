// eval/token_inputs.h: token ids from a file into a model, past its tokenizer.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "model/encoder.h"

namespace sextant::eval {

// {"input_ids": [[...]...], "attention_mask"?, "token_type_ids"?} without what the mask leaves out.
struct TokenInputs {
  model::TokenBatch batch;
  size_t padded_length = 0;       // of the longest row as it stood there
  std::vector<size_t> positions;  // [rows]: where each token stood in its padded row
};

// Throws not_found and corrupted, naming the file.
TokenInputs read_token_inputs(const std::filesystem::path& path);

// What the model in MODEL_FOLDER makes of them. HIDDEN, where not empty: .npy [tokens, hidden size], sequences packed
// end to end, and NAME.lengths.npy [sequences]. OUTPUT, where not empty: .npy [sequences, dim] of sentence vectors.
// Throws invalid_argument where both are empty.
void embed_token_ids(const std::string& model_folder, const std::string& inputs, const std::string& hidden,
                     const std::string& output);

}  // namespace sextant::eval
