// model/testing_folder.h: for tests: model folders that are copies of recorded ones, and may be damaged.
#pragma once

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "base/json.h"

namespace sextant::model::testing_folder {

using Json = nlohmann::json;

inline std::filesystem::path golden(std::string_view name) {
  return std::filesystem::path(SEXTANT_SOURCE_DIR) / "tests/golden/models" / name;
}

inline std::vector<std::string> golden_names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(golden(""))) {
    if (entry.is_directory()) names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

inline Json read_json(const std::filesystem::path& path) { return base::parse_json(base::read_file(path)); }

inline void write_file(const std::filesystem::path& path, std::string_view bytes) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}

// For the names of parameterised tests.
inline std::string identifier(std::string name) {
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  }
  return name;
}

// A copy of a recorded folder without its recordings, deleted with the object.
class FolderCopy {
 public:
  explicit FolderCopy(std::string_view name) : path_(folder_.path() / "model") {
    namespace fs = std::filesystem;
    fs::copy(golden(name), path_, fs::copy_options::recursive);
    for (const fs::path& file : files()) {
      if (file.filename().string().starts_with("expected_")) fs::remove(file);
    }
  }

  const std::filesystem::path& path() const { return path_; }
  std::string at(std::string_view file) const { return (path_ / file).string(); }

  void write(std::string_view file, std::string_view text) const { write_file(path_ / file, text); }
  void edit(std::string_view file, const std::function<void(Json&)>& change) const {
    Json json = std::filesystem::exists(path_ / file) ? read_json(path_ / file) : Json::object();
    change(json);
    write(file, base::json_text(json));
  }
  void set(std::string_view file, const std::string& key, const Json& value) const {
    edit(file, [&](Json& json) { json[key] = value; });
  }
  void remove(std::string_view file) const { std::filesystem::remove_all(path_ / file); }

 private:
  std::vector<std::filesystem::path> files() const {
    std::vector<std::filesystem::path> all;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) all.push_back(entry.path());
    return all;
  }

  base::TemporaryFolder folder_;
  std::filesystem::path path_;
};

}  // namespace sextant::model::testing_folder
