// Files of torch.save: the bytes as they come, and as the pickle inside an archive that is otherwise in order, which
// reaches further than bytes that must first be an archive.
#include <cstdlib>

#include "fuzz/fuzz.h"
#include "model/pytorch_file.h"
#include "model/testing_pytorch.h"
#include "sextant/error.h"

namespace {

using namespace sextant::model;
using namespace sextant::model::testing_pytorch;

const std::vector<std::pair<std::string, std::string>>& storages() {
  static const std::vector<std::pair<std::string, std::string>> all = {{"0", std::string(24, '\x3F')},
                                                                       {"1", std::string(8, '\x01')}};
  return all;
}

// Every tensor is what its shape says, in memory that may be read.
void read_all(const std::string& bytes) {
  constexpr size_t kReadBytesMax = 64 << 20;
  const PytorchFile file(std::as_bytes(std::span(bytes)), "fuzz.bin");
  size_t read_bytes = 0;
  for (const auto& [name, tensor] : file.tensors()) {
    if (tensor.bytes.size() != tensor.element_count() * width_bytes(tensor.dtype)) std::abort();
    // Any number of tensors may lie in one storage.
    read_bytes += tensor.bytes.size();
    if (read_bytes > kReadBytesMax) break;
    if (to_float32(tensor).size() != tensor.element_count()) std::abort();
  }
}

}  // namespace

std::vector<std::string> fuzz_seeds() {
  const std::string floats = storage("FloatStorage", "0", 6, "N"), integers = storage("LongStorage", "1", 1, "N");
  const std::string object = ordered_dict(text("a") + tensor(floats, 0, {2, 3}, {3, 1}) + text("b") +
                                          tensor(floats, 1, {2, 2}, {1, 2}) + text("c") + tensor(integers, 0, {}, {})) +
                             dict(text("_metadata") + ordered_dict("")) + "b";
  const std::string wrapped = dict(text("epoch") + number(1) + text("state_dict") + object);
  const std::string untyped = dict(text("v3") + call(global("torch._utils", "_rebuild_tensor_v3"),
                                                     storage("UntypedStorage", "0", 24) + number(0) +
                                                         call(global("torch", "Size"), numbers({3})) + numbers({2}) +
                                                         "\x89" + ordered_dict("") + global("torch", "float32")));
  return {pickle(object), pickle(wrapped), pickle(untyped), zip_file(object, storages()),
          legacy_file(object, {{"0", 6, storages()[0].second}, {"1", 1, storages()[1].second}})};
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  try {
    read_all(bytes);
  } catch (const sextant::Error&) {
  }
  read_all(zip({{"a/data.pkl", bytes}, {"a/data/0", storages()[0].second}, {"a/data/1", storages()[1].second}}));
  return 0;
}
