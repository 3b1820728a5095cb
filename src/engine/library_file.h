// engine/library_file.h: the library file of the first version: sections with checksums, as docs/library-format.md
// writes them. Nothing writes it any more.
//
// Reading maps the file and believes nothing: lengths, checksums, then every record's ranges, so that what comes after
// may index without looking.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"

namespace sextant::engine {

inline constexpr std::string_view kLibraryMagic = "SEXTLIB\n";
inline constexpr uint32_t kLibraryVersion = 1;

// What the file begins with, then the table of its sections.
struct LibraryHeader {
  char magic[8];
  uint32_t version;
  uint32_t section_count;
  uint64_t file_bytes;
  uint64_t table_hash;
  uint64_t reserved[3];
  uint64_t header_hash;  // of the 56 bytes before it
};
static_assert(sizeof(LibraryHeader) == 64);

struct LibraryTableEntry {
  char name[8];  // padded with zeros
  uint64_t offset;
  uint64_t bytes;
  uint64_t hash;
};
static_assert(sizeof(LibraryTableEntry) == 32);

// Bytes [begin, end) of the section `strings`.
struct StringRange {
  uint64_t begin = 0;
  uint64_t end = 0;
};

// One entry of the section `docs`.
struct DocumentRecord {
  StringRange path;
  StringRange title;
  StringRange text;
  uint64_t passage_begin = 0;  // its passages: entries [begin, end) of the section `passages`
  uint64_t passage_end = 0;
};
static_assert(sizeof(DocumentRecord) == 64);

// One entry of the section `passages`.
struct PassageRecord {
  uint64_t begin = 0;  // bytes of the document's text
  uint64_t end = 0;
  StringRange heading;
  uint64_t window_begin = 0;  // its windows: entries [begin, end) of the section `windows`, at least one
  uint64_t window_end = 0;
};
static_assert(sizeof(PassageRecord) == 48);

// One entry of the section `windows`, and one row of `vectors`.
struct WindowRecord {
  uint64_t begin = 0;  // bytes of the document's text, within the passage
  uint64_t end = 0;
};
static_assert(sizeof(WindowRecord) == 16);

// The section `meta`, a JSON object.
struct LibraryMeta {
  std::string model_name;
  std::string model_hash;
  uint64_t dim = 0;
  uint64_t chunk_tokens_max = 0;
  uint64_t overlap_tokens = 0;
  uint64_t window_tokens = 0;
  bool operator==(const LibraryMeta&) const = default;
};

struct LibraryContents {
  LibraryMeta meta;
  std::string_view strings;
  std::span<const DocumentRecord> documents;
  std::span<const PassageRecord> passages;
  std::span<const WindowRecord> windows;
  std::span<const float> vectors;  // [windows.size(), meta.dim], of length 1 at most, or NaN: found by no search

  std::string_view text_of(StringRange range) const { return strings.substr(range.begin, range.end - range.begin); }
};

class LibraryFile {
 public:
  explicit LibraryFile(const std::filesystem::path& path);
  const LibraryContents& contents() const { return contents_; }

 private:
  std::string_view section(std::string_view name) const;
  [[noreturn]] void fail(std::string_view section, const std::string& what) const;
  void check_records() const;

  struct Entry {
    std::string name;
    std::string_view bytes;
  };
  std::string path_;
  base::MappedFile file_;
  std::vector<Entry> sections_;
  LibraryContents contents_;
};

// True when the file begins as a library does.
bool looks_like_library(const std::filesystem::path& path);

}  // namespace sextant::engine
