// model/testing_pytorch.h: PyTorch files made by hand, byte by byte, for tests and fuzzers: also those that torch.save
// would never write.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sextant::model::testing_pytorch {

template <class T>
std::string raw(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

// Pieces of a pickle, to be put together with +.
inline std::string pickle(const std::string& body) { return "\x80\x02" + body + "."; }
inline std::string text(std::string_view value) {
  return "X" + raw(static_cast<uint32_t>(value.size())) + std::string(value);
}
inline std::string number(int64_t value) { return "\x8A\x08" + raw(value); }
inline std::string tuple(const std::string& items) { return "(" + items + "t"; }
inline std::string dict(const std::string& items) { return "}(" + items + "u"; }
inline std::string list(const std::string& items) { return "](" + items + "e"; }
inline std::string global(std::string_view module, std::string_view name) {
  return "c" + std::string(module) + "\n" + std::string(name) + "\n";
}
inline std::string call(const std::string& callee, const std::string& arguments) {
  return callee + tuple(arguments) + "R";
}
inline std::string ordered_dict(const std::string& items) {
  return call(global("collections", "OrderedDict"), "") + "(" + items + "u";
}
inline std::string numbers(const std::vector<int64_t>& values) {
  std::string items;
  for (int64_t value : values) items += number(value);
  return tuple(items);
}

// A storage that lies outside the pickle: TYPE as in "FloatStorage".
inline std::string storage(std::string_view type, std::string_view key, int64_t count, const std::string& view = "") {
  return tuple(text("storage") + global("torch", type) + text(key) + text("cpu") + number(count) + view) + "Q";
}
inline std::string tensor(const std::string& where, int64_t offset, const std::vector<int64_t>& shape,
                          const std::vector<int64_t>& strides) {
  return call(global("torch._utils", "_rebuild_tensor_v2"),
              where + number(offset) + numbers(shape) + numbers(strides) + "\x89" + ordered_dict(""));
}

template <class T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

// A zip archive of stored entries. METHOD other than 0 lies about the first of them.
inline std::string zip(const std::vector<std::pair<std::string, std::string>>& entries, uint16_t method = 0) {
  std::string out, directory;
  for (const auto& [name, bytes] : entries) {
    const std::string sizes = raw(uint32_t{0}) + raw(static_cast<uint32_t>(bytes.size())) +
                              raw(static_cast<uint32_t>(bytes.size())) + raw(static_cast<uint16_t>(name.size()));
    const std::string common = raw(uint16_t{0}) + raw(out.empty() ? method : uint16_t{0}) + raw(uint32_t{0}) + sizes;
    directory += "PK\x01\x02" + raw(uint16_t{20}) + raw(uint16_t{20}) + common + raw(uint16_t{0}) + raw(uint16_t{0}) +
                 raw(uint16_t{0}) + raw(uint16_t{0}) + raw(uint32_t{0}) + raw(static_cast<uint32_t>(out.size())) + name;
    out += "PK\x03\x04" + raw(uint16_t{20}) + common + raw(uint16_t{0}) + name + bytes;
  }
  const auto count = static_cast<uint16_t>(entries.size());
  const auto begin = static_cast<uint32_t>(out.size());
  return out + directory + "PK\x05\x06" + raw(uint16_t{0}) + raw(uint16_t{0}) + raw(count) + raw(count) +
         raw(static_cast<uint32_t>(directory.size())) + raw(begin) + raw(uint16_t{0});
}

// What torch.save writes: STORAGES are key and bytes.
inline std::string zip_file(const std::string& object,
                            const std::vector<std::pair<std::string, std::string>>& storages) {
  std::vector<std::pair<std::string, std::string>> entries = {{"archive/data.pkl", pickle(object)}};
  for (const auto& [key, bytes] : storages) entries.emplace_back("archive/data/" + key, bytes);
  entries.emplace_back("archive/version", "3\n");
  return zip(entries);
}

struct LegacyStorage {
  std::string key;
  uint64_t count;
  std::string bytes;
};

// What torch.save wrote before version 1.6, and writes where it is asked to.
inline std::string legacy_file(const std::string& object, const std::vector<LegacyStorage>& storages,
                               bool little_endian = true) {
  std::string out =
      pickle(std::string("\x8A\x0A\x6C\xFC\x9C\x46\xF9\x20\x6A\xA8\x50\x19", 12)) + pickle(number(1001)) +
      pickle(dict(text("protocol_version") + number(1001) + text("little_endian") + (little_endian ? "\x88" : "\x89")));
  std::string keys, bytes;
  for (const LegacyStorage& one : storages) {
    keys += text(one.key);
    bytes += raw(one.count) + one.bytes;
  }
  return out + pickle(object) + pickle(list(keys)) + bytes;
}

}  // namespace sextant::model::testing_pytorch
