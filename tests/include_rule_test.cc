// The map of the house, held to: every #include of src/ROOM and include/ against tests/rooms.txt.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace sextant {
namespace {

namespace fs = std::filesystem;
using Rules = std::map<std::string, std::set<std::string>>;

struct House {
  Rules rooms;                                 // room -> rooms it may include
  std::map<std::string, std::string> headers;  // public header -> its room
  std::set<std::string> outsiders;             // rooms that may include all public headers
};

House read_house() {
  House house;
  std::ifstream file(fs::path(SEXTANT_SOURCE_DIR) / "tests/rooms.txt");
  std::string line;
  bool headers = false;
  while (std::getline(file, line)) {
    if (line.empty() || line[0] == '#') continue;
    if (line == "[headers]") {
      headers = true;
      continue;
    }
    std::istringstream words(line.substr(line.find(':') + 1));
    std::string name = line.substr(0, line.find(':')), word;
    if (!headers) house.rooms[name] = {name};
    while (words >> word) {
      if (headers) {
        house.headers[name] = word;
      } else if (word == "headers") {
        house.outsiders.insert(name);
      } else {
        house.rooms[name].insert(word);
      }
    }
  }
  return house;
}

// What is wrong with including INCLUDED from a file of ROOM; empty when nothing is.
std::string judge(const House& house, const std::string& room, const std::string& included) {
  std::string target;
  if (included.starts_with("sextant/")) {
    auto header = house.headers.find(included.substr(8));
    if (header == house.headers.end()) return "is a public header that tests/rooms.txt does not list";
    if (house.outsiders.contains(room)) return "";
    target = header->second;
  } else {
    size_t slash = included.find('/');
    // "house_paths.h" and the like: test helpers at the top of tests/.
    if (slash == std::string::npos) return "names no room; write it as \"room/file.h\"";
    target = included.substr(0, slash);
    if (!house.rooms.contains(target)) return "is in no room that tests/rooms.txt lists";
  }
  auto rules = house.rooms.find(room);
  if (rules == house.rooms.end()) return "comes from a folder that tests/rooms.txt does not list";
  if (!rules->second.contains(target)) return "is out of reach: room '" + room + "' may not include '" + target + "'";
  return "";
}

std::vector<std::string> quoted_includes(const fs::path& path) {
  std::vector<std::string> found;
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    std::string_view rest = line;
    auto take = [&](std::string_view word) {
      rest.remove_prefix(std::min(rest.find_first_not_of(" \t"), rest.size()));
      if (!rest.starts_with(word)) return false;
      rest.remove_prefix(word.size());
      return true;
    };
    if (!take("#") || !take("include") || !take("\"")) continue;
    if (const size_t end = rest.find('"'); end != std::string_view::npos) found.emplace_back(rest.substr(0, end));
  }
  return found;
}

bool is_source(const fs::path& path) { return path.extension() == ".cc" || path.extension() == ".h"; }

TEST(TheHouse, EveryIncludeFollowsTheMap) {
  const House house = read_house();
  const fs::path root = fs::path(SEXTANT_SOURCE_DIR) / "src";
  size_t includes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    if (!entry.is_regular_file() || !is_source(entry.path())) continue;
    const fs::path relative = fs::relative(entry.path(), root);
    const std::string room = relative.begin()->string();
    const bool test = entry.path().stem().string().ends_with("_test");
    for (const std::string& included : quoted_includes(entry.path())) {
      ++includes;
      // Tests may use the helpers of tests/, which need no room.
      if (test && included.find('/') == std::string::npos) continue;
      EXPECT_EQ(judge(house, room, included), "") << relative.string() << " includes \"" << included << "\"";
    }
  }
  EXPECT_GT(includes, 100u) << "the test no longer finds the sources";
}

TEST(TheHouse, PublicHeadersIncludeOnlyPublicHeaders) {
  const fs::path root = fs::path(SEXTANT_SOURCE_DIR) / "include";
  const House house = read_house();
  size_t headers = 0;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    if (!entry.is_regular_file()) continue;
    ++headers;
    EXPECT_TRUE(house.headers.contains(entry.path().filename().string()))
        << entry.path() << " is missing from tests/rooms.txt";
    for (const std::string& included : quoted_includes(entry.path())) {
      EXPECT_TRUE(included.starts_with("sextant/")) << entry.path() << " includes \"" << included << "\"";
    }
  }
  EXPECT_EQ(headers, house.headers.size());
}

