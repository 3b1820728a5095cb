#include "model/pytorch_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <functional>
#include <limits>
#include <optional>
#include <unordered_map>

#include "base/files.h"
#include "base/utf8.h"
#include "model/pickle.h"
#include "model/shown.h"
#include "model/zip.h"
#include "sextant/error.h"

namespace sextant::model {
namespace {

using Kind = PickleValue::Kind;

// Everything that a pickle of tensors may ask for.
constexpr std::string_view kRebuildTensor = "torch._utils._rebuild_tensor";
constexpr std::string_view kRebuildTensorV2 = "torch._utils._rebuild_tensor_v2";
constexpr std::string_view kRebuildTensorV3 = "torch._utils._rebuild_tensor_v3";
constexpr std::string_view kRebuildParameter = "torch._utils._rebuild_parameter";
constexpr std::string_view kSize = "torch.Size";
constexpr std::array<std::string_view, 28> kGlobals = {kRebuildTensor,
                                                       kRebuildTensorV2,
                                                       kRebuildTensorV3,
                                                       kRebuildParameter,
                                                       kSize,
                                                       "torch.device",
                                                       "torch.DoubleStorage",
                                                       "torch.FloatStorage",
                                                       "torch.HalfStorage",
                                                       "torch.BFloat16Storage",
                                                       "torch.LongStorage",
                                                       "torch.IntStorage",
                                                       "torch.ShortStorage",
                                                       "torch.CharStorage",
                                                       "torch.ByteStorage",
                                                       "torch.BoolStorage",
                                                       "torch.UntypedStorage",
                                                       "torch.storage.UntypedStorage",
                                                       "torch.float64",
                                                       "torch.float32",
                                                       "torch.float16",
                                                       "torch.bfloat16",
                                                       "torch.int64",
                                                       "torch.int32",
                                                       "torch.int16",
                                                       "torch.int8",
                                                       "torch.uint8",
                                                       "torch.bool"};

struct Named {
  std::string_view name;
  DType dtype;
};
// An untyped storage counts bytes; only _rebuild_tensor_v3 gives its elements another type.
constexpr std::array<Named, 12> kStorages = {{{"torch.DoubleStorage", DType::f64},
                                              {"torch.FloatStorage", DType::f32},
                                              {"torch.HalfStorage", DType::f16},
                                              {"torch.BFloat16Storage", DType::bf16},
                                              {"torch.LongStorage", DType::i64},
                                              {"torch.IntStorage", DType::i32},
                                              {"torch.ShortStorage", DType::i16},
                                              {"torch.CharStorage", DType::i8},
                                              {"torch.ByteStorage", DType::u8},
                                              {"torch.BoolStorage", DType::boolean},
                                              {"torch.UntypedStorage", DType::u8},
                                              {"torch.storage.UntypedStorage", DType::u8}}};
constexpr std::array<Named, 10> kElementTypes = {{{"torch.float64", DType::f64},
                                                  {"torch.float32", DType::f32},
                                                  {"torch.float16", DType::f16},
                                                  {"torch.bfloat16", DType::bf16},
                                                  {"torch.int64", DType::i64},
                                                  {"torch.int32", DType::i32},
                                                  {"torch.int16", DType::i16},
                                                  {"torch.int8", DType::i8},
                                                  {"torch.uint8", DType::u8},
                                                  {"torch.bool", DType::boolean}}};

// 0x1950a86a20f9469cfc6c, which torch.save wrote first before it wrote zip archives.
constexpr std::string_view kLegacyMagic("\x6C\xFC\x9C\x46\xF9\x20\x6A\xA8\x50\x19", 10);
constexpr int64_t kLegacyProtocol = 1001;
constexpr uint64_t kZipVersionMax = 10;
// What torch itself allows.
constexpr size_t kDimensionsMax = 64;

// A model may keep every matrix transposed, and some twice; strides of zero could ask for any amount.
constexpr uint64_t kCopiedBytesFree = uint64_t{16} << 20;
constexpr uint64_t kCopiedTimesFileMax = 4;

template <size_t n>
std::optional<DType> dtype_of(const std::array<Named, n>& table, std::string_view name) {
  auto it = std::find_if(table.begin(), table.end(), [&](const Named& row) { return row.name == name; });
  return it == table.end() ? std::nullopt : std::optional(it->dtype);
}

bool starts_with(std::span<const std::byte> bytes, std::string_view prefix) {
  return base::text_of(bytes).starts_with(prefix);
}

// COUNT elements of WIDTH bytes, STEP bytes apart, to where they lie one after the other.
template <size_t width>
void gather_row(const std::byte* from, uint64_t step, size_t count, std::byte* to) {
  for (size_t i = 0; i < count; ++i) std::memcpy(to + i * width, from + i * step, width);
}

// Copies the elements of a strided tensor in the order of its shape. REQUIRES: a shape without zeros, all elements in
// FROM.
void gather(const std::byte* from, std::span<const size_t> shape, std::span<const uint64_t> strides, size_t width,
            std::byte* to) {
  const auto row = width == 1 ? gather_row<1> : width == 2 ? gather_row<2> : width == 4 ? gather_row<4> : gather_row<8>;
  const size_t row_count = shape.back();
  std::vector<size_t> index(shape.size() - 1, 0);
  for (;;) {
    uint64_t offset = 0;
    for (size_t d = 0; d < index.size(); ++d) offset += index[d] * strides[d];
    row(from + offset * width, strides.back() * width, row_count, to);
    to += row_count * width;
    size_t d = index.size();
    while (d > 0 && ++index[d - 1] == shape[d - 1]) index[--d] = 0;
    if (d == 0) return;
  }
}

}  // namespace

// One run over one file.
class PytorchReader {
 public:
  PytorchReader(std::span<const std::byte> bytes, PytorchFile& out) : bytes_(bytes), source_(out.source_), out_(out) {}

