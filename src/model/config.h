// model/config.h: the JSON files that describe a model, read so that nothing about it is guessed.
//
// Every reader names the file and the key in what it throws: corrupted where a value has the wrong type, unsupported
// where it is none that is known. A key that is absent or null takes the fallback, where there is one.
#pragma once

#include <cstddef>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sextant::model {

// tokenizer_config.json's model_max_length is 1e30 where there is no limit.
inline constexpr double kMaxLengthNone = 1e9;

class Config {
 public:
  // SOURCE names the file in errors. Throws corrupted where TEXT is not a JSON object.
  static Config parse(std::string_view text, std::string source);
  static Config load(const std::filesystem::path& path);
  // An empty object where there is no such file.
  static Config load_if_there(const std::filesystem::path& path);

  Config();
  ~Config();
  Config(const Config&);
  Config& operator=(const Config&);

  const std::string& source() const { return source_; }
  bool empty() const;                    // no keys at all
  bool has(std::string_view key) const;  // present and not null
  bool is_text(std::string_view key) const;

  // A whole number of 0 or more.
  size_t size(std::string_view key) const;
  size_t size(std::string_view key, size_t fallback) const;
  // A whole number from 1 to MAX: of layers, heads, components.
  size_t count(std::string_view key, size_t max = size_t{1} << 24) const;
  double number(std::string_view key) const;
  double number(std::string_view key, double fallback) const;
  // A number that may be divided by and taken to float32: from 1e-30 to 1e30. Of epsilons, bases, factors.
  double positive(std::string_view key) const;
  double positive(std::string_view key, double fallback) const;
  bool flag(std::string_view key, bool fallback) const;
  std::string text(std::string_view key) const;
  std::string text(std::string_view key, std::string_view fallback) const;
  // A text that must be one of KNOWN; unsupported otherwise.
  std::string choice(std::string_view key, std::string_view fallback,
                     std::initializer_list<std::string_view> known) const;
  std::vector<std::string> texts(std::string_view key) const;  // empty where absent
  // A value that is an object; an empty one where absent.
  Config object(std::string_view key) const;
  std::vector<std::string> keys() const;
  // The objects of a file that is a list of them (modules.json).
  static std::vector<Config> load_list(const std::filesystem::path& path);
  static std::vector<Config> parse_list(std::string_view text, std::string source);

  // "FILE: KEY is VALUE, expected EXPECTED".
  [[noreturn]] void corrupted(std::string_view key, std::string_view expected) const;
  [[noreturn]] void unsupported(std::string_view key, std::string_view expected) const;

 private:
  struct Value;
  explicit Config(std::shared_ptr<const Value> value, std::string source);
  std::string shown(std::string_view key) const;

  std::shared_ptr<const Value> value_;
  std::string source_;
};

}  // namespace sextant::model
