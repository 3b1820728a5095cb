// store/payload_check.h: what a payload may be.
#pragma once

#include <string_view>

namespace sextant::store {

// Throws invalid_argument unless PAYLOAD is empty or one JSON object in UTF-8.
void check_payload(std::string_view payload);

}  // namespace sextant::store
