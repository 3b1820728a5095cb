// model/safetensors.h: named tensors in one file (https://github.com/huggingface/safetensors, format of version 0.4).
//
// file   := u64 header_bytes (little-endian), header (JSON), data
// header := { name: {"dtype", "shape", "data_offsets": [begin, end)} ..., "__metadata__"?: {string: string} }
// Everything is checked when the file is opened: no key stands twice, offsets lie inside the data, shape times the
// dtype's width equals the length, and the tensors are all of the data, without holes or overlaps, as in the reference
// implementation. Tensors are views into the bytes, at any address; nothing is copied.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sextant::model {

enum class DType { f64, f32, f16, bf16, i64, i32, i16, i8, u64, u32, u16, u8, boolean, f8_e4m3, f8_e5m2 };

std::string_view name(DType dtype);
size_t width_bytes(DType dtype);

struct TensorView {
  DType dtype;
  std::vector<size_t> shape;
  std::span<const std::byte> bytes;

  size_t element_count() const;
};

class Safetensors {
 public:
  // BYTES must outlive the object; SOURCE names them in errors. Throws corrupted or unsupported, naming the field.
  Safetensors(std::span<const std::byte> bytes, std::string source);

  // nullptr where there is no such tensor.
  const TensorView* find(std::string_view name) const;
  // Throws corrupted, naming the file and the tensor.
  const TensorView& at(std::string_view name) const;
  const std::map<std::string, TensorView, std::less<>>& tensors() const { return tensors_; }
  const std::string& source() const { return source_; }

 private:
  std::string source_;
  std::map<std::string, TensorView, std::less<>> tensors_;
};

// What a writer needs of one tensor; bytes must hold shape x width.
struct TensorToWrite {
  std::string name;
  DType dtype;
  std::vector<size_t> shape;
  std::string_view bytes;
};

// A whole file: tensors ordered by width (widest first) and then by name, as the reference writer does, the header
// padded so that the data begins at a multiple of 64 bytes and can be used where it is mapped.
std::string write_safetensors(std::vector<TensorToWrite> tensors,
                              const std::vector<std::pair<std::string, std::string>>& metadata = {});

// Any float or integer tensor as float32. Throws unsupported for floats of eight bits, which are listed but not read.
std::vector<float> to_float32(const TensorView& tensor);

}  // namespace sextant::model
