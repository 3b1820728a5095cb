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

struct Header {
  char magic[8];
  uint32_t version;
  uint32_t section_count;
  uint64_t file_bytes;
  uint64_t table_hash;
  uint64_t reserved[3];
  uint64_t header_hash;  // of the 56 bytes before it
};
static_assert(sizeof(Header) == 64);

struct TableEntry {
  char name[8];  // padded with zeros
  uint64_t offset;
  uint64_t bytes;
  uint64_t hash;
};
static_assert(sizeof(TableEntry) == 32);

template <class T>
std::string_view bytes_of(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof(T)};
}

template <class T>
std::string_view bytes_of(std::span<const T> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
}

uint64_t aligned(uint64_t offset) { return (offset + kAlignment - 1) / kAlignment * kAlignment; }

uint64_t hash_of(const Header& header) { return base::hash64(bytes_of(header).substr(0, 56)); }

}  // namespace

uint64_t write_library(const std::string& path, const LibraryContents& contents) {
  nlohmann::ordered_json meta = {{"model", {{"name", contents.meta.model_name}, {"hash", contents.meta.model_hash}}},
                                 {"dim", contents.meta.dim},
                                 {"chunk_tokens_max", contents.meta.chunk_tokens_max},
                                 {"overlap_tokens", contents.meta.overlap_tokens},
                                 {"window_tokens", contents.meta.window_tokens}};
  const std::string meta_text = base::json_text(meta);
  struct Part {
    std::string_view name;
    std::string_view bytes;
  };
  const std::array<Part, 6> parts = {{{"meta", meta_text},
                                      {"strings", contents.strings},
                                      {"docs", bytes_of(contents.documents)},
                                      {"passages", bytes_of(contents.passages)},
                                      {"windows", bytes_of(contents.windows)},
                                      {"vectors", bytes_of(contents.vectors)}}};
  std::vector<TableEntry> table;
  uint64_t offset = aligned(sizeof(Header) + parts.size() * sizeof(TableEntry));
  uint64_t end = offset;
  for (const Part& part : parts) {
    TableEntry entry{};
    std::memcpy(entry.name, part.name.data(), part.name.size());
    entry.offset = offset;
    entry.bytes = part.bytes.size();
    entry.hash = base::hash64(part.bytes);
    table.push_back(entry);
    end = offset + part.bytes.size();
    offset = aligned(end);
  }
  std::string_view table_bytes = bytes_of(std::span<const TableEntry>(table));
  Header header{};
  std::memcpy(header.magic, kLibraryMagic.data(), sizeof header.magic);
  header.version = kLibraryVersion;
  header.section_count = static_cast<uint32_t>(table.size());
  header.file_bytes = end;
  header.table_hash = base::hash64(table_bytes);
  header.header_hash = hash_of(header);

  io::ByteWriter out(path);
  out.write(bytes_of(header));
  out.write(table_bytes);
  for (size_t i = 0; i < parts.size(); ++i) {
    out.write(std::string(table[i].offset - out.size_bytes(), '\0'));
    out.write(parts[i].bytes);
  }
  out.finish();
  return end;
}

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
  if (all.size() < sizeof(Header)) fail("header", fmt::format("the file ends after {} bytes", all.size()));
  Header header;
  std::memcpy(&header, all.data(), sizeof header);
  if (header.header_hash != hash_of(header)) fail("header", "its checksum does not match");
  if (header.version != kLibraryVersion) {
    throw Error(ErrorCode::unsupported, fmt::format("{}: is a library of format version {}, this program reads {}",
                                                    path_, header.version, kLibraryVersion));
  }
  if (header.file_bytes != all.size()) {
    fail("header", fmt::format("promises {} bytes, the file has {}", header.file_bytes, all.size()));
  }
  if (header.section_count > kSectionsMax || header.section_count * sizeof(TableEntry) > all.size() - sizeof(Header)) {
    fail("section table", fmt::format("{} sections do not fit", header.section_count));
  }
  std::string_view table = all.substr(sizeof(Header), header.section_count * sizeof(TableEntry));
  if (header.table_hash != base::hash64(table)) fail("section table", "its checksum does not match");
  uint64_t end_before = sizeof(Header) + table.size();
  for (uint32_t i = 0; i < header.section_count; ++i) {
    TableEntry entry;
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
