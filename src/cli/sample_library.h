// cli/sample_library.h: the library that `demo` builds from examples/ and `search` answers from when none is named.
#pragma once

#include <filesystem>

#include "cli/command.h"
#include "sextant/library.h"

namespace sextant::cli {

// The folder of examples: beside a build tree's sources, or under an installed program's share folder. Throws
// not_found.
std::filesystem::path examples_folder();

// Where the sample library lies: beside the program when that folder can be written, else in the user's cache folder.
std::filesystem::path sample_library_path();

// Opens the sample library; builds it first when it is missing, older than the examples, or of another model.
Library open_sample_library(const Embedder& model, const Context& context);

}  // namespace sextant::cli
