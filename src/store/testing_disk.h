// store/testing_disk.h: a disk that fails when a test wants it to, for RocksDB's files and for ours.
//
// All below ROOT is written for real and kept track of: of each file what was synced, of each folder what was in it
// when it was last synced. Each call that changes something is an operation, and they are counted; from a given one on
// the disk is in trouble. After a power cut restore() leaves of ROOT what a disk may have then: what was synced, and
// where a random choice is given, any part of the rest.
// Threads: all members from many.
#pragma once

#include <gtest/gtest.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <cerrno>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>

#include "base/file_system.h"
#include "base/files.h"

namespace sextant::store {

enum class Trouble {
  none,
  fails_once,  // one operation fails
  no_space,    // whatever takes space fails until it ends
  power_cut,   // nothing works until restore()
};

class TestingDisk : public base::FileSystem {
 public:
  explicit TestingDisk(const std::filesystem::path& root)
      : root_(root), top_(std::make_shared<Folder>()), rocks_(std::make_shared<Rocks>(*this)) {
    env_ = rocksdb::NewCompositeEnv(rocks_);
  }

  rocksdb::Env* env() { return env_.get(); }

  // The operation of this number, counted from 1 from now on, is the first that meets it.
  void plan(Trouble trouble, uint64_t at) {
    std::lock_guard lock(mutex_);
    trouble_ = trouble;
    at_ = at;
    operations_ = 0;
    hit_ = false;
  }
  void end_trouble() { plan(Trouble::none, 0); }
  bool hit() const {
    std::lock_guard lock(mutex_);
    return hit_;
  }
  uint64_t operations() const {
    std::lock_guard lock(mutex_);
    return operations_;
  }

  // What is there after the power cut. Nobody may have anything open.
  void restore(std::mt19937_64* random) {
    std::lock_guard lock(mutex_);
    read_unsynced(*top_, root_, random);
    std::filesystem::remove_all(root_);
    std::filesystem::create_directory(root_);
    put_back(*top_, root_, random);
    trouble_ = Trouble::none;
  }

  // base::FileSystem.
  int create(std::string& pattern) override {
    if (!is_mine(pattern)) return FileSystem::create(pattern);
    if (const int error = step(true)) return fail(error);
    const int descriptor = FileSystem::create(pattern);
    std::lock_guard lock(mutex_);
    if (descriptor >= 0) open_[descriptor] = made(pattern);
    return descriptor;
  }
  int open(const std::filesystem::path& path) override {
    if (!is_mine(path)) return FileSystem::open(path);
    if (const int error = step(true)) return fail(error);
    const bool there = std::filesystem::exists(path);
    const int descriptor = FileSystem::open(path);
    std::lock_guard lock(mutex_);
    if (descriptor >= 0) open_[descriptor] = there ? found(path) : made(path);
    return descriptor;
  }
  ssize_t write(int descriptor, const void* bytes, size_t count, off_t offset) override {
    if (const std::shared_ptr<File> file = opened(descriptor)) {
      if (const int error = step(true)) return fail(error);
      if (static_cast<size_t>(offset) < file->durable.size()) file->is_overwritten = true;
    }
    return FileSystem::write(descriptor, bytes, count, offset);
  }
  int sync(int descriptor) override {
    const std::shared_ptr<File> file = opened(descriptor);
    if (!file) return FileSystem::sync(descriptor);
    if (const int error = step(false)) return fail(error);
    keep(*file);
    return 0;
  }
  int close(int descriptor) override {
    std::lock_guard lock(mutex_);
    open_.erase(descriptor);
    return FileSystem::close(descriptor);
  }
  int rename(const std::string& from, const std::string& to) override {
    if (!is_mine(from)) return FileSystem::rename(from, to);
    if (const int error = step(false)) return fail(error);
    const int result = FileSystem::rename(from, to);
    if (result == 0) moved(from, to);
    return result;
  }
  int remove(const std::string& path) override {
    if (!is_mine(path)) return FileSystem::remove(path);
    if (const int error = step(false)) return fail(error);
    removed(path);
    return FileSystem::remove(path);
  }
  int make_folder(const std::string& path) override {
    if (!is_mine(path)) return FileSystem::make_folder(path);
    if (const int error = step(true)) return fail(error);
    const int result = FileSystem::make_folder(path);
    if (result == 0) made_folder(path);
    return result;
  }
  int sync_folder(const std::string& path) override {
    if (!is_mine(path)) return FileSystem::sync_folder(path);
    if (const int error = step(false)) return fail(error);
    keep_folder(path);
    return 0;
  }
  void remove_all(const std::filesystem::path& path) override {
    if (is_mine(path)) {
      if (step(false) != 0) return;
      removed(path);
    }
    FileSystem::remove_all(path);
  }

