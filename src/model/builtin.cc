// The built-in model: a Model2Vec folder (int8 rows, a float weight a token) whose files the assembler places in the
// program's read-only data. The operating system maps them with the program and reads a page when it is touched.
#include <cstddef>

#include "model/static_model.h"

extern "C" {
extern const unsigned char sextant_builtin_config_begin[], sextant_builtin_config_end[];
extern const unsigned char sextant_builtin_weights_begin[], sextant_builtin_weights_end[];
extern const unsigned char sextant_builtin_tokenizer_begin[], sextant_builtin_tokenizer_end[];
}

namespace sextant::model {
namespace {

std::string_view text(const unsigned char* begin, const unsigned char* end) {
  return {reinterpret_cast<const char*>(begin), static_cast<size_t>(end - begin)};
}

}  // namespace

std::unique_ptr<StaticModel> load_builtin() {
  StaticModelFiles files;
  files.name = "builtin";
  files.config = text(sextant_builtin_config_begin, sextant_builtin_config_end);
  files.weights = std::as_bytes(std::span(sextant_builtin_weights_begin, sextant_builtin_weights_end));
  files.tokenizer = text(sextant_builtin_tokenizer_begin, sextant_builtin_tokenizer_end);
  return std::make_unique<StaticModel>(files);
}

}  // namespace sextant::model
