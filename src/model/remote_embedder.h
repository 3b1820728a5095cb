// model/remote_embedder.h: models behind an embeddings API of OpenAI's form, with the face of a local one.
//
// Names: "openai:MODEL" asks OPENAI_BASE_URL (https://api.openai.com/v1 where it is not set), "openai:MODEL@BASE_URL"
// asks that server. OPENAI_API_KEY is sent to the server of OPENAI_BASE_URL and to no other: a name can come from a
// file (a library remembers its model), and a file must not be able to send a key anywhere.
// Requests (https://platform.openai.com/docs/api-reference/embeddings): POST BASE/embeddings {"model", "input",
// "encoding_format": "base64", "dimensions" where fewer are asked for}; answers in base64 or as lists of numbers.
// Limits: at most 2048 texts and 300,000 bytes a request; no token is shorter than a byte, so that the 300,000 tokens
// of the API's limit are never passed. A single longer text goes alone, and the server judges it.
// Unlike a local model: nothing is truncated here; no tokenizer, so what needs one throws unsupported.
// Threads: as for every Embedder; each embed() keeps up to requests_max requests in flight.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "model/http.h"
#include "sextant/embed.h"

namespace sextant::model {

struct RemoteOptions {
  std::string base_url = "https://api.openai.com/v1";
  std::string api_key = {};
  size_t texts_max = 2048;
  size_t bytes_max = 300'000;
  size_t requests_max = 4;
  Retries retries = {};
  // A server that computes says nothing until it is done.
  HttpTimeouts timeouts = {.stall_s = 300};

  // OPENAI_BASE_URL, OPENAI_API_KEY.
  static RemoteOptions from_environment();
};

class RemoteEmbedder : public Embedder {
 public:
  // Whether NAME is a remote model's.
  static bool is_name(std::string_view name) { return name.starts_with("openai:"); }

  // Asks nothing yet. Throws invalid_argument for a name without a model, a URL that is none, or a missing key.
  RemoteEmbedder(std::string_view name, RemoteOptions options);
  ~RemoteEmbedder() override;

  // Throws what Embedder::embed() throws, and: invalid_argument where the server refuses the request or the key,
  // not_found for an unknown model, unavailable and exhausted (a quota) where it does not answer, corrupted where the
  // answer is not what was asked for.
  void embed(std::span<const std::string_view> texts, const EmbedOptions& options, std::span<float> out,
             EmbedReport* report = nullptr) const override;
  // Of a model of OpenAI's own it is known; of any other a first short text is embedded to find out.
  size_t preferred_batch() const override { return 2048; }
  size_t dim() const override;
  size_t max_length() const override { return max_length_; }
  const std::string& name() const override { return name_; }
  // Of the model's name and server: what a server changes behind a name cannot be seen.
  const std::string& hash() const override { return hash_; }
  Metric similarity() const override { return Metric::cosine; }
  const std::vector<std::pair<std::string, std::string>>& prompts() const override { return prompts_; }

  // These throw unsupported.
  Explanation explain(std::string_view text, const EmbedOptions& options) const override;
  const Tokenizer& tokenizer() const override;
  bool has_tokenizer() const override { return false; }
  std::vector<std::string> words() const override;

 private:
  struct Batch;
  class Lease;
  // Embeds the batch's texts into its rows; a batch that the server finds too large is halved.
  void send(HttpClient& client, const Batch& batch, uint64_t& token_count) const;
  std::string request_body(const Batch& batch) const;
  [[noreturn]] void fail(const HttpResponse& response, const Batch& batch) const;
  std::string shown() const;
  std::string without_key(std::string text) const;

  std::string name_, model_, hash_;
  RemoteOptions options_;
  bool key_withheld_ = false;
  size_t max_length_ = 0;
  std::vector<std::pair<std::string, std::string>> prompts_;
  mutable std::atomic<size_t> dim_ = 0;        // 0: not known yet
  mutable std::atomic<size_t> texts_max_ = 0;  // what this server takes, at most
  mutable std::mutex clients_mutex_;
  mutable std::vector<std::unique_ptr<HttpClient>> clients_;  // idle ones, with their connections
};

}  // namespace sextant::model
