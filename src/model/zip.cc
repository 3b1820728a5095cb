#include "model/zip.h"

#include <fmt/format.h>

#include <cstring>
#include <optional>

#include "base/files.h"
#include "model/shown.h"
#include "sextant/error.h"

namespace sextant::model {
namespace {

constexpr uint32_t kLocalHeader = 0x04034b50;
constexpr uint32_t kCentralHeader = 0x02014b50;
constexpr uint32_t kEndRecord = 0x06054b50;
constexpr uint32_t kZip64EndRecord = 0x06064b50;
constexpr uint32_t kZip64Locator = 0x07064b50;

constexpr size_t kLocalHeaderBytes = 30;
constexpr size_t kCentralHeaderBytes = 46;
constexpr size_t kEndRecordBytes = 22;
constexpr size_t kZip64EndRecordBytes = 56;
constexpr size_t kZip64LocatorBytes = 20;
constexpr size_t kCommentBytesMax = 0xFFFF;

constexpr uint16_t kEncryptedFlag = 1;
constexpr uint16_t kZip64Field = 1;

// A model has a few hundred tensors; this bounds the directory that is kept in memory.
constexpr uint64_t kEntriesMax = 1'000'000;

template <class T>
T read(std::span<const std::byte> bytes, size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

struct Directory {
  uint64_t offset = 0, bytes = 0, entries = 0;
};

// Where the end record begins: its comment must reach exactly to the end of the file.
std::optional<size_t> find_end_record(std::span<const std::byte> bytes) {
  if (bytes.size() < kEndRecordBytes) return std::nullopt;
  const size_t last = bytes.size() - kEndRecordBytes;
  const size_t first = last > kCommentBytesMax ? last - kCommentBytesMax : 0;
  for (size_t at = last + 1; at-- > first;) {
    if (read<uint32_t>(bytes, at) == kEndRecord && read<uint16_t>(bytes, at + 20) == last - at) return at;
  }
  return std::nullopt;
}

Directory find_directory(std::span<const std::byte> bytes, const std::string& source) {
  auto bad = [&](const std::string& what) { return Error(ErrorCode::corrupted, fmt::format("{}: {}", source, what)); };
  const std::optional<size_t> end = find_end_record(bytes);
  if (!end) throw bad("has no zip directory at its end; is it cut short?");
  Directory directory{.offset = read<uint32_t>(bytes, *end + 16),
                      .bytes = read<uint32_t>(bytes, *end + 12),
                      .entries = read<uint16_t>(bytes, *end + 10)};
  uint64_t disks = read<uint16_t>(bytes, *end + 4) | read<uint16_t>(bytes, *end + 6);
  uint64_t limit = *end;
  const bool zip64 = *end >= kZip64LocatorBytes && read<uint32_t>(bytes, *end - kZip64LocatorBytes) == kZip64Locator;
  if (zip64) {
    const uint64_t at = read<uint64_t>(bytes, *end - kZip64LocatorBytes + 8);
    limit = *end - kZip64LocatorBytes;
    if (limit < kZip64EndRecordBytes || at > limit - kZip64EndRecordBytes ||
        read<uint32_t>(bytes, at) != kZip64EndRecord) {
      throw bad(fmt::format("has no 64-bit zip directory at {}, where its end says", at));
    }
    limit = at;
    disks = read<uint32_t>(bytes, at + 16) | read<uint32_t>(bytes, at + 20);
    directory = {.offset = read<uint64_t>(bytes, at + 48),
                 .bytes = read<uint64_t>(bytes, at + 40),
                 .entries = read<uint64_t>(bytes, at + 32)};
  }
  if (disks != 0) {
    throw Error(ErrorCode::unsupported,
                fmt::format("{}: is a zip archive of several disks, which is not read", source));
  }
  if (directory.offset > limit || directory.bytes > limit - directory.offset) {
    throw bad(fmt::format("zip directory of {} bytes at {} reaches beyond its end at {}", directory.bytes,
                          directory.offset, limit));
  }
  if (directory.entries > kEntriesMax || directory.entries > directory.bytes / kCentralHeaderBytes) {
    throw bad(fmt::format("zip directory of {} bytes claims {} entries", directory.bytes, directory.entries));
  }
  return directory;
}

}  // namespace

StoredZip::StoredZip(std::span<const std::byte> bytes, std::string source) : source_(std::move(source)) {
  auto bad = [&](const std::string& what) { return Error(ErrorCode::corrupted, fmt::format("{}: {}", source_, what)); };
  const Directory directory = find_directory(bytes, source_);
  std::span<const std::byte> rest = bytes.subspan(directory.offset, directory.bytes);
  for (uint64_t i = 0; i < directory.entries; ++i) {
    if (rest.size() < kCentralHeaderBytes || read<uint32_t>(rest, 0) != kCentralHeader) {
      throw bad(fmt::format("zip directory breaks off before entry {} of {}", i + 1, directory.entries));
    }
    const size_t name_bytes = read<uint16_t>(rest, 28), extra_bytes = read<uint16_t>(rest, 30),
                 comment_bytes = read<uint16_t>(rest, 32);
    if (rest.size() - kCentralHeaderBytes < name_bytes + extra_bytes + comment_bytes) {
      throw bad(fmt::format("zip directory breaks off inside entry {} of {}", i + 1, directory.entries));
    }
    const std::string_view name = base::text_of(rest.subspan(kCentralHeaderBytes, name_bytes));
    uint64_t unpacked = read<uint32_t>(rest, 24), packed = read<uint32_t>(rest, 20), local = read<uint32_t>(rest, 42);

    // Values that do not fit 32 bits stand in an extra field, in this order, each only where it is needed.
    std::span<const std::byte> extra = rest.subspan(kCentralHeaderBytes + name_bytes, extra_bytes);
    while (extra.size() >= 4) {
      const uint16_t id = read<uint16_t>(extra, 0), length = read<uint16_t>(extra, 2);
      if (length > extra.size() - 4) throw bad(fmt::format("zip entry {} has a broken extra field", shown(name)));
      std::span<const std::byte> field = extra.subspan(4, length);
      extra = extra.subspan(4 + length);
      if (id != kZip64Field) continue;
      for (uint64_t* value : {&unpacked, &packed, &local}) {
        if (*value != 0xFFFFFFFF) continue;
        if (field.size() < 8) throw bad(fmt::format("zip entry {} lacks its 64-bit sizes", shown(name)));
        *value = read<uint64_t>(field, 0);
        field = field.subspan(8);
      }
    }

    Entry entry{
        .method = read<uint16_t>(rest, 10), .encrypted = (read<uint16_t>(rest, 8) & kEncryptedFlag) != 0, .bytes = {}};
    if (local > directory.offset || directory.offset - local < kLocalHeaderBytes ||
        read<uint32_t>(bytes, local) != kLocalHeader) {
      throw bad(fmt::format("zip entry {} is not at {}, where the directory says", shown(name), local));
    }
    // The local header has lengths of its own: writers pad its extra field so that the data is aligned.
    const uint64_t local_name_bytes = read<uint16_t>(bytes, local + 26);
    const uint64_t begin = local + kLocalHeaderBytes + local_name_bytes + read<uint16_t>(bytes, local + 28);
    if (begin > directory.offset || packed > directory.offset - begin) {
      throw bad(fmt::format("zip entry {} of {} bytes at {} reaches beyond the file", shown(name), packed, begin));
    }
    if (base::text_of(bytes.subspan(local + kLocalHeaderBytes, local_name_bytes)) != name) {
      throw bad(fmt::format("zip entry {} has another name in the directory than in its place", shown(name)));
    }
    if (entry.method == 0 && packed != unpacked) {
      throw bad(fmt::format("zip entry {} is stored, yet has {} bytes for {}", shown(name), packed, unpacked));
    }
    entry.bytes = bytes.subspan(begin, packed);
    if (!entries_.emplace(name, entry).second) throw bad(fmt::format("zip entry {} appears twice", shown(name)));
    if (i == 0) first_name_ = name;
    rest = rest.subspan(kCentralHeaderBytes + name_bytes + extra_bytes + comment_bytes);
  }
}

std::span<const std::byte> StoredZip::at(std::string_view name) const {
  auto it = entries_.find(name);
  if (it == entries_.end()) {
    throw Error(ErrorCode::corrupted, fmt::format("{}: zip entry {} is missing", source_, shown(name)));
  }
  const Entry& entry = it->second;
  if (entry.encrypted || entry.method != 0) {
    throw Error(
        ErrorCode::unsupported,
        fmt::format("{}: zip entry {} is {}; only stored entries, as torch.save writes them, are read", source_,
                    shown(name), entry.encrypted ? "encrypted" : fmt::format("compressed by method {}", entry.method)));
  }
  return entry.bytes;
}

}  // namespace sextant::model
