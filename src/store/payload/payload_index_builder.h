// store/payload/payload_index_builder.h: makes the payload index of an immutable segment; payload_index.h reads it.
//
// Everything is held in memory until write().
// Threads: one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include "store/payload/payload_match.h"
#include "store/payload/payload_schema.h"

namespace sextant::store {

class PayloadIndexBuilder {
 public:
  explicit PayloadIndexBuilder(PayloadSchema schema);
  PayloadIndexBuilder(PayloadIndexBuilder&&) noexcept;
  PayloadIndexBuilder& operator=(PayloadIndexBuilder&&) noexcept;
  ~PayloadIndexBuilder();

  // Rows that are left out have no payload. REQUIRES: rows ascend.
  void add(uint32_t row, const PointView& point);
  // The index of rows 0 to ROWS - 1, as they are at VERSION of the truth. Once. REQUIRES: every row that was added is
  // below ROWS.
  void write(const std::filesystem::path& path, uint32_t rows, uint64_t version);

 private:
  struct Field;
  PayloadSchema schema_;
  std::unique_ptr<Field[]> fields_;
};

}  // namespace sextant::store
