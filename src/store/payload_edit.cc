#include "store/payload_edit.h"

#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "base/json.h"
#include "sextant/error.h"

namespace sextant::store {
namespace {

using nlohmann::ordered_json;

struct Step {
  std::string key;
  bool each = false;            // key[]
  std::optional<size_t> index;  // key[3]
};

std::vector<Step> steps_of(std::string_view path) {
  auto fail = [&](const char* expected) {
    throw Error(ErrorCode::invalid_argument, fmt::format("'{}' is no path of a payload: expected {}", path, expected));
  };
  std::vector<Step> steps;
  std::string_view left = path;
  while (true) {
    Step step;
    if (left.starts_with('"')) {
      const size_t end = left.find('"', 1);
      if (end == std::string_view::npos) fail("a second quote");
      step.key = left.substr(1, end - 1);
      left.remove_prefix(end + 1);
    } else {
      const size_t end = std::min(left.find_first_of(".["), left.size());
      step.key = left.substr(0, end);
      left.remove_prefix(end);
    }
    if (step.key.empty()) fail("a key before each dot and bracket, and after the last dot");
    if (left.starts_with('[')) {
      const size_t end = left.find(']');
      if (end == std::string_view::npos) fail("']' after '['");
      const std::string_view inside = left.substr(1, end - 1);
      if (inside.empty()) {
        step.each = true;
      } else {
        size_t index = 0;
        const auto [stop, error] = std::from_chars(inside.data(), inside.data() + inside.size(), index);
        if (error != std::errc() || stop != inside.data() + inside.size()) fail("a number or nothing between brackets");
        step.index = index;
      }
      left.remove_prefix(end + 1);
    }
    steps.push_back(std::move(step));
    if (left.empty()) return steps;
    if (!left.starts_with('.')) fail("a dot between keys");
    left.remove_prefix(1);
  }
}

ordered_json parsed(std::string_view payload) {
  if (payload.empty()) return ordered_json::object();
  return base::parse_ordered_json(payload);
}

void merge_into(ordered_json& target, std::span<const Step> steps, const ordered_json& patch) {
  if (steps.empty()) {
    if (!target.is_object()) target = ordered_json::object();
    for (const auto& [key, value] : patch.items()) target[key] = value;
    return;
  }
  const Step& step = steps.front();
  if (!target.is_object()) target = ordered_json::object();
  ordered_json& next = target[step.key];
  if (step.each || step.index) {
    // What is not there has no elements that could change.
    if (!next.is_array()) return;
    for (size_t i = 0; i < next.size(); ++i) {
      if (step.each || i == *step.index) merge_into(next[i], steps.subspan(1), patch);
    }
    return;
  }
  merge_into(next, steps.subspan(1), patch);
}

void remove_at(ordered_json& target, std::span<const Step> steps) {
  if (!target.is_object()) return;
  const Step& step = steps.front();
  const auto found = target.find(step.key);
  if (found == target.end()) return;
  const bool last = steps.size() == 1;
  if (!step.each && !step.index) {
    if (last) {
      target.erase(found);
    } else {
      remove_at(*found, steps.subspan(1));
    }
    return;
  }
  if (!found->is_array()) return;
  if (!last) {
    for (size_t i = 0; i < found->size(); ++i) {
      if (step.each || i == *step.index) remove_at((*found)[i], steps.subspan(1));
    }
  } else if (step.each) {
    found->clear();
  } else if (*step.index < found->size()) {
    found->erase(*step.index);
  }
}

}  // namespace

std::string merge_payload(std::string_view payload, std::string_view path, std::string_view patch) {
  ordered_json target = parsed(payload);
  const std::vector<Step> steps = path.empty() ? std::vector<Step>() : steps_of(path);
  merge_into(target, steps, parsed(patch));
  return base::json_text(target);
}

std::string remove_keys(std::string_view payload, std::span<const std::string> paths) {
  ordered_json target = parsed(payload);
  for (const std::string& path : paths) remove_at(target, steps_of(path));
  return base::json_text(target);
}

void check_path(std::string_view path) { steps_of(path); }

}  // namespace sextant::store
