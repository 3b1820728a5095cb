// engine/testing_library_file.h: library files of the first version, for tests.
#pragma once

#include <array>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/json.h"
#include "engine/library_file.h"
#include "io/bytes.h"

namespace sextant::tests {

using engine::LibraryContents;
using engine::LibraryHeader;
using engine::LibraryTableEntry;

template <class T>
std::string_view library_bytes_of(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof(T)};
}
template <class T>
std::string_view library_bytes_of(std::span<const T> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
}
inline uint64_t library_aligned(uint64_t offset) { return (offset + 63) / 64 * 64; }

// Returns the length of the file.
inline uint64_t write_library(const std::string& path, const LibraryContents& contents) {
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
                                      {"docs", library_bytes_of(contents.documents)},
                                      {"passages", library_bytes_of(contents.passages)},
                                      {"windows", library_bytes_of(contents.windows)},
                                      {"vectors", library_bytes_of(contents.vectors)}}};
  std::vector<LibraryTableEntry> table;
  uint64_t offset = library_aligned(sizeof(LibraryHeader) + parts.size() * sizeof(LibraryTableEntry));
  uint64_t end = offset;
  for (const Part& part : parts) {
    LibraryTableEntry entry{};
    std::memcpy(entry.name, part.name.data(), part.name.size());
    entry.offset = offset;
    entry.bytes = part.bytes.size();
    entry.hash = base::hash64(part.bytes);
    table.push_back(entry);
    end = offset + part.bytes.size();
    offset = library_aligned(end);
  }
  std::string_view table_bytes = library_bytes_of(std::span<const LibraryTableEntry>(table));
  LibraryHeader header{};
  std::memcpy(header.magic, engine::kLibraryMagic.data(), sizeof header.magic);
  header.version = engine::kLibraryVersion;
  header.section_count = static_cast<uint32_t>(table.size());
  header.file_bytes = end;
  header.table_hash = base::hash64(table_bytes);
  header.header_hash = base::hash64(library_bytes_of(header).substr(0, 56));

  io::ByteWriter out(path);
  out.write(library_bytes_of(header));
  out.write(table_bytes);
  for (size_t i = 0; i < parts.size(); ++i) {
    out.write(std::string(table[i].offset - out.size_bytes(), '\0'));
    out.write(parts[i].bytes);
  }
  out.finish();
  return end;
}

}  // namespace sextant::tests
