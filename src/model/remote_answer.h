// model/remote_answer.h: the answers of an embeddings API, read with suspicion.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sextant::model {

struct EmbeddingsAnswer {
  size_t dim = 0;
  std::vector<float> rows;   // [count, dim], in the order of the request's texts
  uint64_t token_count = 0;  // as the server counted; 0 where it does not tell
};

// BODY must hold COUNT embeddings of one length, each index once, in any order, as base64 of little-endian float32 or
// as lists of numbers, all finite. Throws corrupted, its message beginning with SERVER.
EmbeddingsAnswer read_embeddings(std::string_view body, size_t count, const std::string& server);

struct ApiError {
  std::string message;  // one line; empty where the body has none that is recognised
  std::string code;     // e.g. "insufficient_quota"
};

// What a body of a failed request says, in the forms of OpenAI and of servers that follow it.
ApiError read_api_error(std::string_view body);

}  // namespace sextant::model
