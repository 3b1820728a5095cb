// engine/testing_embedder.h: an Embedder for tests: small, fast, the same on every machine.
//
// A text's vector is the normalised sum of its words' vectors, which come from a hash of the lower-cased word; texts
// that share words are near. "zzz" words are unknown. The tokenizer has one token a letter.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/random.h"
#include "sextant/embed.h"

namespace sextant::engine {

class TestingEmbedder : public Embedder {
 public:
  explicit TestingEmbedder(size_t dim = 64, std::string hash = "testing-1", size_t max_length = 0)
      : dim_(dim), hash_(std::move(hash)), max_length_(max_length), tokenizer_(make_tokenizer()) {}

  void embed(std::span<const std::string_view> texts, const EmbedOptions& options, std::span<float> out,
             EmbedReport* report) const override {
    const size_t dim = options.dim ? options.dim : dim_;
    for (size_t item = 0; item < texts.size(); ++item) {
      std::string text = options.prompt + std::string(texts[item]);
      size_t limit = options.max_length ? options.max_length : max_length_;
      std::vector<TokenId> ids;
      size_t dropped = tokenizer_.encode_ids(text, {.max_length = limit}, ids);
      if (report) report->token_count += ids.size();
      if (dropped > 0 && report) report->truncated.push_back({item, dropped});
      if (dropped > 0) text.resize(limit);
      std::vector<double> sum(dim_);
      bool any = false;
      for (const std::string& word : words_of(text)) {
        if (word.starts_with("zzz")) continue;
        any = true;
        base::Random random(base::hash64(word));
        for (double& value : sum) value += random.uniform() - 0.5;
      }
      if (!any && report) report->empty.push_back(item);
      double length = 0;
      for (size_t i = 0; i < dim; ++i) length += sum[i] * sum[i];
      length = options.normalize.value_or(true) && length > 0 ? std::sqrt(length) : 1;
      for (size_t i = 0; i < dim; ++i) out[item * dim + i] = static_cast<float>(sum[i] / length);
    }
  }

  Explanation explain(std::string_view, const EmbedOptions&) const override { return {}; }
  size_t dim() const override { return dim_; }
  size_t max_length() const override { return max_length_; }
  const Tokenizer& tokenizer() const override { return tokenizer_; }
  const std::string& name() const override { return name_; }
  const std::string& hash() const override { return hash_; }
  Metric similarity() const override { return Metric::cosine; }
  const std::vector<std::pair<std::string, std::string>>& prompts() const override { return prompts_; }
  std::vector<std::string> words() const override { return {}; }

  std::vector<std::pair<std::string, std::string>> prompts_;

 private:
  static std::vector<std::string> words_of(const std::string& text) {
    std::vector<std::string> out;
    std::string word;
    for (char c : text + " ") {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
      if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c & 0x80)) {
        word += c;
      } else if (!word.empty()) {
        out.push_back(std::move(word));
        word.clear();
      }
    }
    return out;
  }

  static Tokenizer make_tokenizer() {
    std::string vocabulary = R"("[UNK]":0)";
    int id = 1;
    for (char c = '!'; c <= '~'; ++c) {
      std::string token = c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
      vocabulary += ",\"" + token + "\":" + std::to_string(id);
      vocabulary += ",\"##" + token + "\":" + std::to_string(id + 1);
      id += 2;
    }
    std::string json = R"({"version":"1.0","truncation":null,"padding":null,"added_tokens":[],)";
    json += R"("normalizer":null,"pre_tokenizer":{"type":"BertPreTokenizer"},"post_processor":null,"decoder":null,)";
    json += R"("model":{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##",)";
    json += R"("max_input_chars_per_word":100,"vocab":{)" + vocabulary + "}}}";
    return Tokenizer::from_json(json);
  }

  size_t dim_;
  std::string name_ = "testing";
  std::string hash_;
  size_t max_length_;
  Tokenizer tokenizer_;
};

}  // namespace sextant::engine
