// sextant/error.h: the one exception type of the library, and the table that maps it to exit and HTTP statuses.
//
// A code says what the caller should do next, the message names the file, field or option, what was found and what
// was expected. Library code never prints, exits or aborts: it throws this.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace sextant {

enum class ErrorCode {
  invalid_argument,  // the request is wrong: change it
  not_found,         // what was named does not exist
  already_exists,    // what would be made exists
  corrupted,         // bytes on disk or network are not what their format says
  exhausted,         // a limit was reached: memory, disk, a quota
  unavailable,       // a resource cannot be reached now: try again later
  unsupported,       // valid, but not something this build or format can do
  internal,          // a bug in Sextant
};

// The code's name as written above, e.g. "not_found".
std::string_view name(ErrorCode code);
// 2 invalid_argument, 3 not_found, 4 corrupted, 5 unavailable, 1 every other.
int exit_status(ErrorCode code);
// The HTTP status a server answers with.
int http_status(ErrorCode code);

class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const noexcept { return code_; }

 private:
  ErrorCode code_;
};

}  // namespace sextant
