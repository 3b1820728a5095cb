#include "model/config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "base/json.h"
#include "sextant/error.h"

namespace sextant::model {

using Json = nlohmann::json;

struct Config::Value {
  Json json = Json::object();

  // nullptr where absent or null.
  const Json* find(std::string_view key) const {
    auto at = json.find(std::string(key));
    return at == json.end() || at->is_null() ? nullptr : &*at;
  }
};

namespace {

// The longest in use list a few thousand added tokens; a parsed file takes some ten times its bytes of memory.
constexpr uint64_t kConfigBytesMax = uint64_t{16} << 20;
constexpr size_t kShownMax = 80;
constexpr int kDepthMax = 64;

Json parsed(std::string_view text, const std::string& source) {
  // Python writes Infinity and NaN, which JSON has not: they occur in no value that is read here.
  auto too_deep = [&] {
    throw Error(ErrorCode::corrupted, fmt::format("{}: nested more than {} deep", source, kDepthMax));
  };
  try {
    return base::parse_json(text, kDepthMax, too_deep);
  } catch (const Json::exception& e) {
    throw Error(ErrorCode::corrupted, fmt::format("{}: not valid JSON: {}", source, e.what()));
  }
}

}  // namespace

Config::Config() : value_(std::make_shared<Value>()) {}
Config::Config(std::shared_ptr<const Value> value, std::string source)
    : value_(std::move(value)), source_(std::move(source)) {}
Config::~Config() = default;
Config::Config(const Config&) = default;
Config& Config::operator=(const Config&) = default;

Config Config::parse(std::string_view text, std::string source) {
  Json json = parsed(text, source);
  if (!json.is_object()) throw Error(ErrorCode::corrupted, fmt::format("{}: not a JSON object", source));
  return Config(std::make_shared<Value>(Value{std::move(json)}), std::move(source));
}

Config Config::load(const std::filesystem::path& path) {
  return parse(base::read_file(path, kConfigBytesMax), path.string());
}

Config Config::load_if_there(const std::filesystem::path& path) {
  if (std::filesystem::exists(path)) return load(path);
  return Config(std::make_shared<Value>(), path.string());
}

std::vector<Config> Config::load_list(const std::filesystem::path& path) {
  return parse_list(base::read_file(path, kConfigBytesMax), path.string());
}

std::vector<Config> Config::parse_list(std::string_view text, std::string source) {
  Json json = parsed(text, source);
  if (!json.is_array()) throw Error(ErrorCode::corrupted, fmt::format("{}: not a JSON list", source));
  std::vector<Config> list;
  for (Json& item : json) {
    std::string name = fmt::format("{}: item {}", source, list.size());
    if (!item.is_object()) throw Error(ErrorCode::corrupted, fmt::format("{} is not an object", name));
    list.push_back(Config(std::make_shared<Value>(Value{std::move(item)}), std::move(name)));
  }
  return list;
}

bool Config::empty() const { return value_->json.empty(); }
bool Config::has(std::string_view key) const { return value_->find(key) != nullptr; }

bool Config::is_text(std::string_view key) const {
  const Json* value = value_->find(key);
  return value != nullptr && value->is_string();
}

std::string Config::shown(std::string_view key) const {
  const Json* value = value_->find(key);
  if (value == nullptr) return "missing";
  std::string text = value->dump(-1, ' ', true, Json::error_handler_t::replace);
  if (text.size() > kShownMax) text = text.substr(0, kShownMax) + "...";
  return text;
}

void Config::corrupted(std::string_view key, std::string_view expected) const {
  throw Error(ErrorCode::corrupted, fmt::format("{}: '{}' is {}, expected {}", source_, key, shown(key), expected));
}

void Config::unsupported(std::string_view key, std::string_view expected) const {
  throw Error(ErrorCode::unsupported, fmt::format("{}: '{}' is {}, expected {}", source_, key, shown(key), expected));
}

size_t Config::size(std::string_view key) const {
  const Json* value = value_->find(key);
  if (value == nullptr || !value->is_number_unsigned()) corrupted(key, "a whole number");
  return value->get<size_t>();
}

size_t Config::size(std::string_view key, size_t fallback) const { return has(key) ? size(key) : fallback; }

size_t Config::count(std::string_view key, size_t max) const {
  const size_t value = size(key);
  if (value < 1 || value > max) corrupted(key, fmt::format("a whole number from 1 to {}", max));
  return value;
}

double Config::number(std::string_view key) const {
  const Json* value = value_->find(key);
  if (value == nullptr || !value->is_number()) corrupted(key, "a number");
  return value->get<double>();
}

double Config::number(std::string_view key, double fallback) const { return has(key) ? number(key) : fallback; }

double Config::positive(std::string_view key) const {
  constexpr double kLeast = 1e-30, kMost = 1e30;
  const double value = number(key);
  if (!(value >= kLeast && value <= kMost)) corrupted(key, "a number from 1e-30 to 1e30");
  return value;
}

double Config::positive(std::string_view key, double fallback) const { return has(key) ? positive(key) : fallback; }

bool Config::flag(std::string_view key, bool fallback) const {
  const Json* value = value_->find(key);
  if (value == nullptr) return fallback;
  if (!value->is_boolean()) corrupted(key, "true or false");
  return value->get<bool>();
}

std::string Config::text(std::string_view key) const {
  const Json* value = value_->find(key);
  if (value == nullptr || !value->is_string()) corrupted(key, "a text");
  return value->get<std::string>();
}

std::string Config::text(std::string_view key, std::string_view fallback) const {
  return has(key) ? text(key) : std::string(fallback);
}

std::string Config::choice(std::string_view key, std::string_view fallback,
                           std::initializer_list<std::string_view> known) const {
  std::string value = text(key, fallback);
  if (std::find(known.begin(), known.end(), value) == known.end()) {
    unsupported(key, fmt::format("one of {}", fmt::join(known, ", ")));
  }
  return value;
}

std::vector<std::string> Config::texts(std::string_view key) const {
  const Json* value = value_->find(key);
  std::vector<std::string> list;
  if (value == nullptr) return list;
  if (!value->is_array()) corrupted(key, "a list of texts");
  for (const Json& item : *value) {
    if (!item.is_string()) corrupted(key, "a list of texts");
    list.push_back(item.get<std::string>());
  }
  return list;
}

Config Config::object(std::string_view key) const {
  const Json* value = value_->find(key);
  if (value == nullptr) return Config(std::make_shared<Value>(), fmt::format("{}: {}", source_, key));
  if (!value->is_object()) corrupted(key, "an object");
  return Config(std::make_shared<Value>(Value{*value}), fmt::format("{}: {}", source_, key));
}

std::vector<std::string> Config::keys() const {
  std::vector<std::string> keys;
  for (const auto& [key, value] : value_->json.items()) keys.push_back(key);
  return keys;
}

}  // namespace sextant::model
