#include "store/snapshot.h"

#include <fmt/format.h>
#include <rocksdb/utilities/checkpoint.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "base/files.h"
#include "base/json.h"
#include "index/section_file.h"
#include "sextant/error.h"
#include "store/rocks.h"

namespace sextant::store {
namespace {

constexpr uint32_t kSnapshotKind = 23;
constexpr uint32_t kSnapshotVersion = 1;
constexpr std::string_view kAbout = "about";
constexpr size_t kFilesMax = 4096;

// Names that a checkpoint may have: no paths.
bool is_file_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
           c == '_';
  });
}

// A folder that goes with its contents.
struct Scratch {
  std::filesystem::path path;
  ~Scratch() {
    std::error_code error;
    std::filesystem::remove_all(path, error);
  }
};

}  // namespace

SnapshotReport write_snapshot(Truth& truth, const std::filesystem::path& path) {
  SnapshotReport report;
  // Beside the truth, where its files can be linked instead of copied.
  static std::atomic<uint64_t> count = 0;
  const Scratch scratch{truth.folder().parent_path() / fmt::format("checkpoint_{}", count++)};
  std::error_code error;
  std::filesystem::remove_all(scratch.path, error);  // one that was cut off
  rocksdb::Checkpoint* made = nullptr;
  check(rocksdb::Checkpoint::Create(&truth.db(), &made), truth.where());
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
  check(checkpoint->CreateCheckpoint(scratch.path.string()), truth.where());
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(scratch.path)) names.insert(entry.path().filename());
  if (names.size() >= kFilesMax) {
    throw Error(ErrorCode::exhausted,
                fmt::format("{}: {} files, a snapshot holds at most {}; compact the collection first", truth.where(),
                            names.size(), kFilesMax - 1));
  }
  const TruthState state = [&] {
    const Truth copy(scratch.path, TruthResources(size_t{8} << 20));
    return copy.state();
  }();
  report.points = state.points;
  report.version = state.version;
  // Opening it has changed its files.
  names.clear();
  for (const auto& entry : std::filesystem::directory_iterator(scratch.path)) {
    const std::string name = entry.path().filename();
    if (name != "LOCK" && !name.starts_with("LOG")) names.insert(name);
  }
  index::SectionFileWriter file(path, kSnapshotKind, kSnapshotVersion, names.size() + 1);
  const std::string about = base::json_text(
      nlohmann::json{{"format", "sextant snapshot 1"}, {"points", state.points}, {"version", state.version}});
  file.add(kAbout, std::as_bytes(std::span(about.data(), about.size())));
  for (const std::string& name : names) {
    if (std::filesystem::file_size(scratch.path / name) == 0) {
      file.add(name, std::span<const std::byte>());
      continue;
    }
    const base::MappedFile mapped(scratch.path / name);
    base::PageBudget pages(size_t{16} << 20, [&] { mapped.give_up_pages(); });
    file.add(name, mapped.bytes(), &pages);
  }
  file.commit();
  report.bytes = file.size_bytes();
  return report;
}

SnapshotReport restore_snapshot(const std::filesystem::path& path, const std::filesystem::path& folder) {
  if (std::filesystem::exists(folder)) {
    throw Error(ErrorCode::already_exists, fmt::format("{}: exists already", folder.string()));
  }
  const index::SectionFile file(path, kSnapshotKind, kSnapshotVersion);
  file.verify();
  SnapshotReport report;
  report.bytes = file.size_bytes();
  try {
    const nlohmann::json about = base::parse_json(base::text_of(file.get(kAbout)));
    report.points = about.at("points").get<uint64_t>();
    report.version = about.at("version").get<uint64_t>();
  } catch (const nlohmann::json::exception& error) {
    file.fail(fmt::format("its section 'about': {}", error.what()));
  }
  base::make_folders(folder);
  for (const std::string& name : file.names()) {
    if (name == kAbout) continue;
    if (!is_file_name(name)) file.fail(fmt::format("a section is called '{}', which is no name of a file", name));
    base::write_file_atomically(folder / name, base::text_of(file.get(name)));
  }
  return report;
}

}  // namespace sextant::store
