// model/pytorch_file.h: named tensors in a file written by torch.save (pytorch_model.bin, .pt, .pth).
//
// zip    := NAME/data.pkl, NAME/data/KEY... (storages), [NAME/byteorder], [NAME/version]            since torch 1.6
// legacy := magic number, protocol, system, object, storage keys (five pickles), (u64 element count, data)...
// The object is a dict of tensors, or a dict that holds one under "state_dict"; what else the dict holds is left out.
// A tensor names a storage, an offset, a shape and strides. Where its elements lie one after the other it is a view
// into the file, at any address; otherwise its elements are copied, and the copies of one file are bounded.
// Nothing of the pickle is ever run: model/pickle.h.
// Throws corrupted, unsupported or exhausted, naming the file, the tensor and the field.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/safetensors.h"

namespace sextant::model {

class PytorchFile {
 public:
  // BYTES must outlive the object; SOURCE names them in errors.
  PytorchFile(std::span<const std::byte> bytes, std::string source);

  const std::map<std::string, TensorView, std::less<>>& tensors() const { return tensors_; }
  const std::string& source() const { return source_; }
  // Of the tensors that had to be copied.
  uint64_t copied_bytes() const { return copied_bytes_; }

 private:
  friend class PytorchReader;

  std::string source_;
  std::map<std::string, TensorView, std::less<>> tensors_;
  std::vector<std::unique_ptr<std::byte[]>> copies_;
  uint64_t copied_bytes_ = 0;
};

}  // namespace sextant::model