 private:
  struct File {
    std::filesystem::path path;  // where it lies now
    std::string durable;         // what was synced
    std::string unsynced;        // what it had beyond, when the power went
    bool is_overwritten = false;
  };
  struct Folder;
  struct Entry {
    std::shared_ptr<File> file;  // one of the two
    std::shared_ptr<Folder> folder;
  };
  using Entries = std::map<std::string, Entry>;
  struct Folder {
    Entries now, durable;
  };

  static int fail(int error) {
    errno = error;
    return -1;
  }
  bool is_mine(const std::filesystem::path& path) const {
    const std::string text = path.string(), root = root_.string();
    return text == root || (text.size() > root.size() && text.starts_with(root) && text[root.size()] == '/');
  }
  // Counts an operation; returns what it fails with, or 0.
  int step(bool takes_space) {
    std::lock_guard lock(mutex_);
    ++operations_;
    switch (trouble_) {
      case Trouble::none:
        return 0;
      case Trouble::fails_once:
        hit_ = hit_ || operations_ == at_;
        return operations_ == at_ ? EIO : 0;
      case Trouble::no_space:
        if (operations_ < at_ || !takes_space) return 0;
        hit_ = true;
        return ENOSPC;
      case Trouble::power_cut:
        if (operations_ < at_) return 0;
        hit_ = true;
        return EIO;
    }
    return 0;
  }
  rocksdb::IOStatus step_of_rocks(bool takes_space) {
    const int error = step(takes_space);
    if (error == 0) return rocksdb::IOStatus::OK();
    if (error != ENOSPC) return rocksdb::IOStatus::IOError("the test's disk failed");
    // As RocksDB's own does.
    rocksdb::IOStatus status = rocksdb::IOStatus::NoSpace("the test's disk is full");
    status.SetRetryable(true);
    return status;
  }

  // REQUIRES of those below: mutex_ is held, unless they take it.
  Folder* folder(const std::filesystem::path& path) {
    Folder* at = top_.get();
    if (path == root_) return at;
    for (const auto& part : path.lexically_relative(root_)) {
      const auto found = at->now.find(part.string());
      if (found == at->now.end() || !found->second.folder) return nullptr;
      at = found->second.folder.get();
    }
    return at;
  }
  Entries& entries(const std::filesystem::path& path) {
    Folder* found = folder(path);
    EXPECT_NE(found, nullptr) << path << " was made behind the disk's back";
    static Entries none;
    return found == nullptr ? none : found->now;
  }
  std::shared_ptr<File> made(const std::filesystem::path& path) {
    auto file = std::make_shared<File>();
    file->path = path;
    entries(path.parent_path())[path.filename()] = {file, nullptr};
    return file;
  }
  std::shared_ptr<File> found(const std::filesystem::path& path) {
    const Entries& all = entries(path.parent_path());
    const auto entry = all.find(path.filename());
    return entry == all.end() ? nullptr : entry->second.file;
  }
  std::shared_ptr<File> opened(int descriptor) {
    std::lock_guard lock(mutex_);
    const auto entry = open_.find(descriptor);
    return entry == open_.end() ? nullptr : entry->second;
  }
  void moved(const std::filesystem::path& from, const std::filesystem::path& to) {
    std::lock_guard lock(mutex_);
    Entries& source = entries(from.parent_path());
    const auto entry = source.find(from.filename());
    if (entry == source.end()) return;  // RocksDB's diary, which nobody misses
    if (entry->second.file) entry->second.file->path = to;
    entries(to.parent_path())[to.filename()] = entry->second;
    source.erase(from.filename());
  }
  void removed(const std::filesystem::path& path) {
    std::lock_guard lock(mutex_);
    entries(path.parent_path()).erase(path.filename());
  }
  void made_folder(const std::filesystem::path& path) {
    std::lock_guard lock(mutex_);
    entries(path.parent_path())[path.filename()] = {nullptr, std::make_shared<Folder>()};
  }
  void keep_folder(const std::filesystem::path& path) {
    std::lock_guard lock(mutex_);
    if (Folder* synced = folder(path)) synced->durable = synced->now;
  }
  void keep(File& file) {
    std::lock_guard lock(mutex_);
    const size_t from = file.is_overwritten ? 0 : file.durable.size();
    std::ifstream in(file.path, std::ios::binary);
    in.seekg(static_cast<std::streamoff>(from));
    file.durable.resize(from);
    file.durable.append(std::istreambuf_iterator<char>(in), {});
    file.is_overwritten = false;
  }

