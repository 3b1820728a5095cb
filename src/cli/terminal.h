// cli/terminal.h: what stdout is, and text laid out for it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sextant::cli {

// True when stdout is a terminal that may be given colours (NO_COLOR is respected).
bool stdout_is_terminal();
// Columns of the terminal on stdout, 80 when unknown.
size_t terminal_width();
// Columns that running text is set in: those of the terminal, 40 to 100.
size_t text_width();
// A file's size for people: "3.1 MB".
std::string bytes_text(uint64_t bytes);
// ANSI emphasis when stdout is a terminal, the text alone otherwise.
std::string bold(std::string_view text);
std::string faint(std::string_view text);

// TEXT broken at spaces into lines of at most WIDTH columns, each after INDENT spaces.
std::string wrap(std::string_view text, size_t width, size_t indent);

}  // namespace sextant::cli
