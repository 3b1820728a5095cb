#include "model/safetensors.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <tuple>
#include <utility>

#include "model/shown.h"
#include "sextant/error.h"
#include "simd/kernels.h"

namespace sextant::model {
namespace {

struct DTypeRow {
  DType dtype;
  std::string_view name;
  size_t width_bytes;
};

constexpr std::array<DTypeRow, 15> kDTypes = {{{DType::f64, "F64", 8},
                                               {DType::f32, "F32", 4},
                                               {DType::f16, "F16", 2},
                                               {DType::bf16, "BF16", 2},
                                               {DType::i64, "I64", 8},
                                               {DType::i32, "I32", 4},
                                               {DType::i16, "I16", 2},
                                               {DType::i8, "I8", 1},
                                               {DType::u64, "U64", 8},
                                               {DType::u32, "U32", 4},
                                               {DType::u16, "U16", 2},
                                               {DType::u8, "U8", 1},
                                               {DType::boolean, "BOOL", 1},
                                               {DType::f8_e4m3, "F8_E4M3", 1},
                                               {DType::f8_e5m2, "F8_E5M2", 1}}};

// What the reference implementation accepts at most.
constexpr uint64_t kHeaderBytesMax = 100'000'000;
constexpr size_t kAlignment = 64;

const DTypeRow& row(DType dtype) {
  return *std::find_if(kDTypes.begin(), kDTypes.end(), [&](const DTypeRow& r) { return r.dtype == dtype; });
}

template <class T>
std::vector<float> convert(std::span<const std::byte> bytes) {
  std::vector<float> out(bytes.size() / sizeof(T));
  for (size_t i = 0; i < out.size(); ++i) {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
    out[i] = static_cast<float>(value);
  }
  return out;
}

bool is_text_map(simdjson::dom::element element) {
  simdjson::dom::object map;
  if (element.get(map) != simdjson::SUCCESS) return false;
  return std::all_of(map.begin(), map.end(), [](auto field) { return field.value.is_string(); });
}

}  // namespace

std::string_view name(DType dtype) { return row(dtype).name; }
size_t width_bytes(DType dtype) { return row(dtype).width_bytes; }

size_t TensorView::element_count() const {
  size_t count = 1;
  for (size_t extent : shape) count *= extent;
  return count;
}

Safetensors::Safetensors(std::span<const std::byte> bytes, std::string source) : source_(std::move(source)) {
  auto bad = [&](const std::string& what) { return Error(ErrorCode::corrupted, fmt::format("{}: {}", source_, what)); };
  if (bytes.size() < 8) throw bad(fmt::format("is {} bytes long, a safetensors file has at least 8", bytes.size()));
  uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, bytes.data(), 8);
  if (header_bytes > kHeaderBytesMax || header_bytes > bytes.size() - 8) {
    throw bad(fmt::format("header length is {}, the file has {} bytes after it", header_bytes, bytes.size() - 8));
  }
  std::span<const std::byte> data = bytes.subspan(8 + header_bytes);

  simdjson::dom::parser parser;
  simdjson::dom::object header;
  simdjson::padded_string json(reinterpret_cast<const char*>(bytes.data()) + 8, header_bytes);
  if (auto error = parser.parse(json).get(header)) {
    throw bad(fmt::format("header is not a JSON object: {}", simdjson::error_message(error)));
  }
  // Where each tensor begins and ends, to see that together they are all of the data.
  struct Place {
    uint64_t begin, end;
    const std::string* name;
  };
  std::vector<Place> places;
  bool metadata_seen = false;
  for (auto field : header) {
    std::string key(field.key);
    if (key == "__metadata__") {
      if (std::exchange(metadata_seen, true)) throw bad("__metadata__ appears twice");
      if (!is_text_map(field.value)) throw bad("__metadata__ is not an object of strings");
      continue;
    }
    simdjson::dom::object fields;
    if (field.value.get(fields) != simdjson::SUCCESS) throw bad(fmt::format("tensor {} is no object", shown(key)));
    for (std::string_view name : {"dtype", "shape", "data_offsets"}) {
      if (std::count_if(fields.begin(), fields.end(), [&](auto f) { return f.key == name; }) > 1) {
        throw bad(fmt::format("tensor {} has its {} twice", shown(key), name));
      }
    }
    TensorView tensor;
    std::string_view dtype;
    if (fields["dtype"].get(dtype) != simdjson::SUCCESS) throw bad(fmt::format("tensor {} has no dtype", shown(key)));
    auto known = std::find_if(kDTypes.begin(), kDTypes.end(), [&](const DTypeRow& r) { return r.name == dtype; });
    if (known == kDTypes.end()) {
      throw Error(ErrorCode::unsupported,
                  fmt::format("{}: tensor {} has dtype {}, which is not read", source_, shown(key), shown(dtype)));
    }
    tensor.dtype = known->dtype;
    simdjson::dom::array shape, offsets;
    if (fields["shape"].get(shape) != simdjson::SUCCESS) throw bad(fmt::format("tensor {} has no shape", shown(key)));
    uint64_t length = known->width_bytes;
    for (auto extent : shape) {
      uint64_t value = 0;
      if (extent.get(value) != simdjson::SUCCESS)
        throw bad(fmt::format("tensor {} has a shape that is not of sizes", shown(key)));
      if (value != 0 && length > std::numeric_limits<uint64_t>::max() / value) {
        throw bad(fmt::format("tensor {} has a shape whose product overflows", shown(key)));
      }
      length *= value;
      tensor.shape.push_back(value);
    }
    uint64_t begin = 0, end = 0;
    if (fields["data_offsets"].get(offsets) != simdjson::SUCCESS || offsets.size() != 2 ||
        offsets.at(0).get(begin) != simdjson::SUCCESS || offsets.at(1).get(end) != simdjson::SUCCESS) {
      throw bad(fmt::format("tensor {} has no data_offsets of two sizes", shown(key)));
    }
    if (begin > end || end > data.size()) {
      throw bad(fmt::format("tensor {} lies at [{}, {}), the data has {} bytes", shown(key), begin, end, data.size()));
    }
    if (end - begin != length) {
      throw bad(fmt::format("tensor {} has {} bytes, its shape needs {}", shown(key), end - begin, length));
    }
    tensor.bytes = data.subspan(begin, end - begin);
    auto [it, added] = tensors_.emplace(std::move(key), std::move(tensor));
    if (!added) throw bad(fmt::format("tensor {} appears twice", shown(it->first)));
    places.push_back({begin, end, &it->first});
  }