  void read_unsynced(Folder& at, const std::filesystem::path& path, std::mt19937_64* random) {
    for (auto& [name, entry] : at.now) {
      if (entry.folder) read_unsynced(*entry.folder, path / name, random);
      if (!entry.file) continue;
      std::ifstream in(entry.file->path, std::ios::binary);
      const std::string all(std::istreambuf_iterator<char>(in), {});
      entry.file->unsynced = all.size() > entry.file->durable.size() ? all.substr(entry.file->durable.size()) : "";
    }
  }
  void put_back(Folder& at, const std::filesystem::path& path, std::mt19937_64* random) {
    if (random == nullptr || (*random)() % 2 == 0) at.now = at.durable;
    at.durable = at.now;
    for (auto& [name, entry] : at.now) {
      if (entry.folder) {
        std::filesystem::create_directory(path / name);
        put_back(*entry.folder, path / name, random);
        continue;
      }
      File& file = *entry.file;
      if (random != nullptr && !file.unsynced.empty()) {
        std::string more = file.unsynced.substr(0, (*random)() % (file.unsynced.size() + 1));
        // Length and bytes go to the disk each by itself.
        if ((*random)() % 4 == 0) more.assign(more.size(), '\0');
        file.durable += more;
      }
      file.unsynced.clear();
      file.path = path / name;
      file.is_overwritten = false;
      std::ofstream(file.path, std::ios::binary) << file.durable;
    }
  }

  // RocksDB's door to the same disk.
  class RocksFile : public rocksdb::FSWritableFileOwnerWrapper {
   public:
    RocksFile(TestingDisk& disk, std::shared_ptr<File> file, std::unique_ptr<rocksdb::FSWritableFile>&& target)
        : FSWritableFileOwnerWrapper(std::move(target)), disk_(disk), file_(std::move(file)) {}
    using FSWritableFileOwnerWrapper::Append;
    rocksdb::IOStatus Append(const rocksdb::Slice& bytes, const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* context) override {
      const rocksdb::IOStatus status = disk_.step_of_rocks(true);
      return status.ok() ? FSWritableFileOwnerWrapper::Append(bytes, options, context) : status;
    }
    rocksdb::IOStatus Append(const rocksdb::Slice& bytes, const rocksdb::IOOptions& options,
                             const rocksdb::DataVerificationInfo&, rocksdb::IODebugContext* context) override {
      return Append(bytes, options, context);
    }
    rocksdb::IOStatus Sync(const rocksdb::IOOptions& options, rocksdb::IODebugContext* context) override {
      const rocksdb::IOStatus status = disk_.step_of_rocks(false);
      if (!status.ok()) return status;
      const rocksdb::IOStatus flushed = FSWritableFileOwnerWrapper::Flush(options, context);
      if (flushed.ok()) disk_.keep(*file_);
      return flushed;
    }
    rocksdb::IOStatus Fsync(const rocksdb::IOOptions& options, rocksdb::IODebugContext* context) override {
      return Sync(options, context);
    }
    rocksdb::IOStatus RangeSync(uint64_t, uint64_t, const rocksdb::IOOptions&, rocksdb::IODebugContext*) override {
      return rocksdb::IOStatus::OK();
    }

