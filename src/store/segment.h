// store/segment.h: an immutable part of a collection: some consecutive rows with an index of each vector.
//
// A folder of files, each with checksums: `rows` (which row and id is at which place) and for each vector `vector_SLOT`
// (an Index, a MultiIndex, or SparseLists). It is made from the truth, mapped, and can be thrown away and made again.
// Places number a segment's rows from 0; an index may have fewer, under numbers of their own.
// Threads: an opened segment is immutable.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "index/section_file.h"
#include "sextant/index.h"
#include "sextant/multi_index.h"
#include "store/payload/payload_index.h"
#include "store/point_id.h"
#include "store/sparse_lists.h"
#include "store/store_config.h"
#include "store/truth.h"

namespace sextant::store {

// How much was spent on a segment's vectors.
enum class SegmentKind {
  complete,
  hasty,  // a graph of half the work, while many rows come in: it is made again when fewer do
  flat,   // no graph: it takes as long as writing the vectors does, and searches compare all of them
};

std::string_view name(SegmentKind kind);

// What the truth knows of a segment.
struct SegmentInfo {
  uint64_t number = 0;  // its folder's name
  uint64_t row_begin = 0, row_end = 0;
  uint64_t rows = 0;     // that it holds
  uint64_t version = 0;  // of the truth that it was made from
  SegmentKind kind = SegmentKind::complete;
  bool operator==(const SegmentInfo&) const = default;
};
std::string write_segments(const std::vector<SegmentInfo>& segments);
// Throws corrupted; WHERE begins the message.
std::vector<SegmentInfo> read_segments(std::string_view json, const std::string& where);

struct SegmentBuildOptions {
  size_t threads = 0;
  SegmentKind kind = SegmentKind::complete;
  // Stops with Error(unavailable) once it is true.
  const std::atomic<bool>* stop = nullptr;
  // Called once the moment is not needed any more, long before the indexes are made.
  std::function<void()> gathered = {};
};

class Segment {
 public:
  // Makes the segment of the rows [info.row_begin, info.row_end) that there are at MOMENT in FOLDER, which must not
  // exist, and returns info with the rest filled in. It is on the disk when this returns; of no rows nothing is made.
  static SegmentInfo build(const std::filesystem::path& folder, SegmentInfo info, const StoreConfig& config,
                           const Truth::Moment& moment, const SegmentBuildOptions& options);

  // Throws not_found or corrupted naming the file.
  Segment(const std::filesystem::path& folder, const SegmentInfo& info, const StoreConfig& config);
  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;
  // Deletes its folder where it is obsolete.
  ~Segment();

  const SegmentInfo& info() const { return info_; }
  const std::filesystem::path& folder() const { return folder_; }
  size_t size() const { return rows_.size(); }
  uint64_t row(uint32_t place) const { return rows_[place]; }
  PointId id(uint32_t place) const;
  std::optional<uint32_t> find(uint64_t row) const;

  // Makes the index of the payloads that its points have at MOMENT, which is of VERSION, for the configuration's
  // schema, beside the segment's other files, in the place of those of other schemas and moments. Done by build(), too.
  // When this returns, no index of an earlier moment can be opened any more, also after a power cut. REQUIRES: what
  // MOMENT sees is on the disk, so that no index knows more than the truth.
  void build_payload_index(const StoreConfig& config, const Truth::Moment& moment, uint64_t version,
                           const std::atomic<bool>* stop) const;
  // Removes those of other schemas; who has one open still reads it. Returns whether none is left.
  bool remove_payload_indexes_but(const PayloadSchema& schema) const;
  // That of a schema; nullptr where there is none, it is damaged, or it knows more than VERSION of the truth.
  std::shared_ptr<const PayloadIndex> payload_index(const PayloadSchema& schema, uint64_t version) const;

  // The vectors of one slot.
  struct Column {
    std::unique_ptr<const Index> dense;
    std::unique_ptr<const MultiIndex> multi;
    std::unique_ptr<const SparseLists> sparse;
    // Which place each of its numbers is at, ascending; empty where they are the same.
    std::span<const uint32_t> places;
    uint32_t place(uint64_t number) const {
      return places.empty() ? static_cast<uint32_t>(number) : places[static_cast<size_t>(number)];
    }
    size_t size = 0;
  };
  // nullptr where no row has such a vector.
  const Column* column(const VectorConfig& config) const;

  // Reads everything and compares the checksums. Throws corrupted naming file and section.
  void verify() const;
  // It is not needed any more, and goes when nobody looks at it.
  void make_obsolete() const { obsolete_.store(true, std::memory_order_relaxed); }
  // Whether it has vectors of slots that CONFIG does not have.
  bool has_other_vectors(const StoreConfig& config) const;
  // The files of such vectors, when nobody looks at this any more: another Segment of the folder has its place.
  // REQUIRES: called once.
  void remove_other_vectors(const StoreConfig& config) const;
  // The files of such vectors, now: nobody looked at them since the segment was opened.
  void remove_leftovers(const StoreConfig& config) const;
  uint64_t disk_bytes() const;

 private:
  std::filesystem::path folder_;
  SegmentInfo info_;
  std::optional<index::SectionFile> file_;
  std::span<const uint64_t> rows_, id_highs_, id_lows_;
  std::span<const uint8_t> id_kinds_;
  std::map<uint16_t, Column> columns_;
  mutable std::atomic<bool> obsolete_ = false;
  mutable std::vector<uint16_t> obsolete_slots_;  // written once, by one who holds the segment
};

}  // namespace sextant::store
