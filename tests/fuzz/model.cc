// Weight files, and static models around them.
#include "fuzz/fuzz.h"
#include "model/static_model.h"

namespace {

constexpr std::string_view kTokenizer =
    R"({"version": "1.0", "added_tokens": [], "normalizer": null, "pre_tokenizer": {"type": "Whitespace"}, "post_processor": null, "decoder": null, "model": {"type": "WordLevel", "vocab": {"[X]": 0, "a": 1, "b": 2}, "unk_token": "[X]"}})";

}  // namespace

std::vector<std::string> fuzz_seeds() {
  using namespace sextant::model;
  const std::string six(24, '\x3F'), three(12, '\x3F'), mapping(12, '\0');
  return {write_safetensors({{"embeddings", DType::f32, {3, 2}, six}}),
          write_safetensors({{"embeddings", DType::i8, {3, 8}, six}, {"weights", DType::f32, {3}, three}}),
          write_safetensors({{"embeddings", DType::f16, {3, 4}, six}, {"mapping", DType::i32, {3}, mapping}}),
          write_safetensors({{"embedding.weight", DType::f32, {3, 2}, six}})};
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sextant::model::StaticModelFiles files;
  files.name = "fuzz";
  files.weights = std::as_bytes(std::span(data, size));
  files.tokenizer = kTokenizer;
  sextant::model::StaticModel model(files);
  if (model.dim() > (1 << 20)) return 0;
  const std::string_view text = "a b unknown a";
  std::vector<float> out(model.dim());
  model.embed(std::span(&text, 1), {}, out, nullptr);
  return 0;
}
