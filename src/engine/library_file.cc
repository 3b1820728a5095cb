#include "engine/library_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/hash.h"
#include "base/json.h"
#include "io/bytes.h"
#include "sextant/error.h"

namespace sextant::engine {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian and mapped as it is");

constexpr uint64_t kAlignment = 64;
constexpr uint32_t kSectionsMax = 64;
constexpr uint64_t kDimMax = 65536;

template <class T>
std::string_view bytes_of(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof(T)};
}

uint64_t aligned(uint64_t offset) { return (offset + kAlignment - 1) / kAlignment * kAlignment; }

uint64_t hash_of(const LibraryHeader& header) { return base::hash64(bytes_of(header).substr(0, 56)); }

}  // namespace

void LibraryFile::fail(std::string_view section, const std::string& what) const {
  throw Error(ErrorCode::corrupted, fmt::format("{}: {}: {}", path_, section, what));
}

std::string_view LibraryFile::section(std::string_view name) const {
  for (const Entry& entry : sections_) {
    if (entry.name == name) return entry.bytes;
  }
  fail("section table", fmt::format("has no section '{}'", name));
}

LibraryFile::LibraryFile(const std::filesystem::path& path) : path_(path.string()), file_(path) {
  std::string_view all = file_.text();
  if (!all.starts_with(kLibraryMagic)) fail("header", "is not a Sextant library: it does not begin with SEXTLIB");
  if (all.size() < sizeof(LibraryHeader)) fail("header", fmt::format("the file ends after {} bytes", all.size()));
  LibraryHeader header;
  std::memcpy(&header, all.data(), sizeof header);
  if (header.header_hash != hash_of(header)) fail("header", "its checksum does not match");
  if (header.version != kLibraryVersion) {
    throw Error(ErrorCode::unsupported, fmt::format("{}: is a library of format version {}, this program reads {}",
                                                    path_, header.version, kLibraryVersion));
  }
  if (header.file_bytes != all.size()) {
    fail("header", fmt::format("promises {} bytes, the file has {}", header.file_bytes, all.size()));
  }
  if (header.section_count > kSectionsMax ||
      header.section_count * sizeof(LibraryTableEntry) > all.size() - sizeof(LibraryHeader)) {
    fail("section table", fmt::format("{} sections do not fit", header.section_count));
  }
  std::string_view table = all.substr(sizeof(LibraryHeader), header.section_count * sizeof(LibraryTableEntry));
  if (header.table_hash != base::hash64(table)) fail("section table", "its checksum does not match");
  uint64_t end_before = sizeof(LibraryHeader) + table.size();
  for (uint32_t i = 0; i < header.section_count; ++i) {
    LibraryTableEntry entry;
    std::memcpy(&entry, table.data() + i * sizeof entry, sizeof entry);
    std::string name(entry.name, strnlen(entry.name, sizeof entry.name));
    std::string shown = fmt::format("section '{}'", name);
    if (entry.offset != aligned(end_before) || entry.offset > all.size() || entry.bytes > all.size() - entry.offset) {
      fail(shown, fmt::format("{} bytes at {} do not fit", entry.bytes, entry.offset));
    }
    if (all.substr(end_before, entry.offset - end_before).find_first_not_of('\0') != std::string_view::npos) {
      fail(shown, "the padding before it is not zero");
    }
    std::string_view bytes = all.substr(entry.offset, entry.bytes);
    if (entry.hash != base::hash64(bytes)) fail(shown, "its checksum does not match");
    sections_.push_back({name, bytes});
    end_before = entry.offset + entry.bytes;
  }
  if (end_before != all.size()) fail("section table", "bytes follow the last section");

  LibraryContents& c = contents_;
  try {
    nlohmann::json meta = base::parse_json(section("meta"));
    c.meta.model_name = meta.at("model").at("name").get<std::string>();
    c.meta.model_hash = meta.at("model").at("hash").get<std::string>();
    c.meta.dim = meta.at("dim").get<uint64_t>();
    c.meta.chunk_tokens_max = meta.at("chunk_tokens_max").get<uint64_t>();
    c.meta.overlap_tokens = meta.at("overlap_tokens").get<uint64_t>();
    c.meta.window_tokens = meta.at("window_tokens").get<uint64_t>();
  } catch (const nlohmann::json::exception& error) {
    fail("section 'meta'", error.what());
  }
  if (c.meta.dim == 0 || c.meta.dim > kDimMax) fail("section 'meta'", fmt::format("dim is {}", c.meta.dim));
  c.strings = section("strings");
  auto records = [&]<class Record>(std::string_view name, std::span<const Record>& out) {
    std::string_view bytes = section(name);
    if (bytes.size() % sizeof(Record) != 0) {
      fail(fmt::format("section '{}'", name), fmt::format("{} bytes are not whole records", bytes.size()));
    }
    // Sections begin at multiples of 64 of a mapped file, which begins at a page.
    out = {reinterpret_cast<const Record*>(bytes.data()), bytes.size() / sizeof(Record)};
  };
  records("docs", c.documents);
  records("passages", c.passages);
  records("windows", c.windows);
  records("vectors", c.vectors);
  check_records();
}

void LibraryFile::check_records() const {
  const LibraryContents& c = contents_;
  if (c.vectors.size() / c.meta.dim != c.windows.size() || c.vectors.size() % c.meta.dim != 0) {
    fail("section 'vectors'",
         fmt::format("holds {} numbers, expected {} x {}", c.vectors.size(), c.windows.size(), c.meta.dim));
  }
  auto is_inside = [&](const StringRange& range) { return range.begin <= range.end && range.end <= c.strings.size(); };
  uint64_t passage = 0;
  uint64_t window = 0;
  for (size_t i = 0; i < c.documents.size(); ++i) {
    const DocumentRecord& document = c.documents[i];
    if (!is_inside(document.path) || !is_inside(document.title) || !is_inside(document.text)) {
      fail("section 'docs'", fmt::format("record {} points outside 'strings'", i));
    }
    if (document.passage_begin != passage || document.passage_end < passage ||
        document.passage_end > c.passages.size()) {
      fail("section 'docs'", fmt::format("record {} has passages {} to {}, expected them to begin at {}", i,
                                         document.passage_begin, document.passage_end, passage));
    }
    uint64_t text_bytes = document.text.end - document.text.begin;
    for (; passage < document.passage_end; ++passage) {
      const PassageRecord& record = c.passages[passage];
      if (record.begin > record.end || record.end > text_bytes || !is_inside(record.heading)) {
        fail("section 'passages'", fmt::format("record {} points outside its document", passage));
      }
      if (record.window_begin != window || record.window_end <= window || record.window_end > c.windows.size()) {
        fail("section 'passages'", fmt::format("record {} has windows {} to {}, expected them to begin at {}", passage,
                                               record.window_begin, record.window_end, window));
      }
      for (; window < record.window_end; ++window) {
        const WindowRecord& part = c.windows[window];
        if (part.begin < record.begin || part.begin > part.end || part.end > record.end) {
          fail("section 'windows'", fmt::format("record {} points outside its passage", window));
        }
      }
    }
  }
  if (window != c.windows.size()) {
    fail("section 'windows'", fmt::format("{} records, the passages have {}", c.windows.size(), window));
  }
  if (passage != c.passages.size()) {
    fail("section 'passages'", fmt::format("{} records, the documents have {}", c.passages.size(), passage));
  }
}

bool looks_like_library(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string start(kLibraryMagic.size(), '\0');
  file.read(start.data(), static_cast<std::streamsize>(start.size()));
  return file && start == kLibraryMagic;
}

}  // namespace sextant::engine
