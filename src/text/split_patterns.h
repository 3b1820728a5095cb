// text/split_patterns.h: the split patterns of the best-known byte-level tokenizers, by hand.
//
// Each function gives the end of the piece that starts at a place; the same pieces as the pattern run by Regex, which
// tests compare them with, at many times the speed.
// Threads: all functions from many.
#pragma once

#include <cstddef>
#include <string_view>

namespace sextant::text {

// The pattern's piece of TEXT that begins at BEGIN ends at the returned byte, which is past BEGIN.
// REQUIRES: valid UTF-8, begin < text.size(), begin is 0 or the end of the piece before.
using PieceEnd = size_t (*)(std::string_view text, size_t begin);

// The function for a pattern, null for one that is not known here.
PieceEnd find_piece_end(std::string_view pattern);

}  // namespace sextant::text
