#include "engine/sections.h"

#include <fmt/format.h>

namespace sextant::engine {
namespace {

constexpr std::string_view kSeparator = " > ";

bool is_blank(std::string_view text) { return text.find_first_not_of(" \t\r\n\f\v") == std::string_view::npos; }

}  // namespace

std::vector<DocumentSection> sections_of(const io::Document& document) {
  const std::string_view text = document.text;
  std::vector<DocumentSection> out;
  struct Open {
    int level;
    std::string title;
  };
  std::vector<Open> path;
  auto joined = [&](size_t count) {
    std::string names;
    for (size_t i = 0; i < count; ++i) {
      if (path[i].title == document.title || path[i].title.empty()) continue;
      if (!names.empty()) names += kSeparator;
      names += path[i].title;
    }
    return names;
  };
  size_t first = document.headings.empty() ? text.size() : document.headings[0].begin;
  if (!is_blank(text.substr(0, first))) out.push_back({0, first, ""});
  for (size_t i = 0; i < document.headings.size(); ++i) {
    const io::Heading& heading = document.headings[i];
    bool last = i + 1 == document.headings.size();
    size_t end = last ? text.size() : document.headings[i + 1].begin;
    while (!path.empty() && path.back().level >= heading.level) path.pop_back();
    path.push_back({heading.level, io::collapse_space(text.substr(heading.begin, heading.end - heading.begin))});
    if (!is_blank(text.substr(heading.end, end - heading.end))) {
      out.push_back({heading.end, end, joined(path.size())});
    } else if (last || document.headings[i + 1].level <= heading.level) {
      out.push_back({heading.begin, heading.end, joined(path.size() - 1)});
    }
  }
  return out;
}

std::string context_of(std::string_view title, std::string_view headings) {
  if (headings.empty()) return std::string(title);
  return fmt::format("{}{}{}", title, kSeparator, headings);
}

}  // namespace sextant::engine
