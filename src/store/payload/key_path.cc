#include "store/payload/key_path.h"

#include <fmt/format.h>
#include <unicode/uchar.h>

#include <algorithm>
#include <charconv>

#include "base/utf8.h"
#include "sextant/error.h"

namespace sextant::store {
namespace {

bool is_bare(char32_t c) {
  if (c < 0x80) return c == '_' || c == '-' || (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
  const auto point = static_cast<UChar32>(c);
  return u_hasBinaryProperty(point, UCHAR_ALPHABETIC) || (U_GET_GC_MASK(point) & U_GC_N_MASK) != 0;
}

// How many bytes at TEXT's beginning need no quotes.
size_t bare_bytes(std::string_view text) {
  size_t end = 0;
  while (end < text.size()) {
    size_t next = end;
    bool valid = true;
    if (!is_bare(base::decode_utf8(text, next, &valid)) || !valid) break;
    end = next;
  }
  return end;
}

bool take_key(std::string_view& text, std::string& key) {
  if (text.starts_with('"')) {
    const size_t end = text.find_first_of("\"\\", 1);
    if (end == std::string_view::npos || text[end] == '\\') return false;
    key = text.substr(1, end - 1);
    text.remove_prefix(end + 1);
    return true;
  }
  const size_t end = bare_bytes(text);
  if (end == 0) return false;
  key = text.substr(0, end);
  text.remove_prefix(end);
  return true;
}

void append_step(std::string& out, const PathStep& step) {
  switch (step.kind) {
    case PathStep::Kind::key:
      if (!out.empty()) out += '.';
      if (!step.key.empty() && bare_bytes(step.key) == step.key.size()) {
        out += step.key;
      } else {
        out += '"' + step.key + '"';
      }
      break;
    case PathStep::Kind::element:
      out += fmt::format("[{}]", step.index);
      break;
    case PathStep::Kind::each:
      out += "[]";
      break;
  }
}

}  // namespace

KeyPath::KeyPath(std::vector<PathStep> steps) : steps_(std::move(steps)) {
  for (const PathStep& step : steps_) append_step(text_, step);
}

std::optional<KeyPath> KeyPath::read(std::string_view text) {
  if (text.size() > kBytesMax || !base::is_valid_utf8(text)) return std::nullopt;
  std::vector<PathStep> steps(1);
  if (!take_key(text, steps[0].key)) return std::nullopt;
  while (!text.empty()) {
    if (steps.size() == kStepsMax) return std::nullopt;
    PathStep step;
    if (text.starts_with("[]")) {
      step.kind = PathStep::Kind::each;
      text.remove_prefix(2);
    } else if (text.starts_with('[')) {
      step.kind = PathStep::Kind::element;
      const char* end = text.data() + text.size();
      const auto [stop, error] = std::from_chars(text.data() + 1, end, step.index);
      if (error != std::errc() || stop == end || *stop != ']') return std::nullopt;
      text.remove_prefix(static_cast<size_t>(stop + 1 - text.data()));
    } else if (text.starts_with('.')) {
      text.remove_prefix(1);
      if (!take_key(text, step.key)) return std::nullopt;
    } else {
      return std::nullopt;
    }
    steps.push_back(std::move(step));
  }
  return KeyPath(std::move(steps));
}

KeyPath KeyPath::parse(std::string_view text) {
  if (std::optional<KeyPath> path = read(text)) return *std::move(path);
  throw Error(ErrorCode::invalid_argument,
              fmt::format("'{}' is no path into a payload: expected keys as in a.b, a[].b, a[0] or \"two words\".b",
                          base::repair_utf8(text.substr(0, 64))));
}

bool KeyPath::has_each() const {
  return std::any_of(steps_.begin(), steps_.end(),
                     [](const PathStep& step) { return step.kind == PathStep::Kind::each; });
}

KeyPath KeyPath::each() const {
  if (steps_.back().kind == PathStep::Kind::each) return *this;
  std::vector<PathStep> steps = steps_;
  steps.push_back({PathStep::Kind::each, {}, 0});
  return KeyPath(std::move(steps));
}

KeyPath KeyPath::with(const KeyPath& inner) const {
  std::vector<PathStep> steps = steps_;
  steps.insert(steps.end(), inner.steps_.begin(), inner.steps_.end());
  return KeyPath(std::move(steps));
}

}  // namespace sextant::store