  void read() {
    if (starts_with(bytes_, "PK\x03\x04")) {
      read_zip();
    } else if (starts_with(bytes_, "\x80")) {
      read_legacy();
    } else if (bytes_.size() > 262 && starts_with(bytes_.subspan(257), "ustar")) {
      throw Error(
          ErrorCode::unsupported,
          fmt::format("{}: is a tar archive, as torch.save wrote them before 2017, which is not read", source_));
    } else {
      throw bad("is neither a zip archive nor a pickle, as torch.save writes them");
    }
  }

 private:
  // Where a storage's elements lie: [element_count * width]
  struct Storage {
    DType dtype;
    std::string_view key;
    uint64_t element_count;
    std::span<const std::byte> bytes;
  };

  Error bad(const std::string& what) const { return Error(ErrorCode::corrupted, fmt::format("{}: {}", source_, what)); }

  void read_zip() {
    const StoredZip zip(bytes_, source_);
    const std::string folder(zip.first_name().substr(0, zip.first_name().find('/')));
    const std::string object = folder + "/data.pkl";
    if (zip.contains(folder + "/constants.pkl")) {
      throw Error(ErrorCode::unsupported,
                  fmt::format("{}: holds a TorchScript program; save the model's state_dict instead", source_));
    }
    if (!zip.contains(object))
      throw bad(fmt::format("has no entry {}, where torch.save puts the tensors", shown(object)));
    if (const std::string name = folder + "/byteorder"; zip.contains(name))
      check_byte_order(base::text_of(zip.at(name)));
    if (const std::string name = folder + "/version"; zip.contains(name)) check_version(base::text_of(zip.at(name)));
    find_storage_ = [&zip, folder](std::string_view key) { return zip.at(fmt::format("{}/data/{}", folder, key)); };
    read_object(Pickle(zip.at(object), kGlobals, source_));
  }

  void check_byte_order(std::string_view order) const {
    if (order == "little") return;
    if (order == "big") {
      throw Error(ErrorCode::unsupported,
                  fmt::format("{}: was written on a big-endian machine, which is not read", source_));
    }
    throw bad(fmt::format("has byte order {}, expected 'little'", shown(order)));
  }

