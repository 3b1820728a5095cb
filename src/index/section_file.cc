#include "index/section_file.h"

#include <fmt/format.h>

#include <bit>
#include <cstring>

#include "base/hash.h"
#include "sextant/error.h"

namespace sextant::index {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::string_view kMagic = "SXTSECT1";
constexpr size_t kHeadBytes = 32;
constexpr size_t kNameBytes = 24;
constexpr size_t kEntryBytes = kNameBytes + 3 * sizeof(uint64_t);
constexpr size_t kAlignment = 4096;
constexpr size_t kSectionsMax = 4096;

template <class T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

template <class T>
T take(std::string_view bytes, size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof(value));
  return value;
}

uint64_t aligned(uint64_t offset) { return (offset + kAlignment - 1) / kAlignment * kAlignment; }

}  // namespace

SectionFileWriter::SectionFileWriter(const std::filesystem::path& path, uint32_t kind, uint32_t version,
                                     size_t sections)
    : file_(path), kind_(kind), version_(version), room_(sections) {
  file_.append(std::string(aligned(kHeadBytes + room_ * kEntryBytes + sizeof(uint64_t)), '\0'));
}

void SectionFileWriter::add(std::string_view name, std::span<const std::byte> bytes, base::PageBudget* pages) {
  constexpr size_t kPartBytes = size_t{4} << 20;
  if (count_ == room_ || name.size() >= kNameBytes) {
    throw Error(ErrorCode::internal, fmt::format("section '{}' has no room in its file", name));
  }
  std::string padded(name);
  padded.resize(kNameBytes);
  entries_ += padded;
  put(entries_, file_.size_bytes());
  put(entries_, static_cast<uint64_t>(bytes.size()));
  base::Hash64 hash;
  for (size_t first = 0; first < bytes.size(); first += kPartBytes) {
    const std::string_view part = base::text_of(bytes.subspan(first, std::min(kPartBytes, bytes.size() - first)));
    hash.add(part);
    file_.append(part);
    if (pages != nullptr) pages->read(part.size());
  }
  put(entries_, hash.value());
  ++count_;
  file_.append(std::string(aligned(file_.size_bytes()) - file_.size_bytes(), '\0'));
}

void SectionFileWriter::commit() {
  std::string head(kMagic);
  put(head, kind_);
  put(head, version_);
  put(head, static_cast<uint64_t>(count_));
  put(head, file_.size_bytes());
  head += entries_;
  put(head, base::hash64(head));
  file_.overwrite(0, head);
  file_.commit();
}

SectionFile::SectionFile(const std::filesystem::path& path, uint32_t kind, uint32_t version)
    : path_(path), file_(path) {
  const std::string_view bytes = file_.text();
  if (bytes.size() < kHeadBytes || bytes.substr(0, kMagic.size()) != kMagic) fail("it is no index of Sextant");
  if (take<uint32_t>(bytes, 8) != kind)
    fail(fmt::format("it is of kind {}, expected {}", take<uint32_t>(bytes, 8), kind));
  const auto found_version = take<uint32_t>(bytes, 12);
  if (found_version != version) {
    throw Error(ErrorCode::unsupported, fmt::format("{}: version {} of the format, this build reads version {}",
                                                    path_.string(), found_version, version));
  }
  const auto count = take<uint64_t>(bytes, 16);
  if (count > kSectionsMax) fail(fmt::format("it names {} sections, at most {} expected", count, kSectionsMax));
  const size_t end = kHeadBytes + count * kEntryBytes;
  if (bytes.size() < end + sizeof(uint64_t)) fail("it ends within its head");
  if (take<uint64_t>(bytes, end) != base::hash64(bytes.substr(0, end))) fail("the checksum of its head does not match");
  if (take<uint64_t>(bytes, 24) != bytes.size()) {
    fail(fmt::format("it has {} bytes, its head says {}", bytes.size(), take<uint64_t>(bytes, 24)));
  }
  for (size_t i = 0; i < count; ++i) {
    const size_t at = kHeadBytes + i * kEntryBytes;
    std::string_view name = bytes.substr(at, kNameBytes);
    name = name.substr(0, name.find('\0'));
    const auto offset = take<uint64_t>(bytes, at + kNameBytes);
    const auto size = take<uint64_t>(bytes, at + kNameBytes + 8);
    if (offset % kAlignment != 0 || offset > bytes.size() || size > bytes.size() - offset) {
      fail(fmt::format("section '{}' lies outside of the file", name));
    }
    sections_.push_back({std::string(name), offset, size, take<uint64_t>(bytes, at + kNameBytes + 16)});
  }
}

void SectionFile::verify() const {
  for (const Section& section : sections_) {
    if (base::hash64(file_.text().substr(section.offset, section.bytes)) != section.checksum) {
      fail(fmt::format("the checksum of section '{}' does not match", section.name));
    }
  }
}

std::vector<std::string> SectionFile::names() const {
  std::vector<std::string> names;
  for (const Section& section : sections_) names.push_back(section.name);
  return names;
}

bool SectionFile::has(std::string_view name) const {
  for (const Section& section : sections_) {
    if (section.name == name) return true;
  }
  return false;
}

std::span<const std::byte> SectionFile::get(std::string_view name) const {
  for (const Section& section : sections_) {
    if (section.name == name) return file_.bytes().subspan(section.offset, section.bytes);
  }
  fail(fmt::format("section '{}' is missing", name));
}

std::span<const std::byte> SectionFile::find(std::string_view name, size_t count, size_t element_bytes) const {
  const std::span<const std::byte> bytes = get(name);
  if (bytes.size() % element_bytes != 0 || bytes.size() / element_bytes != count) {
    fail(
        fmt::format("section '{}' has {} bytes, expected {} elements of {}", name, bytes.size(), count, element_bytes));
  }
  return bytes;
}

void SectionFile::fail(std::string_view what) const {
  throw Error(ErrorCode::corrupted, fmt::format("{}: {}", path_.string(), what));
}

}  // namespace sextant::index
