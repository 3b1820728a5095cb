// store/truth.h: the points of one collection as RocksDB keeps them; everything else is made from this.
//
// Column families, numbers in keys most significant byte first:
//   default   "format", "config", "state", "segments": how it is written, what it is made of, where it stands
//   points    PointId::key() -> record: row, version, expires_ms, the slots of its vectors, payload
//   rows      row u64, slot u16 -> a vector as vector_bytes.h writes it; slot 0: the id's key
//   marks     'd' row: the row is dead; 'p' row: its point's payload changed after it was written, in version u64
//   expiry    expires_ms u64, id's key -> nothing
// A point has one row at a time; a change of its vectors gives it a new one, and the old one dies: its vectors go at
// once, its mark when no segment covers it any more. Rows are numbered upwards and never used again.
// A Truth is opened by one process at a time.     Threads: reads and writes from many.
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/log_watch.h"
#include "store/operation.h"
#include "store/store_config.h"

namespace sextant::store {

// What the collection's points are found under.
struct PointRecord {
  uint64_t row = 0;
  uint64_t version = 0;
  uint64_t expires_ms = 0;
  std::vector<uint16_t> slots;  // ascending
  std::string payload;          // JSON, or empty
};

std::string write_record(const PointRecord& record);
// nullopt where the bytes are no record.
std::optional<PointRecord> read_record(std::string_view bytes);

// Where the collection stands; in every batch.
struct TruthState {
  uint64_t version = 0;   // of the last operation
  uint64_t next_row = 0;  // the first that was never used
  uint64_t points = 0;    // there now
};

// What all Truths of a process share: memory for blocks and for what is not yet in files.
struct TruthResources {
  // At most so much for both; what is in files is read through the system's cache, too.
  explicit TruthResources(size_t bytes);
  size_t memory_bytes;
  std::shared_ptr<rocksdb::Cache> cache;
  std::shared_ptr<rocksdb::WriteBufferManager> write_buffers;
  rocksdb::Env* env = rocksdb::Env::Default();
};

class Truth {
 public:
  enum Family { kDefault, kPoints, kRows, kMarks, kExpiry, kFamilies };

  // Makes a new one in FOLDER, which must not exist. Throws already_exists.
  static void create(const std::filesystem::path& folder, const StoreConfig& config, const TruthResources& resources);
  // Throws not_found, corrupted (naming the file), unsupported (a later format), unavailable (another process has it
  // open), exhausted. READ_ONLY: nothing in the folder is changed, and files that somebody removes meanwhile are still
  // read; writes throw.
  Truth(const std::filesystem::path& folder, const TruthResources& resources, bool read_only = false);
  Truth(const Truth&) = delete;
  Truth& operator=(const Truth&) = delete;
  ~Truth();

  const std::filesystem::path& folder() const { return folder_; }
  // The disk failed while RocksDB did something of its own: writes fail until it is opened again.
  bool is_broken() const;
  std::string where() const { return folder_.string(); }
  rocksdb::DB& db() { return *db_; }
  rocksdb::ColumnFamilyHandle* family(Family family) const { return families_[family]; }

  StoreConfig config() const;
  TruthState state() const;
  // The list of segments, as JSON; "[]" at first.
  std::string segments() const;

  // A batch of changes.
  class Batch {
   public:
    explicit Batch(const Truth& truth) : truth_(truth) {}
    void put_state(const TruthState& state);
    void put_config(const StoreConfig& config);
    void put_segments(std::string_view json);
    void put_point(const PointId& id, const PointRecord& record);
    void remove_point(const PointId& id);
    void put_row_id(uint64_t row, const PointId& id);
    void put_vector(uint64_t row, uint16_t slot, std::string_view bytes);
    void remove_vector(uint64_t row, uint16_t slot);
    // Its id and the vectors of these slots; marks it dead.
    void kill_row(uint64_t row, std::span<const uint16_t> slots);
    void mark_changed(uint64_t row, uint64_t version);
    void unmark_dead(uint64_t row);
    void unmark_changed(uint64_t row);
    void put_expiry(uint64_t expires_ms, const PointId& id);
    void remove_expiry(uint64_t expires_ms, const PointId& id);
    size_t size_bytes() const { return batch_.GetDataSize(); }

   private:
    friend class Truth;
    const Truth& truth_;
    rocksdb::WriteBatch batch_;
  };
  // All of it or nothing, also after a crash. Returns when it is on the disk where SYNC, else when the system has it.
  void write(Batch& batch, bool sync);
  // What was written without sync is on the disk afterwards.
  void sync();
  // Puts what only logs have into files, where it is more than BYTES: opening reads no files, but all logs.
  void flush(uint64_t bytes);

  // A moment of the truth: what is read at it stays as it was. REQUIRES: the truth outlives it.
  class Moment {
   public:
    explicit Moment(Truth& truth) : truth_(truth), snapshot_(truth.db().GetSnapshot()) {}
    Moment(const Moment&) = delete;
    Moment& operator=(const Moment&) = delete;
    ~Moment() { truth_.db().ReleaseSnapshot(snapshot_); }
    Truth& truth() const { return truth_; }
    rocksdb::ReadOptions options() const {
      rocksdb::ReadOptions options;
      options.snapshot = snapshot_;
      return options;
    }

   private:
    Truth& truth_;
    const rocksdb::Snapshot* snapshot_;
  };

  // Of each id its record, or nullopt where it is not there. MOMENT: nullptr for now.
  std::vector<std::optional<PointRecord>> find(std::span<const PointId> ids, const Moment* moment) const;
  // The bytes of a row's vector; nullopt where it has none.
  std::optional<std::string> vector(uint64_t row, uint16_t slot, const Moment* moment) const;

  struct RowVectors {
    uint64_t row;
    PointId id;
    struct Vector {
      uint16_t slot;
      std::string_view bytes;
    };
    std::vector<Vector> vectors;
  };
  // Calls take for every row there is in [begin, end), ascending; what it gets is valid during the call. take returns
  // false to stop.
  void for_rows(uint64_t begin, uint64_t end, const Moment* moment,
                const std::function<bool(const RowVectors&)>& take) const;
  struct Mark {
    uint64_t row = 0;
    bool dead = false;     // else its payload changed
    uint64_t version = 0;  // in which it changed last; 0: before marks said so
  };
  // Calls take for every mark of the rows in [begin, end).
  void for_marks(uint64_t begin, uint64_t end, const std::function<void(const Mark&)>& take) const;
  // Calls take for each point from FROM on, in the order of ids, until it returns false.
  void for_points(const std::optional<PointId>& from, const Moment* moment,
                  const std::function<bool(const PointId&, PointRecord&&)>& take) const;
  // The points that expire before or at MS, the earliest first, at most LIMIT.
  std::vector<std::pair<uint64_t, PointId>> expiring(uint64_t ms, size_t limit, const Moment* moment) const;

  // Reads everything and compares the checksums. Throws corrupted naming the file.
  void verify() const;

  uint64_t disk_bytes() const;
  // Gives the space of what was deleted back, now.
  void compact();
  // The same, where that is a tenth of what is there or more; STOP ends it early.
  void compact_deleted(std::atomic<bool>& stop);

 private:
  [[noreturn]] void corrupted(const std::string& what) const;
  std::string get(std::string_view key) const;
  void close();

  class DiskWatch;

  std::filesystem::path folder_;
  std::shared_ptr<DiskWatch> disk_;
  LogWatch watch_;  // outlives db_
  std::unique_ptr<rocksdb::DB> db_;
  std::array<rocksdb::ColumnFamilyHandle*, kFamilies> families_ = {};
};

}  // namespace sextant::store