  // The format leaves no room between tensors, so that nothing can hide there or stand for two.
  std::sort(places.begin(), places.end(),
            [](const Place& a, const Place& b) { return std::tie(a.begin, a.end) < std::tie(b.begin, b.end); });
  uint64_t covered = 0;
  for (const Place& place : places) {
    if (place.begin != covered) {
      throw bad(fmt::format("tensor {} begins at {}, {} the tensors before it, which end at {}", shown(*place.name),
                            place.begin, place.begin < covered ? "inside" : "after a hole behind", covered));
    }
    covered = place.end;
  }
  if (covered != data.size()) {
    throw bad(fmt::format("the data has {} bytes, the tensors take {}", data.size(), covered));
  }
}

const TensorView* Safetensors::find(std::string_view key) const {
  auto it = tensors_.find(key);
  return it == tensors_.end() ? nullptr : &it->second;
}

const TensorView& Safetensors::at(std::string_view key) const {
  const TensorView* tensor = find(key);
  if (tensor == nullptr) {
    throw Error(ErrorCode::corrupted,
                fmt::format("{}: tensor {} is missing ({} others are there)", source_, shown(key), tensors_.size()));
  }
  return *tensor;
}

std::string write_safetensors(std::vector<TensorToWrite> tensors,
                              const std::vector<std::pair<std::string, std::string>>& metadata) {
  std::sort(tensors.begin(), tensors.end(), [](const TensorToWrite& a, const TensorToWrite& b) {
    if (width_bytes(a.dtype) != width_bytes(b.dtype)) return width_bytes(a.dtype) > width_bytes(b.dtype);
    return a.name < b.name;
  });
  std::string header = "{";
  auto separate = [&] {
    if (header.size() > 1) header += ',';
  };
  if (!metadata.empty()) {
    header += "\"__metadata__\":{";
    for (size_t i = 0; i < metadata.size(); ++i) {
      header += fmt::format("{}\"{}\":\"{}\"", i ? "," : "", metadata[i].first, metadata[i].second);
    }
    header += '}';
  }
  size_t offset = 0;
  for (const TensorToWrite& tensor : tensors) {
    separate();
    header += fmt::format("\"{}\":{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}", tensor.name,
                          name(tensor.dtype), fmt::join(tensor.shape, ","), offset, offset + tensor.bytes.size());
    offset += tensor.bytes.size();
  }
  header += '}';
  while ((8 + header.size()) % kAlignment != 0) header += ' ';
  uint64_t header_bytes = header.size();
  std::string out(reinterpret_cast<const char*>(&header_bytes), 8);
  out.reserve(8 + header.size() + offset);
  out += header;
  for (const TensorToWrite& tensor : tensors) out += tensor.bytes;
  return out;
}

std::vector<float> to_float32(const TensorView& tensor) {
  const size_t count = tensor.element_count();
  // Bytes may lie at any address, so half-width values are copied to an aligned place first.
  auto halves = [&](auto kernel, auto element) {
    std::vector<decltype(element)> aligned(count);
    if (count > 0) std::memcpy(aligned.data(), tensor.bytes.data(), tensor.bytes.size());
    std::vector<float> out(count);
    kernel(aligned.data(), count, out.data());
    return out;
  };
  switch (tensor.dtype) {
    case DType::f64:
      return convert<double>(tensor.bytes);
    case DType::f32:
      return convert<float>(tensor.bytes);
    case DType::f16:
      return halves(simd::kernels().f16_to_f32, simd::Float16{});
    case DType::bf16:
      return halves(simd::kernels().bf16_to_f32, simd::BFloat16{});
    case DType::i64:
      return convert<int64_t>(tensor.bytes);
    case DType::i32:
      return convert<int32_t>(tensor.bytes);
    case DType::i16:
      return convert<int16_t>(tensor.bytes);
    case DType::i8:
      return convert<int8_t>(tensor.bytes);
    case DType::u64:
      return convert<uint64_t>(tensor.bytes);
    case DType::u32:
      return convert<uint32_t>(tensor.bytes);
    case DType::u16:
      return convert<uint16_t>(tensor.bytes);
    case DType::u8:
    case DType::boolean:
      return convert<uint8_t>(tensor.bytes);
    case DType::f8_e4m3:
    case DType::f8_e5m2:
      break;
  }
  throw Error(ErrorCode::unsupported, fmt::format("a tensor of {} cannot be computed with", name(tensor.dtype)));
}

}  // namespace sextant::model
