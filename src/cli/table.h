// cli/table.h: columns of text, aligned: the first to the left, numbers to the right.
#pragma once

#include <string>
#include <vector>

namespace sextant::cli {

class Table {
 public:
  explicit Table(std::vector<std::string> header) : header_(std::move(header)) {}
  // REQUIRES: as many cells as the header has.
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  // Header, a rule, rows; ends with a newline.
  std::string text() const;

 private:
  std::vector<std::string> header_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace sextant::cli
