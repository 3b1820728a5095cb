// bench/encode/report.h: the results as a table for people and as JSON for programs.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "contest.h"

namespace sextant::bench {

std::string table_head();
// One row a contestant, and a line on the texts.
std::string table_rows(const Case& which, const CaseResult& results);

nlohmann::json to_json(const Shape& shape, const Case& which, const CaseResult& results);

}  // namespace sextant::bench