   private:
    TestingDisk& disk_;
    std::shared_ptr<File> file_;
  };

  class RocksFolder : public rocksdb::FSDirectory {
   public:
    RocksFolder(TestingDisk& disk, std::string path) : disk_(disk), path_(std::move(path)) {}
    rocksdb::IOStatus Fsync(const rocksdb::IOOptions&, rocksdb::IODebugContext*) override {
      const rocksdb::IOStatus status = disk_.step_of_rocks(false);
      if (status.ok()) disk_.keep_folder(path_);
      return status;
    }

   private:
    TestingDisk& disk_;
    std::string path_;
  };

  class Rocks : public rocksdb::FileSystemWrapper {
   public:
    explicit Rocks(TestingDisk& disk) : FileSystemWrapper(rocksdb::FileSystem::Default()), disk_(disk) {}
    const char* Name() const override { return "TestingDisk"; }
    using Options = rocksdb::IOOptions;
    using Context = rocksdb::IODebugContext;
    using Status = rocksdb::IOStatus;

    Status NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* file, Context* context) override {
      const Status status = disk_.step_of_rocks(true);
      if (!status.ok()) return status;
      const Status opened = target()->NewWritableFile(path, options, file, context);
      if (!opened.ok()) return opened;
      std::lock_guard lock(disk_.mutex_);
      *file = std::make_unique<RocksFile>(disk_, disk_.made(path), std::move(*file));
      return opened;
    }
    Status ReopenWritableFile(const std::string&, const rocksdb::FileOptions&,
                              std::unique_ptr<rocksdb::FSWritableFile>*, Context*) override {
      return Status::NotSupported("the test's disk");
    }
    Status ReuseWritableFile(const std::string&, const std::string&, const rocksdb::FileOptions&,
                             std::unique_ptr<rocksdb::FSWritableFile>*, Context*) override {
      return Status::NotSupported("the test's disk");
    }
    Status NewDirectory(const std::string& path, const Options&, std::unique_ptr<rocksdb::FSDirectory>* folder,
                        Context*) override {
      *folder = std::make_unique<RocksFolder>(disk_, path);
      return Status::OK();
    }
    Status DeleteFile(const std::string& path, const Options& options, Context* context) override {
      const Status status = disk_.step_of_rocks(false);
      if (!status.ok()) return status;
      const Status done = target()->DeleteFile(path, options, context);
      if (done.ok()) disk_.removed(path);
      return done;
    }
    Status CreateDir(const std::string& path, const Options& options, Context* context) override {
      const Status status = disk_.step_of_rocks(true);
      if (!status.ok()) return status;
      const Status done = target()->CreateDir(path, options, context);
      if (done.ok()) disk_.made_folder(path);
      return done;
    }
    Status CreateDirIfMissing(const std::string& path, const Options& options, Context* context) override {
      return std::filesystem::is_directory(path) ? Status::OK() : CreateDir(path, options, context);
    }
    Status RenameFile(const std::string& from, const std::string& to, const Options& options,
                      Context* context) override {
      const Status status = disk_.step_of_rocks(false);
      if (!status.ok()) return status;
      const Status done = target()->RenameFile(from, to, options, context);
      if (done.ok()) disk_.moved(from, to);
      return done;
    }
    Status LinkFile(const std::string&, const std::string&, const Options&, Context*) override {
      return Status::NotSupported("the test's disk");
    }

   private:
    TestingDisk& disk_;
  };

  const std::filesystem::path root_;
  std::shared_ptr<Folder> top_;
  std::map<int, std::shared_ptr<File>> open_;
  mutable std::mutex mutex_;
  Trouble trouble_ = Trouble::none;
  uint64_t at_ = 0, operations_ = 0;
  bool hit_ = false;
  std::shared_ptr<Rocks> rocks_;
  std::unique_ptr<rocksdb::Env> env_;
};

}  // namespace sextant::store