  void check_version(std::string_view text) const {
    uint64_t version = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), version);
    if (error != std::errc{}) throw bad(fmt::format("has version {}, expected a number", shown(text)));
    if (version > kZipVersionMax) {
      throw Error(ErrorCode::unsupported,
                  fmt::format("{}: has version {}, {} is the last that is read", source_, version, kZipVersionMax));
    }
  }

  void read_legacy() {
    size_t at = 0;
    auto next = [&](std::span<const std::string_view> globals) {
      Pickle pickle(bytes_.subspan(at), globals, source_);
      at += pickle.size_bytes();
      return pickle;
    };
    const Pickle magic = next({});
    if (magic.root().kind != Kind::big_integer || magic.root().text != kLegacyMagic) {
      throw bad("is a pickle without the number that torch.save begins with");
    }
    const Pickle protocol = next({});
    if (protocol.root().kind != Kind::integer || protocol.root().integer != kLegacyProtocol) {
      throw bad(fmt::format("has another protocol than {}", kLegacyProtocol));
    }
    const Pickle system = next({});
    if (const PickleValue* little = find(system, system.root(), "little_endian"); little != nullptr) {
      check_byte_order(little->kind == Kind::boolean && little->integer == 0 ? "big" : "little");
    }
    const Pickle object = next(kGlobals);
    const Pickle keys = next({});
    if (keys.root().kind != Kind::list) throw bad("has no list of storage keys after its object");

    // The list of storages does not say how wide their elements are: the tensors do.
    std::unordered_map<std::string_view, DType> types;
    for (const PickleValue& value : object.values()) {
      if (value.kind != Kind::persistent) continue;
      const Storage storage = describe(object, value);
      types.emplace(storage.key, storage.dtype);
    }
    std::unordered_map<std::string_view, std::span<const std::byte>> storages;
    for (PickleRef ref : keys.root().items) {
      const PickleValue& key = keys[ref];
      auto type = types.find(key.text);
      if (key.kind != Kind::text || type == types.end()) {
        throw bad(fmt::format("has storage {}, which no tensor names", shown(key.text)));
      }
      uint64_t count = 0;
      if (bytes_.size() - at < sizeof count) throw bad(fmt::format("breaks off before storage {}", shown(key.text)));
      std::memcpy(&count, bytes_.data() + at, sizeof count);
      at += sizeof count;
      const uint64_t width = width_bytes(type->second);
      if (count > (bytes_.size() - at) / width) {
        throw bad(fmt::format("storage {} has {} elements of {} bytes, the file has {} bytes left", shown(key.text),
                              count, width, bytes_.size() - at));
      }
      if (!storages.emplace(key.text, bytes_.subspan(at, count * width)).second) {
        throw bad(fmt::format("storage {} appears twice", shown(key.text)));
      }
      at += count * width;
    }
    find_storage_ = [&](std::string_view key) {
      auto it = storages.find(key);
      if (it == storages.end()) throw bad(fmt::format("storage {} is missing", shown(key)));
      return it->second;
    };
    read_object(object);
  }

  // The value under KEY; nullptr where DICT has none, or is no dict.
  static const PickleValue* find(const Pickle& pickle, const PickleValue& dict, std::string_view key) {
    if (dict.kind != Kind::dict) return nullptr;
    for (size_t i = 0; i + 1 < dict.items.size(); i += 2) {
      const PickleValue& name = pickle[dict.items[i]];
      if (name.kind == Kind::text && name.text == key) return &pickle[dict.items[i + 1]];
    }
    return nullptr;
  }

  static bool is_tensor(const PickleValue& value) {
    return value.kind == Kind::call && (value.text == kRebuildTensor || value.text == kRebuildTensorV2 ||
                                        value.text == kRebuildTensorV3 || value.text == kRebuildParameter);
  }

  void read_object(const Pickle& pickle) {
    const PickleValue* dict = &pickle.root();
    if (dict->kind != Kind::dict) throw bad("holds no dict of tensors");
    if (const PickleValue* inner = find(pickle, *dict, "state_dict"); inner != nullptr && inner->kind == Kind::dict) {
      dict = inner;
    }
    for (size_t i = 0; i + 1 < dict->items.size(); i += 2) {
      const PickleValue& key = pickle[dict->items[i]];
      const PickleValue& value = pickle[dict->items[i + 1]];
      if (!is_tensor(value)) continue;
      if (key.kind != Kind::text) throw bad("has a tensor whose name is not a string");
      tensor_ = &key.text;
      if (!out_.tensors_.emplace(key.text, read_tensor(pickle, value)).second) throw bad_tensor("appears twice");
    }
    if (out_.tensors_.empty()) throw bad("holds no tensors, neither at the top of its dict nor under 'state_dict'");
  }

  Error bad_tensor(const std::string& what) const {
    return Error(ErrorCode::corrupted, fmt::format("{}: tensor {} {}", source_, shown(*tensor_), what));
  }
  Error unsupported_tensor(const std::string& what) const {
    return Error(ErrorCode::unsupported, fmt::format("{}: tensor {} {}", source_, shown(*tensor_), what));
  }

  // What a persistent id says: ("storage", type, key, location, element count[, view]).
  Storage describe(const Pickle& pickle, const PickleValue& persistent) const {
    const PickleValue& id = pickle[persistent.items[0]];
    auto item = [&](size_t i, Kind kind) -> const PickleValue& {
      const PickleValue& value = pickle[id.items[i]];
      if (value.kind != kind) throw bad(fmt::format("has a storage whose field {} is not as torch.save writes it", i));
      return value;
    };
    if (id.kind != Kind::tuple || id.items.size() < 5 || item(0, Kind::text).text != "storage") {
      throw bad("has a reference to something that is no storage");
    }
    const std::optional<DType> dtype = dtype_of(kStorages, item(1, Kind::global).text);
    if (!dtype) throw bad(fmt::format("has a storage of type {}", shown(item(1, Kind::global).text)));
    const int64_t count = item(4, Kind::integer).integer;
    if (count < 0) throw bad(fmt::format("has a storage of {} elements", count));
    return {*dtype, item(2, Kind::text).text, static_cast<uint64_t>(count), {}};
  }

  Storage read_storage(const Pickle& pickle, const PickleValue& persistent) const {
    Storage storage = describe(pickle, persistent);
    storage.bytes = find_storage_(storage.key);
    const uint64_t width = width_bytes(storage.dtype);
    if (storage.element_count > storage.bytes.size() / width) {
      throw bad_tensor(fmt::format("lies in storage {} of {} elements, {} bytes of them are there", shown(storage.key),
                                   storage.element_count, storage.bytes.size()));
    }
    // Legacy files may give a storage as a part of another: (key, offset, element count).
    const PickleValue& id = pickle[persistent.items[0]];
    if (id.items.size() > 5 && pickle[id.items[5]].kind != Kind::none) {
      const PickleValue& view = pickle[id.items[5]];
      if (view.kind != Kind::tuple || view.items.size() != 3) throw bad_tensor("lies in a broken view of a storage");
      const uint64_t offset = size(pickle[view.items[1]], "a storage's offset");
      const uint64_t count = size(pickle[view.items[2]], "a storage's element count");
      if (offset > storage.element_count || count > storage.element_count - offset) {
        throw bad_tensor(fmt::format("lies in elements [{}, {} + {}) of storage {}, which has {}", offset, offset,
                                     count, shown(storage.key), storage.element_count));
      }
      storage.bytes = storage.bytes.subspan(offset * width);
      storage.element_count = count;
    }
    storage.bytes = storage.bytes.first(storage.element_count * width);
    return storage;
  }

  uint64_t size(const PickleValue& value, std::string_view what) const {
    if (value.kind != Kind::integer || value.integer < 0) {
      throw bad_tensor(fmt::format("has {} that is not a number from 0 to 2^63 - 1", what));
    }
    return static_cast<uint64_t>(value.integer);
  }

  std::vector<uint64_t> sizes(const Pickle& pickle, const PickleValue& value, std::string_view what) const {
    const PickleValue* list = &value;
    if (list->kind == Kind::call && list->text == kSize && list->items.size() == 1) list = &pickle[list->items[0]];
    if (list->kind != Kind::tuple && list->kind != Kind::list) throw bad_tensor(fmt::format("has no {}", what));
    if (list->items.size() > kDimensionsMax) {
      throw bad_tensor(
          fmt::format("has a {} of {} dimensions, at most {} are read", what, list->items.size(), kDimensionsMax));
    }
    std::vector<uint64_t> out;
    for (PickleRef ref : list->items) out.push_back(size(pickle[ref], fmt::format("a {}", what)));
    return out;
  }

  TensorView read_tensor(const Pickle& pickle, const PickleValue& call) {
    const PickleValue* inner = &call;
    if (inner->text == kRebuildParameter && !inner->items.empty()) inner = &pickle[inner->items[0]];
    const std::vector<PickleRef>& arguments = inner->items;
    if (!is_tensor(*inner) || inner->text == kRebuildParameter || arguments.size() < 4) {
      throw bad_tensor("is not built as torch.save writes it");
    }
    const PickleValue& where = pickle[arguments[0]];
    if (where.kind != Kind::persistent) throw bad_tensor("has no storage");
    Storage storage = read_storage(pickle, where);

    // (storage, offset, shape, strides[, requires_grad, hooks[, dtype in v3][, metadata]])
    size_t metadata = 6;
    if (inner->text == kRebuildTensorV3) {
      if (arguments.size() <= metadata) throw bad_tensor("has no element type");
      const PickleValue& type = pickle[arguments[metadata++]];
      const std::optional<DType> dtype = type.kind == Kind::global ? dtype_of(kElementTypes, type.text) : std::nullopt;
      if (!dtype) throw bad_tensor("has an element type that is none");
      storage.dtype = *dtype;
      storage.element_count = storage.bytes.size() / width_bytes(*dtype);
    }
    if (arguments.size() > metadata) {
      const PickleValue& bits = pickle[arguments[metadata]];
      if (bits.kind != Kind::none && !(bits.kind == Kind::dict && bits.items.empty())) {
        throw unsupported_tensor("carries metadata (conjugated or negated), which is not read");
      }
    }
    return view(storage, size(pickle[arguments[1]], "a storage offset"), sizes(pickle, pickle[arguments[2]], "shape"),
                sizes(pickle, pickle[arguments[3]], "list of strides"));
  }

  TensorView view(const Storage& storage, uint64_t offset, std::vector<uint64_t> shape,
                  const std::vector<uint64_t>& strides) {
    if (shape.size() != strides.size()) {
      throw bad_tensor(fmt::format("has {} dimensions and {} strides", shape.size(), strides.size()));
    }
    const uint64_t width = width_bytes(storage.dtype);
    constexpr uint64_t kMax = std::numeric_limits<int64_t>::max();
    const bool empty = std::find(shape.begin(), shape.end(), 0u) != shape.end();
    uint64_t count = 1;
    for (uint64_t extent : shape) {
      if (extent != 0 && count > kMax / width / extent) {
        throw bad_tensor(fmt::format("has shape [{}], whose product overflows", fmt::join(shape, ", ")));
      }
      count *= std::max<uint64_t>(extent, 1);
    }
    TensorView tensor{.dtype = storage.dtype, .shape = {shape.begin(), shape.end()}, .bytes = {}};
    if (empty) return tensor;

    // The last element's place; every other is before it, since strides are not negative.
    uint64_t last = offset;
    bool contiguous = true;
    uint64_t expected = 1;
    for (size_t d = shape.size(); d-- > 0;) {
      if (shape[d] == 1) continue;
      if (strides[d] > (kMax - std::min(last, kMax)) / (shape[d] - 1)) {
        throw bad_tensor(fmt::format("has strides [{}] that overflow", fmt::join(strides, ", ")));
      }
      last += strides[d] * (shape[d] - 1);
      contiguous = contiguous && strides[d] == expected;
      expected *= shape[d];
    }
    if (last >= storage.element_count) {
      throw bad_tensor(fmt::format("of shape [{}] reaches element {} of storage {}, which has {}",
                                   fmt::join(shape, ", "), last, shown(storage.key), storage.element_count));
    }
    const std::span<const std::byte> from = storage.bytes.subspan(offset * width);
    if (contiguous) {
      tensor.bytes = from.first(count * width);
      return tensor;
    }
    const uint64_t limit = kCopiedBytesFree + kCopiedTimesFileMax * bytes_.size();
    if (count * width > limit - out_.copied_bytes_) {
      throw Error(ErrorCode::exhausted,
                  fmt::format("{}: tensor {} of shape [{}] would bring the copies of strided tensors beyond {} bytes",
                              source_, shown(*tensor_), fmt::join(shape, ", "), limit));
    }
    out_.copies_.push_back(std::make_unique_for_overwrite<std::byte[]>(count * width));
    out_.copied_bytes_ += count * width;
    gather(from.data(), tensor.shape, strides, width, out_.copies_.back().get());
    tensor.bytes = {out_.copies_.back().get(), count * width};
    return tensor;
  }

  std::span<const std::byte> bytes_;
  const std::string& source_;
  PytorchFile& out_;
  std::function<std::span<const std::byte>(std::string_view)> find_storage_;
  const std::string_view* tensor_ = nullptr;
};

PytorchFile::PytorchFile(std::span<const std::byte> bytes, std::string source) : source_(std::move(source)) {
  PytorchReader(bytes, *this).read();
}

}  // namespace sextant::model