TEST(TheHouse, TheRuleRefusesWhatItShould) {
  const House house = read_house();
  EXPECT_EQ(judge(house, "text", "base/files.h"), "");
  EXPECT_EQ(judge(house, "engine", "sextant/tokenizer.h"), "");
  EXPECT_EQ(judge(house, "bindings", "sextant/index.h"), "");
  EXPECT_THAT(judge(house, "bindings", "index/flat.h"), testing::HasSubstr("may not include 'index'"));
  EXPECT_THAT(judge(house, "index", "sextant/index_c.h"), testing::HasSubstr("may not include 'bindings'"));
  EXPECT_THAT(judge(house, "text", "model/static_model.h"), testing::HasSubstr("may not include 'model'"));
  EXPECT_THAT(judge(house, "index", "sextant/embed.h"), testing::HasSubstr("may not include 'model'"));
  EXPECT_THAT(judge(house, "index", "flat.h"), testing::HasSubstr("names no room"));
  EXPECT_THAT(judge(house, "cellar", "base/files.h"), testing::HasSubstr("does not list"));
}

// A room may include only rooms that may not, by any road, include it.
TEST(TheHouse, TheMapHasNoCircles) {
  const House house = read_house();
  for (const auto& [room, reach] : house.rooms) {
    std::set<std::string> seen;
    std::vector<std::string> open(reach.begin(), reach.end());
    while (!open.empty()) {
      std::string at = open.back();
      open.pop_back();
      if (at == room || !seen.insert(at).second) continue;
      for (const std::string& next : house.rooms.at(at)) {
        EXPECT_FALSE(next == room) << at << " and " << room << " reach each other";
        if (next != at) open.push_back(next);
      }
    }
  }
}

// The types that a file defines for the whole program: namespace::name, those of unnamed namespaces left out.
std::vector<std::string> defined_types(std::istream& file) {
  std::vector<std::string> types, spaces;
  std::string line;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::string word, name;
    words >> word >> name;
    if (line.starts_with("namespace ") && line.find('{') != std::string::npos) {
      spaces.push_back(name);
    } else if (line.starts_with("}  // namespace")) {
      if (!spaces.empty()) spaces.pop_back();
    } else if (line.starts_with("struct ") || line.starts_with("class ") || line.starts_with("enum ") ||
               line.starts_with("union ")) {
      if (name == "class" || name.starts_with("alignas(")) words >> name;
      // What has no name cannot be taken for another.
      if (name.starts_with('{')) continue;
      // A nested type carries its outer one's name, and what ends at once was only declared.
      if (name.find_first_of(":;") != std::string::npos && !name.ends_with(':')) continue;
      if (line.ends_with(';') && line.find('{') == std::string::npos) continue;
      std::string full;
      for (const std::string& space : spaces) full += space + "::";
      if (full.find("{::") == std::string::npos) types.push_back(full + name);
    }
  }
  return types;
}

// Two types of one name in one namespace compile, link, and overwrite each other's memory: the linker keeps one of the
// functions that both bring along.
TEST(TheHouse, ATypeIsDefinedInOneFile) {
  std::map<std::string, std::set<std::string>> places;
  for (const char* folder : {"include", "src"}) {
    for (const auto& entry : fs::recursive_directory_iterator(fs::path(SEXTANT_SOURCE_DIR) / folder)) {
      if (!entry.is_regular_file() || !is_source(entry.path())) continue;
      std::ifstream file(entry.path());
      for (const std::string& type : defined_types(file)) places[type].insert(entry.path().string());
    }
  }
  EXPECT_GT(places.size(), 200u) << "the test no longer finds the types";
  for (const auto& [type, files] : places) EXPECT_THAT(files, testing::SizeIs(1)) << type;
}

TEST(TheHouse, TypesAreSeenWhereTheyAreDefined) {
  std::istringstream file(
      "class Early;\nnamespace sextant {\nstruct A {\n  int a;\n};\nstruct B;\nclass A::Impl {\n};\nnamespace {\n"
      "struct Hidden {\n};\n}  // namespace\nnamespace io {\nenum { kOne };\nenum class E { one };\nclass alignas(64) "
      "C : public D "
      "{\n};\n"
      "}  // namespace io\nstruct F {};\n}  // namespace sextant\n");
  EXPECT_THAT(defined_types(file),
              testing::ElementsAre("sextant::A", "sextant::io::E", "sextant::io::C", "sextant::F"));
}

}  // namespace
}  // namespace sextant
