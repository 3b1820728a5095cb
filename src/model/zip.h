// model/zip.h: the stored entries of a zip archive, where they lie (APPNOTE.TXT 6.3, sections 4.3 to 4.5).
//
// archive := (local header, data)..., central directory, [zip64 end record, zip64 locator], end record
// Only what torch.save writes is read: entries without compression or encryption, on one disk, with 64-bit sizes where
// needed. An entry is a view into the archive, so that a tensor can be used where the file is mapped, and no entry can
// be larger than the file: there is nothing a zip bomb could unpack. Checksums are not verified, which would read
// every byte of a model before its first use.
// Throws corrupted or unsupported, naming the entry.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

namespace sextant::model {

class StoredZip {
 public:
  // BYTES must outlive the object; SOURCE names them in errors.
  StoredZip(std::span<const std::byte> bytes, std::string source);

  // Whether there is such an entry, whatever its state.
  bool contains(std::string_view name) const { return entries_.contains(name); }
  // The entry's bytes. Throws corrupted where there is none, unsupported where it is compressed or encrypted.
  std::span<const std::byte> at(std::string_view name) const;
  // The name that the directory lists first; empty for an empty archive.
  std::string_view first_name() const { return first_name_; }
  size_t entry_count() const { return entries_.size(); }

 private:
  struct Entry {
    uint16_t method = 0;
    bool encrypted = false;
    std::span<const std::byte> bytes;
  };

  std::string source_;
  std::string_view first_name_;
  std::map<std::string_view, Entry> entries_;
};

}  // namespace sextant::model
