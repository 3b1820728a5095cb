// store/folder_copy.h: a database once more, where its files can be shared.
#pragma once

#include <filesystem>

namespace sextant::store {

// Copies the database in FROM, which nobody writes to and the caller has a lock of, to the new folder TO. Files that
// never change are linked: both have them, and take their space once. Throws not_found, already_exists, exhausted,
// unavailable; then nothing is left in TO.
void copy_database(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace sextant::store
