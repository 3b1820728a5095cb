#include "cli/table.h"

#include <algorithm>

#include "base/utf8.h"

namespace sextant::cli {
namespace {

// A cell that reads as a number, a ratio or a percentage.
bool is_numeric(const std::string& cell) {
  return !cell.empty() && cell.find_first_not_of("0123456789.,+-%exµ ") == std::string::npos &&
         cell.find_first_of("0123456789") != std::string::npos;
}

}  // namespace

std::string Table::text() const {
  const size_t columns = header_.size();
  std::vector<size_t> width(columns);
  std::vector<bool> right(columns, !rows_.empty());
  for (size_t c = 0; c < columns; ++c) {
    width[c] = base::count_code_points(header_[c]);
    for (const auto& row : rows_) {
      width[c] = std::max(width[c], base::count_code_points(row[c]));
      right[c] = right[c] && (row[c].empty() || row[c] == "-" || is_numeric(row[c]));
    }
  }
  std::string out;
  auto line = [&](const std::vector<std::string>& cells) {
    std::string text;
    for (size_t c = 0; c < columns; ++c) {
      std::string gap(width[c] - base::count_code_points(cells[c]), ' ');
      if (c > 0) text += "  ";
      text += right[c] ? gap + cells[c] : cells[c] + gap;
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out += text + '\n';
  };
  line(header_);
  size_t total = columns > 0 ? 2 * (columns - 1) : 0;
  for (size_t w : width) total += w;
  for (size_t i = 0; i < total; ++i) out += "─";
  out += '\n';
  for (const auto& row : rows_) line(row);
  return out;
}

}  // namespace sextant::cli
