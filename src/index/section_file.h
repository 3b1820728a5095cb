// index/section_file.h: a file of named sections that is mapped as it is, each with a checksum.
//
//   magic "SXTSECT1", u32 kind, u32 version, u64 section count, u64 file bytes,
//   for each section: name [24] filled with zeros, u64 offset, u64 bytes, u64 XXH3 of its bytes,
//   u64 XXH3 of all of the above; then the sections, each at a multiple of 4,096.
// Numbers are little-endian. Opening reads the first pages alone; verify() reads everything.
// Threads: an opened file is immutable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "base/page_budget.h"

namespace sextant::index {

class SectionFileWriter {
 public:
  // sections: how many there will be at most.
  SectionFileWriter(const std::filesystem::path& path, uint32_t kind, uint32_t version, size_t sections);
  // name: up to 23 characters. pages, where there is one, is told what is read of the bytes, which lie in another file.
  void add(std::string_view name, std::span<const std::byte> bytes, base::PageBudget* pages = nullptr);
  template <class T>
  void add(std::string_view name, std::span<const T> values) {
    add(name, std::as_bytes(values));
  }
  void commit();
  uint64_t size_bytes() const { return file_.size_bytes(); }

 private:
  base::FileReplacement file_;
  uint32_t kind_, version_;
  size_t room_;
  std::string entries_;
  size_t count_ = 0;
};

class SectionFile {
 public:
  // Throws not_found, or corrupted or unsupported naming the file and what is wrong with it.
  SectionFile(const std::filesystem::path& path, uint32_t kind, uint32_t version);
  // Reads all sections and compares their checksums. Throws corrupted naming the section.
  void verify() const;

  bool has(std::string_view name) const;
  // In the order of the file.
  std::vector<std::string> names() const;
  // The section as COUNT elements of T. Throws corrupted where it is missing or has another size.
  template <class T>
  std::span<const T> get(std::string_view name, size_t count) const {
    const std::span<const std::byte> bytes = find(name, count, sizeof(T));
    return {reinterpret_cast<const T*>(bytes.data()), count};
  }
  std::span<const std::byte> get(std::string_view name) const;
  // All that lies before it in the file.
  std::span<const std::byte> before(std::string_view name) const {
    return file_.bytes().first(static_cast<size_t>(get(name).data() - file_.bytes().data()));
  }
  [[noreturn]] void fail(std::string_view what) const;
  uint64_t size_bytes() const { return file_.bytes().size(); }

 private:
  struct Section {
    std::string name;
    uint64_t offset, bytes, checksum;
  };
  std::span<const std::byte> find(std::string_view name, size_t count, size_t element_bytes) const;

  std::filesystem::path path_;
  base::MappedFile file_;
  std::vector<Section> sections_;
};

}  // namespace sextant::index
