#include "io/truth_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <string_view>

#include "io/bytes.h"
#include "sextant/error.h"

namespace sextant::io {
namespace {

constexpr size_t kTruthHeaderBytes = 8;
constexpr size_t kDecodedBytesMax = size_t{1} << 30;
constexpr size_t kBlockIds = size_t{1} << 16;

struct Header {
  uint32_t queries = 0;
  uint32_t k = 0;
  uint64_t ids() const { return uint64_t{queries} * k; }
  bool promises(uint64_t id_bytes) const { return id_bytes % 4 == 0 && ids() == id_bytes / 4; }
};

[[noreturn]] void refuse_size(const Header& header, const std::string& id_bytes, const std::string& name) {
  throw Error(ErrorCode::corrupted, fmt::format("{}: its header promises {} queries x {} ids of 4 bytes, but {} bytes "
                                                "follow it",
                                                name, header.queries, header.k, id_bytes));
}

Header parse_header(std::string_view start, const std::string& name) {
  if (start.size() < kTruthHeaderBytes) {
    throw Error(ErrorCode::corrupted, fmt::format("{}: has {} bytes, expected a header of {}: queries and ids of each",
                                                  name, start.size(), kTruthHeaderBytes));
  }
  Header header;
  std::memcpy(&header.queries, start.data(), 4);
  std::memcpy(&header.k, start.data() + 4, 4);
  if (header.k == 0) {
    throw Error(ErrorCode::corrupted, name + ": its header promises 0 ids a query, expected 1 or more");
  }
  return header;
}

// The ids; memory grows with what is really there, not with what the header promises.
std::vector<uint32_t> decode(ByteReader& stream, const Header& header, const std::string& name) {
  if (header.ids() > kDecodedBytesMax / 4) {
    throw Error(ErrorCode::exhausted,
                fmt::format("{}: holds {} queries x {} ids, and a compressed file may hold {}; decompress it first",
                            name, header.queries, header.k, kDecodedBytesMax / 4));
  }
  std::vector<uint32_t> ids;
  while (ids.size() < header.ids()) {
    const size_t old = ids.size();
    ids.resize(old + std::min<size_t>(header.ids() - old, kBlockIds));
    const size_t size = (ids.size() - old) * 4;
    const size_t n = stream.read_fully(reinterpret_cast<char*>(ids.data() + old), size);
    if (n < size) refuse_size(header, std::to_string(old * 4 + n), name);
  }
  char more = 0;
  if (stream.read(&more, 1) != 0) refuse_size(header, "more", name);
  return ids;
}

}  // namespace

TruthFile TruthFile::open(const std::filesystem::path& path) {
  TruthFile truth;
  truth.name_ = path.string();
  Header header;
  if (truth.name_.ends_with(".zst")) {
    ByteReader stream(truth.name_);
    std::array<char, kTruthHeaderBytes> start{};
    const size_t n = stream.read_fully(start.data(), start.size());
    header = parse_header({start.data(), n}, truth.name_);
    truth.decoded_ = decode(stream, header, truth.name_);
    truth.ids_ = truth.decoded_;
  } else {
    truth.file_ = base::MappedFile(path);
    header = parse_header(truth.file_.text(), truth.name_);
    const std::span<const std::byte> ids = truth.file_.bytes().subspan(kTruthHeaderBytes);
    if (!header.promises(ids.size())) refuse_size(header, std::to_string(ids.size()), truth.name_);
    // The map begins on a page, so what follows eight bytes is aligned.
    truth.ids_ = {reinterpret_cast<const uint32_t*>(ids.data()), ids.size() / 4};
  }
  truth.queries_ = header.queries;
  truth.k_ = header.k;
  return truth;
}

void write_truth_file(const std::filesystem::path& path, size_t k, std::span<const uint32_t> ids) {
  constexpr size_t kMax = std::numeric_limits<uint32_t>::max();
  if (k == 0 || k > kMax || ids.size() % k != 0 || ids.size() / k > kMax) {
    throw Error(ErrorCode::internal, fmt::format("{}: {} ids are not lists of {}", path.string(), ids.size(), k));
  }
  const std::array<uint32_t, 2> header = {static_cast<uint32_t>(ids.size() / k), static_cast<uint32_t>(k)};
  base::FileReplacement file(path);
  file.append({reinterpret_cast<const char*>(header.data()), sizeof header});
  file.append({reinterpret_cast<const char*>(ids.data()), ids.size_bytes()});
  file.commit();
}

}  // namespace sextant::io
